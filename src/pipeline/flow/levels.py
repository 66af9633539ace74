"""Flow as bytes: its quantisation into 255 levels, and the opposite of a motion."""

import numpy as np

ZERO = 128  # the byte that stands for no motion: round(255 * 20 / 40) = 128 (half to even)


def quantise(flow: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Displacements in pixels to uint8: clipped to +-bound, then round(255 (v + bound) / (2 bound)).

    dense_flow's rule (wanglimin/dense_flow:src/common.cpp), which published two-stream models were trained on.
    """
    scaled = (
        np.clip(flow, -bound, bound).astype(np.float64) * (127.5 / bound) + 127.5
    )  # no motion is 127.5 exactly: 128
    return np.rint(scaled).astype(np.uint8)


def dequantise(codes: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Bytes back to displacements in pixels, float32; off by half a level, bound / 255 px, at most."""
    return (codes.astype(np.float32) * (2 * bound / 255) - bound).astype(np.float32)


def negated(codes):
    """Bytes of the opposite motion, of any library: x of a mirrored clip.

    No motion, 128, becomes 127: half a level, as in the recipe of the field (yjxiong/caffe data_transformer.cpp).
    """
    return 255 - codes

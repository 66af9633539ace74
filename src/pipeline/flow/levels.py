"""Flow as bytes: quantisation of displacements into 256 levels, and the opposite of a motion."""

import numpy as np

# The byte of no motion: round(255 * 20 / 40) = round(127.5) = 128, rounded half to even.
ZERO = 128


def quantise(flow: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Quantise displacements in pixels to uint8: clip to +-bound, then round.

    A displacement v becomes round(255 (v + bound) / (2 bound)). This is the rule of dense_flow
    (wanglimin/dense_flow:src/common.cpp), on whose flow published two-stream models were trained.
    """
    # In this form no motion is exactly 127.5, for every bound, and so becomes ZERO.
    scaled = np.clip(flow, -bound, bound).astype(np.float64) * (127.5 / bound) + 127.5
    return np.rint(scaled).astype(np.uint8)


def dequantise(codes: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Turn bytes back into displacements in pixels, float32.

    The error of a displacement within the bound is at most half a level, bound / 255 pixels.
    """
    return (codes.astype(np.float32) * (2 * bound / 255) - bound).astype(np.float32)


def negated(codes):
    """Return the bytes of the opposite motion; mirroring a clip needs it for the x component.

    `codes` is a uint8 array of any library. No motion, 128, becomes 127, which is half a level off,
    as in the field's usual recipe (yjxiong/caffe, data_transformer.cpp).
    """
    return 255 - codes

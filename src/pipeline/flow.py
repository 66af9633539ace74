"""Optical flow: the solver, its quantisation to bytes, and what a mirrored clip's flow is.

flow[t] is the displacement from frame t to frame t + 1, so a clip of n frames has n - 1 fields, t = 0 .. n - 2.
"""

import cv2
import numpy as np

ZERO = 128  # the byte that stands for no motion: round(255 * 20 / 40) = 128 (half to even)


def tvl1(first: np.ndarray, second: np.ndarray, *, tau: float = 0.25, lambda_: float = 0.15, theta: float = 0.3,
         scales: int = 5, scale_step: float = 0.8, warps: int = 5, epsilon: float = 0.01, inner: int = 30,
         outer: int = 10, median: int = 5) -> np.ndarray:
    """TV-L1 flow (Zach, Pock, Bischof, 2007) by OpenCV's solver; the defaults are OpenCV's, which the field uses.

    `first`, `second`: grey uint8 images (H, W). Returns float32 (H, W, 2) in pixels, x then y.
    Raises ValueError when the images differ in size or are not grey uint8.
    """
    for name, image in (("first", first), ("second", second)):
        if image.dtype != np.uint8 or image.ndim != 2:
            raise ValueError(f"{name}: expected a grey uint8 image (H, W), got {image.dtype} {image.shape}")
    if first.shape != second.shape:
        raise ValueError(f"the images differ in size: {first.shape} and {second.shape}")
    solver = cv2.optflow.DualTVL1OpticalFlow_create(
        tau=tau, theta=theta, nscales=scales, warps=warps, epsilon=epsilon, innnerIterations=inner,
        outerIterations=outer, scaleStep=scale_step, medianFiltering=median, lambda_=lambda_)
    return solver.calc(first, second, None)


def grey(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB to (H, W) uint8 by ITU-R BT.601 luma, as OpenCV does it."""
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def quantise(flow: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Displacements in pixels to uint8: clipped to +-bound, then round(255 (v + bound) / (2 bound)).

    dense_flow's rule (wanglimin/dense_flow:src/common.cpp), which published two-stream models were trained on.
    """
    scaled = np.clip(flow, -bound, bound).astype(np.float64) * (127.5 / bound) + 127.5  # no motion is 127.5 exactly: 128
    return np.rint(scaled).astype(np.uint8)


def dequantise(codes: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Bytes back to displacements in pixels, float32; off by half a level, bound / 255 px, at most."""
    return (codes.astype(np.float32) * (2 * bound / 255) - bound).astype(np.float32)


def mirror(stack: np.ndarray) -> np.ndarray:
    """Flow of the mirrored clip: the planes (2L, H, W), x1 y1 x2 y2 .., flipped, and x negated (code 255 - x).

    No motion in x, 128, becomes 127: half a level, as in the recipe of the field (yjxiong/caffe data_transformer.cpp).
    """
    flipped = stack[..., ::-1].copy()
    flipped[0::2] = 255 - flipped[0::2]
    return flipped

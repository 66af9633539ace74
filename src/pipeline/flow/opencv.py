"""TV-L1 by OpenCV contrib's CPU solver, the reference for the other solvers."""

import cv2
import numpy as np

from pipeline.flow.levels import quantise


class Solver:
    """OpenCV's DualTVL1OpticalFlow with the interface of the other solvers."""

    # OpenCV solves one pair at a time.
    batch = 1

    def __init__(
        self,
        height: int,
        width: int,
        *,
        tau: float,
        lambda_: float,
        theta: float,
        scales: int,
        scale_step: float,
        warps: int,
        epsilon: float,
        inner: int,
        outer: int,
        median: int,
    ):
        self.solver = cv2.optflow.DualTVL1OpticalFlow_create(
            tau=tau,
            theta=theta,
            nscales=scales,
            warps=warps,
            epsilon=epsilon,
            # The name is misspelt in OpenCV.
            innnerIterations=inner,
            outerIterations=outer,
            scaleStep=scale_step,
            medianFiltering=median,
            lambda_=lambda_,
        )

    def pyramid(self, images: np.ndarray) -> list[np.ndarray]:
        """Return the images alone, (N, H, W): OpenCV builds the pyramid itself.

        OpenCV takes uint8 in 0..255, or float32 in 0..1, to which float32 in 0..255 is scaled.
        """
        return [images if images.dtype == np.uint8 else images / np.float32(255)]

    def __call__(self, first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
        """Return the flow (N, H, W, 2) float32, in pixels, from `first` to `second`."""
        first, second = first[0], second[0]
        # OpenCV wants two images of one type.
        if first.dtype != second.dtype:
            first, second = (
                images / np.float32(255) if images.dtype == np.uint8 else images
                for images in (first, second)
            )
        return np.stack([self.solver.calc(a, b, None) for a, b in zip(first, second, strict=True)])

    def codes(self, first: list[np.ndarray], second: list[np.ndarray], bound: float) -> np.ndarray:
        """Return the flow as bytes, (N, 2, H, W) uint8, quantised by `levels.quantise`."""
        # (N, H, W, 2) to (N, 2, H, W).
        return quantise(self(first, second), bound).transpose(0, 3, 1, 2)

"""TV-L1 by OpenCV contrib's CPU solver: the reference that the other solvers are measured against."""

import cv2
import numpy as np


class Solver:
    """OpenCV's DualTVL1OpticalFlow, in the form of the other solvers."""

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
            innnerIterations=inner,
            outerIterations=outer,
            scaleStep=scale_step,
            medianFiltering=median,
            lambda_=lambda_,
        )

    def pyramid(self, images: np.ndarray) -> list[np.ndarray]:
        """OpenCV builds its own, of uint8, or of floats in 0..1."""
        return [images if images.dtype == np.uint8 else images / np.float32(255)]

    def __call__(self, first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
        first, second = first[0], second[0]
        if first.dtype != second.dtype:
            first, second = (
                images / np.float32(255) if images.dtype == np.uint8 else images
                for images in (first, second)
            )
        return np.stack([self.solver.calc(a, b, None) for a, b in zip(first, second, strict=True)])

"""Frames and flow fields as small pictures that a page holds itself."""

import base64

import numpy as np

# Of WebP, 0 to 100.
QUALITY = 45


def data_uri(pixels: np.ndarray, width: int) -> str:
    """RGB (H, W, 3) uint8 as the address of a picture that is `width` pixels wide at most."""
    import cv2
    import imagecodecs

    height, across = pixels.shape[:2]
    if across > width:
        size = (width, max(1, round(height * width / across)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    encoded = imagecodecs.webp_encode(np.ascontiguousarray(pixels), level=QUALITY, lossless=False)
    return f"data:image/webp;base64,{base64.b64encode(encoded).decode()}"

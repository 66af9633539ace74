"""Encode frames and planes of flow fields as JPEG files; strips of a frame can be decoded alone.

JPEG codes an image as a sequence of MCUs (minimum coded units): blocks of 16 x 16 pixels where
chroma has half the resolution. A restart marker after every few MCUs cuts the coded data into
strips that do not depend on one another (ITU-T T.81, B.2.4.4 and E.1.4), so that the module
`jpeg_decoding` can decode a rectangle of a frame without the rest. Planes of flow get no markers:
they take so few bytes that markers would double them.
"""

import numpy as np

# Height and width of an MCU in pixels, with 4:2:0 chroma.
MCU_SIZE = 16
# A strip has at least so many MCUs, and a row of MCUs is a whole number of strips. 4 MCUs are 64
# pixels; the markers then take 2 % of a frame's bytes.
MIN_STRIP_MCUS = 4


def encode(pixels: np.ndarray, quality: int) -> bytes:
    """Encode an (H, W, 3) RGB frame or an (H, W) plane, uint8, as a JPEG file.

    Frames get 4:2:0 chroma and restart markers. `quality` is libjpeg's, from 0 to 100.
    """
    # OpenCV is imported here because readers import this module and do not need it.
    import cv2

    options = {cv2.IMWRITE_JPEG_QUALITY: quality, cv2.IMWRITE_JPEG_OPTIMIZE: 1}
    if pixels.ndim == 3:
        mcus_per_row = -(-pixels.shape[1] // MCU_SIZE)
        options |= {
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
            cv2.IMWRITE_JPEG_RST_INTERVAL: _strip_mcus(mcus_per_row),
        }
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    flat_options = [number for option in options.items() for number in option]
    return cv2.imencode(".jpg", np.ascontiguousarray(pixels), flat_options)[1].tobytes()


def _strip_mcus(mcus_per_row: int) -> int:
    """The smallest allowed number of MCUs per strip that divides a row of MCUs, or a whole row."""
    for mcus in range(MIN_STRIP_MCUS, mcus_per_row):
        if mcus_per_row % mcus == 0:
            return mcus
    return mcus_per_row

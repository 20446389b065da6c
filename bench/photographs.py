"""Photographs to measure with: the astronaut at 512 pixels, and enlarged to camera sizes."""

import cv2
import numpy as np

from triton_models.builder.archives import astronaut
from vision.decode import decode
from vision.encode import encode_jpeg
from vision.picture import Pixels

_GRAIN = 6.0
"""Standard deviation of the added noise: an enlargement alone compresses far better than what a
camera delivers, and would decode too fast."""


def photographs() -> dict[str, bytes]:
    """Return JPEG files by name: 512 x 512, 12 and 24 megapixels."""
    pixels = decode(astronaut()).pixels
    return {
        "512": encode_jpeg(pixels, quality=92),
        "12MP": encode_jpeg(_enlarged(pixels, 3464), quality=90),
        "24MP": encode_jpeg(_enlarged(pixels, 4899), quality=90),
    }


def _enlarged(pixels: Pixels, side: int) -> Pixels:
    large = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(1).normal(0, _GRAIN, (side, side, 1)).astype(np.float32)
    noisy: Pixels = np.clip(large + grain, 0, 255).astype(np.uint8)
    return noisy

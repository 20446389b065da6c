"""The inputs on which converted networks are compared with their sources; the same everywhere."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triton_models.builder.archives import astronaut

Pixels = NDArray[np.uint8]


def inputs(side: int) -> Pixels:
    """Return [2, side, side, 3]: the astronaut's face uncut, and waves of colour."""
    photograph = np.asarray(Image.open(io.BytesIO(astronaut())).convert("RGB"))
    top, left = 110 - side // 2 if side < 220 else 0, 224 - side // 2
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(9 * x + 4 * y), np.cos(7 * y - 3 * x), np.sin(5 * x * y + 1)]
    synthetic = (np.stack(waves, axis=2) * 110 + 128).astype(np.uint8)
    return np.stack([photograph[max(0, top) :][:side, left : left + side], synthetic])

"""A picture as the rest of the house sees it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""Pictures and tiles: uint8, [height, width, 3] or [n, height, width, 3], RGB."""


class Format(StrEnum):
    """The file formats that are read."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    HEIF = "HEIF"
    TIFF = "TIFF"
    GIF = "GIF"


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded photograph, the right way up."""

    pixels: Pixels
    """[height, width, 3] RGB, contiguous; transparent places are white."""
    profile: bytes | None
    """The ICC profile that `pixels` are in, None for sRGB.

    `colour.to_srgb` applies it. That is left to the caller because it costs more than all other
    steps together on a whole photograph and next to nothing on the part that is delivered.
    """
    format: Format

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

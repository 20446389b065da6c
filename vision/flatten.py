"""From whatever a file stores to 8-bit RGB."""

import numpy as np
from PIL import Image

from vision.colour import cmyk_to_srgb
from vision.errors import UnsupportedPicture
from vision.formats.header import Loaded
from vision.picture import Pixels

_PLAIN = frozenset(("1", "L", "P", "RGB", "RGBX", "YCbCr"))
_TRANSPARENT = frozenset(("LA", "La", "PA", "RGBA", "RGBa"))
_SIXTEEN_BITS = frozenset(("I;16", "I;16L", "I;16B"))
_WHITE = (255, 255, 255)


def flatten(loaded: Loaded) -> tuple[Pixels, bytes | None]:
    """Turn decoded pixels of any mode into RGB.

    Palettes are resolved, 16 bits become the upper 8, inks become sRGB, and what is transparent
    is laid on white, the colour of paper.

    Returns:
        uint8 [height, width, 3], and the profile those pixels are in (None for sRGB).

    Raises:
        UnsupportedPicture: Lab, floating point and other spaces that no camera or press writes.
    """
    image = loaded.image
    if not isinstance(image, Image.Image):
        return image, loaded.profile
    if image.mode == "CMYK":
        return cmyk_to_srgb(image, loaded.profile), None
    if image.mode in _SIXTEEN_BITS:
        return _sixteen_bits(image), loaded.profile
    if image.mode in _TRANSPARENT or (image.mode in _PLAIN and image.has_transparency_data):
        return _on_white(image), loaded.profile
    if image.mode in _PLAIN:
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return np.asarray(rgb), loaded.profile
    raise UnsupportedPicture(
        f"Pictures in {image.mode} colours are not supported; save it as RGB and send it again."
    )


def _on_white(image: Image.Image) -> Pixels:
    layer = image.convert("RGBA")
    paper = Image.new("RGB", layer.size, _WHITE)
    paper.paste(layer, mask=layer.getchannel("A"))
    return np.asarray(paper)


def _sixteen_bits(image: Image.Image) -> Pixels:
    grey = (np.asarray(image) >> 8).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)

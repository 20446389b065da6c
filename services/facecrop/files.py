"""The files that are delivered: what they are called, and how pixels become them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proto.presets import Format, Preset, Size
from services.facecrop.portrait import resized
from vision.encode import DEFAULT_QUALITY, encode_jpeg, encode_png, encode_webp
from vision.picture import Pixels


@dataclass(frozen=True, slots=True)
class FileType:
    """One of the formats that a preset may ask for."""

    ending: str
    content_type: str
    encode: Callable[[Pixels, int], bytes]
    """Takes sRGB pixels and dots per inch."""


FILE_TYPES: Mapping[Format, FileType] = {
    "jpeg": FileType(
        "jpg", "image/jpeg", lambda pixels, dpi: encode_jpeg(pixels, DEFAULT_QUALITY, dpi)
    ),
    "png": FileType("png", "image/png", encode_png),
    "webp": FileType(
        "webp", "image/webp", lambda pixels, dpi: encode_webp(pixels, DEFAULT_QUALITY, dpi)
    ),
}


def encoded(pixels: Pixels, preset: Preset, size: Size | None = None) -> bytes:
    """Encode pixels as the preset's format, brought to `size` first if one is given.

    The file holds the sRGB profile and the preset's dpi, and no other metadata.
    """
    drawn = pixels if size is None else resized(pixels, size)
    return FILE_TYPES[preset.format].encode(drawn, preset.dpi)

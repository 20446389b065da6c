"""HEIC and HEIF, as telephones write them."""

import numpy as np
import pillow_heif
from PIL import Image

from vision.formats import exif
from vision.formats.header import Header, Loaded, usable_profile
from vision.picture import Format, Pixels


def read(data: bytes) -> Header:
    """Read the boxes that describe the primary picture."""
    container = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
    primary = container[container.primary_index]
    width, height = primary.size
    return Header(Format.HEIF, width, height, lambda: _load(primary))


def _load(primary: pillow_heif.HeifImage) -> Loaded:
    # HeifImage.to_pillow would parse EXIF, which may be broken; nothing in it is needed, since
    # the decoder turns the picture upright by the container's own rotation.
    primary.load()
    profile = primary.info.get("icc_profile")
    return Loaded(
        _pixels(primary),
        usable_profile(profile if isinstance(profile, bytes) else None),
        exif.UPRIGHT,
    )


def _pixels(primary: pillow_heif.HeifImage) -> Image.Image | Pixels:
    """Wrap the decoded rows without copying them where they are RGB already."""
    width, height = primary.size
    if primary.mode == "RGB":
        rows = np.frombuffer(primary.data, np.uint8).reshape(height, primary.stride)
        return rows[:, : width * 3].reshape(height, width, 3)
    return Image.frombytes(
        primary.mode, primary.size, primary.data, "raw", primary.mode, primary.stride
    )

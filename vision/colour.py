"""From any colour profile to sRGB."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from vision.picture import Pixels

# What photo editors do by default: colours outside sRGB are cut, black stays black.
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_KEPT_TRANSFORMS = 16
_INVISIBLE = 2
"""Levels of 255 by which a profile may differ from sRGB and still count as sRGB."""


@dataclass(frozen=True, slots=True)
class _Conversion:
    mode: str
    transform: ImageCms.ImageCmsTransform


def to_srgb(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Convert pixels from their profile to sRGB.

    Args:
        pixels: uint8 [height, width, 3].
        profile: ICC profile of a colour or grey space. None, sRGB under any name, and a profile
            that is broken or of the wrong kind all mean that `pixels` are sRGB already.

    Returns:
        `pixels` itself where nothing is to be done.
    """
    conversion = _rgb_conversion(profile) if profile else None
    if conversion is None:
        return pixels
    source = pixels if conversion.mode == "RGB" else np.ascontiguousarray(pixels[:, :, 0])
    return _apply(Image.fromarray(source), conversion)


def cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> Pixels:
    """Convert inks to sRGB.

    Without a profile, or with a broken one, by (1 - ink)(1 - black): nobody knows which press was
    meant, and that is what every viewer then shows.
    """
    conversion = _cmyk_conversion(profile) if profile else None
    if conversion is None:
        return np.asarray(image.convert("RGB"))
    return _apply(image, conversion)


def _apply(image: Image.Image, conversion: _Conversion) -> Pixels:
    converted = ImageCms.applyTransform(image, conversion.transform)
    if converted is None:
        raise AssertionError("only an in-place transform returns nothing")
    return np.asarray(converted)


@lru_cache(maxsize=_KEPT_TRANSFORMS)
def _rgb_conversion(profile: bytes) -> _Conversion | None:
    conversion = _conversion(profile, {"RGB ": "RGB", "GRAY": "L"})
    if conversion is None or _changes_nothing(conversion):
        return None
    return conversion


@lru_cache(maxsize=_KEPT_TRANSFORMS)
def _cmyk_conversion(profile: bytes) -> _Conversion | None:
    return _conversion(profile, {"CMYK": "CMYK"})


def _conversion(profile: bytes, modes: dict[str, str]) -> _Conversion | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = modes.get(source.profile.xcolor_space)
        if mode is None:
            return None
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB", _INTENT, _FLAGS)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return _Conversion(mode, transform)


def _changes_nothing(conversion: _Conversion) -> bool:
    """Compare a coarse sample of all colours before and after; most profiles are sRGB."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    if conversion.mode == "L":
        sample = steps[None, :]
        expected = np.repeat(sample[:, :, None], 3, axis=2)
    else:
        cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
        sample = expected = cube.reshape(1, -1, 3)
    after = _apply(Image.fromarray(sample), conversion)
    return int(np.abs(after.astype(int) - expected).max()) <= _INVISIBLE

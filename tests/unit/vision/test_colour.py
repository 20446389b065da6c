import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.unit.vision import files
from vision.colour import cmyk_to_srgb, to_srgb
from vision.icc import SRGB_COLORANTS, srgb

COLOURS = np.array(
    [
        (0, 0, 0),
        (255, 255, 255),
        (128, 128, 128),
        (30, 30, 30),
        (200, 120, 100),
        (90, 140, 70),
        (120, 110, 160),
        (224, 172, 105),
    ],
    np.uint8,
)[None]
"""All of them lie within sRGB also when read as Adobe RGB or Display P3."""

ADOBE_GAMMA = 563 / 256


def linear_srgb(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize(
    ("profile", "colorants", "linear"),
    [
        (
            files.profile(files.ADOBE_RGB, ADOBE_GAMMA),
            files.ADOBE_RGB,
            lambda value: value**ADOBE_GAMMA,
        ),
        (files.profile(files.DISPLAY_P3, None), files.DISPLAY_P3, linear_srgb),
    ],
    ids=["Adobe RGB", "Display P3"],
)
def test_wide_colours_become_the_srgb_values_that_look_the_same(
    profile: bytes, colorants: tuple, linear: object
) -> None:
    converted = to_srgb(COLOURS, profile)

    for before, after in zip(COLOURS[0], converted[0], strict=True):
        xyz = files.to_linear(colorants) @ linear(before / 255)
        assert np.abs(after - files.srgb_from_xyz(xyz)).max() <= 2, before


def test_a_known_colour_of_adobe_rgb() -> None:
    """By the D65 matrices of both spaces (brucelindbloom.com), with no profile in between."""
    converted = to_srgb(COLOURS[:, 4:5], files.profile(files.ADOBE_RGB, ADOBE_GAMMA))

    assert tuple(map(int, converted[0, 0])) == pytest.approx((224, 121, 99), abs=1)


@pytest.mark.parametrize(
    "profile",
    [
        None,
        srgb(),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        files.profile(SRGB_COLORANTS, None),
    ],
    ids=["none", "ours", "version 4", "by another hand"],
)
def test_srgb_under_any_name_costs_nothing(profile: bytes | None) -> None:
    assert to_srgb(COLOURS, profile) is COLOURS


@pytest.mark.parametrize(
    "profile",
    [b"junk", b"\0" * 128, srgb()[:400], srgb()[:4] + b"\xff" * 300, files.ink_profile()],
    ids=["short", "zeros", "cut off", "noise", "inks"],
)
def test_a_profile_that_cannot_be_used_counts_as_srgb(profile: bytes) -> None:
    assert to_srgb(COLOURS, profile) is COLOURS


def test_a_grey_profile_is_applied_to_grey_pixels() -> None:
    shades = np.repeat(np.arange(0, 256, 15, dtype=np.uint8)[None, :, None], 3, axis=2)

    converted = to_srgb(shades, files.grey_profile(1.0))

    assert np.ptp(converted, axis=2).max() == 0
    expected = [
        files.srgb_from_xyz(np.array((0.9642, 1, 0.8249)) * v / 255)[0] for v in shades[0, :, 0]
    ]
    assert np.abs(converted[0, :, 0] - np.array(expected)).max() <= 2


def test_inks_without_profile_are_what_every_viewer_shows() -> None:
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 51))

    assert tuple(cmyk_to_srgb(image, None)[0, 0]) == (0, 204, 204)


def test_our_profile_is_one_that_other_software_understands() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb()))

    assert profile.profile.profile_description == "sRGB"
    assert profile.profile.version == pytest.approx(2.1)
    assert profile.profile.xcolor_space == "RGB "
    assert len(srgb()) < 3000

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests.unit.vision import files
from tests.unit.vision.files import encoded, heic, photo, scene
from vision.decode import decode
from vision.picture import Format

RGB = Image.fromarray(photo())
GREY = RGB.convert("L")
DEEP = photo().astype(np.uint16) * 256 + 77


def animation(kind: str) -> bytes:
    later = Image.fromarray(photo(seed=2))
    return encoded(RGB, kind, save_all=True, append_images=[later, later], duration=40)


READ: dict[str, tuple[Callable[[], bytes], Format, Image.Image, float]] = {
    # name: file, format, what it shows, mean error allowed in levels
    "jpeg": (lambda: encoded(RGB, "JPEG", quality=95), Format.JPEG, RGB, 6),
    "progressive jpeg": (
        lambda: encoded(RGB, "JPEG", quality=95, progressive=True),
        Format.JPEG,
        RGB,
        6,
    ),
    "grey jpeg": (lambda: encoded(GREY, "JPEG", quality=95), Format.JPEG, GREY, 2),
    "rgb jpeg": (lambda: encoded(RGB, "JPEG", quality=95, keep_rgb=True), Format.JPEG, RGB, 4),
    "cmyk jpeg": (lambda: encoded(RGB.convert("CMYK"), "JPEG", quality=95), Format.JPEG, RGB, 6),
    "png": (lambda: encoded(RGB, "PNG"), Format.PNG, RGB, 0),
    "grey png": (lambda: encoded(GREY, "PNG"), Format.PNG, GREY, 0),
    "palette png": (
        lambda: encoded(RGB.quantize(32), "PNG"),
        Format.PNG,
        RGB.quantize(32).convert("RGB"),
        0,
    ),
    "black and white png": (
        lambda: encoded(RGB.convert("1"), "PNG"),
        Format.PNG,
        RGB.convert("1"),
        0,
    ),
    "16-bit rgb png": (lambda: files.png_16_bits(DEEP), Format.PNG, RGB, 0),
    "16-bit grey png": (
        lambda: files.png_16_bits(np.asarray(GREY).astype(np.uint16) * 256 + 3),
        Format.PNG,
        GREY,
        0,
    ),
    "animated png": (lambda: animation("PNG"), Format.PNG, RGB, 0),
    "webp": (lambda: encoded(RGB, "WEBP", quality=95), Format.WEBP, RGB, 8),
    "lossless webp": (lambda: encoded(RGB, "WEBP", lossless=True), Format.WEBP, RGB, 0),
    "animated webp": (lambda: animation("WEBP"), Format.WEBP, RGB, 8),
    "heic": (lambda: heic(photo(), quality=95), Format.HEIF, RGB, 5),
    "10-bit heic": (lambda: heic(DEEP, "RGB;16", quality=95), Format.HEIF, RGB, 5),
    "grey heic": (lambda: heic(np.asarray(GREY), "L", quality=95), Format.HEIF, GREY, 2),
    "tiff": (lambda: encoded(RGB, "TIFF"), Format.TIFF, RGB, 0),
    "lzw tiff": (lambda: encoded(RGB, "TIFF", compression="tiff_lzw"), Format.TIFF, RGB, 0),
    "deflate tiff": (
        lambda: encoded(RGB, "TIFF", compression="tiff_adobe_deflate"),
        Format.TIFF,
        RGB,
        0,
    ),
    "jpeg tiff": (
        lambda: encoded(RGB, "TIFF", compression="jpeg", quality=95),
        Format.TIFF,
        RGB,
        4,
    ),
    "fax tiff": (
        lambda: encoded(RGB.convert("1"), "TIFF", compression="group4"),
        Format.TIFF,
        RGB.convert("1"),
        0,
    ),
    "cmyk tiff": (lambda: encoded(RGB.convert("CMYK"), "TIFF"), Format.TIFF, RGB, 2),
    "16-bit grey tiff": (
        lambda: encoded(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 256 + 9), "TIFF"),
        Format.TIFF,
        GREY,
        0,
    ),
    "two-page tiff": (
        lambda: encoded(RGB, "TIFF", save_all=True, append_images=[Image.fromarray(photo(seed=2))]),
        Format.TIFF,
        RGB,
        0,
    ),
    "gif": (lambda: encoded(RGB.quantize(64), "GIF"), Format.GIF, RGB.quantize(64), 0),
    "animated gif": (
        lambda: encoded(RGB.quantize(64), "GIF", save_all=True, append_images=[GREY.quantize(64)]),
        Format.GIF,
        RGB.quantize(64),
        0,
    ),
}


@pytest.mark.parametrize("name", READ)
def test_every_kind_of_picture_is_read(name: str) -> None:
    build, kind, shown, tolerance = READ[name]

    picture = decode(build())

    assert picture.format is kind
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    assert (picture.height, picture.width, 3) == picture.pixels.shape
    expected = np.asarray(shown.convert("RGB")).astype(int)
    assert np.abs(picture.pixels - expected).mean() <= tolerance


def test_a_16_bit_rgb_tiff_is_read() -> None:
    pixels = photo()
    height, width = pixels.shape[:2]
    data = (pixels.astype("<u2") * 256).tobytes()
    entries = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 3, 8),
        (262, 3, 1, 2),
        (273, 4, 1, 14),
        (277, 3, 1, 3),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
    ]
    tiff = io.BytesIO()
    tiff.write(b"II*\0" + (14 + len(data)).to_bytes(4, "little"))
    tiff.write(b"\x10\0\x10\0\x10\0" + data + len(entries).to_bytes(2, "little"))
    for tag, kind, count, value in entries:
        for number, size in ((tag, 2), (kind, 2), (count, 4), (value, 4)):
            tiff.write(number.to_bytes(size, "little"))
    tiff.write(b"\0\0\0\0")

    assert np.array_equal(decode(tiff.getvalue()).pixels, pixels)


TURNABLE: dict[str, Callable[[np.ndarray, int], bytes]] = {
    "JPEG": lambda pixels, turn: encoded(pixels, "JPEG", quality=95, exif=files.exif(turn)),
    "PNG": lambda pixels, turn: encoded(pixels, "PNG", exif=files.exif(turn)),
    "WebP": lambda pixels, turn: encoded(pixels, "WEBP", lossless=True, exif=files.exif(turn)),
    "TIFF": lambda pixels, turn: encoded(pixels, "TIFF", tiffinfo={274: turn}),
    "LZW TIFF": lambda pixels, turn: encoded(
        pixels, "TIFF", tiffinfo={274: turn}, compression="tiff_lzw"
    ),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", TURNABLE)
def test_a_picture_stored_turned_comes_out_upright(kind: str, orientation: int) -> None:
    upright = scene()

    data = TURNABLE[kind](files.stored_turned(upright, orientation), orientation)

    picture = decode(data)
    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_turned_by_its_container_comes_out_upright(orientation: int) -> None:
    upright = scene(128, 96)
    data = heic(files.stored_turned(upright, orientation), exif=files.exif(orientation))

    picture = decode(data)

    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels.astype(int) - upright).mean() < 5


ALPHA = np.dstack((scene(), np.where(np.arange(96) < 48, 0, 255) * np.ones((64, 1), int)))


def transparent_palette() -> bytes:
    image = Image.fromarray(scene()).quantize(16)
    red = image.getpixel((2, 2))
    return encoded(image, "PNG", transparency=red)


@pytest.mark.parametrize(
    ("data", "where", "expected"),
    [
        (encoded(ALPHA.astype(np.uint8), "PNG"), (2, 2), (255, 255, 255)),
        (encoded(ALPHA.astype(np.uint8), "PNG"), (2, 90), (40, 200, 40)),
        (encoded(ALPHA.astype(np.uint8), "WEBP", lossless=True), (2, 2), (255, 255, 255)),
        (encoded(ALPHA.astype(np.uint8), "TIFF"), (2, 2), (255, 255, 255)),
        (heic(ALPHA.astype(np.uint8), "RGBA", quality=95), (2, 2), (255, 255, 255)),
        (transparent_palette(), (2, 2), (255, 255, 255)),
        (
            encoded(
                Image.merge("LA", (Image.new("L", (64, 64), 0), Image.new("L", (64, 64), 51))),
                "PNG",
            ),
            (9, 9),
            (204, 204, 204),
        ),
        (encoded(scene(), "PNG", transparency=(220, 40, 40)), (2, 2), (255, 255, 255)),
        (encoded(scene(), "PNG", transparency=(220, 40, 40)), (2, 90), (40, 200, 40)),
    ],
    ids=[
        "clear in rgba png",
        "opaque in rgba png",
        "clear in webp",
        "clear in tiff",
        "clear in heic",
        "clear palette entry",
        "a fifth of black on white",
        "clear colour key",
        "beside a colour key",
    ],
)
def test_transparency_is_laid_on_white(
    data: bytes, where: tuple[int, int], expected: tuple[int, int, int]
) -> None:
    assert tuple(decode(data).pixels[where]) == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_profile_is_handed_on(kind: str) -> None:
    profile = files.profile(files.ADOBE_RGB, 2.2)

    assert decode(encoded(scene(), kind, icc_profile=profile)).profile == profile


def test_the_profile_of_a_heic_is_handed_on() -> None:
    profile = files.profile(files.DISPLAY_P3, None)

    assert decode(heic(scene(), icc_profile=profile)).profile == profile


def test_a_picture_without_profile_has_none() -> None:
    assert decode(encoded(scene(), "JPEG")).profile is None


def test_a_profile_in_several_segments_is_put_together() -> None:
    profile = files.profile(files.ADOBE_RGB, 2.2) + b"\0" * 150_000

    assert decode(encoded(scene(), "JPEG", icc_profile=profile)).profile == profile


def test_a_profile_of_5_megabytes_is_left_out() -> None:
    profile = b"\0" * 5_000_000

    assert decode(encoded(scene(), "JPEG", icc_profile=profile)).profile is None


@pytest.mark.parametrize("ink", files.INK_COLOURS)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_with_a_profile_become_its_colours(kind: str, ink: tuple[int, ...]) -> None:
    image = Image.new("CMYK", (64, 64), tuple(255 * part for part in ink))
    options = {"quality": 100} if kind == "JPEG" else {}

    picture = decode(encoded(image, kind, icc_profile=files.ink_profile(), **options))

    expected = files.srgb_from_lab(files.INK_COLOURS[ink])
    assert np.abs(picture.pixels[30, 30] - expected).max() <= 4
    assert picture.profile is None


def test_inks_with_a_broken_profile_are_read_without_it() -> None:
    image = Image.new("CMYK", (64, 64), (255, 0, 0, 0))

    picture = decode(encoded(image, "TIFF", icc_profile=b"nonsense" * 40))

    assert tuple(picture.pixels[5, 5]) == (0, 255, 255)

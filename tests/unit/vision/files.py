"""Files for the tests, built in memory: good ones, strange ones and hostile ones."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from vision.icc import SRGB_COLORANTS, rgb_profile, srgb_curve

Pixels = NDArray[np.uint8]

# Primaries adapted to D50 (brucelindbloom.com for Adobe RGB, SMPTE EG 432-1 for Display P3).
ADOBE_RGB = (
    (0.6097559, 0.3111242, 0.0194811),
    (0.2052401, 0.6256560, 0.0608902),
    (0.1492240, 0.0632197, 0.7448387),
)
DISPLAY_P3 = (
    (0.5151021, 0.2411820, -0.0010503),
    (0.2919645, 0.6922363, 0.0418811),
    (0.1571537, 0.0665817, 0.7843780),
)
CORNERS = {"top left": (220, 40, 40), "top right": (40, 200, 40), "bottom left": (40, 40, 220)}


def scene(width: int = 96, height: int = 64) -> Pixels:
    """Red top left, green top right, blue bottom left, grey shades bottom right."""
    pixels = np.empty((height, width, 3), np.uint8)
    half_width, half_height = width // 2, height // 2
    pixels[:half_height, :half_width] = CORNERS["top left"]
    pixels[:half_height, half_width:] = CORNERS["top right"]
    pixels[half_height:, :half_width] = CORNERS["bottom left"]
    shades = np.linspace(20, 235, width - half_width).astype(np.uint8)
    pixels[half_height:, half_width:] = shades[None, :, None]
    return pixels


def photo(width: int = 160, height: int = 120, seed: int = 1) -> Pixels:
    """Smooth shapes with some noise, which no encoder can shrink to nothing."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / (7 + k) + k) + np.cos(y / (9 - k)) for k in range(3)], axis=-1)
    noise = random.normal(0, 6, waves.shape)
    return np.clip(128 + 50 * waves + noise, 0, 255).astype(np.uint8)


def encoded(image: Image.Image | Pixels, kind: str, **options: object) -> bytes:
    """Save by Pillow."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def heic(pixels: Pixels | NDArray[np.uint16], mode: str = "RGB", **options: object) -> bytes:
    """Save as HEIC; more than 8 bits become 10."""
    file = io.BytesIO()
    height, width = pixels.shape[:2]
    heif = pillow_heif.from_bytes(mode, (width, height), pixels.tobytes())
    heif.save(file, **{"quality": 90, **options})
    return file.getvalue()


def exif(orientation: int) -> bytes:
    """An EXIF block that says only which way up the picture is."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def stored_turned(pixels: Pixels, orientation: int) -> Pixels:
    """What a camera stores so that a viewer that heeds `orientation` shows `pixels`."""
    undo = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
        8: lambda p: np.rot90(p, -1),
    }[orientation]
    return np.ascontiguousarray(undo(pixels))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk with its checksum."""
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG from raw rows, each with its filter byte; `more` chunks go before the data."""
    header = struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *more,
            png_chunk(b"IDAT", zlib.compress(rows, 9)),
            png_chunk(b"IEND", b""),
        )
    )


def png_16_bits(pixels: NDArray[np.uint16]) -> bytes:
    """16 bits a colour, grey [h, w] or RGB [h, w, 3]."""
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    with_filter = np.hstack((np.zeros((height, 1), np.uint8), rows))
    return png(width, height, 16, colour, with_filter.tobytes())


def jpeg_with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """The same JPEG with one more segment after its first."""
    first_end = 4 + int.from_bytes(jpeg[4:6], "big")
    segment = bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body
    return jpeg[:first_end] + segment + jpeg[first_end:]


def profile(colorants: tuple[tuple[float, float, float], ...], gamma: float | None) -> bytes:
    """An RGB profile; with sRGB's own curve if `gamma` is None."""
    points = np.linspace(0, 1, 1024)
    return rgb_profile("test", colorants, srgb_curve(points) if gamma is None else points**gamma)


def to_linear(colorants: tuple[tuple[float, float, float], ...]) -> NDArray[np.float64]:
    """The matrix from linear RGB to XYZ at D50."""
    return np.array(colorants).T


def srgb_from_xyz(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """XYZ at D50 to sRGB code values 0 to 255, by the definition of sRGB."""
    linear = np.clip(np.linalg.inv(to_linear(SRGB_COLORANTS)) @ xyz, 0, 1)
    coded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(coded * 255)


def srgb_from_lab(lab: tuple[float, float, float]) -> NDArray[np.float64]:
    """CIE L*a*b* at D50 to sRGB code values."""
    y = (lab[0] + 16) / 116
    axes = np.array([y + lab[1] / 500, y, y - lab[2] / 200])
    xyz = np.where(axes > 6 / 29, axes**3, 3 * (6 / 29) ** 2 * (axes - 4 / 29))
    return srgb_from_xyz(xyz * (0.9642, 1.0, 0.8249))


def _tagged_profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    start = 132 + 12 * len(tags)
    table, body = b"", b""
    for tag, content in tags.items():
        table += struct.pack(">4sLL", tag, start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = struct.pack(
        ">L4xL4s4s4s6H4s28x3l48x",
        start + len(body),
        0x02100000,
        b"prtr",
        space,
        connection,
        *(2020, 1, 1, 0, 0, 0),
        b"acsp",
        *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)),
    )
    return header + struct.pack(">L", len(tags)) + table + body


_NAMED = {
    b"desc": b"desc\0\0\0\0" + struct.pack(">L", 2) + b"t\0" + b"\0" * 78,
    b"cprt": b"text\0\0\0\0-\0",
    b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3l", 63190, 65536, 54061),
}


def grey_profile(gamma: float) -> bytes:
    """A grey profile with a simple curve."""
    curve = b"curv\0\0\0\0" + struct.pack(">LH", 1, round(gamma * 256))
    return _tagged_profile(b"GRAY", b"XYZ ", {**_NAMED, b"kTRC": curve})


INK_COLOURS = {
    (0, 0, 0, 0): (100.0, 0.0, 0.0),
    (1, 0, 0, 0): (56.0, -36.0, -48.0),
    (0, 1, 0, 0): (48.0, 72.0, -4.0),
    (0, 0, 1, 0): (88.0, -6.0, 90.0),
}
"""L*a*b* of paper and of single inks in `ink_profile`, much like a coated press."""


def ink_profile() -> bytes:
    """A CMYK profile with a table of 2 x 2 x 2 x 2 colours; any black is plain black."""
    table = b""
    for index in range(16):
        inks = tuple(index >> shift & 1 for shift in (3, 2, 1, 0))
        lab = (0.0, 0.0, 0.0) if inks[3] else INK_COLOURS.get(inks, (30.0, 0.0, 0.0))
        table += bytes((round(lab[0] * 2.55), round(lab[1]) + 128, round(lab[2]) + 128))
    straight = bytes(range(256))
    identity = struct.pack(">9l", *(65536 if k % 4 == 0 else 0 for k in range(9)))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + straight * 4 + table + straight * 3
    return _tagged_profile(b"CMYK", b"Lab ", {**_NAMED, b"A2B0": lut})

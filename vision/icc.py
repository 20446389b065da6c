"""Small ICC profiles for RGB spaces, written here so that every output carries the same bytes."""

import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Colorants = tuple[tuple[float, float, float], ...]
"""XYZ of red, green and blue, adapted to the D50 white of ICC profiles."""

SRGB_COLORANTS: Colorants = (
    (0.4360747, 0.2225045, 0.0139322),
    (0.3850649, 0.7168786, 0.0971045),
    (0.1430804, 0.0606169, 0.7141733),
)
"""IEC 61966-2-1 primaries, Bradford-adapted from D65 to D50 (brucelindbloom.com, RGB/XYZ)."""

_D50 = (0.9642, 1.0, 0.8249)
_CURVE_POINTS = 1024


def srgb_curve(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn sRGB code values into linear light, both 0 to 1 (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@lru_cache(maxsize=1)
def srgb() -> bytes:
    """The profile embedded in everything that is delivered, about 2.6 KB.

    Version 2, which every print workflow reads; version 4 is still ignored by some.
    """
    points = np.linspace(0.0, 1.0, _CURVE_POINTS)
    return rgb_profile("sRGB", SRGB_COLORANTS, srgb_curve(points))


def rgb_profile(name: str, colorants: Colorants, curve: NDArray[np.float64]) -> bytes:
    """Write a version 2 display profile made of three primaries and one curve (ICC.1:2001-04).

    Args:
        name: ASCII, shown to people by colour-managed programs.
        colorants: See Colorants.
        curve: Linear light, 0 to 1, at evenly spaced code values.
    """
    tone = struct.pack(">4s4xL", b"curv", len(curve)) + (
        np.round(curve * 65535).astype(">u2").tobytes()
    )
    tags = {
        b"desc": _description(name),
        b"cprt": struct.pack(">4s4x", b"text") + b"No copyright, use freely\0",
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(colorants[0]),
        b"gXYZ": _xyz(colorants[1]),
        b"bXYZ": _xyz(colorants[2]),
        b"rTRC": tone,
    }
    return _assemble(tags, shared={b"gTRC": b"rTRC", b"bTRC": b"rTRC"})


def _assemble(tags: dict[bytes, bytes], shared: dict[bytes, bytes]) -> bytes:
    start = 128 + 4 + 12 * (len(tags) + len(shared))
    places: dict[bytes, tuple[int, int]] = {}
    body = b""
    for tag, content in tags.items():
        places[tag] = (start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    places |= {tag: places[other] for tag, other in shared.items()}
    table = struct.pack(">L", len(places)) + b"".join(
        struct.pack(">4sLL", tag, *place) for tag, place in places.items()
    )
    return _header(start + len(body)) + table + body


def _header(size: int) -> bytes:
    """The 128 bytes before the tags; the date is fixed so that equal pictures are equal files."""
    return struct.pack(
        ">L4xL4s4s4s6H4s4x4x4x4x8xL3l4x44x",
        size,
        0x02100000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        *(2000, 1, 1, 0, 0, 0),
        b"acsp",
        1,
        *(round(value * 65536) for value in _D50),
    )


def _xyz(value: tuple[float, float, float]) -> bytes:
    return struct.pack(">4s4x3l", b"XYZ ", *(round(part * 65536) for part in value))


def _description(name: str) -> bytes:
    text = name.encode("ascii") + b"\0"
    return struct.pack(">4s4xL", b"desc", len(text)) + text + b"\0" * (4 + 4 + 2 + 1 + 67)

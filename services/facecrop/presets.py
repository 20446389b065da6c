"""The ICP presets, read from presets.toml, where each number's source stands beside it."""

from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from proto.facecrop import IcpType

Fraction = Annotated[float, Meta(gt=0, lt=1)]
Side = Annotated[int, Meta(ge=64, le=10_000)]


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """Where the head stands in the frame, and how large the results are."""

    aspect: tuple[int, int]
    """Width to height of the frame."""
    head: Fraction
    """Crown to chin, as a fraction of the frame's height."""
    eye_line: Fraction
    """From the top edge to the eyes, as a fraction of the frame's height."""
    full: tuple[Side, Side]
    """Width and height of the enhanced result, in pixels."""
    medium: tuple[Side, Side]
    """Width and height of the medium result, in pixels."""

    def __post_init__(self) -> None:
        """Refuse a preset that would distort."""
        for width, height in (self.full, self.medium):
            if width * self.aspect[1] != height * self.aspect[0]:
                raise ValueError(f"{width} x {height} is not {self.aspect[0]}:{self.aspect[1]}")


@cache
def presets() -> dict[IcpType, Preset]:
    """Return the presets by name."""
    text = (Path(__file__).parent / "presets.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[IcpType, Preset])

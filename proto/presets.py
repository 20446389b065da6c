"""What presets answers: how portraits are framed and what comes out, ours and the accounts' own."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proto.ids import AccountId
from proto.message import Message, Request

# `$` alone would let a last newline through
PresetName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)")]
SizeName = Annotated[str, Meta(pattern=r"^[a-z0-9]{1,20}$(?!\n)")]
"""Of an output besides full and medium."""

Part = Annotated[int, Meta(ge=1, le=100)]
Aspect = tuple[Part, Part]
"""Width to height."""
Fraction = Annotated[float, Meta(ge=0.1, le=0.9)]

Side = Annotated[int, Meta(ge=64, le=10_000)]
Size = tuple[Side, Side]
"""Width and height in pixels."""

MOST_SIZES = 8
"""Outputs of one preset besides full and medium."""

Background = Annotated[str, Meta(pattern=r"^(#[0-9a-fA-F]{6}|transparent)?$(?!\n)")]
"""A colour of sRGB, or transparent; "" leaves the photograph's own."""

Format = Literal["jpeg", "png", "webp"]
Dpi = Annotated[int, Meta(ge=72, le=1200)]

MOST_PRESETS = 100
"""That one account may have of its own."""


class Framing(Message):
    """Where the head stands in the frame, and what else a preset says in every form of it."""

    name: PresetName
    aspect: Aspect
    head: Fraction
    """Crown to chin, as a fraction of the frame's height."""
    eye_line: Fraction
    """From the top edge to the eyes, as a fraction of the frame's height."""
    sizes: dict[SizeName, Size] = msgspec.field(default_factory=dict)
    """Further outputs by name, at most MOST_SIZES."""
    background: Background = ""
    dpi: Dpi = 300


class Preset(Framing):
    """How a portrait is framed and what comes out.

    Every size has the frame's aspect to within one pixel, and the head lies inside the frame.
    """

    full: Size
    """Of the enhanced result."""
    medium: Size
    format: Format = "jpeg"
    own: bool = False
    """Whether the account made it; the others are there for every account."""


class PresetDraft(Framing):
    """A preset as an account asks for it; what it leaves out is chosen for it."""

    full: Size | None = None
    """None: the largest of the frame's aspect within 2400 x 3000, or 3000 x 2400 if it lies. Where
    there is no medium either, but `sizes`: the largest of these, unless that makes too many pixels
    of all outputs together."""
    medium: Size | None = None
    """None: of the frame's aspect, with a long side of 1000. Where there is no full either, but
    `sizes`: no larger than the largest of these."""
    format: Format | None = None
    """None: png for a transparent background, else jpeg."""


class GetPreset(Request[Preset], subject="presets.preset"):
    """Ask for one of our presets or of the account's own. Raises NotFound."""

    account: AccountId
    name: PresetName


class PresetList(Message):
    """The presets that an account may use: ours first, then its own by name."""

    presets: list[Preset]


class GetPresets(Request[PresetList], subject="presets.presets"):
    """Ask for all presets that an account may use."""

    account: AccountId


class CreatePreset(Request[Preset], PresetDraft, subject="presets.create-preset"):
    """Add a preset to the account's own.

    Raises NameTaken, InvalidRequest: the values do not fit together, or it is one too many.
    """

    account: AccountId


class ReplacePreset(Request[Preset], PresetDraft, subject="presets.replace-preset"):
    """Put another preset in the place of one of the account's own.

    Raises NotFound, InvalidRequest: the values do not fit together, or it is one of ours.
    """

    account: AccountId


class PresetDeleted(Message):
    """It is not there any more."""


class DeletePreset(Request[PresetDeleted], subject="presets.delete-preset"):
    """Remove one of the account's own presets. Raises NotFound, InvalidRequest for one of ours."""

    account: AccountId
    name: PresetName

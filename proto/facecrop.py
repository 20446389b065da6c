"""What the face crop engine answers: one photograph in, one portrait in several files out."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proto.ids import AccountId, StorageKey
from proto.message import Message, Request
from proto.photos import Rejected, RemotePhoto, StoredPhoto
from proto.presets import Preset, SizeName

KIND = "face_crop"
"""Of the items of jobs that the engine works on; their work is a CropFace."""

Flag = Literal["oversized", "padded", "upscaled"]
"""What a print lab wants to know of a crop: the frame that the preset asks for did not fit into the
photo, so that it was drawn tighter, or its edge continued; or a file has more pixels than the photo
had for it, sharpened or not."""

Warned = Literal["face_small_for_print", "blurred", "underexposed", "overexposed", "head_cut"]
"""What a person should look at before printing: too few pixels for the preset's full size at its
dpi, a soft, dark or burnt-out face, a head that reaches beyond the edge of the photo. That it was
not measured is told by the receipt."""


class FaceBox(Message):
    """Where a face is, in pixels of the upright original."""

    x: int
    y: int
    w: int
    h: int


class DrawnFile(Message):
    """One file of a portrait."""

    width: int
    height: int
    scale: float
    """Pixels of the file for one of the photo; over 1 is enlarged."""
    flags: list[Flag] = msgspec.field(default_factory=list)
    """Those of the frame, which all files share, and whether this one is `upscaled`."""


class Receipt(Message):
    """How the finished portrait came out, measured on it by another look of the detector.

    Where that look shows no face, as a mask or sunglasses may cause, `measured` is false, and eye
    line, head, eye distance and roll tell what was planned. Lengths are fractions of the frame's
    height, angles are degrees, clockwise as seen.
    """

    eye_line: float
    """From the top edge to the middle between the eyes."""
    head: float
    """Crown to chin, estimated from eyes and mouth."""
    eye_distance: float
    """From pupil to pupil."""
    roll: float
    """By which the eyes are still off level."""
    rotated: float
    """By which the photo was turned to level the eyes, clockwise; 0 where it was not."""
    scale: float
    """Pixels of the medium file for one of the photo; over 1 is enlarged."""
    print_dpi: int
    """Pixels of the photo for each inch of a print of the preset's full size at its dpi."""
    sharpness: float
    """Of the face, 0 for none; 0.5 to 2 for a photograph in focus."""
    brightness: float
    """Mean luma of the face, 0 to 1."""
    measured: bool = True
    """Whether a face was seen on the finished portrait; if not, nothing of it was measured."""
    files: dict[str, DrawnFile] = msgspec.field(default_factory=dict)
    """What was drawn: `original`, `medium`, and the further sizes of the preset by their names."""


class Portrait(Message, tag="portrait"):
    """The finished crop."""

    face_box: FaceBox
    """Of the face that the portrait is of."""
    faces: list[FaceBox]
    """Every face that was found, the largest first. Beside one that is sure, faces are not sought
    that are smaller than a twentieth of the photo's shorter side."""
    face_index: int
    """Which of `faces` the portrait is of."""
    original: StorageKey
    """The crop at the photograph's own resolution, or at the preset's full size if enhanced."""
    medium: StorageKey
    """The crop at the preset's medium size."""
    more: dict[SizeName, StorageKey] = msgspec.field(default_factory=dict)
    """The crop at the further sizes of the preset."""
    flags: list[Flag] = msgspec.field(default_factory=list)
    warnings: list[Warned] = msgspec.field(default_factory=list)
    receipt: Receipt


class CropFace(Request[Portrait | Rejected], subject="facecrop.crop-face"):
    """Crop the main face of one photograph to a preset.

    Raises Unavailable when models are down, Broken when they answer what cannot be.
    """

    account: AccountId
    photo: StoredPhoto | RemotePhoto
    preset: Preset
    enhance: bool = False
    auto_rotate: bool = True
    """Whether a head that is tilted by more than 3 degrees is levelled."""
    outputs: StorageKey
    """Folder to write into, which must be the account's own."""
    stem: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$(?!\n)")]
    """First part of the file names: student gives student_orig.jpg and student_md.jpg."""

"""What the face crop engine answers: one photograph in, one portrait in two sizes out."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proto.ids import AccountId, StorageKey
from proto.message import Message, Request

IcpType = Literal["school", "corporate", "sports", "childcare"]


Flag = Literal["shrunk", "padded", "upscaled"]
"""What a print lab wants to know of a crop: the photo had too little room around the head, so that
the frame was drawn tighter, or its edge continued; or too few pixels for the medium size."""


class StoredPhoto(Message, tag="stored"):
    """A photograph that lies in storage."""

    key: StorageKey


class RemotePhoto(Message, tag="remote"):
    """A photograph to be fetched from a caller's URL, through the guarded fetcher."""

    url: Annotated[str, Meta(max_length=4096)]


class FaceBox(Message):
    """Where the face is, in pixels of the upright original."""

    x: int
    y: int
    w: int
    h: int


class Portrait(Message, tag="portrait"):
    """The finished crop."""

    face_box: FaceBox
    original: StorageKey
    """The crop at the photograph's own resolution, or at the preset's full size if enhanced."""
    medium: StorageKey
    """The crop at the preset's medium size."""
    flags: list[Flag] = msgspec.field(default_factory=list)


class Rejected(Message, tag="rejected"):
    """This photograph cannot be cropped, whoever asks and however often; it is not charged."""

    code: str
    """Stable, for programs: NO_FACE, PICTURE_TRUNCATED, URL_NOT_ALLOWED …"""
    message: str
    """One sentence for a person."""


class CropFace(Request[Portrait | Rejected], subject="facecrop.crop-face"):
    """Crop the main face of one photograph to a preset. Raises Unavailable when models are down."""

    account: AccountId
    photo: StoredPhoto | RemotePhoto
    icp_type: IcpType
    enhance: bool = False
    outputs: StorageKey
    """Folder to write into, which must be the account's own."""
    stem: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
    """First part of the file names: student gives student_orig.jpg and student_md.jpg."""

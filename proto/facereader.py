"""What the face reader answers: every face of a photograph, as numbers that can be compared.

It reads strangers' pictures, so it has no database and knows nobody: whose faces they are is for
the service `matching` to say.
"""

from datetime import datetime
from typing import Literal

import msgspec

from proto.facecrop import FaceBox
from proto.ids import AccountId, StorageKey
from proto.message import Message, Request
from proto.photos import Rejected, RemotePhoto, StoredPhoto

MOST_FACES = 64
"""In one answer, the largest first."""

Doubt = Literal["small_face", "blurred", "underexposed", "overexposed", "turned_away", "cut"]
"""Why an embedding should be trusted less: too few pixels between the eyes, softness, bad light, a
profile, or a head that reaches beyond the edge of the photo."""


class Embedder(Message):
    """What made embeddings, and how its cosines become scores."""

    version: str
    """Embeddings of different versions cannot be compared."""
    dimensions: int
    midpoint: float
    """The cosine at which the score is 0.5."""
    slope: float
    """score = 1 / (1 + exp(-slope * (cosine - midpoint)))"""


class SeenFace(Message):
    """One face of a photograph."""

    box: FaceBox
    eye_distance: float
    """From pupil to pupil, in pixels of the upright original."""
    certainty: float
    """How sure the detector is that it is a face, 0 to 1."""
    sharpness: float
    """0 for none; 0.5 to 2 for a photograph in focus."""
    doubts: list[Doubt] = msgspec.field(default_factory=list)
    embedding: bytes
    """float32, little-endian, of unit length."""


class FacesRead(Message, tag="faces"):
    """What a photograph shows."""

    width: int
    """Of the upright original, in pixels."""
    height: int
    faces: list[SeenFace]
    """The largest first, at most MOST_FACES; none is no error."""
    embedder: Embedder
    captured_at: datetime | None = None
    """By the camera's clock."""
    camera: str | None = None
    """Make, model and serial number, as far as they are told."""
    camera_is_certain: bool = True
    """Off for a camera without its serial number: there may be two of one model."""


class ReadFaces(Request[FacesRead | Rejected], subject="facereader.read-faces"):
    """Find and embed the faces of one photograph. Raises Unavailable when models are away."""

    account: AccountId
    photo: StoredPhoto | RemotePhoto
    keep: StorageKey | None = None
    """Where to store a photograph that was fetched, in the account's own folder."""


class GetEmbedder(Request[Embedder], subject="facereader.embedder"):
    """Ask what makes embeddings at the moment."""

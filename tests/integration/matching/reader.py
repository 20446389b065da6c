"""A face reader that sees what it is told: a photograph's content says which faces it shows.

It answers over the real bus, with the rights of the real one. People are vectors that are near
themselves and far from each other, as an embedder makes them.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from numpy.typing import NDArray

from cli.nats import Nats
from kit.bus import Bus
from kit.endpoints import Answering, answers
from kit.storage import ObjectNotFound, Storage
from proto.errors import InvalidRequest, Unavailable
from proto.facecrop import FaceBox
from proto.facereader import Doubt, Embedder, FacesRead, GetEmbedder, ReadFaces, SeenFace
from proto.ids import StorageKey
from proto.photos import Rejected, StoredPhoto

EMBEDDER = Embedder(version="dlib 1", dimensions=128, midpoint=0.905, slope=69.4)
STRANGERS = 0.8
"""The cosine of two people."""
ALIKE = 0.97
"""The cosine of two photographs of one."""

_NOISE = 100
"""From this place of a vector on there is nobody."""
_MOST_BYTES = 1_000_000


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A face in a photograph."""

    vector: list[float]
    doubts: list[Doubt] = []
    size: int = 400
    x: int = 100


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What a photograph shows, as its content."""

    faces: list[Shown] = []
    rejected: str = ""
    """Why it is none."""
    captured_at: datetime | None = None
    camera: str | None = None
    camera_is_certain: bool = True
    salt: str = ""
    """So that two photographs of the same are two."""


def base(person: int) -> NDArray[np.float64]:
    vector = np.zeros(EMBEDDER.dimensions)
    vector[0] = np.sqrt(STRANGERS)
    vector[person] = np.sqrt(1 - STRANGERS)
    return vector


def face(person: int, cosine: float = ALIKE, **more: Any) -> Shown:
    """A face whose cosine to that person's base is as given, and to others' 0.8 of it."""
    vector = cosine * base(person)
    vector[_NOISE + person % 20] = np.sqrt(1 - cosine**2)
    return Shown(vector=vector.tolist(), **more)


def between(person: int, other: int, **more: Any) -> Shown:
    """A face that is as near to one person as to another: 0.949."""
    both = base(person) + base(other)
    return Shown(vector=(both / np.linalg.norm(both)).tolist(), **more)


def leaning(person: int, other: int, **more: Any) -> Shown:
    """A face that is nearer to one person, 0.962, than to another, who is near too: 0.933."""
    both = 0.57 * base(person) + 0.43 * base(other)
    return Shown(vector=(both / np.linalg.norm(both)).tolist(), **more)


def stranger(number: int = 1, **more: Any) -> Shown:
    return face(_NOISE - number, **more)


def picture(*faces: Shown, **more: Any) -> bytes:
    """The content of a photograph."""
    shown = Picture(faces=list(faces), salt=str(uuid4()), **more)
    return msgspec.json.encode(shown)


@dataclass
class FaceReader:
    """Answers what facereader answers."""

    storage: Storage
    embedder: Embedder = EMBEDDER
    web: dict[str, bytes] = field(default_factory=dict)
    """What is to be fetched, by URL."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Closed, nobody gets an answer before it is open."""
    away: bool = False
    read: list[str] = field(default_factory=list)
    """Keys and URLs, as they were asked for."""
    asked: int = 0
    """How often for the embedder."""
    deadly: str = ""
    """A key that is never answered, nor is what is under way beside it."""
    crowd: int = 1
    """So many are together when it comes the first time."""
    inside: set[str] = field(default_factory=set)
    doomed: set[str] = field(default_factory=set)
    died: asyncio.Event = field(default_factory=asyncio.Event)
    spoil: bytes | None = None
    """An embedding to answer with, whatever is seen."""

    @answers
    async def read_faces(self, request: ReadFaces) -> FacesRead | Rejected:
        if self.away:
            raise Unavailable("models are away")
        assert request.keep is None or request.keep.startswith(f"photos/{request.account}/")
        content = await self._content(request)
        if self.deadly and isinstance(request.photo, StoredPhoto):
            await self._survive(request.photo.key)
        # whoever waits at the gate has read what it is asked about
        await self.gate.wait()
        if content is None:
            return Rejected(code="URL_UNREACHABLE", message="nobody is there")
        try:
            shown = msgspec.json.decode(content, type=Picture)
        except msgspec.DecodeError:
            return Rejected(code="NOT_A_PICTURE", message="This is no picture.")
        if shown.rejected:
            return Rejected(code=shown.rejected, message="It cannot\0 be read.")
        if request.keep is not None:
            await self.storage.put(request.keep, content, "image/jpeg")
        return FacesRead(
            width=4000,
            height=3000,
            faces=[self._seen(each) for each in shown.faces],
            embedder=self.embedder,
            captured_at=shown.captured_at,
            camera=shown.camera,
            camera_is_certain=shown.camera_is_certain,
        )

    @answers
    async def get_embedder(self, _: GetEmbedder) -> Embedder:
        self.asked += 1
        if self.away:
            raise Unavailable("models are away")
        return self.embedder

    async def _survive(self, key: str) -> None:
        """Return, unless the deadly photograph comes while this one is under way."""
        self.inside.add(key)
        try:
            if key == self.deadly:
                while len(self.inside) < self.crowd and not self.died.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0)
                self.doomed |= self.inside
                self.died.set()
            await self.died.wait()
            await asyncio.sleep(0.02)
            if key in self.doomed:
                await asyncio.Event().wait()
        finally:
            self.inside.discard(key)
            self.doomed.discard(key)

    async def _content(self, request: ReadFaces) -> bytes | None:
        photo = request.photo
        if not isinstance(photo, StoredPhoto):
            self.read.append(photo.url)
            return self.web.get(photo.url)
        self.read.append(photo.key)
        assert photo.key.startswith(f"photos/{request.account}/")
        try:
            return await self.storage.get(StorageKey(photo.key), _MOST_BYTES)
        except ObjectNotFound as error:
            raise InvalidRequest("the photo is not there any more") from error

    def _seen(self, shown: Shown) -> SeenFace:
        embedding = np.array(shown.vector, "<f4").tobytes()
        return SeenFace(
            box=FaceBox(x=shown.x, y=100, w=shown.size, h=shown.size),
            eye_distance=shown.size / 2.5,
            certainty=0.9,
            sharpness=1.0,
            doubts=shown.doubts,
            embedding=embedding if self.spoil is None else self.spoil,
        )


@asynccontextmanager
async def reading(nats: Nats, storage: Storage) -> AsyncIterator[FaceReader]:
    """A face reader that answers."""
    bus = await Bus.connect(nats.url("facereader"), "face reader of the tests")
    reader = FaceReader(storage)
    reader.gate.set()
    listening = Answering(bus, 64)
    await listening.listen("facereader", reader)
    try:
        yield reader
    finally:
        reader.gate.set()
        await listening.stop()
        await bus.close()


def unit(numbers: Sequence[float]) -> bytes:
    """An embedding as it travels, of any numbers."""
    return np.array(numbers, "<f4").tobytes()

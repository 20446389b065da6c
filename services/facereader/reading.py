"""From the bytes of a photograph to the numbers of its faces; needs models and nothing else.

A photograph is decoded once, at the size at which faces are sought. Only if a face has too few
pixels in that, and more in the file, is it decoded once more, as large as that face needs.
"""

import asyncio
from dataclasses import dataclass

import numpy as np

from proto.facecrop import FaceBox
from proto.facereader import MOST_FACES, Embedder, FacesRead, SeenFace
from services.facereader.doubts import Look, doubts, eye_distance, look
from vision.draft import Draft, drafted
from vision.embedding import aligned, chip, embed
from vision.faces import LOOK_SIDE, Face, detect_all
from vision.geometry import Box
from vision.limits import Limits
from vision.modelcard import EmbedderCard
from vision.models import Models
from vision.picture import Pixels
from vision.taken import Facts, facts
from vision.tiles import Halves

ENOUGH_EYES = 40.0
"""Pixels between the eyes, from which more hardly change an embedding: reduced so far, 22 faces had
a cosine of at least 0.992, in the median 0.997, with what all their pixels gave. At 60 pixels that
was 0.996 and 0.998, at 24 it was 0.985 and 0.990."""

_DIGITS = 4
"""After the point, in what is told."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A photograph that was decoded: it is one."""

    data: bytes
    draft: Draft
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Measured:
    """A face before it is embedded."""

    face: Face
    """In pixels of the whole photograph."""
    look: Look
    chip: Pixels


class FaceReader:
    """Reads photographs with one set of models.

    Heavy work runs in the event loop's default executor, which should have as many threads as
    cores.
    """

    def __init__(self, models: Models, card: EmbedderCard, limits: Limits) -> None:
        self.limits = limits
        self.embedder = Embedder(
            version=card.version,
            dimensions=card.output.dimensions,
            midpoint=card.calibration.midpoint,
            slope=card.calibration.slope,
        )
        self._models = models
        self._template = np.array(card.input.template)

    async def read(self, data: bytes) -> FacesRead:
        """Read a photograph in any format that `vision.decode` reads.

        Raises:
            PictureError: It is none, for the reasons that `vision.decode` has.
            ModelError: See `Models.infer`.
        """
        return await self.faces(await self.open(data))

    async def open(self, data: bytes) -> Opened:
        """Decode a photograph as far as it takes to look for faces. Raises PictureError."""
        return await asyncio.to_thread(_opened, data, self.limits)

    async def faces(self, opened: Opened) -> FacesRead:
        """Find and embed the faces of a photograph. Raises ModelError, PictureError."""
        draft = opened.draft
        seen = await detect_all(self._models, draft.pixels)
        faces = _largest([_scaled(face, draft.scale_x, draft.scale_y) for face in seen], draft)
        measured = await asyncio.to_thread(self._measured, opened, faces)
        vectors = await embed(self._models, [one.chip for one in measured])
        return FacesRead(
            width=draft.width,
            height=draft.height,
            faces=[
                _told(one, vector.astype("<f4").tobytes(), draft)
                for one, vector in zip(measured, vectors, strict=True)
            ],
            embedder=self.embedder,
            captured_at=opened.facts.captured_at,
            camera=opened.facts.camera,
            camera_is_certain=opened.facts.camera_is_certain,
        )

    def _measured(self, opened: Opened, faces: list[Face]) -> list[_Measured]:
        if not faces:
            return []
        draft = opened.draft
        pixels = _close_enough(opened, faces, self.limits)
        height, width = pixels.shape[:2]
        picture = Halves(pixels)
        measured = []
        for face in faces:
            there = _scaled(face, width / draft.width, height / draft.height)
            place = aligned(there.landmarks, self._template)
            measured.append(_Measured(face, look(pixels, there, place), chip(picture, place)))
        return measured


def _opened(data: bytes, limits: Limits) -> Opened:
    return Opened(data, drafted(data, LOOK_SIDE, limits), facts(data))


def _close_enough(opened: Opened, faces: list[Face], limits: Limits) -> Pixels:
    """Return the photograph so large that every face has the pixels it needs, if there are any."""
    draft = opened.draft
    part = max(ENOUGH_EYES / max(eye_distance(face), ENOUGH_EYES) for face in faces)
    longer, needed = max(draft.pixels.shape), part * max(draft.width, draft.height)
    if needed <= longer:
        return draft.pixels
    if draft.whole is not None:
        return draft.whole
    return drafted(opened.data, round(needed), limits).pixels


def _largest(faces: list[Face], draft: Draft) -> list[Face]:
    """Return the faces that lie in the photograph, the largest first, not more than are told."""
    areas = [_inside(face.box, draft).area for face in faces]
    ranked = sorted(zip(areas, faces, strict=True), key=lambda one: -one[0])
    return [face for area, face in ranked if area > 0][:MOST_FACES]


def _inside(box: Box, draft: Draft) -> Box:
    return box.clipped(draft.width, draft.height)


def _scaled(face: Face, factor_x: float, factor_y: float) -> Face:
    return Face(
        face.box.scaled(factor_x, factor_y),
        face.landmarks.scaled(factor_x, factor_y),
        face.score,
    )


def _told(one: _Measured, embedding: bytes, draft: Draft) -> SeenFace:
    box, eyes = _inside(one.face.box, draft), eye_distance(one.face)
    return SeenFace(
        box=FaceBox(x=round(box.x), y=round(box.y), w=round(box.width), h=round(box.height)),
        eye_distance=round(eyes, _DIGITS),
        certainty=round(one.face.score, _DIGITS),
        sharpness=round(one.look.sharpness, _DIGITS),
        doubts=doubts(one.look, eyes),
        embedding=embedding,
    )

"""The rule by which photographs that one camera took within seconds speak for each other.

Somebody blinks or turns away in one frame and not in the next. So a face that was to be looked at
is given to its best candidate if that subject was recognised in a neighbouring frame, and nobody
else whom the face may be of was: twins side by side do not decide each other.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from proto.agencies import FileId, SubjectId
from services.matching.deciding import REVIEW_FROM, Decided

NEAR_SECONDS = 3.0
"""Nobody takes another's place before the camera in so short a time."""

_SETTLED_BY_NO_NEIGHBOUR = frozenset(("same_subject_twice", "sequence_conflict", "card_only"))
"""Reasons that a neighbour says nothing about."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A photograph of which it is known when, and with which camera, it was taken."""

    file: FileId
    camera: str
    taken: float
    """In seconds of the camera's clock."""
    faces: Sequence[Decided]


def raised(frames: Iterable[Frame]) -> dict[FileId, list[Decided]]:
    """Return the faces of the photographs in which some are raised, by photograph.

    Only what was recognised in a photograph itself speaks for its neighbours.
    """
    by_camera: Mapping[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        by_camera[frame.camera].append(frame)
    found: dict[FileId, list[Decided]] = {}
    for of_camera in by_camera.values():
        of_camera.sort(key=lambda frame: (frame.taken, frame.file))
        for frame in of_camera:
            seen = _seen_near(frame, of_camera)
            faces = _raised(frame.faces, seen)
            if faces != list(frame.faces):
                found[frame.file] = faces
    return found


def _seen_near(frame: Frame, of_camera: Sequence[Frame]) -> set[SubjectId]:
    first = bisect_left(of_camera, frame.taken - NEAR_SECONDS, key=lambda each: each.taken)
    last = bisect_right(of_camera, frame.taken + NEAR_SECONDS, key=lambda each: each.taken)
    return {
        face.subject
        for neighbour in of_camera[first:last]
        if neighbour is not frame
        for face in neighbour.faces
        if face.subject is not None
    }


def _raised(faces: Sequence[Decided], seen: set[SubjectId]) -> list[Decided]:
    taken = {face.subject for face in faces if face.subject is not None}
    told: list[Decided] = []
    for face in faces:
        best = face.best
        if best is not None and best not in taken and _is_settled(face, seen):
            taken.add(best)
            told.append(face.matched("burst"))
        else:
            told.append(face)
    return told


def _is_settled(face: Decided, seen: set[SubjectId]) -> bool:
    """Whether the neighbours show the best candidate of a face, and nobody else it may be of."""
    if face.state != "needs_review" or _SETTLED_BY_NO_NEIGHBOUR.intersection(face.reasons):
        return False
    maybe = {each.subject for each in face.candidates if each.score >= REVIEW_FROM}
    return maybe & seen == {face.best}

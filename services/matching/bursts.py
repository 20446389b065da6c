"""The rule by which photographs that one camera took within seconds speak for each other.

Somebody blinks or turns away in one frame and not in the next. So a face that was to be looked at
is given to its best candidate if that subject was recognised in a neighbouring frame, and nobody
else whom the face may be of was: twins side by side do not decide each other. Where a second face
comes near to the subject, here or in a neighbouring frame, it may be that one which is seen: then
nothing is settled.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from proto.agencies import FileId, SubjectId
from services.matching.deciding import REVIEW_ALWAYS, REVIEW_FROM, Decided

NEAR_SECONDS = 3.0
"""Nobody takes another's place before the camera in so short a time."""

RAISED_FROM = REVIEW_ALWAYS
"""The score that the face itself needs: below it a stranger beside the subject comes so far."""

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
            faces = _raised(frame.faces, _near(frame, of_camera))
            if faces != list(frame.faces):
                found[frame.file] = faces
    return found


def _near(frame: Frame, of_camera: Sequence[Frame]) -> list[Frame]:
    """Return the neighbours of a photograph among those of its camera, which are in order."""
    first = bisect_left(of_camera, frame.taken - NEAR_SECONDS, key=lambda each: each.taken)
    last = bisect_right(of_camera, frame.taken + NEAR_SECONDS, key=lambda each: each.taken)
    return [neighbour for neighbour in of_camera[first:last] if neighbour is not frame]


def _raised(faces: Sequence[Decided], near: Sequence[Frame]) -> list[Decided]:
    seen = {face.subject for frame in near for face in frame.faces if face.subject is not None}
    ambiguous = _nearest_twice(near)
    return [
        face.matched("burst")
        if face.best not in ambiguous
        and _is_settled(face, seen)
        and not any(_may_be(other, face.best) for other in faces if other is not face)
        else face
        for face in faces
    ]


def _nearest_twice(near: Sequence[Frame]) -> set[SubjectId | None]:
    """Return the subjects to whom several faces of one of the photographs are nearest."""
    found: set[SubjectId | None] = set()
    for frame in near:
        once: set[SubjectId | None] = set()
        for face in frame.faces:
            subjects = {face.best, face.subject} - {None}
            found |= subjects & once
            once |= subjects
    return found


def _is_settled(face: Decided, seen: set[SubjectId]) -> bool:
    """Whether the neighbours show the best candidate of a face, and nobody else it may be of."""
    if face.state != "needs_review" or _SETTLED_BY_NO_NEIGHBOUR.intersection(face.reasons):
        return False
    if not face.is_nearest or face.candidates[0].score < RAISED_FROM:
        return False
    maybe = {each.subject for each in face.candidates if each.score >= REVIEW_FROM}
    return maybe & seen == {face.best}


def _may_be(face: Decided, subject: SubjectId | None) -> bool:
    """Whether a face is a subject's, or nearest to it, or near enough to be looked at for it."""
    return subject in (face.subject, face.best) or any(
        each.subject == subject and each.score >= REVIEW_FROM for each in face.candidates
    )

"""The rules by which cards and faces speak for and against each other.

A card says whose photographs follow it. It is right unless somebody forgot to show it or showed the
wrong one, which are not the mistakes that comparing faces makes: where both agree, both are right.
"""

from collections.abc import Collection, Sequence

from proto.agencies import SubjectId
from proto.matching.results import Reason
from services.matching.deciding import CLEAR, MOST_CANDIDATES, Candidate, Decided

_UNCOMPARED = 0.0
"""Score and margin of who is named by a card alone."""


def by_cards_alone(card: Sequence[SubjectId]) -> list[Decided]:
    """Return a card's answers where no face is compared: they count."""
    return [
        Decided(-number, "matched", subject, _named(subject), ("card_only",))
        for number, subject in enumerate(card, 1)
    ]


def against_cards(
    faces: Sequence[Decided], card: Sequence[Candidate], compared: Collection[SubjectId]
) -> list[Decided]:
    """Set the faces of a photograph against whom its card names.

    Args:
        faces: As decided without it.
        card: Whom it names, each with the score of the largest face; none where there is no card.
        compared: Who of these has references that faces were compared with.
    """
    if not card:
        return list(faces)
    if not faces:
        return [
            Decided(-number, "needs_review", None, (each,), ("no_face", "card_only"))
            for number, each in enumerate(card, 1)
        ]
    named = {each.subject for each in card}
    raised = _raised(faces, named)
    if any(face.subject in named for face in raised):
        return raised
    if any(face.state != "unmatched" for face in faces):
        return [
            face
            if face.state == "unmatched" or face.best in named
            else face.doubted("sequence_conflict")
            for face in faces
        ]
    # nobody was recognised: the largest face is who stood before the camera
    largest, others = faces[0], faces[1:]
    reason = _reason_of(largest, named, compared)
    first = [*card, *(each for each in largest.candidates if each.subject not in named)]
    shown = Decided(largest.number, "unmatched", None, tuple(first[:MOST_CANDIDATES]))
    return [shown.doubted(reason), *others]


def _reason_of(
    largest: Decided, named: Collection[SubjectId], compared: Collection[SubjectId]
) -> Reason:
    """Return why somebody should look at a face that was not recognised behind a card."""
    if largest.best is None or not set(named) & set(compared):
        return "card_only"
    return "low_score" if largest.best in named else "sequence_conflict"


def unknown_to_faces(subject: SubjectId) -> Candidate:
    """Return somebody whom a card names and no face was compared with."""
    return Candidate(subject, _UNCOMPARED, _UNCOMPARED)


def _raised(faces: Sequence[Decided], named: set[SubjectId]) -> list[Decided]:
    """Give faces that were to be looked at to their best candidate, where a card names it too.

    They keep their reasons: why the faces alone would not do. A card does not say which of several
    faces it is about, so only one that is clearly nearer to the subject than the others is raised.
    """
    taken = {face.subject for face in faces if face.subject is not None}
    return [
        face.matched(*face.reasons)
        if face.best in named - taken and _is_raised(face, faces, named)
        else face
        for face in faces
    ]


def _is_raised(face: Decided, faces: Sequence[Decided], named: Collection[SubjectId]) -> bool:
    if face.state != "needs_review" or "same_subject_twice" in face.reasons:
        return False
    if not face.is_nearest:
        return False
    score = face.candidates[0].score
    return all(
        _is_clear(score, _score(other, face.best))
        for other in faces
        if other is not face and not _is_of_another(other, face.best, named)
    )


def _is_of_another(face: Decided, subject: SubjectId | None, named: Collection[SubjectId]) -> bool:
    """Whether a face is somebody else's: given to that one, or nearest to another on the card."""
    return face.best != subject and (face.subject is not None or face.best in named)


def _score(face: Decided, subject: SubjectId | None) -> float:
    return next((each.score for each in face.candidates if each.subject == subject), 0.0)


def _is_clear(score: float, other: float) -> bool:
    """Whether the odds of a score are so many times those of another that chance is not enough."""
    return score > other and score * (1 - other) >= CLEAR * other * (1 - score)


def _named(subject: SubjectId) -> tuple[Candidate, ...]:
    return (unknown_to_faces(subject),)

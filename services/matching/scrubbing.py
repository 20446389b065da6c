"""What was found in photographs, without somebody who was erased.

Faces are told as in the tables and in the images of what was there before a decision:
`{"subject_id", "state", "score", "margin", "candidates", "reasons", …}`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Face = Mapping[str, Any]

ERASED = "subject_erased"

_DIGITS = 5
"""To which cosines are told."""


def face_without(face: Face, subject: int, threshold: float) -> dict[str, Any]:
    """Return a face as it stands without a subject.

    Where it was the subject's, or only the subject came into question, it is nobody's. Where the
    next candidate is as good as a match has to be, a person goes on being asked.

    Args:
        face: As above; other fields stay as they are.
        subject: Who was erased.
        threshold: The score from which on a face may be matched.
    """
    candidates: list[dict[str, Any]] = list(face["candidates"])
    left = _candidates_without(candidates, subject)
    was_its = face["subject_id"] == subject
    was_best = bool(candidates) and candidates[0]["subject"] == subject
    changed = {**face, "candidates": left}
    if left and left[0]["subject"] == face["subject_id"] and face["margin"] is not None:
        changed["margin"] = left[0]["margin"]
    if not (was_its or was_best):
        return changed
    changed["reasons"] = with_reason(face["reasons"])
    if was_its:
        changed |= {"subject_id": None, "score": None, "margin": None, "state": "unmatched"}
    elif face["state"] == "needs_review" and not (left and _reaches(left[0], threshold)):
        changed["state"] = "unmatched"
    return changed


def image_without(image: Mapping[str, Any], subject: int, threshold: float) -> dict[str, Any]:
    """Return the image of a result before a decision, as it stands without a subject."""
    if "faces" not in image:
        return dict(image)
    faces = [face_without(face, subject, threshold) for face in image["faces"]]
    if faces == image["faces"]:
        return dict(image)
    changed = {**image, "faces": faces}
    if image.get("state") in ("matched", "needs_review", "unmatched"):
        changed["state"] = file_state([face["state"] for face in faces])
    if any(ERASED in face["reasons"] for face in faces):
        changed["reasons"] = with_reason(image["reasons"])
    return changed


def file_state(of_faces: Sequence[str]) -> str:
    """Return the state of a photograph that was read, by the states of its faces."""
    for state in ("needs_review", "matched"):
        if state in of_faces:
            return state
    return "unmatched"


def with_reason(reasons: Sequence[str]) -> list[str]:
    """Return the reasons with the one that somebody was erased, once."""
    return [*(reason for reason in reasons if reason != ERASED), ERASED]


def _candidates_without(candidates: list[dict[str, Any]], subject: int) -> list[dict[str, Any]]:
    """Leave one out, and tell the margins of the others anew."""
    left = [each for each in candidates if each["subject"] != subject]
    if len(left) == len(candidates) or not _by_likeness(candidates):
        return left
    # of who is not the best, the margin is the difference to the best one's cosine
    behind = [0.0 if each is candidates[0] else each["margin"] for each in left]
    margins = [round(each - behind[0], _DIGITS) for each in behind]
    if len(left) > 1:
        margins[0] = -margins[1]
    elif left and left[0] is candidates[0]:
        margins[0] = left[0]["margin"]
    return [{**each, "margin": margin} for each, margin in zip(left, margins, strict=True)]


def _by_likeness(candidates: Sequence[Mapping[str, Any]]) -> bool:
    """Whether they are in the order of their cosines; whom a card names may come first instead."""
    margins = [each["margin"] for each in candidates]
    return None not in margins and margins[0] >= 0 and all(margin <= 0 for margin in margins[1:])


def _reaches(candidate: Mapping[str, Any], threshold: float) -> bool:
    return candidate["score"] is not None and bool(candidate["score"] >= threshold)

"""Which face of a photograph is the subject's, and whether others should be compared with it."""

import math
from dataclasses import dataclass

from proto.facecrop import FaceBox
from proto.facereader import Doubt, FacesRead, SeenFace

BYSTANDER = 0.4
"""How large a second face may be beside the largest for that to be the subject: with half the size
somebody stands twice as far from the camera, and was not to be in the photograph."""

SAME = 0.3
"""The least part that a face's box and the one where somebody saw the subject have in common, of
what they cover together: two detectors draw one face so, and no two faces side by side."""

POOR: frozenset[Doubt] = frozenset(
    ("small_face", "blurred", "underexposed", "overexposed", "turned_away")
)
"""What a reference must not be: every photograph of the shoot is compared with it."""

_SAID: dict[Doubt, str] = {
    "small_face": "the face is too small",
    "blurred": "the face is blurred",
    "underexposed": "the face is too dark",
    "overexposed": "the face is too bright",
    "turned_away": "the face is turned away",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a photograph is no reference."""

    code: str
    message: str


def chosen_face(read: FacesRead, near: FaceBox | None) -> SeenFace | Problem:
    """Return the face of a photograph that is the subject's, or why there is none.

    Args:
        read: What the photograph shows.
        near: Where somebody saw the subject; without it, it must be clear who that is.
    """
    if not read.faces:
        return Problem("NO_FACE", "There is no face in this photograph.")
    if near is not None:
        face = max(read.faces, key=lambda each: _overlap(each.box, near))
        if _overlap(face.box, near) < SAME:
            return Problem("NO_FACE", "There is no face any more where the subject was seen.")
    else:
        face, *others = sorted(read.faces, key=lambda each: -_size(each.box))
        if others and _size(others[0].box) >= BYSTANDER * _size(face.box):
            return Problem(
                "SEVERAL_FACES",
                "This photograph shows several people; one that shows only its subject is needed.",
            )
    if said := [_SAID[doubt] for doubt in face.doubts if doubt in POOR]:
        return Problem(
            "POOR_QUALITY", f"This photograph cannot be compared with: {', '.join(said)}."
        )
    return face


def _size(box: FaceBox) -> float:
    """Return how large a face is along a side, in pixels."""
    return math.sqrt(box.w * box.h)


def _overlap(box: FaceBox, other: FaceBox) -> float:
    """Return what two boxes have in common, as a part of what they cover together: 0 to 1."""
    width = min(box.x + box.w, other.x + other.w) - max(box.x, other.x)
    height = min(box.y + box.h, other.y + other.h) - max(box.y, other.y)
    common = max(width, 0) * max(height, 0)
    covered = box.w * box.h + other.w * other.h - common
    return common / covered if covered else 0.0

"""The rules by which a photograph is given to people. They know numbers and nobody's name.

A face is compared with every reference; of a subject the best one counts. Its cosine becomes a
score through the embedder's calibration, and the odds of two subjects, score / (1 - score), say how
much better one fits than the other: a distance of cosines means something else with each embedder,
odds do not.

A wrong name on a child's picture costs more than a look at it, so only what is high, clear of the
next subject and well seen is decided without a person.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from proto.agencies import SubjectId
from proto.facereader import Doubt, Embedder
from proto.matching.results import FaceState, FileState, Reason

CLEAR = 4.0
"""Times the odds of the next subject that the best one needs. With the default embedder it is 0.02
of cosine: half of what lies between two photographs of one person (0.97 in the middle) and the
threshold (0.93), so that chance in one reference does not swap two people."""
CLEAR_IN_DOUBT = 16.0
"""Where the face is soft, badly lit, turned away or cut: twice the distance."""
STANDS_OUT = 2.0
"""To be worth a person's look, where the score is below the threshold: half the distance."""

REVIEW_FROM = 0.5
"""The score from which on somebody who stands out is shown to a person: no two photographs of one
person were seen below it."""
REVIEW_ALWAYS = 0.7
"""From here on also where several subjects are as near: 1 of 800 strangers comes so far."""

MOST_CANDIDATES = 3
COSINE_DIGITS = 5
"""To which cosines are rounded before they are compared: float32 sums differ in the 7th digit with
the order in which a processor adds, and a decision must not."""

_NOBODY_NEXT = 1.0
"""The margin where nobody else is compared with: the whole of what a cosine is worth."""


class Candidate(msgspec.Struct, frozen=True):
    """A subject that a face may be of, as it is kept."""

    subject: SubjectId
    score: float
    margin: float
    """Its cosine minus that of the next subject; negative for who is not the best, or is behind
    somebody whom the match is not about."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How near the nearest reference of a subject is."""

    subject: SubjectId
    cosine: float
    """Rounded to COSINE_DIGITS."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face that was searched for."""

    number: int
    doubts: frozenset[Doubt]
    found: tuple[Likeness, ...]
    """Different subjects, the best first."""
    outside: Likeness | None = None
    """The nearest of those whom the match is not about, and who are not told of."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a match goes by."""

    threshold: float
    """The score from which on a face is given to somebody."""
    midpoint: float
    slope: float

    @classmethod
    def of(cls, threshold: float, embedder: Embedder) -> "Rules":
        """Return the rules for what an embedder makes."""
        return cls(threshold, embedder.midpoint, embedder.slope)

    def score(self, cosine: float) -> float:
        """Return 1 / (1 + exp(-slope * (cosine - midpoint))), to six digits."""
        return round(0.5 * (1 + math.tanh(self.slope * (cosine - self.midpoint) / 2)), 6)

    def is_ahead(self, margin: float, times: float) -> bool:
        """Whether a margin of cosines means so many times the odds of the next subject."""
        return self.slope * margin >= math.log(times)


@dataclass(frozen=True, slots=True)
class Decided:
    """What is said of one face, or of a card's answer, whose number is negative."""

    number: int
    state: FaceState
    subject: SubjectId | None
    """Whose it is, where it is matched."""
    candidates: tuple[Candidate, ...]
    reasons: tuple[Reason, ...] = ()

    @property
    def is_nearest(self) -> bool:
        """Whether nobody is as near as its best candidate."""
        return bool(self.candidates) and self.candidates[0].margin > 0

    @property
    def best(self) -> SubjectId | None:
        """The first candidate."""
        return self.candidates[0].subject if self.candidates else None

    def matched(self, *reasons: Reason) -> "Decided":
        """Return it as given to its best candidate."""
        return Decided(self.number, "matched", self.best, self.candidates, reasons)

    def doubted(self, *reasons: Reason) -> "Decided":
        """Return it as to be looked at, for further reasons."""
        told = (*self.reasons, *(each for each in reasons if each not in self.reasons))
        return Decided(self.number, "needs_review", None, self.candidates, told)


def faces_decided(faces: Sequence[Face], rules: Rules) -> list[Decided]:
    """Decide on the faces of one photograph, in which a subject can be only once."""
    return _once_each([_decided(face, rules) for face in faces])


def candidates(
    found: Sequence[Likeness], rules: Rules, outside: Likeness | None = None
) -> tuple[Candidate, ...]:
    """Return subjects with score and margin, the best first; who is outside counts as a rival."""
    if not found:
        return ()
    best = found[0].cosine
    margins = [likeness.cosine - best for likeness in found]
    rivals = [each.cosine for each in (*found[1:2], *((outside,) if outside else ()))]
    margins[0] = best - max(rivals) if rivals else _NOBODY_NEXT
    return tuple(
        Candidate(each.subject, rules.score(each.cosine), round(margin, COSINE_DIGITS))
        for each, margin in zip(found, margins, strict=True)
    )[:MOST_CANDIDATES]


def summary(faces: Iterable[tuple[int, FaceState, Sequence[Reason]]]) -> FileState:
    """Return the state of a photograph from number, state and reasons of its faces."""
    states = {state for _, state, _ in faces}
    if "needs_review" in states:
        return "needs_review"
    return "matched" if "matched" in states else "unmatched"


def reasons(faces: Sequence[tuple[int, FaceState, Sequence[Reason]]]) -> list[Reason]:
    """Return the reasons of a photograph that was looked at for faces: its own and its faces'."""
    seen = sum(number >= 0 for number, _, _ in faces)
    found: dict[Reason, None] = {}
    if seen != 1:
        found["several_faces" if seen else "no_face"] = None
    for _, _, of_face in faces:
        found.update(dict.fromkeys(of_face))
    return list(found)


def _decided(face: Face, rules: Rules) -> Decided:
    found = candidates(face.found, rules, face.outside)
    unsure = Decided(face.number, "unmatched", None, found)
    if not found:
        return unsure
    score, margin = found[0].score, found[0].margin
    if score >= rules.threshold:
        doubts = _doubts(face.doubts, margin, rules)
        return unsure.doubted(*doubts) if doubts else unsure.matched()
    if score >= REVIEW_ALWAYS or (score >= REVIEW_FROM and rules.is_ahead(margin, STANDS_OUT)):
        return unsure.doubted("low_score")
    return unsure


def _doubts(doubts: frozenset[Doubt], margin: float, rules: Rules) -> list[Reason]:
    """Return why a face with a score that suffices should be looked at all the same."""
    found: list[Reason] = []
    if not rules.is_ahead(margin, CLEAR):
        found.append("low_margin")
    # with few pixels strangers look alike, and no margin tells that
    if "small_face" in doubts:
        found.append("small_face")
    if doubts - {"small_face"} and not rules.is_ahead(margin, CLEAR_IN_DOUBT):
        found.append("poor_quality")
    return found


def _once_each(faces: Sequence[Decided]) -> list[Decided]:
    """Let the best face of each subject keep it; the others are to be looked at."""
    holders: dict[SubjectId, Decided] = {}
    for face in sorted(faces, key=_by_claim):
        if face.state != "unmatched" and face.best is not None:
            holders.setdefault(face.best, face)
    return [
        face
        if face.state == "unmatched" or face.best is None or holders[face.best] is face
        else face.doubted("same_subject_twice")
        for face in faces
    ]


def _by_claim(face: Decided) -> tuple[bool, float, int]:
    score = face.candidates[0].score if face.candidates else 0.0
    return face.state != "matched", -score, face.number

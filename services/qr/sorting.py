"""Which photographs belong to whom, as photographers who work with cards know it.

A card is photographed, and the photographs up to the next card are of the person or group on it
(card first); or the card closes its sequence (card last). Each camera is a sequence of its own.

- Cards that stand in one frame, up to 5, are siblings: the photographs that go with it belong to
  each of them.
- A card photographed several times in a row is one card.
- What cannot be taken for a card of the job begins a sequence of nobody: its frames are told, and
  not given to whoever came before. So do damaged and made-up cards, cards of another job or
  account, more than 5 cards in a frame, and any other symbol, unless the frame shows a face: then
  it is on a shirt or a wall.
- So does a file that could not be read, as it may have been the next card.
- A good card counts, whatever else is in its frame.
- Somebody with two sequences of one camera gets both, and it is told.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from services.qr.cameras import cameras
from services.qr.frames import Frame, Order, in_order
from services.qr.payload import CardContent, Flaw, Kind, Unreadable

MOST_CARDS = 5
"""In one frame."""


class CardStands(StrEnum):
    """Where the card is in its sequence."""

    FIRST = "first"
    LAST = "last"


class Reason(StrEnum):
    """What somebody should look at."""

    BEFORE_FIRST_CARD = "before_first_card"
    """Frames of nobody: the camera had seen no card yet."""
    AFTER_LAST_CARD = "after_last_card"
    """Frames of nobody: no card closed them."""
    UNREADABLE_CARD = "unreadable_card"
    """A symbol that is no card of ours, and the frames that are therefore nobody's."""
    FOREIGN_CARD = "foreign_card"
    """A card of another job or account, and the frames that are therefore nobody's."""
    UNREADABLE_FILE = "unreadable_file"
    """A file that could not be read, perhaps a card, and the frames that are therefore nobody's."""
    TOO_MANY_CARDS = "too_many_cards"
    """More than 5 cards, as on a printed sheet, and the frames that are therefore nobody's."""
    SEVERAL_CARDS = "several_cards"
    """Siblings: the photographs that go with these cards belong to each of them."""
    SUBJECT_AGAIN = "subject_again"
    """A further sequence of somebody, added to those before."""
    EMPTY_SEQUENCE = "empty_sequence"
    """A card without photographs."""
    UNKNOWN_ID = "unknown_id"
    """A good card of a subject who is not in the roster; assigned nevertheless."""
    NOTHING_SEEN = "nothing_seen"
    """Neither a face nor a symbol: perhaps a card that was not found. Assigned nevertheless."""
    NO_CAPTURE_TIME = "no_capture_time"
    """Frames that do not say when they were taken: put behind those before them by name."""
    CLOCK_RESET = "clock_reset"
    """Frames from which on a camera's clock was behind: the camera is ordered by file number."""
    CAMERAS_UNCLEAR = "cameras_unclear"
    """Frames of one model of camera, perhaps of two cameras; sorted as if they were of one."""


class Subject(NamedTuple):
    """Whom photographs belong to: a person, a group, or an extra card, which is somebody too."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class Options:
    """How a shoot was photographed."""

    job: bytes
    """As `payload.job_tag` makes it: cards of another job are foreign."""
    order: Order = Order.CAPTURED
    card: CardStands = CardStands.FIRST
    roster: frozenset[str] | None = None
    """The ids of all subjects, None where they are not known."""
    cameras_apart: bool = True
    """Off for cameras with equal clocks of which only one photographs the cards."""


@dataclass(slots=True)
class Assignment:
    """What was photographed of somebody."""

    subject: Subject
    cards: list[Frame] = field(default_factory=list)
    """The frames that show the card."""
    frames: list[Frame] = field(default_factory=list)
    """The photographs, in order, one camera after the other."""


@dataclass(frozen=True, slots=True)
class Report:
    """Something that somebody should look at."""

    reason: Reason
    frames: tuple[Frame, ...]
    """Those it is about; where a symbol is at fault, the frames that show it come first."""
    subjects: tuple[Subject, ...] = ()


@dataclass(frozen=True, slots=True)
class Sorted:
    """A shoot, sorted."""

    assignments: list[Assignment]
    """One for each subject, in the order of their cards."""
    reports: list[Report]
    """Camera by camera, in the order of the frames."""


@dataclass(slots=True)
class _Sequence:
    """Frames that show the same cards in a row, and the photographs that go with them."""

    subjects: tuple[Subject, ...] = ()
    """Empty for a sequence of nobody."""
    fault: Reason | None = None
    """Why it is a sequence of nobody."""
    cards: list[Frame] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)


def sort(frames: Sequence[Frame], options: Options) -> Sorted:
    """Sort a shoot.

    Args:
        frames: In the order in which they were sent.
        options: How the shoot was photographed.

    Returns:
        Every frame once, but for siblings: with a subject, as a card or a photograph, or in a
        report of frames that are nobody's.
    """
    by_subject: dict[Subject, Assignment] = {}
    reports: list[Report] = []
    for camera in cameras(frames, apart=options.cameras_apart):
        line = in_order(camera.frames, options.order)
        if camera.unclear:
            reports.append(Report(Reason.CAMERAS_UNCLEAR, camera.unclear))
        if line.timeless:
            reports.append(Report(Reason.NO_CAPTURE_TIME, line.timeless))
        if line.resets:
            reports.append(Report(Reason.CLOCK_RESET, line.resets))
        seen: set[Subject] = set()
        for sequence in _sequences(line.frames, options):
            reports += _reports(sequence, seen, options)
            seen.update(sequence.subjects)
            for subject in sequence.subjects:
                assignment = by_subject.setdefault(subject, Assignment(subject))
                assignment.cards += sequence.cards
                assignment.frames += sequence.frames
    return Sorted(list(by_subject.values()), reports)


def _sequences(line: Sequence[Frame], options: Options) -> list[_Sequence]:
    """Cut the frames of a camera at its cards."""
    if options.card is CardStands.FIRST:
        return _cut(line, options.job, Reason.BEFORE_FIRST_CARD)
    # looked at from the end, a card that closes its sequence comes first
    sequences = _cut(line[::-1], options.job, Reason.AFTER_LAST_CARD)[::-1]
    for sequence in sequences:
        sequence.cards.reverse()
        sequence.frames.reverse()
    return sequences


def _cut(line: Iterable[Frame], job: bytes, loose: Reason) -> list[_Sequence]:
    """Begin a sequence at each card; what comes before the first one is `loose`."""
    current = _Sequence(fault=loose)
    sequences = [current]
    for frame in line:
        subjects, fault = _shown(frame, job)
        if not (subjects or fault):
            current.frames.append(frame)
        elif not current.frames and (subjects, fault) == (current.subjects, current.fault):
            current.cards.append(frame)
        else:
            current = _Sequence(subjects, fault, [frame])
            sequences.append(current)
    return [sequence for sequence in sequences if sequence.cards or sequence.frames]


def _shown(frame: Frame, job: bytes) -> tuple[tuple[Subject, ...], Reason | None]:
    """Return whose cards a frame shows, or why it begins a sequence of nobody."""
    if frame.unread:
        return (), Reason.UNREADABLE_FILE
    good = (card for card in frame.cards if isinstance(card, CardContent) and card.job == job)
    subjects = tuple(sorted({Subject(card.kind, card.student_id) for card in good}))
    if len(subjects) > MOST_CARDS:
        return (), Reason.TOO_MANY_CARDS
    if subjects:
        return subjects, None
    if Reason.FOREIGN_CARD in (faults := [_fault(card, job) for card in frame.cards]):
        return (), Reason.FOREIGN_CARD
    if frame.has_face and all(_is_something_else(card) for card in frame.cards):
        return (), None
    return (), Reason.UNREADABLE_CARD if faults else None


def _fault(card: CardContent | Unreadable, job: bytes) -> Reason | None:
    if isinstance(card, CardContent):
        return None if card.job == job else Reason.FOREIGN_CARD
    return Reason.FOREIGN_CARD if card.flaw is Flaw.OTHER_ACCOUNT else Reason.UNREADABLE_CARD


def _is_something_else(card: CardContent | Unreadable) -> bool:
    return isinstance(card, Unreadable) and card.flaw is Flaw.NOT_OURS


def _reports(sequence: _Sequence, seen: set[Subject], options: Options) -> Iterator[Report]:
    """Yield what there is to tell of one sequence.

    Args:
        sequence: As it was cut.
        seen: Who had a sequence of the same camera before.
        options: How the shoot was photographed.
    """
    cards, subjects = tuple(sequence.cards), sequence.subjects
    if sequence.fault:
        yield Report(sequence.fault, (*cards, *sequence.frames))
    else:
        yield from _beside_good_cards(cards, options.job)
    if len(subjects) > 1:
        yield Report(Reason.SEVERAL_CARDS, cards, subjects)
    if again := tuple(subject for subject in subjects if subject in seen):
        yield Report(Reason.SUBJECT_AGAIN, cards, again)
    if unknown := tuple(subject for subject in subjects if _is_unknown(subject, options.roster)):
        yield Report(Reason.UNKNOWN_ID, cards, unknown)
    if subjects and not sequence.frames:
        yield Report(Reason.EMPTY_SEQUENCE, cards, subjects)
    blank = [frame for frame in sequence.frames if frame.has_face is False and not frame.cards]
    if blank:
        yield Report(Reason.NOTHING_SEEN, tuple(blank), subjects)


def _beside_good_cards(cards: Iterable[Frame], job: bytes) -> Iterator[Report]:
    """Yield what else should be a card in frames that show a good one."""
    for frame in cards:
        claims = (card for card in frame.cards if not _is_something_else(card))
        for fault in sorted({fault for card in claims if (fault := _fault(card, job))}):
            yield Report(fault, (frame,))


def _is_unknown(subject: Subject, roster: frozenset[str] | None) -> bool:
    return roster is not None and subject.kind is Kind.SUBJECT and subject.id not in roster

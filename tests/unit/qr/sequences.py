"""Shoots for tests of sorting: frames with cards, and what came of them."""

from collections.abc import Iterable

from services.qr.frames import Frame, Order
from services.qr.payload import CardContent, Flaw, Kind, Unreadable
from services.qr.sorting import CardStands, Options, Reason, Report, Sorted

JOB = b"job1"
OTHER_JOB = b"job2"
FORGED = Unreadable(Flaw.FORGED)
LINK = Unreadable(Flaw.NOT_OURS)
THEIRS = Unreadable(Flaw.OTHER_ACCOUNT)
SENT = Options(job=JOB, order=Order.SENT)
CARD_LAST = Options(job=JOB, order=Order.SENT, card=CardStands.LAST)


def card(who: str, kind: Kind = Kind.SUBJECT, job: bytes = JOB) -> CardContent:
    return CardContent(kind, job, who)


def shoot(
    *shots: str | CardContent | Unreadable | tuple[CardContent | Unreadable, ...],
) -> list[Frame]:
    """Frames called 0, 1, 2 and so on; a text is a photograph of that name, the rest are cards."""
    frames = []
    for number, shot in enumerate(shots):
        if isinstance(shot, str):
            frames.append(Frame(shot))
        else:
            cards = shot if isinstance(shot, tuple) else (shot,)
            frames.append(Frame(f"card{number}", cards=cards))
    return frames


def files(frames: Iterable[Frame]) -> list[str]:
    return [frame.file for frame in frames]


def photographs(result: Sorted) -> dict[str, list[str]]:
    return {found.subject.id: files(found.frames) for found in result.assignments}


def told(result: Sorted, reason: Reason) -> list[Report]:
    return [report for report in result.reports if report.reason is reason]


def reasons(result: Sorted) -> list[Reason]:
    return [report.reason for report in result.reports]


UNREAD = Frame("unread", unread=True)

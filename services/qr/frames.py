"""The photographs of a shoot, and the order in which a camera took them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TypeAlias

from services.qr.payload import CardContent, Unreadable


class Order(StrEnum):
    """By what frames are put in order."""

    SENT = "sent"
    """As they came."""
    CAPTURED = "captured"
    """By the camera's clock, and by file number where the clock was reset."""
    NAME = "name"
    """By file name: 2 before 10, 9999 before the 0001 that follows it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A photograph of a shoot, as far as sorting needs to know it."""

    file: str
    """Its name, with folders if it has any; need not be the only one."""
    captured_at: datetime | None = None
    """Comparable with others of the same camera."""
    camera: str | None = None
    """Tells cameras apart; None where the file does not say."""
    cards: tuple[CardContent | Unreadable, ...] = ()
    """What its symbols say."""
    has_face: bool | None = None
    """None where nobody has looked."""
    unread: bool = False
    """Whether nothing but its name is known, because the file could not be read."""
    camera_is_certain: bool = True
    """Whether `camera` is one, and not perhaps several of one model."""


@dataclass(frozen=True, slots=True)
class Line:
    """Frames of one camera, in order."""

    frames: list[Frame]
    timeless: tuple[Frame, ...] = ()
    """Those without a time, put behind the one before them by name."""
    resets: tuple[Frame, ...] = ()
    """Those at which the clock went back while the file numbers went on."""


_LAP = 10_000
"""Cameras count to 9999 and go on with 0001."""
_NEAR_THE_END = 100
"""How many numbers may be missing on either side of a roll-over: photographs that were deleted."""
_NO_SHOOT = 1000
"""Numbers missing in a row, from which on those below were counted after those above."""
_GOES_ON = 20
"""Numbers from one file to the next of the same shoot."""
_MOST_RESETS = 3
"""Of a clock in a shoot; if time goes back more often, names say nothing about order."""
_CLOCK_GRAIN = timedelta(seconds=2)
"""The coarsest a file system stores; no step back."""

_DIGITS = re.compile("([0-9]+)")
_FILE_NUMBER_DIGITS = (4, 5)
"""IMG_0001, and DSC00001, which rolls over at 9999 too."""

_Key: TypeAlias = tuple[str | tuple[int, str], ...]
"""Texts and numbers in turn; a number as its length and digits, so that it may be of any size."""


@dataclass(frozen=True, slots=True)
class Name:
    """A file name around the number that its camera gave it."""

    before: str
    number: int | None
    after: str


def in_order(frames: Sequence[Frame], order: Order) -> Line:
    """Put the frames of one camera in order.

    By time, frames of the same moment are ordered by name, and those without a time follow the one
    that is before them by name. If the clock goes back while file numbers go on, it was reset, and
    the numbers count. It is not taken for a reset where numbers make a leap too: that is a counter
    that began anew, and the clock is right.
    """
    if order is Order.SENT:
        return Line(list(frames))
    by_name = _by_name(frames)
    if order is Order.NAME:
        return Line([frame for frame, _ in by_name])
    timeless = tuple(
        frame for frame, _ in by_name if frame.captured_at is None and not frame.unread
    )
    if resets := _resets(by_name):
        return Line([frame for frame, _ in by_name], timeless, resets)
    return Line(_by_time([frame for frame, _ in by_name]), timeless)


def _by_name(frames: Sequence[Frame]) -> list[tuple[Frame, Name]]:
    """Order by name, with numbers that are higher by a lap after each roll-over."""
    named = [(frame, name_of(frame.file)) for frame in frames]
    numbers: dict[str, set[int]] = {}
    for _, name in named:
        if name.number is not None:
            numbers.setdefault(name.before, set()).add(name.number)
    starts = {before: _start(of_camera) for before, of_camera in numbers.items()}
    counted = [
        (frame, Name(name.before, name.number + _LAP, name.after))
        if name.number is not None and name.number < starts[name.before]
        else (frame, name)
        for frame, name in named
    ]
    return sorted(counted, key=lambda pair: _key(pair[1]))


def name_of(file: str) -> Name:
    """Take a file name apart."""
    stem = file.removesuffix(PurePosixPath(file).suffix)
    runs = [run for run in _DIGITS.finditer(stem) if len(run.group()) in _FILE_NUMBER_DIGITS]
    if not runs or "/" in stem[runs[-1].end() :]:
        return Name(file, None, "")
    start, end = runs[-1].span()
    return Name(file[:start], int(file[start:end]), file[end:])


def _start(numbers: set[int]) -> int:
    """Return the number with which a shoot began: not the lowest if the counter rolled over."""
    low, high = min(numbers), max(numbers)
    if low > _NEAR_THE_END or not _LAP - _NEAR_THE_END <= high < _LAP:
        return low
    gap, start = max((above - below, above) for below, above in pairwise(sorted(numbers)))
    return start if gap > _NO_SHOOT else low


def _key(name: Name) -> _Key:
    if name.number is None:
        return _natural(name.before)
    return (*_natural(name.before), _as_number(str(name.number)), *_natural(name.after))


def _natural(text: str) -> _Key:
    parts = _DIGITS.split(text.casefold())
    return tuple(_as_number(part) if at % 2 else part for at, part in enumerate(parts))


def _as_number(digits: str) -> tuple[int, str]:
    bare = digits.lstrip("0")
    return len(bare), bare


def _resets(by_name: Sequence[tuple[Frame, Name]]) -> tuple[Frame, ...]:
    """Return where the clock was reset, nothing if time going back has another reason."""
    found: list[Frame] = []
    timed = [pair for pair in by_name if pair[0].captured_at is not None]
    for (earlier, name), (later, next_name) in pairwise(timed):
        if not _goes_back(earlier, later):
            continue
        if name.before != next_name.before or name.number is None or next_name.number is None:
            return ()
        if next_name.number - name.number > _GOES_ON:
            return ()
        found.append(later)
    return tuple(found) if len(found) <= _MOST_RESETS else ()


def _goes_back(earlier: Frame, later: Frame) -> bool:
    if earlier.captured_at is None or later.captured_at is None:
        return False
    return earlier.captured_at - later.captured_at > _CLOCK_GRAIN


def _by_time(by_name: Sequence[Frame]) -> list[Frame]:
    """Order by time; a frame without one stays behind the frame it follows."""
    first: list[Frame] = []
    timed: list[tuple[datetime, list[Frame]]] = []
    for frame in by_name:
        if frame.captured_at is not None:
            timed.append((frame.captured_at, [frame]))
        else:
            (timed[-1][1] if timed else first).append(frame)
    timed.sort(key=lambda pair: pair[0])
    return first + [frame for _, together in timed for frame in together]

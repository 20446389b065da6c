"""Which frames one camera took.

Files name the make and the model, and many, those of telephones above all, no serial number. Two
cameras of one model are then told apart by how they call their files and how they count them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from services.qr.frames import Frame, name_of

_ROLLED_OVER = 5_000
"""Numbers by which a counter that begins anew goes back, at least."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What was taken with one camera."""

    frames: list[Frame]
    """As they came."""
    unclear: tuple[Frame, ...] = ()
    """Those that may be of several cameras of one model."""


def cameras(frames: Sequence[Frame], *, apart: bool) -> list[Camera]:
    """Return each camera's frames.

    Those that name none are of the only camera there is. A file that could not be read is with the
    camera that calls its files like that, and where none does with all of them, as it may have
    shown a card of any.

    Args:
        frames: In the order in which they were sent.
        apart: Off where all shall be taken for one.
    """
    if not apart:
        return [Camera(list(frames))]
    found = [part for of_name in _by_camera(frames) for part in _split(of_name)]
    unread = [frame for frame in frames if frame.unread]
    if not unread:
        return found
    if not found:
        return [Camera(unread)]
    places = {id(frame): place for place, frame in enumerate(frames)}
    called = [{_called(frame) for frame in camera.frames} for camera in found]
    for frame in unread:
        of = [n for n, names in enumerate(called) if _called(frame) in names]
        for number in of or range(len(found)):
            found[number].frames.append(frame)
    for camera in found:
        camera.frames.sort(key=lambda frame: places[id(frame)])
    return found


def _by_camera(frames: Iterable[Frame]) -> list[list[Frame]]:
    """Group what was read by what it says of its camera."""
    read = [frame for frame in frames if not frame.unread]
    named = {frame.camera for frame in read if frame.camera}
    only = named.pop() if len(named) == 1 else None
    groups: dict[str | None, list[Frame]] = {}
    for frame in read:
        groups.setdefault(frame.camera or only, []).append(frame)
    return list(groups.values())


def _split(frames: list[Frame]) -> list[Camera]:
    """Part the frames of one model where it was surely more than one camera."""
    if all(frame.camera_is_certain for frame in frames):
        return [Camera(frames)]
    parts: dict[str, list[Frame]] = {}
    for frame in frames:
        parts.setdefault(_called(frame), []).append(frame)
    if len(parts) == 1 and not _are_called_alike(frames):
        return [Camera(frames)]
    if _is_one_counter(frames) or (len(parts) > 1 and _follow_each_other(parts.values())):
        return [Camera(frames)]
    if len(parts) > 1 and all(_is_one_counter(part) for part in parts.values()):
        return [Camera(part) for part in parts.values()]
    return [Camera(frames, tuple(frames))]


def _called(frame: Frame) -> str:
    """Return what a camera puts before its number; of names without one nothing."""
    name = name_of(frame.file)
    return "" if name.number is None else name.before.casefold()


def _are_called_alike(frames: Sequence[Frame]) -> bool:
    """Whether names come twice that a camera gives once."""
    numbered = [frame.file for frame in frames if name_of(frame.file).number is not None]
    return len(set(numbered)) < len(numbered)


def _follow_each_other(parts: Iterable[Sequence[Frame]]) -> bool:
    """Whether files were only called something else from some time on."""
    times = [[frame.captured_at for frame in part if frame.captured_at] for part in parts]
    spans = sorted((min(of_part), max(of_part)) for of_part in times if of_part)
    return all(before[1] <= after[0] for before, after in pairwise(spans))


def _is_one_counter(frames: Iterable[Frame]) -> bool:
    """Whether the numbers go on with the time, as far as both are known.

    Copies that were edited have the number and the time of what they were made of.
    """
    counted: list[tuple[datetime, int]] = []
    for frame in frames:
        number = name_of(frame.file).number
        if frame.captured_at is not None and number is not None:
            counted.append((frame.captured_at, number))
    rolled_over = 0
    for (before, number), (after, following) in pairwise(sorted(counted)):
        if following == number and before != after:
            return False
        if following < number:
            rolled_over += 1
            if number - following < _ROLLED_OVER:
                return False
    return rolled_over <= 1

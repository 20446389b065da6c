"""From what an account asks for to a preset: what is left out is chosen, what cannot be is refused.

The messages hold each value to its own bounds; here the values are held to each other.
"""

from collections.abc import Iterator

from proto.errors import InvalidRequest
from proto.presets import MOST_SIZES, Aspect, Format, Preset, PresetDraft, Size

_FULL = (2400, 3000)
"""An 8 x 10 inch print at 300 dpi."""
_MEDIUM = (1000, 1000)
_LEAST_SIDE = 64

_TAKEN_SIZES = frozenset({"full", "medium", "md", "original", "orig"})
"""What the outputs that every preset has are called, in answers and in the names of files."""

_WITH_ALPHA: frozenset[Format] = frozenset({"png", "webp"})

_MOST_PIXELS = 90_000_000
"""Of all outputs together: one photograph must not take an engine a minute and a gigabyte."""

_ROUNDING = 1e-9
"""Of sums of fractions: 0.7 + 0.3 may come out a little over 1."""


def complete(draft: PresetDraft) -> Preset:
    """Return the preset that a draft describes. Raises InvalidRequest.

    Where it names sizes, but neither full nor medium, these two follow from the largest of them, so
    that a portrait is judged by what was asked for.
    """
    full, medium = _full_and_medium(draft)
    preset = Preset(
        name=draft.name,
        aspect=draft.aspect,
        head=draft.head,
        eye_line=draft.eye_line,
        full=full,
        medium=medium,
        sizes=draft.sizes,
        background=draft.background,
        format=draft.format or ("png" if draft.background == "transparent" else "jpeg"),
        dpi=draft.dpi,
        own=True,
    )
    check(preset)
    return preset


def check(preset: Preset) -> None:
    """Raise InvalidRequest unless the values of a preset fit together."""
    crown, chin = preset.eye_line - preset.head / 2, preset.eye_line + preset.head / 2
    if crown < -_ROUNDING or chin > 1 + _ROUNDING:
        raise InvalidRequest(
            "the head must lie inside the frame: eyes are half-way down a head, so half its "
            "height must fit above the eye line and below it"
        )
    if preset.background == "transparent" and preset.format not in _WITH_ALPHA:
        raise InvalidRequest("a transparent background takes the format png or webp")
    if taken := sorted(_TAKEN_SIZES & preset.sizes.keys()):
        raise InvalidRequest(f"a further size cannot be called {taken[0]}")
    if len(preset.sizes) > MOST_SIZES:
        raise InvalidRequest(f"a preset has at most {MOST_SIZES} sizes besides full and medium")
    if sum(_pixels(size) for _, size in _outputs(preset)) > _MOST_PIXELS:
        raise InvalidRequest(
            f"all sizes together may have {_MOST_PIXELS // 1_000_000} megapixels, "
            "three prints of 16 x 20 inches at 300 dpi"
        )
    for name, size in _outputs(preset):
        if not _has_aspect(size, preset.aspect):
            (width, height), (wide, high) = size, preset.aspect
            raise InvalidRequest(
                f"the size {name}, {width} x {height}, does not have the aspect {wide}:{high}"
            )


def _full_and_medium(draft: PresetDraft) -> tuple[Size, Size]:
    named = [size for size in draft.sizes.values() if _has_aspect(size, draft.aspect)]
    if draft.full or draft.medium or not named:
        return (
            draft.full or _largest(draft.aspect, _FULL),
            draft.medium or _largest(draft.aspect, _MEDIUM),
        )
    largest = max(named, key=_pixels)
    fits = max(largest) <= max(_MEDIUM)
    medium = largest if fits else _largest(draft.aspect, _MEDIUM)
    # a set of large sizes is not refused for what it did not ask for
    room = _MOST_PIXELS - _pixels(medium) - sum(map(_pixels, draft.sizes.values()))
    full = largest if _pixels(largest) <= room else _largest(draft.aspect, _FULL)
    return full, medium


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _outputs(preset: Preset) -> Iterator[tuple[str, Size]]:
    yield "full", preset.full
    yield "medium", preset.medium
    yield from preset.sizes.items()


def _has_aspect(size: Size, aspect: Aspect) -> bool:
    """Whether the width is within one pixel of what the height asks for."""
    (width, height), (wide, high) = size, aspect
    return abs(width * high - height * wide) <= high


def _largest(aspect: Aspect, within: Size) -> Size:
    """Return the largest size of an aspect within a frame, upright or lying as the aspect is.

    Raises InvalidRequest when a side of it would be too short.
    """
    (less, more), (short_most, long_most) = sorted(aspect), within
    long = min(long_most, round(short_most * more / less))
    short = round(long * less / more)
    lying = aspect[0] > aspect[1]
    if lying and not _has_aspect((long, short), aspect):
        # in a wide frame half a pixel of height is more than one of width
        short = long * less // more
        long = round(short * more / less)
    if short < _LEAST_SIDE:
        raise InvalidRequest(
            f"a frame of {aspect[0]}:{aspect[1]} is so narrow that full and medium must be given"
        )
    return (long, short) if lying else (short, long)

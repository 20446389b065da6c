"""Text to glyphs: one line at a time, in any script and direction.

A text is cleaned, cut where the font or the direction changes, shaped by HarfBuzz, and put into the
order in which it is seen. It is not cut where the script changes: HarfBuzz takes the script of each
piece from its letters, and scripts that join or stack have fonts of their own.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

import uharfbuzz as hb

from services.qr.drawing.directions import base_level, levels, seen_order
from services.qr.drawing.fonts import Face, Fonts

_JOINERS = "\u200c\u200d"
"""Format characters that change how letters join; all others have no look of their own."""


class Glyph(NamedTuple):
    """A glyph on the line; lengths in thousandths of the type size."""

    number: int
    """In its font file."""
    advance: int
    """To the next glyph."""
    right: int
    """By how much it is drawn right of its place."""
    up: int
    """By how much above."""
    text: str
    """The characters it stands for; empty if an earlier glyph of its cluster says them."""


@dataclass(frozen=True, slots=True)
class Run:
    """Glyphs of one font, from left to right."""

    face: Face
    glyphs: tuple[Glyph, ...]
    text: str
    """In the order in which it is read."""
    spelled: bool
    """Whether the glyphs spell the text one by one, so that a reader of the PDF finds it again."""


LEAST_ASCENT, LEAST_DESCENT = 760, 240
"""Of a line: those of Latin letters without accents, so that most lines stand equally far apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """A shaped line, from left to right; lengths in thousandths of the type size."""

    runs: tuple[Run, ...]
    width: int
    ascent: int
    """From the base line to the top of what is printed, at least `LEAST_ASCENT`."""
    descent: int
    """From the base line down, at least `LEAST_DESCENT`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters that one font draws."""

    face: Face
    text: str


def cleaned(text: str) -> str:
    """Compose what can be composed, make white space single, drop what has no look of its own.

    What steers the direction of a text is dropped too: letters say it themselves, and a name must
    not reorder its neighbours.
    """
    if text.isascii():
        return " ".join(text.split())
    composed = unicodedata.normalize("NFC", text)
    kept = (
        character for character in composed if character in _JOINERS or not _is_invisible(character)
    )
    return " ".join("".join(kept).split())


def _is_invisible(character: str) -> bool:
    picks_a_variant = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return picks_a_variant or unicodedata.category(character) == "Cf"


def clusters(text: str) -> Iterator[str]:
    """Yield each character together with the marks and joiners that follow it."""
    start = 0
    for index in range(1, len(text)):
        character = text[index]
        if character >= "\u0300" and _goes_with_the_one_before(character):
            continue
        yield text[start:index]
        start = index
    if text:
        yield text[start:]


def _goes_with_the_one_before(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character).startswith("M")


def drawable(text: str, fonts: Fonts) -> tuple[list[Piece], str]:
    """Assign fonts to a cleaned text; return also the characters that no font has."""
    if text and fonts.draws_plainly(text):
        return [Piece(fonts.plain, text)], ""
    pieces: list[Piece] = []
    missing: list[str] = []
    face: Face | None = None
    for cluster in clusters(text):
        letters = cluster.strip(_JOINERS) if len(cluster) > 1 else cluster
        if not letters:
            continue
        face, shown = _face_for(letters, face, fonts)
        missing.extend(mark for mark in letters if mark not in shown)
        if face and shown:
            pieces.append(Piece(face, cluster if shown == letters else shown))
    return joined(pieces), "".join(missing)


def _face_for(cluster: str, current: Face | None, fonts: Fonts) -> tuple[Face | None, str]:
    """Choose a font, and say what of the cluster it shows.

    Spaces, digits and punctuation belong to no script and stay with the font they stand next to.
    """
    first = cluster[0]
    if current and not first.isalpha() and current.has(cluster):
        return current, cluster
    face = fonts.face_for(cluster) or fonts.face_for(unicodedata.normalize("NFD", cluster))
    if face:
        return face, cluster
    face = fonts.face_for(first)
    if face is None:
        return current, ""
    return face, "".join(mark for mark in cluster if face.has(mark))


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Put neighbours of one font together."""
    return [
        Piece(face, "".join(piece.text for piece in group))
        for face, group in groupby(pieces, key=lambda piece: piece.face)
    ]


def line(pieces: Sequence[Piece], *, right_to_left: bool | None = None) -> Line:
    """Shape one line.

    Args:
        pieces: What `drawable` made of a text, or a part of it.
        right_to_left: Direction of the paragraph; without it, the first letter decides.
    """
    text = "".join(piece.text for piece in pieces)
    base = base_level(text) if right_to_left is None else int(right_to_left)
    level_of = levels(text, base)
    start, logical = 0, []
    for piece in pieces:
        end = start + len(piece.text)
        if level_of is None:
            logical.append((0, _shaped(piece.face, piece.text, backwards=False)))
        else:
            for first, last in _stretches(level_of[start:end]):
                level, part = level_of[start + first], piece.text[first:last]
                logical.append((level, _shaped(piece.face, part, backwards=level % 2 == 1)))
        start = end
    runs = tuple(seen_order(logical))
    ascent, descent, width = LEAST_ASCENT, LEAST_DESCENT, 0
    for run in runs:
        measure = run.face.measure
        for number, advance, _, up, _ in run.glyphs:
            _, top, bottom = measure(number)
            width += advance
            ascent = max(ascent, top + up)
            descent = max(descent, -bottom - up)
    return Line(runs, width, ascent, descent)


def _stretches(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each stretch of equal values."""
    changes = [i for i in range(1, len(values)) if values[i] != values[i - 1]]
    return pairwise([0, *changes, len(values)])


def _shaped(face: Face, text: str, *, backwards: bool) -> Run:
    buffer = hb.Buffer()
    buffer.cluster_level = hb.BufferClusterLevel.MONOTONE_CHARACTERS
    buffer.flags = hb.BufferFlags.REMOVE_DEFAULT_IGNORABLES
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if backwards else "ltr"
    hb.shape(face.font, buffer)
    infos, places = buffer.glyph_infos, buffer.glyph_positions
    texts = _texts([info.cluster for info in infos], text)
    glyphs = [
        Glyph(info.codepoint, place.x_advance, place.x_offset, place.y_offset, said)
        for info, place, said in zip(infos, places, texts, strict=True)
    ]
    if backwards:
        return Run(face, tuple(_letter_by_letter(glyphs, face)), text, spelled=True)
    return Run(face, tuple(glyphs), text, spelled=all(texts))


def _letter_by_letter(glyphs: list[Glyph], face: Face) -> Iterator[Glyph]:
    """Give each letter of a ligature a place of its own, the last one at the left.

    Readers of a PDF turn what runs from right to left around letter by letter, and would turn the
    letters of a ligature around once too often. So it stands for its last letter, and empty glyphs
    over its width for those before.
    """
    empty = face.font.get_nominal_glyph(ord(" "))
    for glyph in glyphs:
        letters = len(glyph.text)
        if letters < 2 or empty is None:
            yield glyph
            continue
        part = glyph.advance // letters
        yield glyph._replace(advance=glyph.advance - part * (letters - 1), text=glyph.text[-1])
        for letter in reversed(glyph.text[:-1]):
            yield Glyph(empty, part, 0, 0, letter)


def _texts(starts: list[int], text: str) -> list[str]:
    """Return what each glyph stands for, given where its cluster starts in the text."""
    if starts == list(range(len(text))):
        return list(text)
    ends = dict(pairwise(sorted({*starts, len(text)})))
    said: set[int] = set()
    result = []
    for start in starts:
        result.append("" if start in said else text[start : ends[start]])
        said.add(start)
    return result

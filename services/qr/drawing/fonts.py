"""Which font draws which character: files of Debian's font packages, by what they cover.

Only TrueType outlines are listed, which every printer takes. Files are mapped, not read: what no
card needs is never in memory.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple
from unicodedata import category

import uharfbuzz as hb

from services.qr.drawing.errors import FontsMissing

FOLDER = Path("/usr/share/fonts/truetype")
UNITS = 1000
"""All lengths of glyphs are thousandths of the type size, as in PDF."""


@dataclass(frozen=True, slots=True)
class Family:
    """A regular and a bold file, and where they go first."""

    package: str
    regular: str
    bold: str
    blocks: tuple[tuple[int, int], ...] = ()
    """Ranges of code points, both ends in them, that this family draws before all others."""


def _noto(script: str, *blocks: tuple[int, int]) -> Family:
    file = f"noto/NotoSans{script}"
    return Family("fonts-noto-core", f"{file}-Regular.ttf", f"{file}-Bold.ttf", blocks)


FAMILIES = (
    # Latin with Vietnamese, Greek, Cyrillic; Armenian, Georgian, Arabic and Hebrew if need be.
    Family("fonts-dejavu-core", "dejavu/DejaVuSans.ttf", "dejavu/DejaVuSans-Bold.ttf"),
    # Chinese, kana and all syllables of hangul; there is no bold.
    Family("fonts-wqy-microhei", "wqy/wqy-microhei.ttc", "wqy/wqy-microhei.ttc"),
    _noto("Hebrew", (0x0590, 0x05FF), (0xFB1D, 0xFB4F)),
    _noto("Arabic", (0x0600, 0x06FF), (0x0750, 0x077F), (0x08A0, 0x08FF), (0xFB50, 0xFEFF)),
    _noto("Thaana", (0x0780, 0x07BF)),
    _noto("Devanagari", (0x0900, 0x097F)),
    _noto("Bengali", (0x0980, 0x09FF)),
    _noto("Gurmukhi", (0x0A00, 0x0A7F)),
    _noto("Gujarati", (0x0A80, 0x0AFF)),
    _noto("Oriya", (0x0B00, 0x0B7F)),
    _noto("Tamil", (0x0B80, 0x0BFF)),
    _noto("Telugu", (0x0C00, 0x0C7F)),
    _noto("Kannada", (0x0C80, 0x0CFF)),
    _noto("Malayalam", (0x0D00, 0x0D7F)),
    _noto("Sinhala", (0x0D80, 0x0DFF)),
    _noto("Thai", (0x0E00, 0x0E7F)),
    _noto("Lao", (0x0E80, 0x0EFF)),
    _noto("Myanmar", (0x1000, 0x109F)),
    _noto("Ethiopic", (0x1200, 0x139F)),
    _noto("Khmer", (0x1780, 0x17FF)),
)
"""In the order in which they are asked for a character that is in nobody's blocks."""


class Measure(NamedTuple):
    """Lengths of a glyph in thousandths of the type size."""

    advance: int
    """How far it moves the line on by itself."""
    top: int
    """Upper edge of what is printed, above the base line."""
    bottom: int
    """Lower edge, below 0 if it is below the base line."""


class Face:
    """One font file, with its lengths in thousandths of the type size."""

    def __init__(self, path: Path) -> None:
        self.face = hb.Face(hb.Blob.from_file_path(str(path)), 0)
        self.font = hb.Font(self.face)
        self.font.scale = (UNITS, UNITS)
        self.name: str = self.face.get_name(hb.OTNameIdPredefined.POSTSCRIPT_NAME)
        self._measures: dict[int, Measure] = {}

    @cached_property
    def bounds(self) -> list[int]:
        """Left, lower, right and upper edge of all its glyphs together."""
        edges = struct.unpack(">4h", self.face.reference_table("head").data[36:44])
        return [round(edge * UNITS / self.face.upem) for edge in edges]

    def measure(self, number: int) -> Measure:
        """Measure a glyph by its number in the file."""
        measure = self._measures.get(number)
        if measure is None:
            extents = self.font.get_glyph_extents(number)
            top, bottom = (extents.y_bearing, extents.y_bearing + extents.height)
            advance = self.font.get_glyph_h_advance(number)
            measure = self._measures[number] = Measure(advance, top, bottom)
        return measure

    def has(self, characters: str) -> bool:
        """Tell if there is a glyph for each of the characters."""
        find = self.font.get_nominal_glyph
        return all(find(ord(character)) for character in characters)


class Fonts:
    """The installed fonts of one weight."""

    def __init__(self, folder: Path = FOLDER, *, bold: bool = False) -> None:
        """Look which files are there.

        Raises:
            FontsMissing: Those for Latin letters are not.
        """
        named = [(family, family.bold if bold else family.regular) for family in FAMILIES]
        self._paths = {family: folder / file for family, file in named if (folder / file).is_file()}
        if FAMILIES[0] not in self._paths:
            raise FontsMissing(FAMILIES[0].package)
        self.plain = Face(self._paths[FAMILIES[0]])
        """The font of most texts."""
        self._faces = {FAMILIES[0]: self.plain}
        self._chosen: dict[str, Face | None] = {}
        self._plain_characters: set[str] = set()

    def draws_plainly(self, text: str) -> bool:
        """Tell if the plain font draws all of a text, without a mark that needs a look at it."""
        if self._plain_characters.issuperset(text):
            return True
        self._plain_characters.update(
            character
            for character in set(text).difference(self._plain_characters)
            if not category(character).startswith("M") and self.face_for(character) is self.plain
        )
        return self._plain_characters.issuperset(text)

    def face_for(self, characters: str) -> Face | None:
        """Return the first font that has glyphs for all the characters, which are drawn together.

        Args:
            characters: A character with its marks, not empty.
        """
        try:
            return self._chosen[characters]
        except KeyError:
            fitting = (face for face in self._asked(ord(characters[0])) if face.has(characters))
            chosen = next(fitting, None)
            if len(self._chosen) < _REMEMBERED:
                self._chosen[characters] = chosen
            return chosen

    def _asked(self, code: int) -> Iterator[Face]:
        """Yield the fonts in the order in which they are asked, opening each in its turn."""
        at_home = [
            family
            for family in self._paths
            if any(first <= code <= last for first, last in family.blocks)
        ]
        for family in dict.fromkeys([*at_home, *self._paths]):
            if family not in self._faces:
                self._faces[family] = Face(self._paths[family])
            yield self._faces[family]


_REMEMBERED = 20_000
"""Choices kept by one `Fonts`: more than the characters of any roster, and no end of memory."""


@cache
def installed(folder: Path = FOLDER) -> tuple[Fonts, Fonts]:
    """Return the regular and the bold fonts; the files are looked for once in a process.

    Raises:
        FontsMissing: The fonts for Latin letters are not installed.
    """
    return Fonts(folder), Fonts(folder, bold=True)


def absent_packages(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the Debian packages of which a file is not there, in the order of `FAMILIES`.

    Their scripts are then reported as missing, character by character.
    """
    files = (
        (family.package, file) for family in FAMILIES for file in (family.regular, family.bold)
    )
    return tuple(dict.fromkeys(name for name, file in files if not (folder / file).is_file()))

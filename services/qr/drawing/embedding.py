"""The fonts inside a PDF: only the glyphs that were drawn, each with the text it stands for.

Text is shown by numbers of our own (CIDs), given out as glyphs come. A glyph that stands for
different texts has several, so that whoever copies or searches finds what was meant. One font holds
all glyphs of a face, and one embedded file their outlines, subset by HarfBuzz.
"""

import hashlib
import struct

import pikepdf
import uharfbuzz as hb
from pikepdf import Array, Dictionary, Name

from services.qr.drawing.fonts import UNITS, Face
from services.qr.drawing.text import LEAST_ASCENT, Line, Run

_UNNEEDED = ["GSUB", "GPOS", "GDEF", "BASE", "JSTF", "cmap", "name", "post", "OS/2", "DSIG", "kern"]
"""Tables that an embedded TrueType font can do without (ISO 32000-1, 9.9)."""
_SYMBOLIC = 4
"""Flag of a font whose glyphs are in no standard set of characters."""
_STEM = 80
"""Thickness of stems. Nobody needs it to draw an embedded font, but the entry must be there."""


class Embedded:
    """One font and the glyphs of it that the document shows."""

    def __init__(self, face: Face, resource: str) -> None:
        self.face = face
        self.resource = resource
        """Its name in the resources of a page."""
        self.cids: dict[tuple[int, str], int] = {}
        """By glyph and text, from 1. Glyph 0, for what is missing, is never shown."""

    def shown(self, run: Run, size: float) -> str:
        """Return the operators that show a run at the text position, and move that behind it."""
        cids, measure = self.cids, self.face.measure
        out = [f"/{self.resource} {size:.2f} Tf[<"]
        pending = rise = 0
        for glyph in run.glyphs:
            number, advance, right, up, text = glyph
            if up != rise:
                out.append(f">]TJ {up * size / UNITS:.3f} Ts[<")
                rise = up
            if shift := pending + right:
                out.append(f">{-shift}<")
            key = number, text
            cid = cids.get(key)
            if cid is None:
                cid = cids[key] = len(cids) + 1
            out.append(f"{cid:04x}")
            pending = advance - right - measure(number).advance
        out.append(f">{-pending}]TJ" if pending else ">]TJ")
        if rise:
            out.append(" 0 Ts")
        shown = "".join(out)
        if run.spelled:
            return shown
        meant = "feff" + run.text.encode("utf-16-be").hex()
        return f"/Span<</ActualText<{meant}>>>BDC {shown} EMC"


class Embedding:
    """The fonts of one document."""

    def __init__(self) -> None:
        self._fonts: dict[Face, Embedded] = {}

    def painted(self, line: Line, x: float, y: float, size: float) -> str:
        """Return the PDF operators that paint a line.

        Args:
            line: What to paint.
            x: Where it starts, in points.
            y: Its base line, in points.
            size: Type size, in points.
        """
        shown = " ".join(self._font(run.face).shown(run, size) for run in line.runs)
        return f"BT 1 0 0 1 {x:.2f} {y:.2f} Tm {shown} ET"

    def _font(self, face: Face) -> Embedded:
        font = self._fonts.get(face)
        if font is None:
            font = self._fonts[face] = Embedded(face, f"F{len(self._fonts) + 1}")
        return font

    def resources(self, pdf: pikepdf.Pdf) -> Dictionary:
        """Write the fonts into a document; return what its pages call them."""
        fonts = {f"/{font.resource}": _written(font, pdf) for font in self._fonts.values()}
        return Dictionary(fonts)


def _written(font: Embedded, pdf: pikepdf.Pdf) -> pikepdf.Object:
    """Write one font as a composite font of TrueType outlines (ISO 32000-1, 9.7)."""
    program, numbers = _subset(font.face, {number for number, _ in font.cids})
    base = Name(f"/{_tag(program)}+{font.face.name}")
    by_cid = [number for number, _ in font.cids]
    widths = [font.face.measure(number).advance for number in by_cid]
    places = struct.pack(f">{len(by_cid) + 1}H", 0, *(numbers[number] for number in by_cid))
    face = font.face
    descriptor = Dictionary(
        Type=Name.FontDescriptor,
        FontName=base,
        Flags=_SYMBOLIC,
        FontBBox=Array(face.bounds),
        ItalicAngle=0,
        Ascent=face.bounds[3],
        Descent=face.bounds[1],
        CapHeight=LEAST_ASCENT,
        StemV=_STEM,
        FontFile2=pdf.make_stream(program, Length1=len(program)),
    )
    outlines = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=base,
        CIDSystemInfo=Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0),
        FontDescriptor=pdf.make_indirect(descriptor),
        W=Array([1, Array(widths)]),
        CIDToGIDMap=pdf.make_stream(places),
    )
    return pdf.make_indirect(
        Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=base,
            Encoding=Name("/Identity-H"),
            DescendantFonts=Array([pdf.make_indirect(outlines)]),
            ToUnicode=pdf.make_stream(_to_unicode([text for _, text in font.cids])),
        )
    )


def _subset(face: Face, numbers: set[int]) -> tuple[bytes, dict[int, int]]:
    """Return a font file with only these glyphs, and where each is in it."""
    wanted = hb.SubsetInput()
    wanted.flags = hb.SubsetFlags.NO_LAYOUT_CLOSURE | hb.SubsetFlags.NOTDEF_OUTLINE
    wanted.glyph_set.update(numbers)
    wanted.drop_table_tag_set.update(int.from_bytes(tag.encode()) for tag in _UNNEEDED)
    plan = hb.SubsetPlan(face.face, wanted)
    places = plan.old_to_new_glyph_mapping
    return plan.execute().blob.data, {number: places[number] for number in numbers}


def _tag(program: bytes) -> str:
    """Return six capital letters that tell one subset of a font from another."""
    digest = hashlib.sha256(program).digest()
    return "".join(chr(ord("A") + byte % 26) for byte in digest[:6])


_TO_UNICODE = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <ffff>
endcodespacerange
{blocks}endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""
_BLOCK = 100
"""Entries that a block of a CMap may have."""


def _to_unicode(texts: list[str]) -> bytes:
    """Return the CMap that tells what each CID, from 1, stands for."""
    entries = [
        f"<{cid:04x}> <{text.encode('utf-16-be').hex()}>\n"
        for cid, text in enumerate(texts, start=1)
        if text
    ]
    blocks = [entries[start : start + _BLOCK] for start in range(0, len(entries), _BLOCK)]
    text = "".join(f"{len(block)} beginbfchar\n{''.join(block)}endbfchar\n" for block in blocks)
    return _TO_UNICODE.format(blocks=text).encode("ascii")

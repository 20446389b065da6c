"""The last hand on a PDF: fonts, metadata, and a form that opens while it is still arriving."""

from pathlib import Path
from typing import BinaryIO

import pikepdf
from pikepdf import Dictionary, Name

from services.qr.drawing.cards import SheetOptions
from services.qr.drawing.embedding import Embedding

_PRODUCER = "Darkroom"


def finish(
    pages: BinaryIO, embedding: Embedding, options: SheetOptions, into: Path | BinaryIO
) -> None:
    """Embed the fonts, name and tag the document, pack its objects and linearise it.

    Args:
        pages: A PDF by reportlab, whose pages share one dictionary of fonts.
        embedding: The fonts that its texts were set in.
        options: Title and language.
        into: A file to write, or a stream open for writing bytes.
    """
    title = options.title or options.school_name
    with pikepdf.open(pages) as pdf:
        # reportlab names Helvetica on every page, and no letter is set in it: ours take its place.
        shared = pdf.pages[0].Resources.Font
        for name in list(shared.keys()):
            del shared[name]
        for name, font in embedding.resources(pdf).items():
            shared[name] = font
        pdf.Root.Lang = pikepdf.String(options.language)
        pdf.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True, PrintScaling=Name("/None"))
        pdf.docinfo = pdf.make_indirect(Dictionary(Producer=_PRODUCER))
        if title:
            pdf.docinfo.Title = title
        with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as metadata:
            metadata["pdf:Producer"] = _PRODUCER
            metadata["dc:language"] = {options.language}
            if title:
                metadata["dc:title"] = title
        pdf.save(
            into,
            min_version="1.6",
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            linearize=True,
            deterministic_id=True,
        )

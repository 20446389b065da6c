"""From a file that nobody has vouched for to a table, whatever it is called.

The kind is told from the content. What is no CSV and no XLSX is refused with a sentence that says
what to do about it. Blocks the calling thread and holds the interpreter lock: a second for 10,000
rows of ten columns in XLSX, up to some seconds for what a stranger makes to be slow. Call it in a
process of its own where others wait.
"""

import re

from services.qr.rosters.delimited import read_delimited
from services.qr.rosters.errors import (
    NotARoster,
    RosterDamaged,
    RosterEmpty,
    RosterError,
    RosterLocked,
    RosterTooLarge,
    UnsupportedRoster,
)
from services.qr.rosters.packages import Package
from services.qr.rosters.tables import Table
from services.qr.rosters.workbooks import read_workbook

MOST_BYTES = 20 * 1024 * 1024

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The container of XLS, and of an XLSX with a password ([MS-CFB], [MS-OFFCRYPTO])."""
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_PAGE = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|table|head|body)\b", re.I | re.S
)
_XML = re.compile(rb"\s*<\?xml\b")
_RESAVE = "open it in a spreadsheet program, save it as XLSX or CSV, and send that."
_OLD = f"This is a file of an old program (XLS or DOC); {_RESAVE}"

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "This is a PDF; send the list it was made from, as CSV or XLSX."),
    (b"\x89PNG", "This is a picture; send the roster as CSV or XLSX."),
    (b"\xff\xd8\xff", "This is a picture; send the roster as CSV or XLSX."),
    (b"GIF8", "This is a picture; send the roster as CSV or XLSX."),
    (b"RIFF", "This is a picture or a film; send the roster as CSV or XLSX."),
    (b"{\\rtf", f"This is a text with formatting (RTF); {_RESAVE}"),
    (b"\x1f\x8b", "This file is packed (GZIP); unpack it and send what is in it."),
    (b"7z\xbc\xaf", "This file is packed (7Z); unpack it and send what is in it."),
    (b"Rar!", "This file is packed (RAR); unpack it and send what is in it."),
    (b"MZ", "This is a program; send the roster as CSV or XLSX."),
    (b"\x7fELF", "This is a program; send the roster as CSV or XLSX."),
    (b"SQLite format 3\0", "This is a database; send the roster as CSV or XLSX."),
)


def read(data: bytes, filename: str = "", encoding: str | None = None) -> Table:
    """Read a roster.

    CSV with commas, semicolons, tabs or bars in any usual encoding, and XLSX.

    Args:
        data: The whole file, at most MOST_BYTES.
        filename: What it is called; helps the sentences of a refusal, decides nothing.
        encoding: Of a CSV, when the caller knows better than we would guess.

    Returns:
        The rows with anything in them, cells trimmed; see Table.

    Raises:
        RosterError: As drawn in `errors`; nothing else comes out.
    """
    if len(data) > MOST_BYTES:
        raise RosterTooLarge(f"A roster file has at most {MOST_BYTES >> 20} MB.")
    if not data.strip():
        raise RosterEmpty
    if data.startswith(b"PK\x03\x04"):
        return _packed(data)
    if refusal := _refusal(data):
        raise refusal
    try:
        return read_delimited(data, encoding)
    except NotARoster:
        if filename.lower().endswith((".xlsx", ".xlsm")):
            raise RosterDamaged from None
        raise


def _refusal(data: bytes) -> RosterError | None:
    """Return what to say about what is neither text nor an archive, None if it may be text."""
    if data.startswith(_OLE):
        return RosterLocked() if _ENCRYPTED in data else UnsupportedRoster(_OLD)
    for beginning, sentence in _OTHERS:
        if data.startswith(beginning):
            return NotARoster(sentence)
    if _PAGE.match(data[:4096]):
        return UnsupportedRoster(f"This is a web page, whatever it is called; {_RESAVE}")
    if _XML.match(data[:64]):
        return UnsupportedRoster(f"This is XML, whatever it is called; {_RESAVE}")
    return None


def _packed(data: bytes) -> Table:
    try:
        return read_workbook(data)
    except UnsupportedRoster as error:
        raise _other(data, error) from error


def _other(data: bytes, error: UnsupportedRoster) -> RosterError:
    """Return what to say about an archive that is no XLSX."""
    names = Package(data).names
    if "content.xml" in names and "mimetype" in names:
        return UnsupportedRoster("This is an OpenDocument file; save it as XLSX and send it again.")
    if any(name.startswith("index/") or name == "index.zip" for name in names):
        return UnsupportedRoster("This is a Numbers file; export it as XLSX or CSV and send that.")
    if any(name.startswith(("word/", "ppt/")) for name in names):
        return NotARoster("This is a document, not a table; send the roster as CSV or XLSX.")
    if "[content_types].xml" not in names:
        return NotARoster("This file is packed (ZIP); unpack it and send the roster in it.")
    return error

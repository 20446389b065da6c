"""The archive that an XLSX is, opened without trust.

Nothing is unpacked before the directory has been held against the limits, and no part gives more
than its entry says. Parts are read once, as a stream of events: no tree of a stranger's XML is ever
in memory. A document type, and with it any entity, is refused: ECMA-376 part 2 forbids it, so no
workbook loses by it.
"""

import io
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Protocol
from xml.parsers import expat

from services.qr.rosters.errors import RosterDamaged, RosterLocked, RosterTooLarge

MOST_UNPACKED = 100 * 1024 * 1024
"""Bytes, over all parts."""
_MOST_PARTS = 2_000
_MOST_ELEMENTS = 4_200_000
"""Over all parts that are read. 10,000 rows of 200 cells are 4.01 million."""
_MOST_DEPTH = 64
_MOST_TOKEN = 256 * 1024
"""Bytes of one tag or comment, because expat begins a long one again with every piece of it."""
_PIECE = 64 * 1024

_ENTRY = b"PK\x01\x02"
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, LookupError)


class Reader(Protocol):
    """What wants to know of the elements of a part; names come without their namespace."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take the beginning of an element."""

    def text(self, text: str) -> None:
        """Take some of the text in the element that began last."""

    def end(self, tag: str) -> None:
        """Take the end of an element."""


class Package:
    """The parts of one archive."""

    def __init__(self, data: bytes) -> None:
        """Read the directory.

        Raises:
            RosterTooLarge: There would be too much to unpack.
            RosterLocked: A part is encrypted.
            RosterDamaged: There is no directory, or names come twice.
        """
        if data.count(_ENTRY) > _MOST_PARTS:
            raise RosterTooLarge
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (*_BROKEN, NotImplementedError) as error:
            raise RosterDamaged from error
        entries = self._archive.infolist()
        if sum(entry.file_size for entry in entries) > MOST_UNPACKED:
            raise RosterTooLarge
        if any(entry.flag_bits & 1 for entry in entries):
            raise RosterLocked
        # parts are named without regard to case, ECMA-376 part 2
        self._entries = {entry.filename.lower(): entry for entry in entries}
        if len(self._entries) < len(entries):
            raise RosterDamaged
        self._unpacked = 0
        self._elements = 0

    @property
    def names(self) -> frozenset[str]:
        """The names of all parts, in lower case."""
        return frozenset(self._entries)

    def relations(self, part: str) -> list[tuple[str, str, str]]:
        """Return id, kind and part of what a part refers to; "" refers for the whole package.

        The kind is the last word of its URI, the same in both variants of the standard.
        """
        folder, name = posixpath.split(part)
        found = _Relations(folder)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        if path in self._entries:
            self.read(path, found)
        return found.found

    def read(self, part: str, reader: Reader) -> None:
        """Tell a reader the elements of a part.

        Raises:
            RosterDamaged: The part is missing, is not XML, or has a document type.
            RosterTooLarge: More comes out of it than there may.
        """
        parser = self._parser(reader)
        fed = 0
        try:
            for piece in self._pieces(part):
                parser.Parse(piece, False)
                fed += len(piece)
                if fed - parser.CurrentByteIndex > _MOST_TOKEN + _PIECE:
                    raise RosterTooLarge
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            # the last two for encodings that nobody knows, or that do not write XML
            raise RosterDamaged from error

    def _pieces(self, part: str) -> Iterator[bytes]:
        entry = self._entries.get(part)
        if entry is None or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RosterDamaged
        try:
            with self._archive.open(entry) as stream:
                while piece := stream.read(_PIECE):
                    self._unpacked += len(piece)
                    if self._unpacked > MOST_UNPACKED:
                        raise RosterTooLarge
                    yield piece
        except (*_BROKEN, NotImplementedError, RuntimeError) as error:
            raise RosterDamaged from error

    def _parser(self, reader: Reader) -> expat.XMLParserType:
        depth = 0

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            self._elements += 1
            if depth > _MOST_DEPTH or self._elements > _MOST_ELEMENTS:
                raise RosterTooLarge
            reader.start(_local(tag), attributes)

        def end(tag: str) -> None:
            nonlocal depth
            depth -= 1
            reader.end(_local(tag))

        def refuse(*_: object) -> None:
            raise RosterDamaged

        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = reader.text
        parser.StartDoctypeDeclHandler = refuse
        return parser


class _Relations:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.found: list[tuple[str, str, str]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag != "Relationship" or attributes.get("TargetMode") == "External":
            return
        target = attributes.get("Target", "")
        path = posixpath.normpath(posixpath.join("/", self._folder, target)).lstrip("/").lower()
        kind = attributes.get("Type", "").rpartition("/")[2]
        self.found.append((attributes.get("Id", ""), kind, path))

    def text(self, text: str) -> None:
        """Nothing is between them."""

    def end(self, tag: str) -> None:
        """Nothing is in them."""


def _local(tag: str) -> str:
    return tag.rpartition(" ")[2]

"""When a photograph was taken and with which camera, as its EXIF says.

Only the few tags that are wanted are looked at. A library that reads all of them copies whatever
they point at, and five thousand tags of 64 KB may point at the same place.
"""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pillow_heif

from vision.errors import PictureError
from vision.formats.sniff import sniff
from vision.picture import Format

_MAKE, _MODEL, _CHANGED, _DETAILS = 0x010F, 0x0110, 0x0132, 0x8769
_TAKEN, _FRACTION, _SERIAL = 0x9003, 0x9291, 0xA431
_OTHER_SERIAL = 0xC62F
"""Where cameras without `_SERIAL` tell it (DNG 1.1)."""
_TEXT = 2
_PLACES = frozenset((4, 13))
"""A long number, and one that says it is a directory."""
_TEXTS = frozenset((_MAKE, _MODEL, _CHANGED, _TAKEN, _FRACTION, _SERIAL, _OTHER_SERIAL))
_HEADER_BYTES, _ENTRY_BYTES = 8, 12
_MOST_ENTRIES = 1000
_MOST_TEXT = 64

_MARK = b"Exif\0\0"
_METADATA_BYTES = 1 << 17
"""EXIF is the first segment of a JPEG, or the second; a segment holds 64 KB."""

_MOMENT = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)")


class Facts(NamedTuple):
    """What is known of a photograph, None where it does not say."""

    captured_at: datetime | None
    """What the camera's clock showed, marked as UTC whatever zone it was set to.

    Few cameras know their zone. Moments of one camera can be compared with each other.
    """
    camera: str | None
    """Make, model and serial number, as far as they are told; tells cameras apart."""
    camera_is_certain: bool = True
    """Off for a camera without its serial number: there may be two of one model."""


def facts(data: bytes) -> Facts:
    """Read the facts from a JPEG, HEIC or TIFF.

    Whatever is absent, broken or makes no sense is None: cameras get EXIF wrong in many ways, and
    whether the file is a picture at all is for others to say.
    """
    tags = _tags(_block(data))
    fraction = tags.get(_FRACTION, "")
    moment = _moment(tags.get(_TAKEN, ""), fraction) or _moment(tags.get(_CHANGED, ""), "")
    serial = tags.get(_SERIAL) or tags.get(_OTHER_SERIAL, "")
    camera = " ".join(filter(None, (tags.get(_MAKE, ""), tags.get(_MODEL, ""), serial)))
    return Facts(moment, camera or None, bool(serial) or not camera)


def _block(data: bytes) -> bytes:
    """Return the EXIF block without its mark, or nothing."""
    try:
        kind = sniff(data)
    except PictureError:
        return b""
    if kind is Format.TIFF:
        return data
    block = b""
    if kind is Format.JPEG:
        block = data[: 2 * _METADATA_BYTES]
    elif kind is Format.HEIF:
        block = _of_heif(data)
    at = block.find(_MARK, 0, _METADATA_BYTES)
    return block[at + len(_MARK) :] if at >= 0 else b""


def _of_heif(data: bytes) -> bytes:
    try:
        container = pillow_heif.open_heif(data)
        block = container[container.primary_index].info.get("exif")
    except (OSError, EOFError, ValueError, RuntimeError, SyntaxError, LookupError, TypeError):
        return b""
    return block if isinstance(block, bytes) else b""


def _tags(block: bytes) -> dict[int, str]:
    """Return the texts of the wanted tags; the first of several equal ones counts."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < _HEADER_BYTES:
        return {}
    (first,) = struct.unpack_from(order + "L", block, 4)
    found = dict(reversed(list(_directory(block, order, first))))
    details = found.pop(_DETAILS, b"")
    if len(details) == 4:
        (second,) = struct.unpack(order + "L", details)
        found = dict(reversed(list(_directory(block, order, second)))) | found
    return {tag: _clean(text) for tag, text in found.items()}


def _directory(block: bytes, order: str, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the wanted tags of a directory, as far as it goes: texts, and where the details are."""
    if at + 2 > len(block):
        return
    (entries,) = struct.unpack_from(order + "H", block, at)
    within = (len(block) - at - 2) // _ENTRY_BYTES
    for index in range(min(entries, within, _MOST_ENTRIES)):
        start = at + 2 + _ENTRY_BYTES * index
        tag, kind, count, place = struct.unpack_from(order + "HHLL", block, start)
        if tag == _DETAILS and kind in _PLACES:
            yield tag, block[start + 8 : start + 12]
        elif tag in _TEXTS and kind == _TEXT:
            begin = start + 8 if count <= 4 else place
            yield tag, block[begin : begin + min(count, _MOST_TEXT)]


def _clean(text: bytes) -> str:
    """Return what can be printed of a text, up to its first zero."""
    readable = text.partition(b"\0")[0].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in readable).split())


def _moment(text: str, fraction: str) -> datetime | None:
    """Read `2026:05:31 09:15:00` and the digits of its fraction of a second."""
    match = _MOMENT.match(text)
    if match is None:
        return None
    digits = fraction if fraction.isascii() and fraction.isdigit() else "0"
    try:
        year, month, day, hour, minute, second = map(int, match.groups())
        return datetime(
            *(year, month, day, hour, minute, min(second, 59)),
            microsecond=int(digits[:6].ljust(6, "0")),
            tzinfo=UTC,
        )
    except ValueError:
        return None

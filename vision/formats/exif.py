"""The one thing read from EXIF: which way up the picture is."""

import struct

UPRIGHT = 1
_ORIENTATION = 0x0112
_SHORT = 3
_MOST_ENTRIES = 1000


def orientation(block: bytes | None) -> int:
    """Read the orientation from an EXIF block.

    Args:
        block: With or without the leading "Exif" marker. Camera makers get EXIF wrong in many
            ways and none of them is a reason to refuse a photograph.

    Returns:
        1 to 8; 1 where the block is absent, broken or silent.
    """
    if not block:
        return UPRIGHT
    tiff = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    try:
        return _from_directory(tiff, order)
    except struct.error:
        return UPRIGHT


def _from_directory(tiff: bytes, order: str) -> int:
    (directory,) = struct.unpack_from(order + "L", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for index in range(min(entries, _MOST_ENTRIES)):
        tag, kind, count, value = struct.unpack_from(
            order + "HHLH", tiff, directory + 2 + 12 * index
        )
        if tag == _ORIENTATION:
            known = kind == _SHORT and count == 1 and 1 <= value <= 8
            return int(value) if known else UPRIGHT
    return UPRIGHT

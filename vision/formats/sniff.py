"""What a file is, judged by its first bytes and never by its name."""

from vision.errors import NotAPicture, UnsupportedPicture
from vision.picture import Format

_SIGNATURES = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
)
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_OTHER_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"crx ": "camera raw"}
_OTHER_PICTURES = (
    (b"BM", "BMP"),
    (b"8BPS", "Photoshop"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\0\0\1\0", "icon"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIU\0", "camera raw"),
)
_HEAD = 1024
# A PDF reader accepts its mark anywhere in the first 1,024 bytes, and some browsers and servers
# run these others wherever they find them: no photograph starts with any of them.
_SECOND_NATURES = (b"%pdf-", b"<html", b"<script", b"<!doctype", b"<?php")


def sniff(data: bytes) -> Format:
    """Tell the format of a file.

    Raises:
        NotAPicture: It is empty, text, a PDF, an archive, or a picture that is something else too.
        UnsupportedPicture: It is a picture in a format that is not read here.
    """
    if not data:
        raise NotAPicture("The file is empty.")
    head = data[:_HEAD]
    if any(mark in head.lower() for mark in _SECOND_NATURES):
        raise NotAPicture("This file is a document, not a picture.")
    for signature, known in _SIGNATURES:
        if head.startswith(signature):
            return known
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Format.WEBP
    if head[4:8] == b"ftyp":
        return _from_brands(head)
    for signature, name in _OTHER_PICTURES:
        if head.startswith(signature):
            raise _unsupported(name)
    raise NotAPicture


def _from_brands(head: bytes) -> Format:
    """Tell HEIF from AVIF and from films, which share the container."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    major = head[8:12]
    brands = [major] + [head[at : at + 4] for at in range(16, size - 3, 4)]
    for brand in brands:
        if brand in _OTHER_BRANDS:
            raise _unsupported(_OTHER_BRANDS[brand])
    if any(brand in _HEIF_BRANDS for brand in brands):
        return Format.HEIF
    raise NotAPicture("This file is a film, not a picture.")


def _unsupported(name: str) -> UnsupportedPicture:
    return UnsupportedPicture(
        f"{name} files are not supported; save the picture as JPEG or PNG and send it again."
    )

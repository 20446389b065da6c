"""Rosters as files, in the ways that schools write them, and what is read in them."""

import io
import unicodedata
from collections.abc import Sequence
from typing import Any

import aiohttp
import openpyxl

from tests.contract.cards import QR
from tests.contract.conftest import Answer, Client

PREVIEW = f"{QR}/roster/preview"
HEADINGS = ("Mã HS", "Họ và tên", "Lớp")
PEOPLE = (
    ("HS-001", "Nguyễn Thị Ánh", "5A"),
    ("HS-002", "Trần Văn Đức", "5A"),
    ("HS-003", "Lê Hoàng Phượng", "5B"),
    ("HS-004", "Phạm Quốc Việt", "5B"),
)


def csv(delimiter: str = ",", rows: Sequence[Sequence[str]] = (HEADINGS, *PEOPLE)) -> str:
    return "".join(delimiter.join(row) + "\r\n" for row in rows)


def vietnamese(text: str) -> bytes:
    """Write text as windows-1258 has it: letters with a tone as a letter and a mark."""
    written = bytearray()
    for letter in text:
        try:
            written += letter.encode("cp1258")
        except UnicodeEncodeError:
            apart = unicodedata.normalize("NFD", letter)
            # the tone stands last; what is before it is one letter of the code page
            base = unicodedata.normalize("NFC", apart[0] + "".join(apart[1:]).translate(_NO_TONE))
            tones = "".join(mark for mark in apart if ord(mark) in _NO_TONE)
            written += base.encode("cp1258") + tones.encode("cp1258")
    return bytes(written)


_NO_TONE = dict.fromkeys((0x300, 0x301, 0x303, 0x309, 0x323))


def xlsx(rows: Sequence[Sequence[Any]] = (HEADINGS, *PEOPLE)) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


async def preview(
    client: Client, content: bytes, name: str = "roster.csv", **fields: str
) -> Answer:
    form = aiohttp.FormData(fields)
    form.add_field("file", io.BytesIO(content), filename=name)
    return await client.send("POST", PREVIEW, data=form)


async def previewed(client: Client, content: bytes, name: str = "roster.csv", **fields: str) -> Any:
    answer = await preview(client, content, name, **fields)
    assert answer.status == 200, answer.body
    return answer.body

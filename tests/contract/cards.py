"""Sheets of cards: asked for, fetched, and what their codes say."""

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

from tests.contract.conftest import Answer, Client
from tests.unit.qr.pages import first_page, read

QR = "/v1/services/studio/qr"
GENERATE = f"{QR}/generate"
REPRINT = f"{QR}/reprint"
JOB = "JOB-2026-001"
EXAMPLE = {
    "job_id": "JOB-2026-001",
    "school_name": "Springfield Elementary",
    "layout": "4up",
    "subjects": [
        {"student_id": "STU-001", "name": "An Nguyen", "class_name": "5A"},
        {"student_id": "STU-002", "name": "Binh Tran", "class_name": "5A"},
    ],
}
ANSWERED = {
    "job_id",
    "total_subjects",
    "pdf_url",
    "tokens_deducted",
    "wallet_transaction_id",
    "preview_url",
    "pages",
    "missing_glyphs",
}


def subject(number: int, **rest: Any) -> dict[str, Any]:
    return {"student_id": f"S{number:04}", "name": f"Name {number}"} | rest


def subjects(count: int, **rest: Any) -> list[dict[str, Any]]:
    return [subject(number, **rest) for number in range(count)]


async def generate(client: Client, **body: Any) -> Answer:
    return await client.send("POST", GENERATE, json=EXAMPLE | body)


async def generated(client: Client, **body: Any) -> Any:
    """Make a sheet that is answered at once, and return the answer."""
    answer = await generate(client, **body)
    assert answer.status == 200, answer.body
    return answer.body


async def reprint(client: Client, **body: Any) -> Answer:
    return await client.send("POST", REPRINT, json={"job_id": JOB} | body)


async def fetched(client: Client, url: str, folder: Path) -> Path:
    """Download what a link names."""
    answer = await client.send("GET", url, headers={"Authorization": ""})
    assert answer.status == 200
    path = folder / url.partition("?")[0].rpartition("/")[2]
    path.write_bytes(answer.body)
    return path


def says(code: str) -> tuple[int, str]:
    """Return what kind of card a code is of, and its id: `DR1:`, as the payload is documented."""
    scheme, _, written = code.partition(":")
    assert scheme == "DR1"
    body = base64.b32decode(written + "=" * (-len(written) % 8))
    rest = body[9:-8]
    return body[0] & 0x7F, (rest[1 : rest[0] + 2] if body[0] & 0x80 else rest).decode()


def codes(pdf: Path) -> list[tuple[int, str]]:
    """Return the kinds and ids of the cards of the first page."""
    return [says(code.text) for code in read(first_page(pdf))]


def picture(kind: str, size: tuple[int, int] = (400, 200)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "#c02030").save(buffer, kind)
    return buffer.getvalue()

"""The photographs of a shoot with printed cards in them, and how they were sorted."""

import io
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import zxingcpp
from PIL import Image

from tests.contract.cards import JOB, QR, fetched, generated, says, subjects
from tests.contract.conftest import Answer, Client, another
from tests.unit.qr.pages import read, rendered

SORT = f"{QR}/sort"
File = tuple[str, bytes]
Cards = dict[str, Image.Image]
"""Single cards, by id."""


class Shoot:
    """Makes the files of a shoot, one after the other."""

    def __init__(self, cards: Cards, person: bytes) -> None:
        self.cards = cards
        self._person = Image.open(io.BytesIO(person)).convert("RGB")
        self._count = 0

    def card(self, *ids: str, **facts: Any) -> File:
        """Somebody holds cards into the camera, not quite straight."""
        room = Image.new("RGB", (1500, 1000), "#707468")
        for place, id_ in enumerate(ids):
            turned = self.cards[id_].rotate(7, Image.Resampling.BICUBIC, expand=True, fillcolor=110)
            turned.thumbnail((480, 620))
            room.paste(turned, (60 + 500 * place, 180))
        return self._file(room, **facts)

    def person(self, **facts: Any) -> File:
        return self._file(self._person, **facts)

    def blank(self, **facts: Any) -> File:
        return self._file(Image.new("RGB", (600, 400), "#405060"), **facts)

    def shirt(self, text: str, **facts: Any) -> File:
        """A person with a code that is no card on the chest."""
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode).to_image(4)
        worn = self._person.copy()
        worn.paste(Image.fromarray(np.asarray(code)), (180, 330))
        return self._file(worn, **facts)

    def _file(
        self,
        picture: Image.Image,
        name: str = "",
        minute: int | None = None,
        camera: str = "",
        *,
        timed: bool = True,
    ) -> File:
        """Write a photograph: a minute after the one before, unless told otherwise."""
        self._count += 1
        exif = Image.Exif()
        if camera:
            exif[0x0110] = camera
        if timed:
            moment = f"2026:05:18 09:{self._count if minute is None else minute:02}:00"
            exif.get_ifd(0x8769)[0x9003] = moment
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90, exif=exif)
        # no two photographs are the same file
        return name or f"IMG_{self._count:04}.JPG", another(buffer.getvalue(), self._count)


async def printed(client: Client, folder: Path, count: int = 4, **body: Any) -> Cards:
    """Print cards four to a page, and cut the pages into single ones."""
    body = await generated(client, **{"subjects": subjects(count)} | body)
    pdf = await fetched(client, body["pdf_url"], folder)
    cards: Cards = {}
    for page in rendered(pdf):
        wide, high = page.width // 2, page.height // 2
        for code in read(page):
            corner = code.position.top_left
            left, top = corner.x // wide * wide, corner.y // high * high
            cards[says(code.text)[1]] = page.crop((left, top, left + wide, top + high))
    return cards


async def shoot_of(
    client: Client, person: bytes, folder: Path, count: int = 4, **body: Any
) -> Shoot:
    """Print cards, and begin a shoot of those who hold them."""
    return Shoot(await printed(client, folder, count, **body), person)


async def sort(client: Client, *files: File, **fields: str) -> Answer:
    form = aiohttp.FormData({"job_id": JOB} | fields, quote_fields=False)
    for name, data in files:
        form.add_field("file[]", data, filename=name, content_type="image/jpeg")
    return await client.send("POST", SORT, data=form)


async def sorted_(client: Client, *files: File, **fields: str) -> Any:
    """Sort a small shoot and return the answer."""
    answer = await sort(client, *files, **fields)
    assert answer.status == 200, answer.body
    return answer.body


def roles(body: Any) -> list[str]:
    return [each["role"] for each in body["results"]]


def owners(body: Any) -> list[str]:
    """Return whose each photograph is, in the order sent: ids, or - for nobody's."""
    return [
        "+".join(person["student_id"] for person in each["people"]) or "-"
        for each in body["results"]
    ]


def reasons(body: Any) -> dict[str, int]:
    return {each["reason"]: each["count"] for each in body["reasons"]}

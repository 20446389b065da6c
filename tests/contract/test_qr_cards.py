"""Who has a card: listed, shown on a screen, forgotten."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import zxingcpp
from PIL import Image
from yarl import URL

from services.gateway.cardpages import CardPages
from tests.contract.cards import JOB, QR, fetched, generated, says, subject, subjects
from tests.contract.conftest import Client, Newcomer
from tests.contract.showing import listed, shown
from tests.contract.test_errors import is_error
from tests.running import RunningStack
from tests.unit.qr.pages import first_page, read


async def page_of(client: Client, **of: Any) -> str:
    """Make a card of one subject and return its page."""
    await generated(client, subjects=[subject(1, **of)])
    (one,) = (await listed(client))["subjects"]
    return str((await shown(client, one["card_url"])).body.decode())


class Seen(HTMLParser):
    """What a browser makes of a page: its tags, its texts, and what is drawn in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.paths: list[dict[str, str | None]] = []
        self.side = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "svg":
            self.side = int((dict(attrs).get("viewbox") or "").split()[-1])
        if tag == "path":
            self.paths.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)

    def code(self) -> zxingcpp.Barcode:
        """Paint the rectangles of the drawing and read it."""
        canvas = np.zeros((self.side, self.side), np.uint8)
        for path in self.paths:
            for x, y, wide, high in _rectangles(path["d"] or ""):
                canvas[y : y + high, x : x + wide] = 255 if path.get("fill") == "#fff" else 0
        (found,) = read(Image.fromarray(np.kron(canvas, np.ones((8, 8), np.uint8))))
        return found


def _rectangles(drawing: str) -> list[tuple[int, int, int, int]]:
    """Return x, y, width and height of what our drawing is made of."""
    pieces = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)[hH]-?\d+z", drawing)
    return [(int(x), int(y), int(wide), int(high)) for x, y, wide, high in pieces]


async def test_everybody_who_has_a_card_is_listed_by_id(client: Client) -> None:
    await generated(
        client,
        subjects=[subject(2, class_name="5B", lines=["Bus 7"]), subject(1)],
        groups=["Staff"],
        extra_cards=1,
    )
    body = await listed(client)
    assert body["next_cursor"] is None
    first, second = body["subjects"]
    assert set(first) == {"student_id", "name", "class_name", "lines", "added_at", "card_url"}
    assert [each["student_id"] for each in (first, second)] == ["S0001", "S0002"]
    assert (second["name"], second["class_name"], second["lines"]) == ("Name 2", "5B", ["Bus 7"])
    assert first["added_at"].endswith("Z")


async def test_the_list_comes_in_pages_without_gap(client: Client) -> None:
    await generated(client, subjects=subjects(7))
    ids, cursor, sizes = [], "", []
    while cursor is not None:
        page = await listed(client, limit="3", **({"cursor": cursor} if cursor else {}))
        ids += [each["student_id"] for each in page["subjects"]]
        sizes.append(len(page["subjects"]))
        cursor = page["next_cursor"]
    assert sizes == [3, 3, 1]
    assert ids == [each["student_id"] for each in subjects(7)]
    assert (await listed(client, cursor="zzz"))["subjects"] == []
    url = URL(f"{client.url}{QR}/jobs/{JOB}/subjects?cursor=%ED%A0%80", encoded=True)
    async with client.session.get(url, headers=client.headers) as answer:
        assert answer.status == 200


async def test_sheets_of_one_job_add_up(client: Client) -> None:
    await generated(client, subjects=subjects(2))
    await generated(client, subjects=[subject(1, name="Renamed"), subject(2)])
    names = [each["name"] for each in (await listed(client))["subjects"]]
    assert names == ["Name 0", "Renamed", "Name 2"]


@pytest.mark.parametrize("job", ["Fall 2026", "a%b?c#d", "Trường 1", "a+b&c=d"])
async def test_a_job_may_be_called_anything(client: Client, job: str) -> None:
    await generated(client, job_id=job, subjects=subjects(1))
    answer = await client.send("GET", f"{QR}/jobs/{quote(job, safe='')}/subjects")
    assert (answer.status, len(answer.body["subjects"])) == (200, 1)


async def test_the_jobs_of_another_account_are_not_there(
    client: Client, newcomer: Newcomer
) -> None:
    await generated(client, subjects=subjects(2))
    stranger = await newcomer()
    is_error(await stranger.send("GET", f"{QR}/jobs/{JOB}/subjects"), 404, "NOT_FOUND")
    is_error(await stranger.send("DELETE", f"{QR}/jobs/{JOB}"), 404, "NOT_FOUND")
    assert len((await listed(client))["subjects"]) == 2


async def test_a_page_shows_the_same_code_as_the_paper(client: Client, tmp_path: Path) -> None:
    body = await generated(client, subjects=[subject(1, name="An Nguyen", class_name="5A")])
    (printed,) = read(first_page(await fetched(client, body["pdf_url"], tmp_path)))
    (one,) = (await listed(client))["subjects"]
    answer = await shown(client, one["card_url"])
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    seen = Seen(answer.body.decode())
    assert seen.code().text == printed.text
    assert {"An Nguyen", "5A", "S0001", "Springfield Elementary"} <= set(seen.texts)
    assert (await shown(client, one["card_url"], "HEAD")).status == 200


async def test_a_page_shows_a_data_matrix_where_the_paper_does(client: Client) -> None:
    await generated(client, subjects=[subject(1)], symbol="datamatrix")
    (one,) = (await listed(client))["subjects"]
    code = Seen((await shown(client, one["card_url"])).body.decode()).code()
    assert code.format == zxingcpp.BarcodeFormat.DataMatrix
    assert says(code.text) == (0, "S0001")


@pytest.mark.parametrize("field", ["name", "class_name", "student_id"])
async def test_what_a_stranger_wrote_is_shown_as_text(client: Client, field: str) -> None:
    hostile = "<script>alert(1)</script><b>"
    seen = Seen(await page_of(client, **{field: hostile}))
    assert "script" not in seen.tags
    assert "b" not in seen.tags
    assert hostile in seen.texts


async def test_a_link_shows_nothing_once_it_has_expired(
    client: Client, stack: RunningStack
) -> None:
    await generated(client, subjects=subjects(1))
    for seconds, status in ((60, 200), (0, 404)):
        pages = CardPages([stack.at.secret("files")], stack.url, seconds)
        answer = await shown(client, pages.link(client.account, JOB, "S0000"))
        assert answer.status == status


async def test_who_is_forgotten_has_no_page_no_list_and_no_reprint(client: Client) -> None:
    await generated(client, subjects=subjects(3))
    await generated(client, job_id="OTHER", subjects=subjects(1))
    url = (await listed(client))["subjects"][0]["card_url"]
    answer = await client.send("DELETE", f"{QR}/jobs/{JOB}")
    assert (answer.status, answer.body) == (200, {"subjects": 3})
    is_error(await shown(client, url), 404, "NOT_FOUND")
    is_error(await client.send("GET", f"{QR}/jobs/{JOB}/subjects"), 404, "NOT_FOUND")
    is_error(await client.send("DELETE", f"{QR}/jobs/{JOB}"), 404, "NOT_FOUND")
    again = {"job_id": JOB, "student_ids": ["S0001"]}
    is_error(await client.send("POST", f"{QR}/reprint", json=again), 404, "NOT_FOUND")
    assert len((await listed(client, "OTHER"))["subjects"]) == 1
    assert await client.balance() == 96


@pytest.mark.parametrize(("scopes", "status"), [(["qr"], 200), (["jobs"], 403)])
async def test_a_key_lists_and_forgets_if_it_has_the_scope(
    client: Client, scopes: list[str], status: int
) -> None:
    await generated(client, subjects=subjects(1))
    key = await client.with_key(scopes=scopes)
    assert (await key.send("GET", f"{QR}/jobs/{JOB}/subjects")).status == status
    assert (await key.send("DELETE", f"{QR}/jobs/{JOB}")).status == status

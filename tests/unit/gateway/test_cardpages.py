import base64
import time
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from proto.errors import NotFound
from proto.ids import AccountId
from proto.qr import Card
from services.gateway.cardpages import HEADERS, CardPages, page
from services.gateway.quotes import Quotes

SECRET = "s" * 32
PAGES = CardPages([SECRET], "https://cards.example/", 60)
ACCOUNT = AccountId(uuid4())


def token(job_id: str = "JOB-1", student_id: str = "STU-1", pages: CardPages = PAGES) -> str:
    return pages.link(ACCOUNT, job_id, student_id).rpartition("/")[2]


def card(**changed: Any) -> Card:
    told = {
        "student_id": "STU-1",
        "name": "An Nguyen",
        "class_name": "5A",
        "school_name": "Springfield",
        "svg": '<svg viewBox="0 0 1 1"></svg>',
    }
    return Card(**told | changed)


class Seen(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_link_says_which_card_it_shows_and_until_when() -> None:
    before = int(time.time())
    link = PAGES.link(ACCOUNT, "Fall 2026", "é/1")
    assert link.startswith("https://cards.example/cards/")
    assert "/" not in link.removeprefix("https://cards.example/cards/")
    named = PAGES.read(link.rpartition("/")[2])
    assert (named.account, named.job_id, named.student_id) == (ACCOUNT, "Fall 2026", "é/1")
    assert before + 60 <= named.expires_at <= time.time() + 60


def test_a_link_gives_nothing_away() -> None:
    opened = base64.urlsafe_b64decode(token(student_id="STU-77") + "==")
    assert b"STU-77" not in opened
    assert token() != token()


def test_the_longest_names_make_a_link_that_is_read() -> None:
    assert PAGES.read(token("雪" * 64, "😀" * 64)).student_id == "😀" * 64


def test_another_replica_reads_it_after_a_rotation() -> None:
    assert CardPages(["n" * 32, SECRET], "http://other", 1).read(token()).job_id == "JOB-1"


def test_when_its_time_is_over_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    link = token()
    until = PAGES.read(link).expires_at
    monkeypatch.setattr(time, "time", lambda: until - 1)
    assert PAGES.read(link).student_id == "STU-1"
    monkeypatch.setattr(time, "time", lambda: until)
    with pytest.raises(NotFound):
        PAGES.read(link)


def unsealed() -> str:
    """A link that nobody sealed, as it would stand where secrets are kept in clear."""
    named = b"\x00" + msgspec.msgpack.encode([str(ACCOUNT), "JOB-1", "STU-1", 9e12])
    return base64.urlsafe_b64encode(named).rstrip(b"=").decode()


def quoted() -> str:
    """Something else that was sealed with the same secret."""
    return Quotes([SECRET]).make(ACCOUNT, "qr_card", 1, 1)[0].removeprefix("quote_")


@pytest.mark.parametrize(
    "made_up",
    [
        "",
        "A",
        "AQ",
        "AQAB",
        "é",
        "%",
        "\ud800",
        "AQ AB",
        "A" * 1999,
        "A" * 3000,
        unsealed(),
        quoted(),
        token(pages=CardPages(["x" * 32], "http://here", 60)),
        token()[:-8],
        token() + "A",
    ],
)
def test_what_was_made_up_is_no_link(made_up: str) -> None:
    with pytest.raises(NotFound):
        PAGES.read(made_up)


def test_nor_is_one_that_was_changed_anywhere() -> None:
    link = token()
    # the first byte says that it is sealed, and the last letter has bits to spare
    for place in range(2, len(link) - 1):
        changed = link[:place] + ("A" if link[place] != "A" else "B") + link[place + 1 :]
        with pytest.raises(NotFound):
            PAGES.read(changed)


def test_the_page_shows_the_symbol_and_who_it_is() -> None:
    seen = Seen(page(card()))
    assert "svg" in seen.tags
    assert {"An Nguyen", "5A", "STU-1", "Springfield"} <= set(seen.texts)


@pytest.mark.parametrize("field", ["name", "class_name", "student_id", "school_name"])
@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</h1><img src=x onerror=alert(1)>",
        "{svg} {0} %s",
        "&lt;b&gt; \"quoted\" 'too'",
    ],
)
def test_what_a_stranger_wrote_is_text_and_nothing_else(field: str, text: str) -> None:
    plain, seen = Seen(page(card())), Seen(page(card(**{field: text})))
    assert seen.tags == plain.tags
    assert text in seen.texts


def test_a_page_may_load_and_run_nothing() -> None:
    rules = HEADERS["Content-Security-Policy"].split("; ")
    assert rules[0] == "default-src 'none'"
    assert not any("script" in rule for rule in rules)
    assert "no-store" in HEADERS["Cache-Control"]

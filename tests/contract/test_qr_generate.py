"""Sheets of cards as the Printcart Studio document has them, over real HTTP on the whole stack."""

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
import pytest
import zxingcpp
from PIL import Image

from proto.ids import AccountId
from tests.contract.conftest import JOBS, Answer, Client, Elsewhere, Newcomer
from tests.contract.test_errors import is_error
from tests.running import RunningStack, temporary_home
from tests.unit.qr.pages import lines, read, rendered, told

QR = "/v1/services/studio/qr"
GENERATE = f"{QR}/generate"
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


async def fetched(client: Client, url: str, folder: Path) -> Path:
    """Download what a link names."""
    answer = await client.send("GET", url, headers={"Authorization": ""})
    assert answer.status == 200
    path = folder / url.partition("?")[0].rpartition("/")[2]
    path.write_bytes(answer.body)
    return path


def first_page(pdf: Path) -> Image.Image:
    return next(rendered(pdf))


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


async def charges(client: Client) -> list[dict[str, Any]]:
    answer = await client.send("GET", "/v1/wallet/transactions", params={"kind": "charge"})
    return list(answer.body["transactions"])


async def is_free(client: Client, tokens: int = 100) -> None:
    """See to it that nothing was charged, nor held and given back."""
    assert await client.balance() == tokens
    assert await charges(client) == []


async def test_the_example_of_the_contract_is_answered_field_for_field(client: Client) -> None:
    body = await generated(client)
    assert set(body) == ANSWERED
    assert (body["job_id"], body["total_subjects"]) == ("JOB-2026-001", 2)
    assert body["pdf_url"].partition("?")[0].endswith("/qr_cards_JOB-2026-001_4up.pdf")
    assert body["tokens_deducted"] == 2
    assert body["wallet_transaction_id"].startswith("TX-")
    assert (body["pages"], body["missing_glyphs"]) == (1, [])
    assert await client.balance() == 98
    (line,) = await charges(client)
    assert (line["id"], line["operation"]) == (body["wallet_transaction_id"], "qr_card")


async def test_names_and_ids_can_be_read_in_the_pdf_and_every_code_too(
    client: Client, tmp_path: Path
) -> None:
    body = await generated(client, subjects=[*EXAMPLE["subjects"], subject(3), subject(4)])
    pdf = await fetched(client, body["pdf_url"], tmp_path)
    assert "No syntax or stream encoding errors" in told("qpdf", "--check", pdf)
    (page,) = lines(pdf)
    for text in ("An Nguyen", "Binh Tran", "STU-001", "STU-002", "5A", "Springfield Elementary"):
        assert any(text in line for line in page), text
    assert codes(pdf) == [(0, "STU-001"), (0, "STU-002"), (0, "S0003"), (0, "S0004")]
    # a name is in no code unless that is wished
    assert all(b"Nguyen" not in base64.b32encode(c.bytes) for c in read(first_page(pdf)))


async def test_the_preview_is_the_first_page_as_a_png(client: Client) -> None:
    body = await generated(client, subjects=subjects(5))
    preview = await client.picture(body["preview_url"])
    assert preview.format == "PNG"
    assert preview.height / preview.width == pytest.approx(297 / 210, rel=0.01)
    assert {says(code.text)[1] for code in zxingcpp.read_barcodes(preview)} == {
        "S0000",
        "S0001",
        "S0002",
        "S0003",
    }


async def test_the_same_roster_gives_the_same_bytes(client: Client, tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        body = await generated(client)
        made.append((await fetched(client, body["pdf_url"], folder)).read_bytes())
    assert made[0] == made[1]


async def test_two_hundred_are_drawn_at_once_and_two_hundred_and_one_are_a_job(
    newcomer: Newcomer, tmp_path: Path
) -> None:
    client = await newcomer(tokens=500)
    at_once = await generated(client, subjects=subjects(200))
    assert (at_once["total_subjects"], at_once["pages"]) == (200, 50)
    answer = await generate(client, subjects=subjects(201))
    assert answer.status == 202
    task = answer.body["task_id"]
    assert answer.body == {
        "task_id": task,
        "status": "queued",
        "job_id": "JOB-2026-001",
        "total_subjects": 201,
        "tokens_deducted": 201,
        "wallet_transaction_id": answer.body["wallet_transaction_id"],
    }
    job = await client.ended(task)
    assert (job["status"], job["kind"]) == ("completed", "qr_sheet")
    assert job["progress"] == {"current": 201, "total": 201, "percentage": 100.0}
    assert (job["tokens_deducted"], job["tokens_refunded"]) == (201, 0)
    (sheet,) = job["results"]
    assert set(sheet) == ANSWERED - {"tokens_deducted", "wallet_transaction_id"}
    assert (sheet["job_id"], sheet["total_subjects"], sheet["pages"]) == ("JOB-2026-001", 201, 51)
    pdf = await fetched(client, sheet["pdf_url"], tmp_path)
    assert pdf.name == "qr_cards_JOB-2026-001_4up.pdf"
    assert any("S0200" in line for line in lines(pdf)[-1])
    assert await client.balance() == 500 - 200 - 201
    is_error(await client.send("GET", f"{JOBS}/{task}/archive"), 409, "NO_ARCHIVE")


async def test_the_end_of_a_sheet_is_told_as_an_event_with_its_links(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=300)
    task = (await generate(client, subjects=subjects(201))).body["task_id"]
    events = (await client.send("GET", f"{JOBS}/{task}/events")).body.decode()
    assert "event: item\nid: 201\n" in events
    assert "event: completed\nid: 202\n" in events
    assert "/qr_cards_JOB-2026-001_4up.pdf?" in events


async def test_the_widest_roster_of_two_thousand_is_taken(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=2000)
    widest = {"name": "雪" * 200, "class_name": "雪" * 100, "lines": ["雪" * 100] * 4}
    body = msgspec.json.encode(EXAMPLE | {"subjects": subjects(2000, **widest)})
    headers = {"Content-Type": "application/json"}
    answer = await client.send("POST", GENERATE, data=io.BytesIO(body), headers=headers)
    assert (answer.status, answer.body.get("total_subjects")) == (202, 2000), answer.body
    job = await client.ended(answer.body["task_id"])
    assert (job["status"], job["succeeded"]) == ("completed", 2000), job
    assert await client.balance() == 0


NONSENSE: dict[str, dict[str, Any]] = {
    "no subjects": {"subjects": []},
    "2,001 subjects": {"subjects": subjects(2001)},
    "no list": {"subjects": {}},
    "texts for subjects": {"subjects": ["STU-001"]},
    "no name": {"subjects": [{"student_id": "A"}]},
    "no id": {"subjects": [{"name": "An"}]},
    "empty id": {"subjects": [subject(1, student_id="")]},
    "number for an id": {"subjects": [subject(1, student_id=7)]},
    "long id": {"subjects": [subject(1, student_id="A" * 65)]},
    "line break in an id": {"subjects": [subject(1, student_id="A\nB")]},
    "line break after an id": {"subjects": [subject(1, student_id="A\n")]},
    "invisible in an id": {"subjects": [subject(1, student_id="A\u200bB")]},
    "empty name": {"subjects": [subject(1, name="")]},
    "null for a name": {"subjects": [subject(1, name=None)]},
    "name of 300": {"subjects": [subject(1, name="A" * 300)]},
    "name of 201": {"subjects": [subject(1, name="A" * 201)]},
    "NUL in a name": {"subjects": [subject(1, name="An\x00")]},
    "bell in a name": {"subjects": [subject(1, name="An\x07")]},
    "line break after a name": {"subjects": [subject(1, name="An\n")]},
    "delete in a name": {"subjects": [subject(1, name="An\x7f")]},
    "tab in a class": {"subjects": [subject(1, class_name="5\tA")]},
    "long class": {"subjects": [subject(1, class_name="A" * 101)]},
    "five lines": {"subjects": [subject(1, lines=["a", "b", "c", "d", "e"])]},
    "escape in a line": {"subjects": [subject(1, lines=["\x1b[0m"])]},
    "line break in the school": {"school_name": "Spring\nfield"},
    "long school": {"school_name": "S" * 101},
    "unknown layout": {"layout": "6up"},
    "layout in capitals": {"layout": "4UP"},
    "null for a layout": {"layout": None},
    "unknown paper": {"paper": "a5"},
    "unknown symbol": {"symbol": "aztec"},
    "unknown order": {"sort_by": "id"},
    "line break in the order": {"sort_by": "class\n"},
    "less than no extras": {"extra_cards": -1},
    "101 extras": {"extra_cards": 101},
    "51 groups": {"groups": ["A"] * 51},
    "NUL in a group": {"groups": ["\x00"]},
    "language with a header": {"language": "en\r\nX: y"},
    "language with a path": {"language": "../../etc"},
    "empty language": {"language": ""},
    "empty logo": {"logo_url": ""},
    "null for a job": {"job_id": None},
    "empty job": {"job_id": ""},
    "long job": {"job_id": "J" * 65},
    "NUL in a job": {"job_id": "JOB\x00"},
    "line break after a job": {"job_id": "JOB\n"},
    "a dot": {"job_id": "."},
    "two dots": {"job_id": ".."},
    "a path upwards": {"job_id": "../../etc/passwd"},
    "a path": {"job_id": "/etc/passwd"},
    "a path of Windows": {"job_id": "..\\..\\windows"},
}


@pytest.mark.parametrize("changed", NONSENSE.values(), ids=NONSENSE)
async def test_what_makes_no_sense_is_422_and_nothing_is_charged(
    client: Client, changed: dict[str, Any]
) -> None:
    is_error(await generate(client, **changed), 422, "INVALID_REQUEST")
    assert await client.balance() == 100


async def test_a_class_that_no_code_can_hold_has_no_group_card_and_is_not_charged(
    newcomer: Newcomer,
) -> None:
    client = await newcomer(tokens=300)
    body = {"group_cards": True, "subjects": [subject(1, class_name="A" * 65)]}
    answer = await generate(client, **body)
    is_error(answer, 422, "INVALID_REQUEST")
    assert "A" * 65 in answer.body["message"]
    assert await client.balance() == 300
    body["subjects"] = subjects(201, class_name="A" * 65)
    job = await client.ended((await generate(client, **body)).body["task_id"])
    assert (job["status"], job["tokens_refunded"]) == ("failed", 201)
    assert "A" * 65 in job["error"]["message"]
    assert "results" not in job
    assert await client.balance() == 300


async def test_an_id_that_stands_twice_is_named(client: Client) -> None:
    twice = [subject(1), subject(2), subject(1, name="Somebody else")]
    answer = await generate(client, subjects=twice)
    is_error(answer, 422, "DUPLICATE_STUDENT_ID")
    assert "S0001" in answer.body["message"]
    await is_free(client)


async def test_a_character_that_no_font_has_is_reported_and_the_rest_is_printed(
    client: Client, tmp_path: Path
) -> None:
    named = [subject(1, name="Zoë 🎈 Østergård"), subject(2, name="Nguyễn Thị Ánh")]
    body = await generated(client, subjects=named)
    assert body["missing_glyphs"] == [{"student_id": "S0001", "characters": "🎈"}]
    (page,) = lines(await fetched(client, body["pdf_url"], tmp_path))
    printed = " ".join(" ".join(page).split())
    assert "Zoë Østergård" in printed
    assert "Nguyễn Thị Ánh" in printed


async def test_names_in_many_scripts_are_printed(client: Client, tmp_path: Path) -> None:
    names = ["Αθηνά", "Мария", "王小明", "김민준", "さくら", "สมชาย"]
    body = await generated(client, subjects=[subject(n, name=x) for n, x in enumerate(names)])
    assert body["missing_glyphs"] == []
    pages = lines(await fetched(client, body["pdf_url"], tmp_path))
    printed = "".join("".join(page) for page in pages).replace(" ", "")
    for name in names:
        assert name in printed


async def test_the_longest_name_is_printed_to_its_end(client: Client, tmp_path: Path) -> None:
    name = " ".join(f"part{number:03}" for number in range(23)) + " the end done"
    assert len(name) <= 200
    body = await generated(client, subjects=[subject(1, name=name)])
    (page,) = lines(await fetched(client, body["pdf_url"], tmp_path))
    assert name in " ".join(" ".join(page).split())


@pytest.mark.parametrize(
    ("job_id", "stem"),
    [
        ("Fall 2026 #1?%2e%2e", "Fall-2026-1-2e-2e"),
        ("Trường Ánh Dương", "Truong-Anh-Duong"),
        ('a"b;c', "a-b-c"),
        ("..hidden", "hidden"),
        ("学校", "job"),
    ],
)
async def test_whatever_a_job_is_called_its_file_has_a_plain_name(
    client: Client, tmp_path: Path, job_id: str, stem: str
) -> None:
    body = await generated(client, job_id=job_id)
    assert body["job_id"] == job_id
    pdf = await fetched(client, body["pdf_url"], tmp_path)
    assert pdf.name == f"qr_cards_{stem}_4up.pdf"
    assert pdf.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    "changed",
    [{"layout": "single"}, {"layout": "9up"}, {"logo_url": "https://example.com/logo.png"}],
    ids=str,
)
async def test_what_takes_premium_is_402_on_basic_with_a_reason(
    newcomer: Newcomer, changed: dict[str, Any]
) -> None:
    client = await newcomer(plan="basic")
    answer = await generate(client, **changed)
    assert answer.status == 402
    assert set(answer.body) == {"error", "balance", "shortfall", "top_up_url", "reason"}
    assert answer.body["error"] == "PREMIUM_REQUIRED"
    assert (answer.body["balance"], answer.body["shortfall"]) == (100, 0)
    assert answer.body["top_up_url"].startswith("http")
    assert "Premium" in answer.body["reason"]
    await is_free(client)
    # as before without it, also said in so many words
    assert (await generated(client, layout="4up", logo_url=None))["pages"] == 1


@pytest.mark.parametrize(("layout", "pages"), [("4up", 3), ("single", 10), ("9up", 2)])
async def test_premium_brings_every_layout(
    client: Client, tmp_path: Path, layout: str, pages: int
) -> None:
    body = await generated(client, layout=layout, subjects=subjects(10))
    assert (body["pages"], body["tokens_deducted"]) == (pages, 10)
    pdf = await fetched(client, body["pdf_url"], tmp_path)
    assert pdf.name == f"qr_cards_JOB-2026-001_{layout}.pdf"
    assert codes(pdf) == [
        (0, f"S{number:04}") for number in range({"single": 1, "4up": 4}.get(layout, 9))
    ]


def picture(kind: str, size: tuple[int, int] = (400, 200)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "#c02030").save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_logo_is_on_the_cards(
    client: Client, elsewhere: Elsewhere, tmp_path: Path, kind: str
) -> None:
    elsewhere.files["logo"] = picture(kind), "application/octet-stream"
    body = await generated(client, logo_url=f"{elsewhere.url}/logo")
    pdf = await fetched(client, body["pdf_url"], tmp_path)
    assert " image " in told("pdfimages", "-list", pdf)
    preview = (await client.picture(body["preview_url"])).convert("RGB")
    reddish = sum(r > 150 and g < 90 and b < 110 for r, g, b in preview.get_flattened_data())
    assert reddish > 500
    assert [id_ for _, id_ in codes(pdf)] == ["STU-001", "STU-002"]


SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def _bomb() -> bytes:
    """A picture of a few kilobytes that would unpack to 400 megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"just some text, no picture", "image/png"),
        (b"", "image/png"),
        (b"<!doctype html><html><body>a page</body></html>", "text/html"),
        (SCRIPT, "image/svg+xml"),
        (b'<?xml version="1.0"?>' + SCRIPT, "image/png"),
        (picture("PNG")[:-40], "image/png"),
        (picture("PNG") + bytes(11_000_000), "image/png"),
        (_bomb(), "image/png"),
        (picture("PNG", (4, 4)), "image/png"),
    ],
    ids=["text", "nothing", "page", "svg", "xml", "cut off", "huge", "bomb", "tiny"],
)
async def test_a_logo_that_is_none_is_400_and_nothing_is_charged(
    client: Client, elsewhere: Elsewhere, content: bytes, kind: str
) -> None:
    elsewhere.files["logo"] = content, kind
    answer = await generate(client, logo_url=f"{elsewhere.url}/logo")
    is_error(answer, 400, "LOGO_UNUSABLE")
    await is_free(client)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/logo.png",
        "http://localhost/logo.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/logo.png",
        "http://no-such-host.invalid/logo.png",
        "file:///etc/passwd",
        "data:image/png;base64,iVBORw0KGgo=",
        "not a url",
        "{elsewhere}/gone.jpg",
        "{elsewhere}/inwards",
    ],
)
async def test_a_logo_that_cannot_be_fetched_is_400_and_nothing_is_charged(
    client: Client, elsewhere: Elsewhere, url: str
) -> None:
    answer = await generate(client, logo_url=url.replace("{elsewhere}", elsewhere.url))
    is_error(answer, 400, "LOGO_UNUSABLE")
    await is_free(client)


async def test_too_few_tokens_are_402_with_exactly_four_fields(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=3)
    for count in (5, 201):
        answer = await generate(client, subjects=subjects(count))
        assert answer.status == 402
        assert set(answer.body) == {"error", "balance", "shortfall", "top_up_url"}
        told_of = answer.body["error"], answer.body["balance"], answer.body["shortfall"]
        assert told_of == ("INSUFFICIENT_TOKENS", 3, count - 3)
    await is_free(client, 3)


async def with_idempotency(client: Client, key: str, **body: Any) -> Answer:
    return await generate(client.instead(**client.headers, **{"Idempotency-Key": key}), **body)


async def test_a_request_that_is_sent_again_is_charged_once(client: Client) -> None:
    first = await with_idempotency(client, "k")
    again = await with_idempotency(client, "k")
    assert (first.status, again.status) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.body == first.body
    is_error(await with_idempotency(client, "k", layout="9up"), 422, "IDEMPOTENCY_KEY_REUSED")
    assert await client.balance() == 98


async def test_a_large_sheet_that_is_sent_again_is_one_job(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=500)
    first = await with_idempotency(client, "k", subjects=subjects(201))
    again = await with_idempotency(client, "k", subjects=subjects(201))
    assert (first.status, again.status) == (202, 202)
    assert again.body == first.body
    await client.ended(first.body["task_id"])
    assert len((await client.send("GET", JOBS)).body["jobs"]) == 1
    assert await client.balance() == 299


async def test_after_a_bad_logo_the_same_key_may_be_used(
    client: Client, elsewhere: Elsewhere
) -> None:
    url = f"{elsewhere.url}/logo"
    is_error(await with_idempotency(client, "k", logo_url=url), 400, "LOGO_UNUSABLE")
    elsewhere.files["logo"] = picture("PNG"), "image/png"
    assert (await with_idempotency(client, "k", logo_url=url)).status == 200
    assert await client.balance() == 98


@pytest.mark.parametrize(("scopes", "status"), [(["qr"], 200), (["facecrop", "jobs"], 403)])
async def test_a_key_makes_cards_if_it_has_the_scope(
    newcomer: Newcomer, scopes: Sequence[str], status: int
) -> None:
    client = await newcomer(tokens=300)
    key = await client.with_key(scopes=scopes)
    assert (await generate(key)).status == status
    assert (await client.balance()) == (298 if status == 200 else 300)
    if status == 200:
        task = (await generate(key, subjects=subjects(201))).body["task_id"]
        assert (await key.ended(task))["status"] == "completed"


async def test_without_credentials_there_are_no_cards(client: Client) -> None:
    answer = await client.send("POST", GENERATE, json=EXAMPLE, headers={"Authorization": ""})
    is_error(answer, 401, "UNAUTHENTICATED")


async def test_group_and_extra_cards_are_free_and_known_as_such(
    client: Client, tmp_path: Path
) -> None:
    body = await generated(
        client, layout="9up", group_cards=True, groups=["Staff", "Chess team"], extra_cards=2
    )
    assert (body["total_subjects"], body["tokens_deducted"]) == (2, 2)
    pdf = await fetched(client, body["pdf_url"], tmp_path)
    assert codes(pdf) == [
        (1, "5A"),
        (0, "STU-001"),
        (0, "STU-002"),
        (1, "Staff"),
        (1, "Chess team"),
        (2, "extra-1"),
        (2, "extra-2"),
    ]
    assert any("Extra 2" in line for line in lines(pdf)[0])


async def test_classes_are_sorted_and_divided(client: Client, tmp_path: Path) -> None:
    roster = [
        subject(1, class_name="10A"),
        subject(2, class_name="9B"),
        subject(3, class_name="10A"),
        subject(4, class_name="9B"),
    ]
    body = await generated(client, subjects=roster, dividers=True)
    pages = lines(await fetched(client, body["pdf_url"], tmp_path))
    assert len(pages) == 4
    assert "9B" in pages[0]
    assert "10A" in pages[2]
    seen = [id_ for page in pages for line in page for id_ in line.split() if id_.startswith("S00")]
    assert seen == ["S0002", "S0004", "S0001", "S0003"]


async def test_data_matrix_instead_of_qr(client: Client, tmp_path: Path) -> None:
    body = await generated(client, symbol="datamatrix", paper="letter")
    pdf = await fetched(client, body["pdf_url"], tmp_path)
    found = read(first_page(pdf))
    assert {code.format for code in found} == {zxingcpp.BarcodeFormat.DataMatrix}
    assert [says(code.text)[1] for code in found] == ["STU-001", "STU-002"]
    assert "612 x 792 pts (letter)" in told("pdfinfo", pdf)


async def test_a_name_is_in_the_code_only_if_wished(client: Client, tmp_path: Path) -> None:
    texts = []
    for wished in (False, True):
        body = await generated(client, name_in_code=wished)
        pdf = await fetched(client, body["pdf_url"], tmp_path)
        code = read(first_page(pdf))[0].text.removeprefix("DR1:")
        texts.append(base64.b32decode(code + "=" * (-len(code) % 8)))
    assert b"An Nguyen" not in texts[0]
    assert b"An Nguyen" in texts[1]


async def test_codes_of_another_job_and_account_differ(
    client: Client, newcomer: Newcomer, tmp_path: Path
) -> None:
    stranger = await newcomer()
    seen = set()
    for who, job_id in ((client, "A"), (client, "B"), (stranger, "A")):
        body = await generated(who, job_id=job_id)
        seen.add(read(first_page(await fetched(who, body["pdf_url"], tmp_path)))[0].text)
    assert len(seen) == 3


@pytest.fixture
def guarded() -> Iterator[RunningStack]:
    """A stack whose engines want keys."""
    with temporary_home() as home:
        stack = RunningStack.start(home, REQUIRE_API_KEY="true")
        yield stack
        stack.stop()


async def test_where_engines_want_a_key_the_reader_of_logos_is_shown_ours(
    guarded: RunningStack, session: aiohttp.ClientSession
) -> None:
    card = guarded.card
    anonymous = Client(session, card.url, AccountId(UUID(card.account_id)), card.email, {})
    credentials = {"email": card.email, "password": card.password}
    login = await anonymous.send("POST", "/v1/account/login", json=credentials)
    client = anonymous.instead(Authorization=f"Bearer {login.body['access_token']}")
    before = await client.balance()
    # nobody listens there, which only an engine that took our key has seen
    logo = {"logo_url": f"http://127.0.0.1:{guarded.fetch_port}/logo.png"}
    is_error(await generate(client, **logo), 503, "UNAVAILABLE")
    key = guarded.run("service", "issue-key", "gateway").stdout.split()[-1]
    guarded.run("service", "set-outbound", "cardreader", "nats://cardreader", key)
    is_error(await generate(client, **logo), 400, "LOGO_UNUSABLE")
    assert await client.balance() == before

"""What is on a sheet of cards: fetched over real HTTP, and read again."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zxingcpp

from tests.contract.cards import (
    EXAMPLE,
    codes,
    fetched,
    generated,
    picture,
    says,
    subject,
    subjects,
)
from tests.contract.conftest import Client, Elsewhere, Newcomer
from tests.contract.rosters import PEOPLE, previewed, xlsx
from tests.contract.wallets import opened
from tests.running import RunningStack
from tests.unit.qr.pages import first_page, lines, read, told


@pytest.fixture(scope="module")
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """One for all: what a sheet shows is in its request alone."""
    async with opened(stack, tokens=1_000) as client:
        yield client


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
    assert {says(code.text)[1] for code in read(preview)} == {
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


async def test_what_was_read_is_what_is_printed(client: Client, tmp_path: Path) -> None:
    body = await previewed(client, xlsx(), "roster.xlsx")
    sheet = await generated(client, subjects=body["subjects"])
    (page,) = lines(await fetched(client, sheet["pdf_url"], tmp_path))
    printed = " ".join(page)
    for id_, name, _ in PEOPLE:
        assert id_ in printed
        assert name in printed

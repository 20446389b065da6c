import random
import zipfile
from contextlib import suppress
from datetime import date, time
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.qr.rosters import packages
from services.qr.rosters.errors import (
    NotARoster,
    RosterDamaged,
    RosterEmpty,
    RosterError,
    RosterLocked,
    RosterTooLarge,
    UnsupportedRoster,
)
from services.qr.rosters.reading import MOST_BYTES, read
from tests.unit.qr.rosters import packed, parts, saved, workbook

HEADINGS = ["Student ID", "Name", "Class"]
ONE = '<row><c t="inlineStr"><is><t>S1</t></is></c><c t="str"><v>Ann</v></c></row>'


def test_the_first_visible_sheet_with_anything_in_it_is_read() -> None:
    book = openpyxl.Workbook()
    hidden = book.create_sheet("Lists", 0)
    hidden.append(["Hidden", "Data"])
    hidden.sheet_state = "hidden"
    book.create_sheet("Nothing", 1)
    sheet = book.create_sheet("Klasse 5", 2)
    for row in ([], HEADINGS, [], ["S1", "Nguyễn Văn An", "5A"], ["S2", "王小明"]):
        sheet.append(row)
    table = read(saved(book), "roster.xlsx")
    assert (table.format, table.sheet, table.encoding, table.delimiter) == (
        "xlsx", "Klasse 5", None, None,
    )  # fmt: skip
    assert table.headings == tuple(HEADINGS)
    assert [(row.number, row.cells) for row in table.rows] == [
        (4, ("S1", "Nguyễn Văn An", "5A")),
        (5, ("S2", "王小明")),
    ]


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (1001, None, "1001"),
        (1001.0, None, "1001"),
        ("007", None, "007"),
        (7, "00000", "00007"),
        (7, "0", "7"),
        (20240001234, None, "20240001234"),
        (2.0240001e7, "0.00E+00", "20240001"),
        (1.5, None, "1.5"),
        (0.1 + 0.2, None, "0.3"),
        (-3, None, "-3"),
        (True, None, "TRUE"),
        (date(2015, 9, 1), None, "2015-09-01"),
        (42248.5625, "yyyy-mm-dd hh:mm", "2015-09-01T13:30:00"),
        (time(8, 5), None, "08:05:00"),
        (42248, "[$-411]ggge年m月d日", "2015-09-01"),
        (1e12, "dd/mm/yyyy", "1000000000000"),
        ("a_x000D_b", None, "a\rb"),
        ("#N/A", None, "#N/A"),
    ],
)
def test_cells_say_what_they_show(value: object, code: str | None, text: str) -> None:
    data = workbook([HEADINGS, ["S1", value]], {"B2": code} if code else None)
    assert read(data).rows[0].cells == ("S1", text)


def test_dates_count_from_1904_where_the_workbook_says_so() -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    assert book.active is not None
    for row in (HEADINGS, ["S1", date(2015, 9, 1)]):
        book.active.append(row)
    assert read(saved(book)).rows[0].cells[1] == "2015-09-01"


def test_strings_are_put_together_and_furigana_left_out() -> None:
    strings = (
        "<si><r><t>山田 </t></r><r><rPr/><t>太郎</t></r><rPh sb='0' eb='2'><t>ヤマダ</t></rPh></si>"
        "<si/>"
    )
    sheet = "<row><c t='s'><v>0</v></c><c t='s'><v>1</v></c><c><v>5</v></c></row>"
    assert read(packed(parts(sheet, strings))).rows[0].cells == ("山田 太郎", "", "5")


def test_the_strict_variant_of_the_standard_is_read_too() -> None:
    strict = parts(ONE, main="http://purl.oclc.org/ooxml/spreadsheetml/main")
    assert read(packed(strict)).rows[0].cells == ("S1", "Ann")


def test_a_formula_gives_what_it_came_to() -> None:
    sheet = '<row><c t="str"><f>"S"&amp;1</f><v>S1</v></c><c><f>SUM(1,2)</f><v>3</v></c></row>'
    assert read(packed(parts(sheet))).rows[0].cells == ("S1", "3")


def test_ten_thousand_rows_are_read_and_one_more_is_refused() -> None:
    row = "<row><c t='str'><v>S</v></c></row>"
    headings = "<row><c t='str'><v>Student ID</v></c></row>"
    assert len(read(packed(parts(headings + row * 10_000))).rows) == 10_000
    with pytest.raises(RosterTooLarge, match="10000 rows"):
        read(packed(parts(headings + row * 10_001)))


def test_formatted_rows_without_anything_do_not_count() -> None:
    assert len(read(packed(parts(ONE + '<row ht="5"><c s="1"/></row>' * 20_000))).rows) == 1


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="GS1" t="str"><v>x</v></c>',
        f'<c t="str"><v>{"x" * 501}</v></c>',
        f'<c t="str"><v>{"x" * 50_000}</v></c>',
    ],
)
def test_a_cell_too_far_or_too_long_is_refused(cell: str) -> None:
    with pytest.raises(RosterTooLarge):
        read(packed(parts(f"<row>{cell}</row>")))


@pytest.mark.parametrize(
    "sheet",
    [
        '<row r="2"/><row r="1"/>',
        '<row r="1048577"/>',
        '<row r="-1"/>',
        f'<row r="{"9" * 5000}"/>',
        '<row><c r="ZZZZ1"/></row>',
        '<row><c r="XFE1"/></row>',
        '<row><c r="B1"/><c r="A1"/></row>',
        '<row><c t="s"><v>9</v></c></row>',
        '<row><c t="s"><v>-1</v></c></row>',
        '<row><c s="x"><v>1</v></c></row>',
        "<row>",
        "<row>&nothing;</row>",
    ],
)
def test_what_no_sheet_can_hold_is_refused(sheet: str) -> None:
    with pytest.raises(RosterDamaged):
        read(packed(parts(sheet)))


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))


@pytest.mark.parametrize(
    "prologue",
    [
        f'<!DOCTYPE w [<!ENTITY a0 "haha">{LAUGHS}]>',
        '<!DOCTYPE w [<!ENTITY a8 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE w SYSTEM "http://127.0.0.1/x.dtd">',
        "<!DOCTYPE w>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "_rels/.rels"]
)
def test_a_document_type_is_refused_in_every_part(prologue: str, encoding: str, part: str) -> None:
    texts = parts(ONE)
    hostile = {**texts, part: (prologue + texts[part]).encode(encoding)}
    with pytest.raises(RosterDamaged):
        read(packed(hostile))


@pytest.mark.parametrize(
    "encoding", ["shift_jis", "utf-7", "utf-32", "nonsense", "hex", "rot13", "idna", "undefined"]
)
def test_an_encoding_that_no_workbook_has_is_refused(encoding: str) -> None:
    texts = parts(ONE, prologue=f'<?xml version="1.0" encoding="{encoding}"?>')
    with pytest.raises(RosterDamaged):
        read(packed(texts))


@pytest.mark.parametrize(
    "sheet",
    [
        "<a>" * 100,
        f"<!--{'> ' * 500_000}-->",
        f'<row a="{"x" * 1_000_000}"/>',
    ],
)
def test_xml_that_costs_more_than_it_says_is_refused(sheet: str) -> None:
    with pytest.raises(RosterTooLarge):
        read(packed(parts(sheet)))


def test_elements_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_MOST_ELEMENTS", 10_000)
    assert read(packed(parts(ONE + "<q/>" * 9_900))).rows
    with pytest.raises(RosterTooLarge):
        read(packed(parts(ONE + "<q/>" * 10_000)))


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed({"xl/a.xml": b" " * (60 << 20), "xl/b.xml": b" " * (60 << 20)})
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(RosterTooLarge):
        read(bomb)


def test_a_part_that_says_less_than_it_holds_is_refused() -> None:
    data = packed({**parts(ONE), "xl/worksheets/sheet1.xml": b" " * 5_000_000})
    said, lie = (5_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert data.count(said) == 2
    with pytest.raises(RosterDamaged):
        read(data.replace(said, lie))


def test_what_is_unpacked_is_counted_over_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed(parts(ONE + " " * 300_000, strings=" " * 300_000))
    assert read(data).rows
    package = packages.Package(data)
    monkeypatch.setattr(packages, "MOST_UNPACKED", 500_000)
    package.read("xl/worksheets/sheet1.xml", packages._Relations(""))
    with pytest.raises(RosterTooLarge):
        package.read("xl/sharedstrings.xml", packages._Relations(""))


def test_an_archive_of_very_many_parts_is_refused() -> None:
    with pytest.raises(RosterTooLarge):
        read(packed({f"xl/{n}.xml": b"" for n in range(2_001)}))


def test_a_file_above_the_limit_is_refused() -> None:
    with pytest.raises(RosterTooLarge, match="20 MB"):
        read(b"a" * (MOST_BYTES + 1))


@pytest.mark.parametrize(
    ("files", "refusal", "words"),
    [
        ({"mimetype": b"x", "content.xml": b"<a/>"}, UnsupportedRoster, "OpenDocument"),
        ({"Index/Document.iwa": b"x"}, UnsupportedRoster, "Numbers"),
        ({"[Content_Types].xml": b"<a/>", "word/document.xml": b"<a/>"}, NotARoster, "document"),
        ({"roster.csv": b"1,Ann"}, NotARoster, "unpack"),
        ({"[Content_Types].xml": b"<a/>"}, UnsupportedRoster, "CSV or XLSX"),
    ],
)
def test_other_archives_are_refused_by_what_they_are(
    files: dict[str, bytes], refusal: type[RosterError], words: str
) -> None:
    with pytest.raises(refusal, match=words):
        read(packed(files), "roster.xlsx")


def test_the_binary_variant_is_refused_by_name() -> None:
    texts = parts(ONE)
    texts["_rels/.rels"] = texts["_rels/.rels"].replace("workbook.xml", "workbook.bin")
    with pytest.raises(UnsupportedRoster, match="XLSB"):
        read(packed(texts))


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("data", "refusal", "words"),
    [
        (OLE, UnsupportedRoster, "XLS"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), RosterLocked, "password"),
        (b"<html><table><tr><td>1</td></tr></table></html>", UnsupportedRoster, "web page"),
        (b" \n<!DOCTYPE html>\n<html></html>", UnsupportedRoster, "web page"),
        (b'<?xml version="1.0"?><Workbook/>', UnsupportedRoster, "XML"),
        (b"\x00\x01\x02\x03" * 100, RosterDamaged, "damaged"),
    ],
)
def test_what_pretends_to_be_a_spreadsheet_is_told_what_it_is(
    data: bytes, refusal: type[RosterError], words: str
) -> None:
    with pytest.raises(refusal, match=words):
        read(data, "roster.xlsx")


def test_a_workbook_without_rows_is_refused() -> None:
    with pytest.raises(RosterEmpty):
        read(workbook([[None, "  "]]))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_workbook_that_was_cut_off_is_refused(kept: float) -> None:
    data = workbook([HEADINGS, ["S1", "Ann", "5A"]])
    with pytest.raises(RosterDamaged):
        read(data[: int(len(data) * kept)])


def test_a_workbook_with_any_bytes_changed_gives_rows_or_a_refusal() -> None:
    whole = workbook([HEADINGS, ["S1", "Ann", "5A"], ["S2", "Bo", "5B"]])
    plain = packed(parts(ONE * 3))
    chance = random.Random(7)
    for data in (whole, plain) * 150:
        changed = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(4, len(data))] = chance.randrange(256)
        with suppress(RosterError):
            assert read(bytes(changed)).rows


@given(st.text(st.sampled_from('<>/="r1A & vcstis'), max_size=60))
def test_a_sheet_of_any_markup_gives_rows_or_a_refusal(sheet: str) -> None:
    with suppress(RosterError):
        assert read(packed(parts(ONE + sheet))).rows


def test_nothing_is_written_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read(packed({**parts(ONE), "../../outside.txt": b"x", "/etc/x": b"x"}))
    assert list(tmp_path.rglob("*")) == []

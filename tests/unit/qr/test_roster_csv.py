import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.qr.rosters.errors import (
    EncodingUnknown,
    NotARoster,
    RosterEmpty,
    RosterError,
    RosterTooLarge,
)
from services.qr.rosters.exports import STARTS_A_FORMULA, to_csv
from services.qr.rosters.reading import read
from services.qr.rosters.tables import Table
from tests.unit.qr.rosters import vietnamese

VIETNAMESE = (
    "Mã học sinh;Họ và tên;Lớp\r\nHS001;Nguyễn Văn An;5A\r\nHS002;Trần Thị Bình;5A\r\n"
    "HS003;Đặng Hữu Phước;5B\r\n"
)
GERMAN = "Schülernummer;Name;Klasse\n1001;Jürgen Müller;5a\n1002;Zoë Groß;5b\n"
RUSSIAN = "Номер ученика;ФИО;Класс\n11;Петров Иван;5А\n12;Сидорова Анна;5Б\n"
CHINESE = "学号,姓名,班级\n2024001,张伟,三年级2班\n2024002,李婷,三年级1班\n"
TAIWANESE = "學號,姓名,班級\n2024001,陳怡君,三年二班\n2024002,林家豪,三年一班\n"
JAPANESE = "学籍番号\t氏名\tクラス\n1001\t山田 太郎\t3年2組\n1002\t佐藤 花子\t3年1組\n"
KOREAN = "학번,이름,반\n10101,김민준,1반\n10102,이서연,1반\n"
POLISH = "Kod,Imię i nazwisko\nA1,Łukasz Wiśniewski\nA2,Żaneta Wójcik\nA3,Święch Małgorzata\n"


def expected(text: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text), delimiter=delimiter))


def lines(table: Table) -> list[list[str]]:
    return [list(table.headings), *(list(row.cells) for row in table.rows)]


@pytest.mark.parametrize(
    ("text", "data", "encoding", "delimiter"),
    [
        (VIETNAMESE, VIETNAMESE.encode(), "utf-8", ";"),
        (VIETNAMESE, VIETNAMESE.encode("utf-8-sig"), "utf-8", ";"),
        (VIETNAMESE, b"\xff\xfe" + VIETNAMESE.encode("utf-16-le"), "utf-16-le", ";"),
        (VIETNAMESE, b"\xfe\xff" + VIETNAMESE.encode("utf-16-be"), "utf-16-be", ";"),
        (VIETNAMESE, VIETNAMESE.encode("utf-16-le"), "utf-16-le", ";"),
        (VIETNAMESE, VIETNAMESE.encode("utf-16-be"), "utf-16-be", ";"),
        (VIETNAMESE, vietnamese(VIETNAMESE), "cp1258", ";"),
        (GERMAN, GERMAN.encode("cp1252"), "cp1252", ";"),
        (RUSSIAN, RUSSIAN.encode("cp1251"), "cp1251", ";"),
        (CHINESE, CHINESE.encode("gb18030"), "gb18030", ","),
        (CHINESE, CHINESE.encode("utf-16-le"), "utf-16-le", ","),
        (TAIWANESE, TAIWANESE.encode("big5"), "cp950", ","),
        (JAPANESE, JAPANESE.encode("shift_jis"), "cp932", "\t"),
        (KOREAN, KOREAN.encode("euc_kr"), "cp949", ","),
        (POLISH, POLISH.encode("cp1250"), "cp1250", ","),
    ],
)
def test_encoding_and_delimiter_are_told_from_the_bytes(
    text: str, data: bytes, encoding: str, delimiter: str
) -> None:
    table = read(data, "roster.csv")
    assert (table.format, table.encoding, table.delimiter) == ("csv", encoding, delimiter)
    assert lines(table) == expected(text, delimiter)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("1,张伟\n2,李婷\n3,王梓涵\n4,欧阳晨曦\n", "gb18030"),
        ("1,陳怡君\n2,林家豪\n3,張雅婷\n4,黃志明\n", "cp950"),
        ("1,山田 太郎\n2,佐藤 さくら\n3,鈴木 ハナ\n", "cp932"),
        ("1,김민준\n2,이서연\n3,박지후\n", "cp949"),
        ("1,Петров Иван\n2,Юлия Щукина\n3,ИВАНОВА\n", "cp1251"),
        ("1,Françoise Lefèvre\n2,Íñigo Peña\n3,Nicolò Però\n4,João Conceição\n", "cp1252"),
        ("1,Guðrún Þórsdóttir\n2,Björk\n", "cp1252"),
    ],
)
def test_names_alone_tell_the_encoding(text: str, encoding: str) -> None:
    table = read(text.encode(encoding))
    assert table.encoding == encoding
    assert [",".join(row.cells) for row in table.rows] == text.splitlines()


def test_names_alone_tell_vietnamese_from_western_letters() -> None:
    table = read(vietnamese("1,Nguyễn Thị Hồng\n2,Lê Văn Đạt\n3,Phạm Quốc Bảo\n"))
    assert table.encoding == "cp1258"
    assert table.column(1) == ["Nguyễn Thị Hồng", "Lê Văn Đạt", "Phạm Quốc Bảo"]


def test_what_none_of_ours_fits_is_read_with_the_help_of_the_library() -> None:
    text = "Κωδικός,Όνομα\n1,Παπαδόπουλος Γιώργος\n2,Νικολάου Μαρία\n3,Ιωάννου Ελένη\n"
    assert lines(read(text.encode("cp1253"))) == expected(text, ",")


def test_an_encoding_that_is_told_is_taken() -> None:
    text = "1,Dvořák\n2,Růžička\n"
    assert read(text.encode("cp1250"), encoding="windows-1250").column(1) == ["Dvořák", "Růžička"]


@pytest.mark.parametrize(
    "name", ["no-such", "ascii", "base64", "rot13", "idna", "punycode", "x" * 500, "\0"]
)
def test_an_encoding_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(EncodingUnknown):
        read("1,Dvořák\n".encode("cp1250"), encoding=name)


def test_bytes_that_are_no_letters_in_any_encoding_are_refused() -> None:
    with pytest.raises(EncodingUnknown):
        read("Nom,Prénom\nLefèvre,René\n".encode("mac_roman"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_divides_lines_alike(delimiter: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["ID", "Name", "Class"], ["1", "Lee, Ann; | PhD", "5A"], ["2", "Bo", "5B"]])
    table = read(text.getvalue().encode())
    assert table.delimiter == delimiter
    assert table.rows[0].cells == ("1", "Lee, Ann; | PhD", "5A")


def test_a_list_of_names_with_commas_is_divided_by_what_shows_the_headings() -> None:
    table = read(b"Student ID;Name\n1;Lee, Ann\n2;Day, Bo\n3;Roe, Cy\n")
    assert (table.delimiter, table.rows[0].cells) == (";", ("1", "Lee, Ann"))


def test_excel_may_say_what_separates() -> None:
    table = read(b"sep=|\r\nID|Name\r\n1|Ann, Lee\r\n2|Bo, Day\r\n")
    assert table.headings == ("ID", "Name")
    assert [(row.number, row.cells[1]) for row in table.rows] == [(3, "Ann, Lee"), (4, "Bo, Day")]


def test_rows_have_the_numbers_a_spreadsheet_shows_and_empty_ones_are_skipped() -> None:
    data = b'\n"ID","Name"\n\n1,"Ann\nLee"\n , ,\n2,Bo\n\n'
    assert [(row.number, row.cells) for row in read(data).rows] == [
        (4, ("1", "Ann\nLee")),
        (6, ("2", "Bo")),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_of_three_ways(end: str) -> None:
    assert len(read(end.join(["ID,Name", "1,Ann", "2,Bo"]).encode()).rows) == 2


def test_white_space_around_cells_is_taken_away_of_every_width() -> None:
    table = read("ID,Name\n\u00a01\u200b,\u3000 An\ufeff\n".encode())
    assert table.rows[0].cells == ("1", "An")


@pytest.mark.parametrize("data", [b"", b" \n\n", b"\xef\xbb\xbf", b",,,\n,,\n", b'""\n'])
def test_nothing_is_refused(data: bytes) -> None:
    with pytest.raises(RosterEmpty):
        read(data)


def test_headings_alone_are_refused() -> None:
    with pytest.raises(RosterEmpty, match="no rows below"):
        read(b"Student ID,Name,Class\n")


def test_ten_thousand_rows_are_read_and_one_more_is_refused() -> None:
    rows = [f"{n},Somebody" for n in range(10_001)]
    assert len(read("\n".join(["ID,Name", *rows[:10_000]]).encode()).rows) == 10_000
    with pytest.raises(RosterTooLarge, match="10000 rows"):
        read("\n".join(["ID,Name", *rows]).encode())


def test_two_hundred_columns_are_read_and_one_more_is_refused() -> None:
    assert read(",".join(["x"] * 200).encode()).width == 200
    with pytest.raises(RosterTooLarge, match="column GS"):
        read(",".join(["x"] * 201).encode())


def test_a_long_cell_is_refused_with_its_name() -> None:
    assert read(b"1," + b"x" * 500).width == 2
    with pytest.raises(RosterTooLarge, match="Cell B2"):
        read(b"1,a\n2," + b"x" * 501)


@pytest.mark.parametrize("data", [b'ID,Name\n1,"Ann\n' + b"2,Bo\n" * 40_000, b'"' * 1_000_000])
def test_a_quotation_that_never_ends_is_refused(data: bytes) -> None:
    with pytest.raises(RosterTooLarge):
        read(data)


@pytest.mark.parametrize("data", [b"\n" * 2_000_000 + b"a", b"," * 20_000_000, b"a" * 21_000_000])
def test_what_would_take_long_is_refused_first(data: bytes) -> None:
    with pytest.raises(RosterTooLarge):
        read(data)


WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
CELLS = st.lists(WORDS, max_size=3).map(" ".join)
"""With delimiters, quotes and signs of every script; without what is trimmed."""


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"]),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_is_written_is_read_again_when_the_encoding_is_known(
    cells: list[tuple[str, str]], encoding: str, delimiter: str
) -> None:
    rows = [(f"n{number}", *pair) for number, pair in enumerate(cells)]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([("Student ID", "Name", "Class"), *rows])
    table = read(text.getvalue().encode(encoding), encoding=encoding)
    assert [(*row.cells, "", "")[:3] for row in table.rows] == rows


LISTS = {
    "cp1258": "Nguyễn Trần Lê Phạm Hoàng Vũ Đặng Bùi Đỗ Hồ Ngô Thị Văn Minh Hạnh Thảo",
    "cp1252": "Müller Jürgen Groß Zoë Lefèvre Élodie Peña Íñigo Sofía Søren Åse Conceição Nicolò",
    "cp1251": "Иванов Пётр Сидорова Анна Щукин Юлия Кузнецов Яна Ольга Фёдор Жанна Эдуард Ирина",
    "gb18030": "王伟 李婷 张敏 刘洋 陈静 杨梓涵 黄磊 赵欣怡 吴昊 周雨轩 徐丽 孙悦 马超 朱晨曦",
    "cp950": "陳怡君 林家豪 張雅婷 黃志明 李淑芬 王俊傑 吳宗翰 劉佳穎 蔡承恩 楊詩涵 許柏翰",
    "cp932": "佐藤 鈴木 高橋 田中 さくら 花子 太郎 ハナ ケンタ 結衣 大輔 美咲 渡辺 伊藤",
    "cp949": "김민준 이서연 박지후 최수아 정하은 강도윤 조예준 윤채원 장시우 임지민 한소율",
}
"""Names by the encoding they are written in, the parts of names where they have several."""


@given(st.data(), st.sampled_from(sorted(LISTS)))
def test_a_class_of_names_tells_its_encoding(data: st.DataObject, encoding: str) -> None:
    parts = LISTS[encoding].split()
    names = data.draw(
        st.lists(
            st.lists(st.sampled_from(parts), min_size=1, max_size=3).map(" ".join),
            min_size=8,
            max_size=30,
        ).filter(lambda names: len({*" ".join(names).split()}) >= 6)
    )
    text = "\n".join(f"{number},{name}" for number, name in enumerate(names, 100))
    raw = vietnamese(text) if encoding == "cp1258" else text.encode(encoding)
    assert read(raw).column(1) == names


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_an_export_is_read_again_and_nothing_in_it_begins_like_a_formula(
    cells: list[tuple[str, str]],
) -> None:
    rows = [(f"n{number}", *pair) for number, pair in enumerate(cells)]
    data = to_csv(["Student ID", "Name", "Class"], rows)
    for line in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")):
        assert not any(cell.startswith(STARTS_A_FORMULA) for cell in line)
    assert [row.cells[0] for row in read(data).rows] == [row[0] for row in rows]


def test_an_export_has_the_mark_that_excel_looks_for_and_nothing_for_none() -> None:
    assert to_csv(["Id"], [["Ân"], [None], ["=1"]]) == (
        b"\xef\xbb\xbf" + 'Id\r\nÂn\r\n""\r\n\'=1\r\n'.encode()
    )


@given(st.binary(max_size=3000))
def test_of_any_bytes_come_rows_or_a_refusal(data: bytes) -> None:
    try:
        table = read(data, "roster.csv")
    except RosterError:
        return
    assert table.rows
    assert all(any(row.cells) for row in table.rows)


@given(
    st.binary(max_size=600), st.sampled_from([VIETNAMESE, JAPANESE, RUSSIAN]), st.integers(0, 90)
)
def test_of_a_roster_with_any_bytes_in_it_come_rows_or_a_refusal(
    data: bytes, text: str, at: int
) -> None:
    whole = text.encode()
    with suppress(RosterError):
        assert read(whole[:at] + data + whole[at:]).rows


@pytest.mark.parametrize(
    "beginning", [b"%PDF-1.7\n", b"\x89PNG\r\n", b"\xff\xd8\xff\xe0", b"MZ\x90"]
)
def test_other_files_are_refused_by_what_they_are(beginning: bytes) -> None:
    with pytest.raises(NotARoster, match="send"):
        read(beginning + b"\0\1\2" * 100, "roster.csv")

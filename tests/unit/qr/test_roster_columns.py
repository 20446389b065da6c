import pytest

from services.qr.rosters.columns import Column, Columns, guess
from services.qr.rosters.headings import headings_at, meaning
from services.qr.rosters.reading import read


def found(text: str) -> dict[str, int]:
    """Return the columns that are guessed, by name."""
    columns = guess(read(text.encode()))
    names = ("student_id", "name", "first_name", "last_name", "class_name")
    picked = {name: getattr(columns, name) for name in names}
    assert all(0 < column.confidence <= 1 for column in picked.values() if column)
    return {name: column.index for name, column in picked.items() if column}


@pytest.mark.parametrize(
    "headings",
    [
        "Student ID,Name,Class",
        "STUDENT_ID,FULL NAME,GRADE",
        "Mã học sinh,Họ và tên,Lớp",
        "Ma HS,Ho ten,Lop",
        "MSHS,HỌ TÊN HỌC SINH,LỚP",
        "Schülernummer,Name,Klasse",
        "Schueler-Nr.,Vollständiger Name,Klasse",
        "Matricule,Nom et prénom,Classe",
        "N° élève,Nom complet,Groupe",
        "Matrícula,Nombre y apellidos,Curso",
        "CODIGO,Alumno,Sección",
        "学号,姓名,班级",
        "學號,學生姓名,班級",
        "学籍番号,氏名,クラス",
        "학번,이름,반",
        "รหัสนักเรียน,ชื่อ-นามสกุล,ชั้น",
        "رقم الطالب,اسم الطالب,الصف",
        "Номер ученика,ФИО,Класс",
        "Student ID (required),Name*,Class [e.g. 5A]",
        "Student ID / Mã học sinh,Name / Họ tên,Class / Lớp",
        "The student's ID number,Name of the student,Class in 2026",
    ],
)
def test_headings_are_known_in_many_languages(headings: str) -> None:
    text = f"{headings}\n1,One,x\n2,Two,x\n"
    assert found(text) == {"student_id": 0, "name": 1, "class_name": 2}
    assert read(text.encode()).headings == tuple(headings.split(","))


@pytest.mark.parametrize(
    ("headings", "first", "last", "family_first"),
    [
        ("ID,First Name,Last Name", 1, 2, False),
        ("ID,Surname,Forename", 2, 1, False),
        ("Mã,Họ và tên đệm,Tên", 2, 1, True),
        ("Kennung,Name,Vorname", 2, 1, False),
        ("Matricule,Nom,Prénom", 2, 1, False),
        ("Código,Nombre,Apellidos", 1, 2, False),
        ("学号,姓,名", 2, 1, True),
        ("학번,성,이름", 2, 1, True),
        ("รหัส,ชื่อ,นามสกุล", 1, 2, False),
        ("Код,Фамилия,Имя", 2, 1, False),
    ],
)
def test_a_name_may_be_in_two_columns(
    headings: str, first: int, last: int, family_first: bool
) -> None:
    text = f"{headings}\n1,Ann,Lee\n2,Bo,Day\n"
    assert found(text) == {"student_id": 0, "first_name": first, "last_name": last}
    assert guess(read(text.encode())).family_first is family_first


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        ("STT,Mã HS,Họ tên,Giới tính,Ngày sinh,Lớp", {"student_id": 1, "name": 2, "class_name": 5}),
        ("Teacher name,Name,ID", {"student_id": 2, "name": 1}),
        ("Parent name,School name,Full name,No", {"student_id": 3, "name": 2}),
        ("ID,Name,First name,Last name", {"student_id": 0, "name": 1}),
        ("Class,Student ID,Name,Class", {"student_id": 1, "name": 2, "class_name": 0}),
        ("Email,Last name,ID", {"student_id": 2, "name": 1}),
    ],
)
def test_of_several_columns_the_right_ones_are_taken(
    headings: str, expected: dict[str, int]
) -> None:
    cells = ",".join("abcdef"[: headings.count(",") + 1])
    assert found(f"{headings}\n{cells}\n{cells}\n") == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["S01,An Nguyen,5A", "S02,Binh Tran,5A", "S03,Chi Le,5B"], (0, 1, 2)),
        (["5A,2024001,张伟", "5A,2024002,李婷", "5B,2024003,王梓涵"], (1, 2, 0)),
        (["m,Ana Ruiz,77-1,3º B", "f,Eva Sanz,77-2,3º B", "m,Leo Gil,77-3,3º A"], (2, 1, 3)),
        (["1,A7,สมชาย ใจดี,ป.5", "2,A8,สมหญิง รักดี,ป.5", "3,A9,มานะ ดี,ป.6"], (1, 2, 3)),
        (["9,2015-01-02,Анна Щукина", "8,2015-03-04,Иван Петров"], (0, 2, None)),
    ],
)
def test_without_headings_the_content_tells(
    rows: list[str], expected: tuple[int, int, int | None]
) -> None:
    table = read("\n".join(rows).encode())
    assert set(table.headings) == {""}
    assert len(table.rows) == len(rows)
    columns = guess(table)
    picked = (columns.student_id, columns.name, columns.class_name)
    assert tuple(column and column.index for column in picked) == expected


def test_headings_that_nobody_knows_are_headings_all_the_same() -> None:
    table = read("Kods,Vārds,Grupa\nS01,An Lee,5A\nS02,Bo Day,5A\n".encode())
    assert table.headings == ("Kods", "Vārds", "Grupa")
    assert guess(table).student_id == Column(0, 0.6)


def test_a_running_number_is_an_id_only_when_there_is_no_other() -> None:
    assert found("STT,Họ tên\n1,An\n2,Bo\n") == {"student_id": 0, "name": 1}
    assert guess(read("STT,Họ tên\n1,An\n2,Bo\n".encode())).student_id == Column(0, 0.3)
    assert found("STT,Họ tên,Kods\n1,An,A7\n2,Bo,A9\n")["student_id"] == 2


def test_a_whole_name_beside_a_given_one_is_taken_whole() -> None:
    whole = "ID,Name,First name\n1,Ann Lee,Ann\n2,Bo Day,Bo\n"
    assert found(whole) == {"student_id": 0, "name": 1}
    apart = "ID,Name,First name\n1,Lee,Ann\n2,Day,Bo\n"
    assert found(apart) == {"student_id": 0, "first_name": 2, "last_name": 1}


def test_lines_above_the_headings_are_left_out() -> None:
    text = "Trường Tiểu học,,\nDanh sách lớp 5A,,\n,,\nMã HS,Họ tên,Lớp\nH1,An,5A\nH2,Bình,5A\n"
    table = read(text.encode())
    assert table.headings == ("Mã HS", "Họ tên", "Lớp")
    assert [row.number for row in table.rows] == [5, 6]


def test_a_row_of_people_is_not_taken_for_headings() -> None:
    assert headings_at([("S1", "Class Grade", "5A"), ("S2", "Anna Team", "5B")]) is None
    assert headings_at([("Name", "S1"), ("Ann", "S2")]) is None
    assert headings_at([("Ann Lee",), ("Bo Day",)]) is None


def test_a_table_with_nothing_to_go_by_is_guessed_to_be_unknown() -> None:
    assert guess(read(b"?,!\n?,!\n")) == Columns()


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        ("class teacher", "other"),
        ("Klassenlehrer", "other"),
        ("emergency contact", None),
        ("", None),
        ("x" * 5000, None),
        ("№", "ordinal"),
        ("#", "ordinal"),
        ("ＩＤ", "student_id"),
        ("Khoi lop", "class_name"),
        ("reference_photo_url", "reference_photo_url"),
        ("Photo-URL (optional)", "reference_photo_url"),
        ("Link ảnh", "reference_photo_url"),
        ("Photo", "other"),
    ],
)
def test_what_a_heading_says(heading: str, role: str | None) -> None:
    told = meaning(heading)
    assert (told and told.role) == role

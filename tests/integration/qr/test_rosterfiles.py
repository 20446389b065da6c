"""Uploaded rosters: read, told as JSON beside the file, or refused with a sentence."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from uuid import uuid4

import msgspec
import openpyxl
import pytest

from kit.aside import Aside
from proto.errors import InvalidRequest
from proto.ids import StorageKey
from proto.qr import ReadRoster
from services.qr import rosterfiles
from services.qr.rosterfiles import RosterFiles
from tests.integration.qr.studio import Studio

_MOST_BYTES = 100_000_000
PLAIN = "ID,Name,Class\nS-1,Ann Lee,3B\nS-2,Bob Ray,3B\n"


async def asked(studio: Studio, data: bytes, filename: str = "list.csv", **more: Any) -> ReadRoster:
    key = StorageKey(f"uploads/{studio.account}/{uuid4()}/0")
    await studio.storage.put(key, data, "application/octet-stream")
    return ReadRoster(account=studio.account, key=key, filename=filename, **more)


async def told(studio: Studio, data: bytes | str, **more: Any) -> Any:
    """What is said of a file, read as its caller reads it."""
    request = await asked(studio, data if isinstance(data, bytes) else data.encode(), **more)
    answer = await studio.bus.request(request, 60.0)
    assert answer.key == f"{request.key}.json"
    return msgspec.json.decode(await studio.storage.get(answer.key, _MOST_BYTES))


def subject(row: int, student_id: str, name: str, url: str = "") -> dict[str, Any]:
    return {
        "row": row,
        "student_id": student_id,
        "name": name,
        "class_name": "3B",
        "lines": [],
        "reference_photo_url": url,
    }


async def test_a_csv_is_told_with_its_columns_and_subjects(studio: Studio) -> None:
    answer = await told(studio, PLAIN)
    assert answer == {
        "format": "csv",
        "encoding": answer["encoding"],
        "delimiter": ",",
        "sheet": None,
        "headings": ["ID", "Name", "Class"],
        "rows": 2,
        "columns": {
            "student_id": {"index": 0, "confidence": 0.95},
            "name": {"index": 1, "confidence": 0.95},
            "first_name": None,
            "last_name": None,
            "class_name": {"index": 2, "confidence": 0.95},
            "reference_photo_url": None,
        },
        "subjects": [subject(2, "S-1", "Ann Lee"), subject(3, "S-2", "Bob Ray")],
        "problems": [],
        "problems_total": 0,
    }


async def test_where_reference_photographs_lie_is_told(studio: Studio) -> None:
    url = "https://example.com/ann.jpg?size=2"
    text = f"ID,Name,Class,Reference photo URL\nS-1,Ann Lee,3B,{url}\nS-2,Bob Ray,3B,none yet\n"
    answer = await told(studio, text)
    assert answer["columns"]["reference_photo_url"] == {"index": 3, "confidence": 0.95}
    assert answer["subjects"] == [subject(2, "S-1", "Ann Lee", url), subject(3, "S-2", "Bob Ray")]
    (problem,) = answer["problems"]
    assert (problem["row"], problem["column"], problem["code"]) == (3, "D", "not_a_url")
    assert problem["warning"]
    chosen = await told(
        studio, text.replace("Reference photo URL", "Where"), columns={"reference_photo_url": 3}
    )
    assert chosen["subjects"] == answer["subjects"]


async def test_a_workbook_is_told_with_its_sheet(studio: Studio) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Pupils"
    for row in (["ID", "First name", "Last name"], ["S-1", "Ann", "Lee"], ["S-2", "Bob", "Ray"]):
        book.active.append(row)
    into = BytesIO()
    book.save(into)
    answer = await told(studio, into.getvalue(), filename="list.xlsx")
    assert (answer["format"], answer["sheet"], answer["delimiter"]) == ("xlsx", "Pupils", None)
    assert answer["columns"]["name"] is None
    assert [each["name"] for each in answer["subjects"]] == ["Ann Lee", "Bob Ray"]
    assert [each["class_name"] for each in answer["subjects"]] == ["", ""]


async def test_what_is_wrong_is_told_by_row_and_column(studio: Studio) -> None:
    answer = await told(studio, "ID,Name\nS-1,Ann Lee\nS-1,Bob Ray\n,Cy Dee\nS-4,Di Eff\n")
    assert [each["student_id"] for each in answer["subjects"]] == ["S-4"]
    assert [(each["row"], each["column"], each["code"]) for each in answer["problems"]] == [
        (2, "A", "duplicate_id"),
        (3, "A", "duplicate_id"),
        (4, "A", "missing_id"),
    ]
    assert answer["problems_total"] == 3
    assert answer["problems"][0]["message"] == "The id “S-1” is in rows 2, 3."
    assert not answer["problems"][0]["warning"]


async def test_a_thousand_problems_are_told_and_all_are_counted(studio: Studio) -> None:
    rows = "".join(f",Name {number}\n" for number in range(1500))
    answer = await told(studio, "ID,Name\n" + rows)
    assert (len(answer["problems"]), answer["problems_total"]) == (1000, 1500)
    assert (answer["rows"], answer["subjects"]) == (1500, [])


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"student_id": 2, "name": 3}, ["Ann Lee", "Bob Ray"]),
        ({"student_id": 2, "first_name": 0, "last_name": 1}, ["one uno", "two due"]),
        ({"student_id": 2, "name": 0}, ["one", "two"]),
    ],
    ids=["one column", "two columns", "against the heading"],
)
async def test_columns_that_were_chosen_count_whatever_is_guessed(
    studio: Studio, columns: Mapping[str, int], names: list[str]
) -> None:
    text = "Class,x,Name,y\none,uno,S-1,Ann Lee\ntwo,due,S-2,Bob Ray\n"
    answer = await told(studio, text, columns=dict(columns))
    assert [each["name"] for each in answer["subjects"]] == names
    assert [each["student_id"] for each in answer["subjects"]] == ["S-1", "S-2"]
    for name, index in columns.items():
        assert answer["columns"][name] == {"index": index, "confidence": 1.0}
    told_of = [column["index"] for column in answer["columns"].values() if column]
    assert len(set(told_of)) == len(told_of)


async def test_columns_that_cannot_be_guessed_are_shown_to_choose_from(studio: Studio) -> None:
    answer = await told(studio, "Class,Pet\n3B,cat\n3B,dog\n3C,cat\n")
    assert answer["headings"] == ["Class", "Pet"]
    assert answer["columns"]["student_id"] is None
    assert answer["subjects"] == []
    assert [each["code"] for each in answer["problems"]] == ["column_missing"]
    assert "which column holds the id" in answer["problems"][0]["message"]


async def test_an_encoding_that_was_given_counts(studio: Studio) -> None:
    data = "ID,Name\nS-1,Łukasz Żak\n".encode("cp1250")
    answer = await told(studio, data, encoding="windows-1250")
    assert answer["encoding"] == "cp1250"
    assert answer["subjects"][0]["name"] == "Łukasz Żak"


@pytest.mark.parametrize(
    ("data", "more", "sentence"),
    [
        (b"%PDF-1.7 and so on", {}, "This is a PDF"),
        (b"PK\x03\x04 broken", {"filename": "a.xlsx"}, "damaged"),
        (b" \n ", {}, "no rows"),
        (PLAIN.encode(), {"columns": {"student_id": 9}}, "no column 9"),
        (PLAIN.encode(), {"columns": {"student_id": -1}}, "no column -1"),
        (PLAIN.encode(), {"columns": {"shoe_size": 0}}, "no shoe_size"),
        (PLAIN.encode(), {"encoding": "klingon"}, "encoding"),
        (b"a" * (20 * 1024 * 1024 + 1), {}, "at most 20 MB"),
    ],
    ids=["pdf", "broken", "empty", "beyond", "before", "no such", "encoding", "large"],
)
async def test_what_is_no_roster_is_refused_with_a_sentence(
    studio: Studio, data: bytes, more: dict[str, Any], sentence: str
) -> None:
    request = await asked(studio, data, **more)
    with pytest.raises(InvalidRequest, match=sentence):
        await studio.bus.request(request, 60.0)
    assert [key async for key, _ in studio.storage.list(request.key)] == []


async def test_only_the_accounts_own_uploads_are_read(studio: Studio) -> None:
    theirs = await asked(studio.other(), PLAIN.encode())
    cases = {
        theirs.key: "own folder",
        f"uploads/{studio.account}/../{theirs.key}": "not there any more",
        f"outputs/{studio.account}/0": "own folder",
        f"uploads/{studio.account}/gone": "not there any more",
    }
    for key, sentence in cases.items():
        request = ReadRoster(account=studio.account, key=StorageKey(key), filename="list.csv")
        with pytest.raises(InvalidRequest, match=sentence):
            await studio.bus.request(request)


async def test_a_file_that_takes_too_long_is_refused_and_the_next_is_read(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"S-{number},Name {number}\n" for number in range(10_000))
    slow = await asked(studio, ("ID,Name\n" + rows).encode())
    async with Aside.open(1) as aside:
        files = RosterFiles(studio.storage, aside)
        await files.read(await asked(studio, PLAIN.encode()))
        with monkeypatch.context() as hurried:
            hurried.setattr(rosterfiles, "_READING_SECONDS", 0.01)
            with pytest.raises(InvalidRequest, match="takes too long"):
                await files.read(slow)
        assert await files.read(slow) == f"{slow.key}.json"

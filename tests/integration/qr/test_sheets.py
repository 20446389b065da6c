"""Sheets over the bus: what is asked for is what lies in the storage, once."""

import asyncio
from io import BytesIO
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web
from PIL import Image

from kit.lifecycle import CHECKS
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId, StorageKey
from proto.qr import MOST_SUBJECTS, AddSubjects, BeginSheet, Subject, Wishes
from services.qr.payload import Kind, job_tag
from tests.integration.qr.studio import JOB, Studio, subject

SINGLE = Wishes(layout="single", sort_by="given")


def png(width: int = 30, height: int = 20) -> bytes:
    into = BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(into, "PNG")
    return into.getvalue()


async def test_a_sheet_is_drawn_with_a_code_for_each_subject(studio: Studio) -> None:
    drawn = await studio.draw([subject(number) for number in range(6)], job_id="Spring / 2026"[:6])
    assert (drawn.job_id, drawn.subjects, drawn.pages) == ("Spring", 6, 2)
    assert (drawn.missing, drawn.missing_count) == ([], 0)
    assert drawn.pdf.startswith(f"outputs/{studio.account}/")
    assert drawn.pdf.endswith("/qr_cards_Spring_4up.pdf")
    codes = await studio.codes(drawn)
    assert {code.student_id for code in codes} == {f"S-{number:04d}" for number in range(6)}
    assert {code.job for code in codes} == {job_tag(studio.account, "Spring")}
    assert {code.name for code in codes} == {""}
    preview = await studio.picture(drawn.preview)
    assert preview.format == "PNG"
    assert preview.size == (662, 936)


@pytest.mark.parametrize(
    ("job_id", "name"),
    [
        ("JOB-2026-001", "JOB-2026-001"),
        ("Năm học 2026", "Nam-hoc-2026"),
        ("..a b..", "a-b"),
        ("学校", "job"),
        ("x" * 64, "x" * 60),
    ],
)
async def test_a_file_is_called_after_the_job(studio: Studio, job_id: str, name: str) -> None:
    drawn = await studio.draw([subject(1)], job_id=job_id, wishes=Wishes(layout="9up"))
    assert drawn.pdf.rpartition("/")[2] == f"qr_cards_{name}_9up.pdf"
    assert drawn.job_id == job_id


async def test_what_was_drawn_is_answered_again_without_its_files(studio: Studio) -> None:
    request = await studio.begin([subject(1), subject(2)])
    drawn = await studio.ask(request)
    await studio.storage.delete_folder(request.outputs)
    later = await studio.begin([subject(9)], sheet=request.sheet, job_id="ANOTHER")
    assert await studio.ask(later) == drawn
    assert [each.student_id for each in await studio.printed()] == ["S-0001", "S-0002"]
    with pytest.raises(NotFound):
        await studio.printed("ANOTHER")


async def test_parts_and_beginnings_that_come_twice_count_once(studio: Studio) -> None:
    request = await studio.begin([subject(1)], wishes=SINGLE)
    await studio.begin([subject(2)], wishes=Wishes(layout="9up"), sheet=request.sheet)
    drawn = await studio.ask(request)
    assert await studio.names(drawn) == ["Name 1"]
    assert drawn.pdf.endswith("_single.pdf")


async def test_a_sheet_that_is_drawn_by_several_at_once_has_one_result(studio: Studio) -> None:
    request = await studio.begin([subject(number) for number in range(40)])
    results = await asyncio.gather(
        *(
            studio.ask(
                msgspec.structs.replace(request, outputs=StorageKey(f"{request.outputs}/{number}"))
            )
            for number in range(4)
        )
    )
    assert all(result == results[0] for result in results)
    assert len(await studio.codes(results[0])) == 40
    assert len(await studio.printed()) == 40


async def test_parts_are_put_together_by_their_numbers(studio: Studio) -> None:
    request = await studio.begin([], wishes=SINGLE)
    for part in (2, 0, 1):
        added = AddSubjects(
            account=studio.account, sheet=request.sheet, part=part, subjects=[subject(part)]
        )
        await studio.bus.request(added)
    drawn = await studio.ask(request)
    assert await studio.names(drawn) == ["Name 0", "Name 1", "Name 2"]


@pytest.mark.parametrize(
    ("wishes", "names"),
    [
        (Wishes(sort_by="given"), ["Zoe", "Đan", "Bea", "Ann", "Carl", "eve"]),
        (Wishes(sort_by="name"), ["Ann", "Bea", "Carl", "Đan", "eve", "Zoe"]),
        # 9B before 10A, and those without a class at the end
        (Wishes(sort_by="class"), ["Bea", "Carl", "Zoe", "Ann", "Đan", "eve"]),
        (
            Wishes(sort_by="given", page_break_per_class=True),
            ["Zoe", "Ann", "Đan", "eve", "Bea", "Carl"],
        ),
        (
            Wishes(sort_by="name", group_cards=True),
            ["9B", "Bea", "Carl", "10A", "Ann", "Zoe", "Đan", "eve"],
        ),
        (
            Wishes(sort_by="class", dividers=True),
            ["9B", "Bea", "Carl", "10A", "Zoe", "Ann", "Đan", "eve"],
        ),
        (
            Wishes(group_cards=True, groups=["Staff", "9B", "", "Staff"], extras=2),
            ["9B", "Bea", "Carl", "10A", "Zoe", "Ann", "Đan", "eve", "Staff", "Extra 1", "Extra 2"],
        ),
    ],
    ids=["given", "name", "class", "given together", "name together", "dividers", "groups"],
)
async def test_cards_come_in_the_order_that_was_wished(
    studio: Studio, wishes: Wishes, names: list[str]
) -> None:
    classes = {"Zoe": "10A", "Đan": "", "Bea": "9B", "Ann": "10A", "Carl": "9B", "eve": ""}
    subjects = [
        Subject(student_id=name, name=name, class_name=of_class)
        for name, of_class in classes.items()
    ]
    drawn = await studio.draw(subjects, wishes=msgspec.structs.replace(wishes, layout="single"))
    assert await studio.names(drawn) == names
    assert (drawn.subjects, drawn.pages) == (6, len(names))


async def test_groups_and_extras_have_codes_of_their_own_kind(studio: Studio) -> None:
    wishes = Wishes(group_cards=True, groups=["Staff\xa0and\u2003friends"], extras=2)
    drawn = await studio.draw([subject(1, class_name="1A")], wishes=wishes)
    codes = {(code.kind, code.student_id) for code in await studio.codes(drawn)}
    assert codes == {
        (Kind.GROUP, "1A"),
        (Kind.SUBJECT, "S-0001"),
        (Kind.GROUP, "Staff and friends"),
        (Kind.EXTRA, "extra-1"),
        (Kind.EXTRA, "extra-2"),
    }
    # who is not on the list cannot be printed again
    assert [each.student_id for each in await studio.printed()] == ["S-0001"]


async def test_a_name_stands_in_the_code_only_when_it_is_asked_for(studio: Studio) -> None:
    wishes = Wishes(name_in_code=True, symbol="datamatrix")
    drawn = await studio.draw([subject(1, name="Nguyễn Thị Hương")], wishes=wishes)
    assert [code.name for code in await studio.codes(drawn)] == ["Nguyễn Thị Hương"]


async def test_what_no_font_has_is_told_and_fits_into_the_result_of_an_item(
    studio: Studio,
) -> None:
    rare = "".join(map(chr, range(0x14400, 0x14400 + 150)))
    subjects = [subject(number, name=f"Ann {rare}") for number in range(120)]
    drawn = await studio.draw(subjects)
    assert drawn.missing_count == 120
    assert 0 < len(drawn.missing) <= 100
    assert drawn.missing[0].student_id == "S-0000"
    assert set(drawn.missing[0].characters) == set(rare)
    assert len(msgspec.msgpack.encode(drawn)) < 16_384


async def test_as_many_subjects_as_are_allowed_and_one_more(
    studio: Studio, service: web.Application
) -> None:
    subjects = [subject(number, class_name=f"{number // 25}") for number in range(MOST_SUBJECTS)]
    request = await studio.begin(subjects)
    drawing = asyncio.create_task(studio.ask(request))
    answered = 0
    while not drawing.done():
        with pytest.raises(NotFound):
            await studio.card("nobody", str(uuid4()))
        checks = service[CHECKS]
        assert all(await asyncio.gather(*(check() for check in checks.values())))
        answered += 1
    drawn = await drawing
    assert (drawn.subjects, drawn.pages) == (MOST_SUBJECTS, MOST_SUBJECTS // 4)
    assert answered > 1
    page = await studio.printed(limit=500)
    assert len(page) == 500
    with pytest.raises(InvalidRequest, match="at most 2000 subjects; S-2000 "):
        await studio.draw([*subjects, subject(2000)])


@pytest.mark.parametrize(
    ("subjects", "wishes", "sentence"),
    [
        ([], Wishes(), "no subjects"),
        ([subject(1), subject(2), subject(1)], Wishes(), "S-0001 is on this sheet twice"),
        ([subject(1, student_id="a\u2028b")], Wishes(), "no card for 'a\\\\u2028b'"),
        ([subject(1, name="n" * 65)], Wishes(name_in_code=True), "no card for 'S-0001'"),
        ([subject(1)], Wishes(groups=["g" * 65]), "no card for 'ggg"),
        (
            [subject(1, student_id="𠀀" * 64, name="𠀁" * 64)],
            Wishes(name_in_code=True, layout="9up"),
            "code for 𠀀+ cannot be printed in the layout 9up",
        ),
    ],
    ids=["nobody", "twice", "unprintable", "long name", "long group", "large code"],
)
async def test_what_no_sheet_can_hold_is_refused_and_nobody_is_written_down(
    studio: Studio, subjects: list[Subject], wishes: Wishes, sentence: str
) -> None:
    request = await studio.begin(subjects, wishes=wishes)
    with pytest.raises(InvalidRequest, match=sentence):
        await studio.ask(request)
    assert [key async for key, _ in studio.storage.list(request.outputs)] == []
    with pytest.raises(NotFound):
        await studio.printed()


async def test_a_sheet_is_an_accounts_own(studio: Studio) -> None:
    request = await studio.begin([subject(1)])
    stranger = studio.other()
    theirs = StorageKey(f"outputs/{stranger.account}/x")
    with pytest.raises(NotFound):
        await stranger.ask(
            msgspec.structs.replace(request, account=stranger.account, outputs=theirs)
        )
    with pytest.raises(NotFound):
        await studio.bus.request(
            AddSubjects(
                account=stranger.account, sheet=request.sheet, part=1, subjects=[subject(2)]
            )
        )
    # the same id is another sheet in another account
    other = await stranger.draw([subject(7)], sheet=request.sheet, wishes=SINGLE)
    assert await stranger.names(other) == ["Name 7"]
    assert (await studio.ask(request)).subjects == 1


@pytest.mark.parametrize(
    "outputs",
    [
        f"outputs/{AccountId(uuid4())}/sheet",
        "outputs/{account}x/sheet",
        "outputs/{account}",
        "uploads/{account}/sheet",
        "/outputs/{account}/sheet",
        "outputs/{account}/../other",
        "outputs/{account}//sheet",
    ],
)
async def test_nothing_is_written_outside_the_accounts_own_folder(
    studio: Studio, outputs: str
) -> None:
    request = await studio.begin([subject(1)])
    wrong = StorageKey(outputs.format(account=studio.account))
    with pytest.raises(InvalidRequest, match="outputs must"):
        await studio.ask(msgspec.structs.replace(request, outputs=wrong))
    assert (await studio.ask(request)).subjects == 1


async def test_a_logo_is_printed_on_every_card(studio: Studio) -> None:
    key = StorageKey(f"uploads/{studio.account}/call/logo.png")
    await studio.storage.put(key, png(), "image/png")
    drawn = await studio.draw([subject(1)], wishes=Wishes(logo=key, layout="single"))
    preview = (await studio.picture(drawn.preview)).convert("RGB")
    colours = {colour for _, colour in preview.getcolors(maxcolors=1_000_000) or []}
    assert (200, 30, 30) in colours


async def test_a_logo_that_is_foreign_gone_or_no_picture_is_refused(studio: Studio) -> None:
    foreign = StorageKey(f"outputs/{uuid4()}/logo.png")
    await studio.storage.put(foreign, png(), "image/png")
    text = StorageKey(f"outputs/{studio.account}/text.png")
    await studio.storage.put(text, b"no picture at all", "image/png")
    cases = {
        foreign: "own folder",
        f"outputs/{studio.account}/../{foreign}": "not there any more",
        f"outputs/{studio.account}/gone.png": "not there any more",
        text: "logo cannot be placed",
    }
    for key, sentence in cases.items():
        with pytest.raises(InvalidRequest, match=sentence):
            await studio.draw([subject(1)], wishes=Wishes(logo=StorageKey(key)))


@pytest.mark.parametrize("job_id", ["", ".", "..", "a/b", "a\\b", "a\nb", "x" * 65])
async def test_a_reference_that_is_a_path_is_refused(studio: Studio, job_id: str) -> None:
    asked = BeginSheet(account=studio.account, sheet=uuid4(), job_id=JOB, wishes=Wishes())
    with pytest.raises(InvalidRequest):
        await studio.bus.request(msgspec.structs.replace(asked, job_id=job_id))

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.storage import Storage
from proto.accounts.calling import Caller
from proto.ids import AccountId, StorageKey
from proto.plans import PlanName
from proto.qr import MOST_ADDED, MOST_SUBJECTS, AddSubjects, DrawnSheet, Layout, Missing, Subject
from services.accounts.plans import Plans
from services.gateway.portraits import Links
from services.gateway.sheets import PremiumRequired, _parts, body_of, must_have_premium

MOST_MESSAGE_BYTES = 1024 * 1024
"""What NATS takes unless it is told otherwise."""


def caller(plan: PlanName) -> Caller:
    return Caller(account=AccountId(uuid4()), plan=Plans()[plan], limits=[])


def subjects(count: int, name: str = "An Nguyen") -> list[Subject]:
    return [Subject(student_id=f"STU-{number}", name=name) for number in range(count)]


@pytest.mark.parametrize("plan", ["premium", "pro", "team", "business"])
@pytest.mark.parametrize("layout", ["4up", "single", "9up"])
def test_plans_above_basic_bring_every_layout_and_a_logo(plan: PlanName, layout: Layout) -> None:
    must_have_premium(caller(plan), layout, "https://example.com/logo.png")


@pytest.mark.parametrize(
    ("layout", "logo_url", "reason"),
    [
        ("single", None, "the layout single"),
        ("9up", None, "the layout 9up"),
        ("4up", "https://example.com/logo.png", "a logo"),
    ],
)
def test_basic_does_not_and_the_reason_says_what(
    layout: Layout, logo_url: str | None, reason: str
) -> None:
    must_have_premium(caller("basic"), "4up", None)
    with pytest.raises(PremiumRequired, match=f"{reason} takes the plan Premium"):
        must_have_premium(caller("basic"), layout, logo_url)


def test_subjects_that_fit_into_one_message_are_one_part() -> None:
    assert _parts(subjects(MOST_ADDED)) == [subjects(MOST_ADDED)]
    assert [len(part) for part in _parts(subjects(MOST_ADDED + 1))] == [MOST_ADDED, 1]


def widest(number: int) -> Subject:
    """A subject that takes as many bytes as one may."""
    return Subject(
        student_id=f"{number:04}" + "😀" * 60,
        name="😀" * 200,
        class_name="😀" * 100,
        lines=["😀" * 100] * 4,
    )


def test_the_widest_roster_goes_in_messages_that_are_taken() -> None:
    roster = [widest(number) for number in range(MOST_SUBJECTS)]
    parts = _parts(roster)
    assert [subject for part in parts for subject in part] == roster
    for number, part in enumerate(parts):
        message = AddSubjects(account=AccountId(uuid4()), sheet=uuid4(), part=number, subjects=part)
        encoded = msgspec.msgpack.encode(message)
        assert len(encoded) < MOST_MESSAGE_BYTES
        # the receiver checks what the sender cannot
        assert msgspec.msgpack.decode(encoded, type=AddSubjects) == message


@given(st.lists(st.integers(1, 200), min_size=1, max_size=600))
def test_parts_keep_every_subject_in_order(lengths: list[int]) -> None:
    roster = [
        Subject(student_id=f"{number}", name="雪" * length, lines=["雪" * (length // 2)] * 4)
        for number, length in enumerate(lengths)
    ]
    parts = _parts(roster)
    assert [subject for part in parts for subject in part] == roster
    assert all(1 <= len(part) <= MOST_ADDED for part in parts)


@pytest.fixture
async def links(tmp_path: Path) -> AsyncIterator[Links]:
    url = tmp_path.as_uri()
    async with Storage.open(url, public_url="http://here", secrets=["x" * 32]) as storage:
        yield Links(storage, 60)


async def test_a_sheet_is_shown_with_links_and_what_is_not_printed(links: Links) -> None:
    sheet = DrawnSheet(
        job_id="JOB-1",
        pdf=StorageKey("outputs/x/qr_cards_JOB-1_4up.pdf"),
        preview=StorageKey("outputs/x/preview.png"),
        subjects=2,
        pages=1,
        missing=[Missing(student_id="STU-1", characters="🎈")],
        missing_count=1,
    )
    body = msgspec.to_builtins(await body_of(links, sheet))
    pdf, preview = body.pop("pdf_url"), body.pop("preview_url")
    assert pdf.startswith("http://here/files/outputs/x/qr_cards_JOB-1_4up.pdf?")
    assert preview.startswith("http://here/files/outputs/x/preview.png?")
    assert body == {
        "job_id": "JOB-1",
        "total_subjects": 2,
        "pages": 1,
        "missing_glyphs": [{"student_id": "STU-1", "characters": "🎈"}],
    }

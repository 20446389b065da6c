"""What the messages of jobs say of a job, and what they do not let in."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import (
    Failed,
    FinishItem,
    Job,
    NewItem,
    NotDue,
    PutBack,
    RegisterKind,
    Succeeded,
    TakeItem,
    Taken,
)
from proto.message import Message


def job(**changed: object) -> Job:
    shown = Job(
        id=JobId(uuid4()),
        kind="paint",
        state="completed",
        total=5,
        succeeded=2,
        failed=1,
        cancelled=1,
        hold=21,
        unit_tokens=3,
        consumed=6,
        details={},
        measures={},
        code="",
        message="",
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        started_at=None,
        closed_at=None,
        outputs=StorageKey("outputs/a/b"),
        number=1,
    )
    return msgspec.structs.replace(shown, **changed)


def test_a_job_knows_its_sums() -> None:
    assert (job().ended, job().deducted, job().transaction_id) == (4, 15, "TX-00021")


def test_a_job_has_closed_once_it_says_when() -> None:
    assert not job().closed
    assert job(closed_at=datetime(2026, 3, 1, tzinfo=UTC)).closed


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(result=b"done", measures={"sharpness": 1.5}),
        Failed(code="NO_FACE", message="there is no face"),
        PutBack(seconds=3.0, counts=True),
    ],
)
def test_an_outcome_is_read_as_what_it_is(outcome: Succeeded | Failed | PutBack) -> None:
    said = FinishItem(
        account=AccountId(uuid4()), job=JobId(uuid4()), number=0, attempt=uuid4(), outcome=outcome
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=FinishItem) == said


@pytest.mark.parametrize("answer", [Taken(work=b"", correlation_id="", last=False), NotDue()])
def test_an_answer_to_a_worker_is_read_as_what_it_is(answer: Taken | NotDue) -> None:
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=TakeItem.reply)
    assert read == answer


@pytest.mark.parametrize(
    "wrong",
    [
        # what is not one word of a subject would be another subject
        *(RegisterKind(kind=kind, most_seconds=1) for kind in ("", "a.b", "a*", ">", "A", "a\n")),
        RegisterKind(kind="paint", most_seconds=0),
        NewItem(number=0, name="\0", work=b""),
        NewItem(number=-1, name="", work=b""),
        NewItem(number=10_000, name="", work=b""),
        NewItem(number=0, name="", work=bytes(8_193)),
        Succeeded(result=bytes(16_385)),
        PutBack(seconds=-1, counts=True),
    ],
)
def test_what_makes_no_sense_is_not_let_in(wrong: Message) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(wrong), type=type(wrong))

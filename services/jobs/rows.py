"""Rows of the job book as messages."""

import math
from typing import Any

import msgspec
from asyncpg import Record

from proto.ids import JobId, StorageKey
from proto.jobs import Item, Job, JobState, Measure

# inside, a job that is closing or discarded has a state of its own; to others it is still running,
# or a draft
_SHOWN: dict[str, JobState] = {"closing": "running", "discarded": "draft"}


class Tally(msgspec.Struct, array_like=True):
    """One measure as it is kept: updated item by item (Welford 1962), never added up again."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of squared differences from the mean."""

    def add(self, value: float) -> None:
        """Take in the value of one more item."""
        self.count += 1
        before = value - self.mean
        self.mean += before / self.count
        self.squares += before * (value - self.mean)


def tallies(written: str) -> dict[str, Tally]:
    """Return the measures of a row."""
    return msgspec.json.decode(written, type=dict[str, Tally])


def written(value: Any) -> str:  # noqa: ANN401 - any encodable value
    """Return a value as the database takes it for jsonb."""
    return msgspec.json.encode(value).decode()


def job(row: Record) -> Job:
    """Return a row of jobs.jobs."""
    return Job(
        id=JobId(row["id"]),
        kind=row["kind"],
        state=_SHOWN.get(row["state"], row["state"]),
        total=row["total"],
        succeeded=row["succeeded"],
        failed=row["failed"],
        cancelled=row["cancelled"],
        hold=row["hold"],
        unit_tokens=row["unit_tokens"],
        consumed=row["consumed"],
        details=msgspec.json.decode(row["details"], type=dict[str, str]),
        measures={
            name: Measure(
                count=tally.count,
                mean=tally.mean,
                deviation=math.sqrt(tally.squares / tally.count) if tally.count else 0.0,
            )
            for name, tally in tallies(row["measures"]).items()
        },
        code=row["code"],
        message=row["message"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        closed_at=row["closed_at"],
        outputs=StorageKey(row["outputs"]),
        number=row["number"],
    )


def item(row: Record) -> Item:
    """Return a row with the names of Item's fields."""
    return Item(**row)

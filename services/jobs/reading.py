"""Looking things up in the job book."""

from collections.abc import Sequence

from asyncpg import Record

from kit.database import Pool
from proto.errors import NotFound
from proto.ids import AccountId, JobId
from proto.jobs import GetEnded, GetItems, GetJobs, Item, ItemPage, Job, JobList
from services.jobs import rows

JOB = """
SELECT * FROM jobs.jobs
WHERE account_id = $1 AND id = $2 AND state <> 'discarded'
"""

JOBS = """
SELECT * FROM jobs.jobs
WHERE account_id = $1 AND number < $2 AND state <> ALL ('{draft,discarded}')
  AND ($3::text[] IS NULL OR state = ANY ($3))
ORDER BY number DESC LIMIT $4
"""

ITEMS = """
SELECT number, name, state, ended AS order, result, code, message FROM jobs.items
WHERE account_id = $1 AND job_id = $2 AND number > $3 ORDER BY number LIMIT $4
"""

ENDED = """
SELECT number, name, state, ended AS order, result, code, message FROM jobs.items
WHERE account_id = $1 AND job_id = $2 AND ended > $3 ORDER BY ended LIMIT $4
"""

_NO_BOUND = 2**62
_MOST_BYTES = 700_000
"""Of one page: it must fit into a message of NATS."""


async def job(pool: Pool, account: AccountId, job: JobId) -> Job:
    """Return a job. Raises NotFound."""
    row = await pool.fetchrow(JOB, account, job)
    if row is None:
        raise missing()
    return rows.job(row)


async def jobs(pool: Pool, request: GetJobs) -> JobList:
    """Return one page; asks for one row more than shown to know whether another page follows."""
    before = _NO_BOUND if request.before is None else request.before
    states = None
    if request.state is not None:
        states = ["running", "closing"] if request.state == "running" else [request.state]
    found = await pool.fetch(JOBS, request.account, before, states, request.limit + 1)
    shown = [rows.job(row) for row in found[: request.limit]]
    more = len(found) > request.limit
    return JobList(jobs=shown, next_before=shown[-1].number if more else None)


async def items(pool: Pool, request: GetItems) -> ItemPage:
    """Return items by number. Raises NotFound."""
    return await _page(pool, ITEMS, request, request.after)


async def ended(pool: Pool, request: GetEnded) -> ItemPage:
    """Return items in the order in which they ended. Raises NotFound."""
    return await _page(pool, ENDED, request, request.after)


async def _page(pool: Pool, statement: str, request: GetItems | GetEnded, after: int) -> ItemPage:
    if await pool.fetchval(JOB, request.account, request.job) is None:
        raise missing()
    found = await pool.fetch(statement, request.account, request.job, after, request.limit + 1)
    shown = _that_fit(found[: request.limit])
    return ItemPage(items=shown, more=len(shown) < len(found))


def _that_fit(found: Sequence[Record]) -> list[Item]:
    shown: list[Item] = []
    size = 0
    for row in found:
        size += len(row["result"] or b"") + 200
        size += len((row["name"] + row["code"] + row["message"]).encode())
        if shown and size > _MOST_BYTES:
            break
        shown.append(rows.item(row))
    return shown


def missing() -> NotFound:
    """Return what is said of a job that is not there, or another account's."""
    return NotFound("there is no such job")

"""Cancelling a job: what has not been begun is released; what has is finished, not begun again."""

from kit.database import Pool
from proto.ids import AccountId, JobId
from proto.jobs import Failed
from services.jobs.ending import Ended, end_open

ASK = """
UPDATE jobs.jobs SET cancel_asked_at = coalesce(cancel_asked_at, now())
WHERE account_id = $1 AND id = $2 AND state IN ('queued', 'running')
"""

CANCELLED = Failed(code="CANCELLED", message="the job was cancelled before this item was done")


async def cancel(pool: Pool, account: AccountId, job: JobId) -> Ended:
    """Release everything of a job that waits; again, after something was put back."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ASK, account, job)
        return await end_open(connection, account, job, cancelled=True, why=CANCELLED)

"""What an operator asks of the job book."""

import argparse

from cli import wallet
from kit.bus import Bus
from proto.ids import JobId
from proto.jobs import CancelJob, GetJobs, Job

_HEADINGS = ("TASK", "WHEN", "WHAT", "STATUS", "ENDED", "FAILED", "TOKENS", "HOLD", "WHY")


async def list_jobs(bus: Bus, options: argparse.Namespace) -> str:
    """Show the newest jobs of an account."""
    account = await wallet.account_named(bus, options.account)
    found = (await bus.request(GetJobs(account=account, limit=options.limit))).jobs
    if not found:
        return f"Account {account} has no jobs."
    return wallet.aligned([_HEADINGS, *map(_row, found)], words=4)


async def cancel(bus: Bus, options: argparse.Namespace) -> str:
    """Cancel a job of an account."""
    account = await wallet.account_named(bus, options.account)
    job = await bus.request(CancelJob(account=account, job=JobId(options.task)), 10.0)
    return f"{job.id} is {job.state}: {job.succeeded} done, {job.cancelled} released."


def _row(job: Job) -> tuple[str, ...]:
    return (
        str(job.id),
        f"{job.created_at:%Y-%m-%d %H:%M:%S}",
        job.kind,
        job.state,
        f"{job.ended}/{job.total}",
        str(job.failed or ""),
        str(job.consumed if job.closed else job.deducted),
        job.transaction_id,
        job.code,
    )

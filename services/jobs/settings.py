"""What jobs is told by its environment."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field per variable, named in upper case."""

    nats_url: Annotated[str, Meta(description="Where the message bus is: nats://user:pw@host:4222")]
    database_url: Annotated[str, Meta(description="PostgreSQL for the job book")]
    storage_url: Annotated[
        str,
        Meta(description="Where pictures lie: file:///folder, s3://bucket/prefix, gs://, az://"),
    ]
    queue_depth: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Items of one kind that wait in the work queue; a newcomer waits behind "
            "that many",
        ),
    ] = 16
    most_open_items: Annotated[
        int, Meta(ge=1, description="Items that one account may have under way in all its jobs")
    ] = 50_000
    most_open_jobs: Annotated[
        int, Meta(ge=1, description="Jobs that one account may have under way")
    ] = 1_000
    patience_seconds: Annotated[
        float,
        Meta(gt=0, description="How long an item waits for models that are away before it fails"),
    ] = 3_600.0
    job_hours: Annotated[
        float, Meta(gt=0, description="After how long what is left of a job fails")
    ] = 24.0
    keep_days: Annotated[
        float,
        Meta(
            gt=0,
            description="How long finished files, and jobs that closed, are kept; these for 3 days "
            "at least, so that their end can be told again",
        ),
    ] = 30.0
    draft_seconds: Annotated[
        float, Meta(gt=0, description="After how long a job that was never started is discarded")
    ] = 900.0
    upload_hours: Annotated[
        float,
        Meta(gt=0, description="After how long an upload that a crash left behind is removed"),
    ] = 2.0
    sweep_seconds: Annotated[
        float, Meta(gt=0, description="How often is looked for what was left behind")
    ] = 5.0

    def __post_init__(self) -> None:
        """Refuse settings by which files would go before their job has ended."""
        if self.keep_days * 24 <= self.job_hours:
            raise ValueError("KEEP_DAYS must be longer than JOB_HOURS")

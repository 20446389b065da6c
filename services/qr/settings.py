"""What qr is told by its environment."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field per variable, named in upper case."""

    nats_url: Annotated[str, Meta(description="Where the message bus is: nats://user:pw@host:4222")]
    database_url: Annotated[str, Meta(description="PostgreSQL for sheets and who has cards")]
    storage_url: Annotated[
        str,
        Meta(description="Where pictures lie: file:///folder, s3://bucket/prefix, gs://, az://"),
    ]
    secret_key: Annotated[
        list[Annotated[str, Meta(min_length=32)]],
        Meta(
            min_length=1,
            description="Secrets that sign cards, 32 characters or more each; the first signs, "
            "all verify",
        ),
    ]
    roster_days: Annotated[
        float, Meta(gt=0, description="How long it is known who has a card, since it was printed")
    ] = 400.0
    sheet_days: Annotated[
        float, Meta(gt=0, description="How long sheets are kept, drawn or not; not their files")
    ] = 30.0
    sweep_seconds: Annotated[
        float, Meta(gt=0, description="How often what has had its time is removed")
    ] = 3_600.0
    batch_slots: Annotated[
        int,
        Meta(
            ge=0,
            description="Sheets of jobs drawn at once; 0 for half as many as there are cores, so "
            "that callers who wait find one free",
        ),
    ] = 0

"""What matching is told by its environment."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field per variable, named in upper case."""

    nats_url: Annotated[str, Meta(description="Where the message bus is: nats://user:pw@host:4222")]
    database_url: Annotated[str, Meta(description="PostgreSQL for agencies, people and results")]
    storage_url: Annotated[
        str,
        Meta(description="Where pictures lie: file:///folder, s3://bucket/prefix, gs://, az://"),
    ]
    secret_key: Annotated[
        list[Annotated[str, Meta(min_length=32)]],
        Meta(
            min_length=1,
            description="Secrets that embeddings are sealed with, 32 characters or more each; the "
            "first seals, all open",
        ),
    ]
    facereader_key: Annotated[
        str, Meta(description="X-API-Key for facereader, where that asks for one")
    ] = ""
    sweep_seconds: Annotated[
        float, Meta(gt=0, description="How often what has had its time is removed")
    ] = 3_600.0
    batch_slots: Annotated[
        int, Meta(ge=0, description="Photographs of jobs worked on at once; 0 for two a core")
    ] = 0
    item_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="After which an item of a job is given up")
    ] = 120.0
    gallery_bytes: Annotated[
        int,
        Meta(ge=1, description="Memory for the embeddings of the agencies that were asked last"),
    ] = 512 * 1024 * 1024

"""What webhooks is told by its environment."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field per variable, named in upper case."""

    nats_url: Annotated[str, Meta(description="Where the message bus is: nats://user:pw@host:4222")]
    database_url: Annotated[str, Meta(description="PostgreSQL for endpoints and deliveries")]
    fetch_allow: Annotated[
        list[str],
        Meta(description="Origins, host:port, that may be told although they are not public"),
    ] = []
    secret_key: Annotated[
        list[Annotated[str, Meta(min_length=32)]],
        Meta(
            description="Secrets that seal the endpoints' own in the database, 32 characters or "
            "more each; the first seals, all open; without any they lie there in clear"
        ),
    ] = []

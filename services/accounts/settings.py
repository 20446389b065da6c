"""What accounts is told by its environment."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field per variable, named in upper case."""

    nats_url: Annotated[str, Meta(description="Where the message bus is: nats://user:pw@host:4222")]
    database_url: Annotated[str, Meta(description="PostgreSQL for accounts and signing keys")]
    jwt_issuer: Annotated[str, Meta(description="Who signs access tokens (iss)")] = "darkroom"
    jwt_audience: Annotated[str, Meta(description="Whom access tokens are for (aud)")] = "darkroom"
    access_token_seconds: Annotated[
        int, Meta(ge=60, le=86_400, description="How long an access token is good")
    ] = 3600

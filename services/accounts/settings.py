"""What accounts is told by its environment."""

from typing import Annotated

import msgspec
from msgspec import Meta

from proto.plans import PlanName


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field per variable, named in upper case."""

    nats_url: Annotated[str, Meta(description="Where the message bus is: nats://user:pw@host:4222")]
    database_url: Annotated[str, Meta(description="PostgreSQL for accounts, people and keys")]
    jwt_issuer: Annotated[str, Meta(description="Who signs access tokens (iss)")] = "darkroom"
    jwt_audience: Annotated[str, Meta(description="Whom access tokens are for (aud)")] = "darkroom"
    access_token_seconds: Annotated[
        int, Meta(ge=60, le=86_400, description="How long an access token is good")
    ] = 3600
    refresh_token_seconds: Annotated[
        int, Meta(ge=300, le=31_536_000, description="How long a login lasts that is not refreshed")
    ] = 2_592_000
    signing_key_days: Annotated[
        float,
        Meta(ge=0, le=3650, description="After how long another key signs tokens; 0 for never"),
    ] = 30.0
    default_plan: Annotated[PlanName, Meta(description="Plan of an account that is opened")] = (
        "basic"
    )
    plan_book: Annotated[
        str, Meta(description="TOML file of plans that replace the standard ones")
    ] = ""
    fetch_allow: Annotated[
        list[str],
        Meta(
            description="Origins, host:port, whose key sets may be fetched though they are not "
            "public"
        ),
    ] = []
    secret_key: Annotated[
        list[Annotated[str, Meta(min_length=32)]],
        Meta(
            description="Secrets that seal private keys in the database, 32 characters or more "
            "each; the first seals, all open; without any they lie there in clear"
        ),
    ] = []

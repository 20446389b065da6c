"""What the gateway is told by its environment."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field per variable, named in upper case."""

    nats_url: Annotated[str, Meta(description="Where the message bus is: nats://user:pw@host:4222")]
    storage_url: Annotated[
        str,
        Meta(description="Where pictures lie: file:///folder, s3://bucket/prefix, gs://, az://"),
    ]
    files_secrets: Annotated[
        list[str],
        Meta(
            min_length=1,
            description="Secrets that sign links to files, 32 characters or more each; "
            "the first signs, all verify",
        ),
    ]
    host: Annotated[str, Meta(description="Address that clients reach")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port that clients reach")] = 8080
    listen_fd: Annotated[
        int,
        Meta(
            ge=-1,
            description="File descriptor of a socket that listens already, in place of HOST and "
            "PORT; -1 for none",
        ),
    ] = -1
    drain_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="How long a gateway that is replaced waits for clients to leave their "
            "connections",
        ),
    ] = 5.0
    public_url: Annotated[
        str, Meta(description="How clients write this gateway's address, without a final slash")
    ] = "http://127.0.0.1:8080"
    proxies: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="Proxies in front that add the caller's address to X-Forwarded-For",
        ),
    ] = 0
    default_user_id: Annotated[
        str,
        Meta(
            pattern="^([0-9a-fA-F-]{36})?$",
            description="Account that calls with an internal X-API-Key run under; none if empty",
        ),
    ] = ""
    require_api_key: Annotated[
        bool,
        Meta(
            description="Whether an internal X-API-Key must be one that was issued; if not, any "
            "value works"
        ),
    ] = False
    stripe_webhook_secrets: Annotated[
        list[str],
        Meta(
            description="Signing secrets of the Stripe webhook endpoint (whsec_...); without one "
            "there is no such endpoint"
        ),
    ] = []
    price_book: Annotated[
        str, Meta(description="TOML file of prices that replace the standard ones")
    ] = ""
    top_up_url: Annotated[str, Meta(description="Where a client whose tokens ran out is sent")] = (
        "https://app.printcart.com/payment?tab=buy"
    )
    link_seconds: Annotated[
        int, Meta(ge=60, description="How long a link to a finished file works")
    ] = 86_400
    max_files: Annotated[int, Meta(ge=1, le=10_000, description="Images in one request")] = 2_000
    max_file_bytes: Annotated[int, Meta(ge=1, description="Size of one uploaded file")] = (
        100_000_000
    )
    max_upload_bytes: Annotated[
        int, Meta(ge=1, description="Size of one upload with all its files")
    ] = 25_000_000_000
    max_json_bytes: Annotated[int, Meta(ge=1, description="Size of a JSON body")] = 1_000_000
    max_url_list_bytes: Annotated[
        int, Meta(ge=1, description="Size of a JSON body with the URLs of photos")
    ] = 10_000_000
    engine_seconds: Annotated[
        float, Meta(gt=0, description="How long an engine may take for a request of one image")
    ] = 120.0
    engine_seconds_per_image: Annotated[
        float, Meta(gt=0, description="How much longer for each image after the first")
    ] = 10.0
    lease_margin_seconds: Annotated[
        float,
        Meta(gt=0, description="How long tokens stay held after an engine's time has run out"),
    ] = 60.0
    engine_calls: Annotated[
        int, Meta(ge=1, description="Images of one request that are worked on at once")
    ] = 8
    sync_images: Annotated[
        int,
        Meta(ge=0, description="Images that are worked on while the caller waits; more are a job"),
    ] = 8
    sync_subjects: Annotated[
        int, Meta(ge=0, description="Subjects of a sheet that is drawn while the caller waits")
    ] = 200
    streams_per_account: Annotated[
        int,
        Meta(ge=1, description="Streams of events that one account may have open at each gateway"),
    ] = 50

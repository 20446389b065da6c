"""What the face reader is told by its environment."""

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
    triton_url: Annotated[
        str,
        Meta(
            description="gRPC address of Triton, host:port; without it models run in this process"
        ),
    ] = ""
    model_repository: Annotated[
        str,
        Meta(description="Folder of the models; the embedder's card is read from it in any case"),
    ] = "triton_models/repository"
    fetch_allow: Annotated[
        list[str],
        Meta(description="Origins, host:port, that may be fetched although they are not public"),
    ] = []
    max_picture_bytes: Annotated[int, Meta(ge=1, description="Size of one photo")] = 100_000_000
    max_picture_pixels: Annotated[int, Meta(ge=1, description="Pixels of one photo")] = 100_000_000
    threads: Annotated[
        int, Meta(ge=0, description="Pictures decoded or encoded at once; 0 for one a core")
    ] = 0
    require_api_key: Annotated[
        bool, Meta(description="Whether callers must show an X-API-Key that was issued to them")
    ] = False

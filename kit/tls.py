"""Speaking to the bus over TLS and in no other way."""

import ssl
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError


class NotEncrypted(NatsError):
    """The server offers no TLS, though its URL says tls://; nothing was said to it."""


class EncryptedClient(Client):
    """A client that leaves a server which offers no TLS.

    nats-py goes by what the server says of itself, and would send name and password in clear to
    one that stands in for ours and says that it wants no TLS.
    """

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if not info.get("tls_required"):
            raise NotEncrypted("nats: the server offers no TLS")
        await super()._process_info(info, initial_connection)


def trusting(authority: str) -> ssl.SSLContext:
    """Return how certificates are checked: signed by `authority`, a PEM file.

    Without one the machine's own authorities count. Raises OSError for a file that is not there.
    """
    context = ssl.create_default_context(cafile=authority or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

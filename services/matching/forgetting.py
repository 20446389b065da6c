"""Emptying memory of what was erased, at once and in every replica.

Whoever searches asks first what there is to compare with, so nobody who is gone is compared with,
whether or not this word arrives. It only sees to it that numbers of faces do not wait in memory
until the next search, or until nobody has searched for a while.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from kit.bus import Bus, decoder
from proto.agencies import AgencyId
from proto.ids import AccountId
from proto.matching.agencies import GALLERY_GONE, GalleryGone
from services.matching.gallery import Galleries

Forget = Callable[[AccountId, AgencyId], Awaitable[None]]
"""Drops the embeddings of an agency that are in memory, wherever they are. Whoever erases some asks
for it when that is committed, before anything that may take long."""


class Forgetting:
    """Drops galleries here, and tells the other replicas."""

    def __init__(self, bus: Bus, galleries: Galleries) -> None:
        self._bus = bus
        self._galleries = galleries
        self._subscription: Subscription | None = None

    async def listen(self) -> None:
        """Hear from now on what other replicas tell."""
        self._subscription = await self._bus.client.subscribe(GALLERY_GONE, cb=self._hear)

    async def stop(self) -> None:
        """Hear nothing more."""
        if self._subscription is not None:
            with suppress(NatsError):
                await self._subscription.unsubscribe()

    async def forget(self, account: AccountId, agency: AgencyId) -> None:
        """Drop what is in memory of an agency; that others hear of it is not certain."""
        self._galleries.forget(account, agency)
        told = msgspec.msgpack.encode(GalleryGone(account=account, agency=agency))
        with suppress(NatsError):
            await self._bus.client.publish(GALLERY_GONE, told)

    async def _hear(self, message: Msg) -> None:
        with suppress(msgspec.DecodeError):
            gone = decoder(GalleryGone).decode(message.data)
            self._galleries.forget(gone.account, gone.agency)

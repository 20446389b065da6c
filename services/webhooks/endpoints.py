"""The messages that webhooks answers."""

from collections.abc import Callable

from msgspec import UNSET

from kit.database import Pool
from kit.endpoints import answers
from kit.fetching import Fetcher, FetchError
from proto.errors import InvalidRequest
from proto.webhooks import (
    CreateEndpoint,
    Deleted,
    DeleteEndpoint,
    Deliveries,
    Delivery,
    Endpoint,
    EndpointList,
    GetDeliveries,
    GetEndpoint,
    GetEndpoints,
    NewEndpoint,
    Resend,
    RotateSecret,
    SendTest,
    UpdateEndpoint,
)
from services.webhooks import deliveries
from services.webhooks.registry import Registry


class Endpoints:
    """Answers over the endpoints in one database."""

    def __init__(
        self, pool: Pool, registry: Registry, fetcher: Fetcher, wake: Callable[[], None]
    ) -> None:
        """Prepare to answer; `wake` tells the sender that something is due."""
        self._pool = pool
        self._registry = registry
        self._fetcher = fetcher
        self._wake = wake

    @answers
    async def create(self, request: CreateEndpoint) -> NewEndpoint:
        """Add an endpoint."""
        await self._check(request.url)
        return await self._registry.create(request)

    @answers
    async def endpoints(self, request: GetEndpoints) -> EndpointList:
        """List an account's endpoints."""
        return await self._registry.all(request.account)

    @answers
    async def endpoint(self, request: GetEndpoint) -> Endpoint:
        """Show one endpoint."""
        return await self._registry.one(request)

    @answers
    async def update(self, request: UpdateEndpoint) -> Endpoint:
        """Change an endpoint."""
        if request.url is not UNSET:
            await self._check(request.url)
        return await self._registry.update(request)

    @answers
    async def delete(self, request: DeleteEndpoint) -> Deleted:
        """Remove an endpoint."""
        await self._registry.delete(request)
        return Deleted()

    @answers
    async def rotate_secret(self, request: RotateSecret) -> NewEndpoint:
        """Give an endpoint a new secret."""
        return await self._registry.rotate(request)

    @answers
    async def deliveries(self, request: GetDeliveries) -> Deliveries:
        """Show a page of what was told."""
        return await deliveries.page(self._pool, request)

    @answers
    async def resend(self, request: Resend) -> Delivery:
        """Tell an event once more."""
        delivery = await deliveries.resend(self._pool, request)
        self._wake()
        return delivery

    @answers
    async def send_test(self, request: SendTest) -> Delivery:
        """Tell a test to an endpoint."""
        delivery = await deliveries.record_test(self._pool, request)
        self._wake()
        return delivery

    async def _check(self, url: str) -> None:
        try:
            await self._fetcher.check(url)
        except FetchError as error:
            raise InvalidRequest(str(error)) from error

"""Callers who wait while an engine has models that answer what cannot be."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from kit.bus import Bus
from kit.endpoints import Answering, answers
from kit.storage import Storage
from proto.accounts.calling import Caller
from proto.accounts.services import GetOutbound, Outbound
from proto.errors import Broken, NotFound
from proto.facecrop import CropFace, Portrait
from proto.ids import AccountId, StorageKey
from proto.photos import Rejected, StoredPhoto
from proto.presets import GetPreset, Preset
from proto.wallet import GetBalance, TopUp
from services.accounts.plans import Plans
from services.gateway import resources
from services.gateway.billing import Billing, Order
from services.gateway.cropping import Wish, crop
from services.gateway.outbound import Outbound as Keys
from services.gateway.photos import Photo
from services.gateway.settings import Settings
from services.gateway.views import presets
from services.presets.icps import icps
from services.wallet.app import build
from services.wallet.settings import Settings as WalletSettings
from tests.calling import calling

# a test names what a request carries by plain strings
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")

SETTINGS = Settings(nats_url="", storage_url="", files_secrets=["s" * 32])


class Elsewhere:
    """What else is on the bus."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @answers
    async def outbound(self, _: GetOutbound) -> Outbound:
        raise NotFound("nothing was stored")

    @answers
    async def preset(self, _: GetPreset) -> Preset:
        raise Broken("nothing that can be right")

    @answers
    async def crop_face(self, request: CropFace) -> Portrait | Rejected:
        """Leave a file, and break in the middle of the work."""
        key = StorageKey(f"{request.outputs}/{request.stem}_orig.jpg")
        await self._storage.put(key, b"half", "image/jpeg")
        raise Broken("the answer has another shape")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with Storage.open(tmp_path.as_uri()) as storage:
        yield storage


@pytest.fixture
async def bus(nats_url: str, storage: Storage) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "broken models")
    answering = Answering(bus, 4)
    await answering.listen("elsewhere", Elsewhere(storage))
    yield bus
    await answering.stop()
    await bus.close()


@pytest.fixture
async def wallet(nats_url: str, database_url: str) -> AsyncIterator[None]:
    runner = web.AppRunner(build(WalletSettings(nats_url=nats_url, database_url=database_url)))
    await runner.setup()
    yield
    await runner.cleanup()


@pytest.mark.usefixtures("wallet")
async def test_they_get_everything_back_and_no_file_is_left(bus: Bus, storage: Storage) -> None:
    account = AccountId(uuid4())
    await bus.request(TopUp(account=account, tokens=10, key="k"))
    app = web.Application()
    app[resources.BUS], app[resources.STORAGE] = bus, storage
    app[resources.SETTINGS], app[resources.OUTBOUND] = SETTINGS, Keys(bus)
    app[resources.BILLING] = Billing(bus, 5.0)
    caller = Caller(account=account, plan=Plans()["team"], limits=[])
    keys = [StorageKey(f"uploads/{account}/{name}") for name in ("a", "b")]
    photos = [Photo("a.jpg", StoredPhoto(key=key), key.encode()) for key in keys]
    wish = Wish(icp_type="school", preset=icps()["school"], enhance=False, auto_rotate=True)
    order = Order(operation="face_crop", units=2, unit_price=2, work_seconds=10)
    with pytest.raises(Broken):
        await crop(app, caller, photos, wish, order)
    await app[resources.BILLING].close()
    assert (await bus.request(GetBalance(account=account))).available == 10
    assert [key async for key, _ in storage.list(StorageKey("outputs"))] == []


async def test_they_are_told_to_come_again_as_when_models_are_away(bus: Bus) -> None:
    async with (
        calling(presets.operations, bus, AccountId(uuid4())) as client,
        client.get("/v1/services/studio/presets/badge") as answer,
    ):
        body = await answer.json()
    assert (answer.status, body["error"]) == (503, "UNAVAILABLE")
    assert "Retry-After" in answer.headers

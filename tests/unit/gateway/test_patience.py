"""How long requests may take, and that a gateway which stops waits for the longest of them."""

import msgspec
import pytest

from cli.deployment.longest import longest_seconds as of_deployment
from services.gateway import patience
from services.gateway.settings import Settings
from services.gateway.views import qr

SETTINGS = Settings(
    nats_url="", storage_url="", files_secrets=["x" * 32], engine_seconds_per_image=2
)


def test_each_further_photo_is_given_its_seconds() -> None:
    settings = msgspec.structs.replace(SETTINGS, engine_seconds=30)
    assert [patience.seconds_for(settings, photos) for photos in (1, 2, 8)] == [30, 32, 44]


@pytest.mark.parametrize(
    ("engine", "images", "longest"), [(200, 8, 214), (200, 0, 200), (200, 1, 200), (10, 8, 150)]
)
def test_the_longest_request_is_one_of_as_many_photographs_as_are_waited_for(
    engine: float, images: int, longest: float
) -> None:
    settings = msgspec.structs.replace(SETTINGS, engine_seconds=engine, sync_images=images)
    assert patience.longest_seconds(settings) == longest
    assert patience.seconds_for(settings, max(1, images)) <= longest


def test_references_are_waited_for_no_longer_than_anything_else() -> None:
    settings = msgspec.structs.replace(SETTINGS, engine_seconds=200)
    assert patience.seconds_for_references(settings, 3) == 206
    assert patience.seconds_for_references(settings, 100) == 214


def test_what_is_no_crop_fits_into_the_time_of_the_others() -> None:
    assert qr._LONGEST_SECONDS <= patience.OTHERS_SECONDS


def test_a_deployment_lets_a_gateway_drain_and_then_end_its_longest_request() -> None:
    told = {"ENGINE_SECONDS": "200", "SYNC_IMAGES": "12", "DRAIN_SECONDS": "7"}
    assert of_deployment("gateway", told) == 7 + 200 + 11 * 10


@pytest.mark.parametrize("service", ["facecrop", "cardreader", "facereader", "matching"])
def test_who_is_asked_while_a_client_waits_has_as_long(service: str) -> None:
    default = Settings(nats_url="", storage_url="", files_secrets=["x" * 32])
    assert of_deployment(service, {}) >= patience.longest_seconds(default) == 190

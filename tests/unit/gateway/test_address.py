from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from services.gateway.resources import SETTINGS
from services.gateway.settings import Settings
from services.gateway.views.account import address

PEER = "10.1.1.1"


def request(proxies: int, *forwarded: str) -> web.Request:
    app = web.Application()
    app[SETTINGS] = Settings(
        nats_url="", storage_url="memory:///", files_secrets=["s" * 32], proxies=proxies
    )
    headers = CIMultiDict[Any](("X-Forwarded-For", value) for value in forwarded)
    transport = Mock()
    transport.get_extra_info = lambda name, default=None: (
        (PEER, 1) if name == "peername" else default
    )
    return make_mocked_request("GET", "/", headers=headers, app=app, transport=transport)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, ["203.0.113.9"], PEER),
        (1, ["203.0.113.9"], "203.0.113.9"),
        # what the caller wrote itself stands further left
        (1, ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        (1, ["1.2.3.4", "203.0.113.9"], "203.0.113.9"),
        (2, ["1.2.3.4, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (1, [], PEER),
        (1, [" , "], PEER),
        (2, ["203.0.113.9"], PEER),
    ],
)
def test_the_address_that_counts_is_the_one_our_outermost_proxy_saw(
    proxies: int, forwarded: list[str], expected: str
) -> None:
    assert address(request(proxies, *forwarded)) == expected

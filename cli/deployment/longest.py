"""How long a service may be at one thing, which is how long it must be let finish when it stops."""

from collections.abc import Mapping

from cli import services
from kit import settings
from services.gateway import patience
from services.gateway.settings import Settings as Gateway
from services.qr.sheets import DRAWING_SECONDS

SPARE_SECONDS = 30.0
"""For disconnecting, and for what is counted by another clock."""

_REQUEST_SECONDS = 30.0
"""Of a message whose caller does not say how long he waits (kit.endpoints)."""


_UNTOLD = "x" * 48
"""For what a gateway must be told and takes no time."""


def longest_seconds(service: str, environment: Mapping[str, str]) -> float:
    """Return the time that one item or request of a service may take, as it is configured."""
    told = {setting.name: setting.default or "" for setting in services.settings_of(service)}
    told |= {name: value for name, value in environment.items() if name in told}
    if service == "gateway":
        gateway = _gateway(environment)
        return gateway.drain_seconds + patience.longest_seconds(gateway)
    # whoever asks while a client waits, waits as long as the gateway does
    asked = patience.longest_seconds(_gateway({}))
    if "ITEM_SECONDS" in told:
        return max(float(told["ITEM_SECONDS"]), asked)
    if service == "qr":  # a sheet may wait while another is drawn
        return 2 * DRAWING_SECONDS
    return asked if "TRITON_URL" in told else _REQUEST_SECONDS


def _gateway(environment: Mapping[str, str]) -> Gateway:
    """Return a gateway's settings, whatever of what must be set is left out. Raises BadSetting."""
    must = {each.name: _UNTOLD for each in settings.describe(Gateway) if each.default is None}
    return settings.load(Gateway, must | dict(environment))

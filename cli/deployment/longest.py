"""How long a service may be at one thing, which is how long it must be let finish when it stops."""

from collections.abc import Mapping

from cli import services
from services.qr.sheets import DRAWING_SECONDS

SPARE_SECONDS = 30.0
"""For disconnecting, and for what is counted by another clock."""

_REQUEST_SECONDS = 30.0
"""Of a message whose caller does not say how long he waits (kit.endpoints)."""


def longest_seconds(service: str, environment: Mapping[str, str]) -> float:
    """Return the time that one item or request of a service may take, as it is configured."""
    settings = {setting.name: setting.default or "" for setting in services.settings_of(service)}
    settings |= {name: value for name, value in environment.items() if name in settings}
    if "ITEM_SECONDS" in settings:
        return float(settings["ITEM_SECONDS"])
    if "ENGINE_SECONDS" in settings:
        more = float(settings["ENGINE_SECONDS_PER_IMAGE"]) * int(settings["SYNC_IMAGES"])
        return float(settings["ENGINE_SECONDS"]) + more
    if service == "qr":  # a sheet may wait while another is drawn
        return 2 * DRAWING_SECONDS
    if "TRITON_URL" in settings:  # asked by callers who wait as long as clients do
        return _default("gateway", "ENGINE_SECONDS")
    return _REQUEST_SECONDS


def _default(service: str, name: str) -> float:
    """Return what a setting of a service is when nobody says otherwise."""
    (default,) = (each.default for each in services.settings_of(service) if each.name == name)
    return float(default or 0)

"""What handlers find in the application, by typed key."""

from aiohttp import web

from kit.bus import Bus
from kit.storage import Storage
from services.gateway.billing import Billing
from services.gateway.identity import Identity
from services.gateway.operations import Operation
from services.gateway.prices import Price
from services.gateway.settings import Settings

SETTINGS = web.AppKey("SETTINGS", Settings)
BUS = web.AppKey("BUS", Bus)
STORAGE = web.AppKey("STORAGE", Storage)
IDENTITY = web.AppKey("IDENTITY", Identity)
BILLING = web.AppKey("BILLING", Billing)
PRICES: web.AppKey[dict[str, Price]] = web.AppKey("PRICES", dict)
OPERATIONS: web.AppKey[list[Operation]] = web.AppKey("OPERATIONS", list)

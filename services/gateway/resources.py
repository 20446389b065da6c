"""What handlers find in the application, by typed key."""

from aiohttp import web

from kit.bus import Bus
from kit.storage import Storage
from services.gateway.billing import Billing
from services.gateway.cardpages import CardPages
from services.gateway.identity import Identity
from services.gateway.operations import Handler, Operation
from services.gateway.outbound import Outbound
from services.gateway.prices import Price
from services.gateway.quotes import Quotes
from services.gateway.settings import Settings
from services.gateway.streaming import Streams

SETTINGS = web.AppKey("SETTINGS", Settings)
BUS = web.AppKey("BUS", Bus)
STORAGE = web.AppKey("STORAGE", Storage)
IDENTITY = web.AppKey("IDENTITY", Identity)
BILLING = web.AppKey("BILLING", Billing)
PRICES: web.AppKey[dict[str, Price]] = web.AppKey("PRICES", dict)
QUOTES = web.AppKey("QUOTES", Quotes)
OUTBOUND = web.AppKey("OUTBOUND", Outbound)
CARD_PAGES = web.AppKey("CARD_PAGES", CardPages)
STREAMS = web.AppKey("STREAMS", Streams)
OPERATIONS: web.AppKey[list[Operation]] = web.AppKey("OPERATIONS", list)
BY_HANDLER: web.AppKey[dict[Handler, Operation]] = web.AppKey("BY_HANDLER", dict)

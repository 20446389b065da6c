"""Files behind signed links: whoever holds the link may use it, until it expires."""

from aiohttp import web

from kit.signing import LinkExpired, LinkForged
from kit.storage import ObjectNotFound, ObjectTooLarge
from proto.ids import StorageKey
from services.gateway.operations import Operations, Parameter
from services.gateway.problems import Problem
from services.gateway.resources import STORAGE
from services.gateway.views.shapes import ErrorBody

operations = Operations("Files")

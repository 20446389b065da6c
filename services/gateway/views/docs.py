"""The API's documentation: the OpenAPI document, and a page that shows it."""

from functools import cache
from pathlib import Path

from aiohttp import web

from kit.discovery import VERSION
from services.gateway.openapi import document
from services.gateway.operations import Operations
from services.gateway.problems import json_response
from services.gateway.resources import OPERATIONS

operations = Operations("Documentation")

_FOLDER = Path(__file__).parent.parent / "pages"
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'"


@operations.add("GET", "/openapi.json", {200: None}, secured=False)
async def openapi(request: web.Request) -> web.Response:
    """Describe this API as OpenAPI 3.1."""
    listed = request.app[OPERATIONS]
    return json_response(document(listed, VERSION))


@operations.add("GET", "/docs", {200: None}, secured=False, listed=False)
async def page(_: web.Request) -> web.Response:
    """Show this API to a person."""
    return _file("docs.html", "text/html")


@operations.add("GET", "/docs/{name:docs\\.(?:css|js)}", {200: None}, secured=False, listed=False)
async def asset(request: web.Request) -> web.Response:
    """Serve the style and script of the page."""
    name = request.match_info["name"]
    return _file(name, "text/css" if name.endswith(".css") else "text/javascript")


@operations.add("GET", "/", {302: None}, secured=False, listed=False)
async def front_door(_: web.Request) -> web.Response:
    """Send a person who opens the bare address to the documentation."""
    raise web.HTTPFound("/docs")


def _file(name: str, content_type: str) -> web.Response:
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return web.Response(
        body=_text(name), content_type=content_type, charset="utf-8", headers=headers
    )


@cache
def _text(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()

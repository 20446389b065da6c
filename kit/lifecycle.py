"""The life of a service: start its resources in order, say how it is, stop them in reverse.

A service is an aiohttp application with one `cleanup_ctx` generator per resource; this adds the
operator's side to it (/healthz, /readyz, /metrics) and the draining at SIGTERM.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
import structlog
import uvloop
from aiohttp import web
from msgspec import Meta

from kit import logs, metrics, settings
from kit.bus import Bus
from kit.endpoints import Answering, Guard

log = structlog.get_logger(__name__)

Settings = TypeVar("Settings", bound=msgspec.Struct)
Check = Callable[[], Awaitable[bool]]

BUS = web.AppKey("BUS", Bus)
CHECKS: web.AppKey[dict[str, Check]] = web.AppKey("CHECKS", dict)
"""What must answer before the service is ready, by name."""

_CHECK_TIMEOUT_SECONDS = 2.0
_BAD_SETTING = 2


def operator_app() -> web.Application:
    """Return an application with the operator's endpoints; a service adds its resources."""
    app = web.Application()
    app[CHECKS] = {}
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    return app


def bus_context(url: str, name: str) -> Callable[[web.Application], AsyncIterator[None]]:
    """Connect to NATS under app[BUS]; disconnect at stop."""

    async def connected(app: web.Application) -> AsyncIterator[None]:
        bus = app[BUS] = await Bus.connect(url, name)

        async def check() -> bool:
            return bus.connected

        app[CHECKS]["nats"] = check
        yield
        await bus.close()

    return connected


async def answering(
    bus: Bus, service: str, endpoints: object, at_once: int = 64, guard: Guard | None = None
) -> Answering:
    """Start answering a service's messages, at most `at_once` of them at a time."""
    listening = Answering(bus, at_once, guard)
    await listening.listen(service, endpoints)
    return listening


def run(service: str, kind: type[Settings], build: Callable[[Settings], web.Application]) -> None:
    """Run a service until SIGTERM or SIGINT: `python -m services.<name>`.

    A setting that is missing or wrong ends it with a sentence and exit code 2.
    """
    logs.configure(service, os.environ.get("LOG_LEVEL", "INFO"))
    try:
        loaded = settings.load(kind, os.environ)
        common = settings.load(Listen, os.environ)
    except settings.BadSetting as error:
        sys.stderr.write(f"{service}: {error}\n")
        raise SystemExit(_BAD_SETTING) from error
    uvloop.run(_serve(service, build(loaded), common))


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service answers its operator."""

    operator_host: Annotated[str, Meta(description="Address of the operator's side")] = "127.0.0.1"
    operator_port: Annotated[
        int,
        Meta(
            ge=0, le=65_535, description="Port of /healthz, /readyz, /metrics; 0 for any free one"
        ),
    ] = 0


async def _serve(service: str, app: web.Application, listen: Listen) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, listen.operator_host, listen.operator_port)
        await site.start()
        log.info("started", operator=site.name)
        await stop.wait()
        log.info("stopping")
    finally:
        await runner.cleanup()


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _readyz(request: web.Request) -> web.Response:
    checks = request.app[CHECKS]
    outcomes = await asyncio.gather(*(_passes(check) for check in checks.values()))
    state = dict(zip(checks, outcomes, strict=True))
    body = msgspec.json.encode({"ready": all(outcomes), "checks": state})
    return web.Response(
        body=body, status=200 if all(outcomes) else 503, content_type="application/json"
    )


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
            return await check()
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not ready
        return False


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(
        body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4"}
    )

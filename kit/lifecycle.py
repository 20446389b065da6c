"""The life of a service: start its resources in order, say how it is, stop them in reverse.

A service is an aiohttp application with one `cleanup_ctx` generator per resource; this adds the
operator's side to it (/healthz, /readyz, /metrics) and the draining at SIGTERM.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

import msgspec
import structlog
import uvloop
from aiohttp import web
from msgspec import Meta

from kit import logs, metrics, settings, tracing
from kit.bus import Bus
from kit.endpoints import Answering, Guard
from kit.tracing import Telemetry

log = structlog.get_logger(__name__)

Settings = TypeVar("Settings", bound=msgspec.Struct)
Check = Callable[[], Awaitable[bool]]

BUS = web.AppKey("BUS", Bus)
CHECKS: web.AppKey[dict[str, Check]] = web.AppKey("CHECKS", dict)
"""What must answer before the service is ready, by name."""

STOPPING = web.AppKey("STOPPING", asyncio.Event)
"""Set as soon as the service is told to stop, before any of its resources is."""

HURRY = web.AppKey("HURRY", asyncio.Event)
"""Set when everything stops: nobody comes to whom clients could be handed on."""

_WRITING = ThreadPoolExecutor(1, "metrics")
_CHECK_TIMEOUT_SECONDS = 2.0
_BAD_SETTING = 2


def operator_app() -> web.Application:
    """Return an application with the operator's endpoints; a service adds its resources."""
    app = web.Application()
    app[CHECKS] = {}
    app[STOPPING], app[HURRY] = asyncio.Event(), asyncio.Event()
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    return app


def bus_context(url: str, name: str) -> Callable[[web.Application], AsyncIterator[None]]:
    """Connect to NATS under app[BUS]; disconnect at stop."""

    async def connected(app: web.Application) -> AsyncIterator[None]:
        trust = settings.load(Trust, os.environ)
        bus = app[BUS] = await Bus.connect(url, name, trust.nats_ca)

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

    After SIGTERM it hands over to a successor, after SIGINT or a second SIGTERM there is none.
    A setting that is missing or wrong ends it with a sentence and exit code 2.
    """
    logs.configure(service, os.environ.get("LOG_LEVEL", "INFO"))
    try:
        loaded = settings.load(kind, os.environ)
        common = settings.load(Listen, os.environ)
        telemetry = settings.load(Telemetry, os.environ)
    except settings.BadSetting as error:
        sys.stderr.write(f"{service}: {error}\n")
        raise SystemExit(_BAD_SETTING) from error
    tracing.configure(service, telemetry)
    try:
        uvloop.run(_serve(service, build(loaded), common))
    finally:
        tracing.stop()


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service answers its operator."""

    operator_host: Annotated[str, Meta(description="Address of the operator's side")] = "127.0.0.1"
    operator_port: Annotated[
        int,
        Meta(
            ge=0, le=65_535, description="Port of /healthz, /readyz, /metrics; 0 for any free one"
        ),
    ] = 0


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a service believes."""

    nats_ca: Annotated[
        str,
        Meta(
            description="PEM file of whoever signed the certificate of a tls:// NATS_URL; the "
            "machine's own authorities if empty"
        ),
    ] = ""


async def _serve(service: str, app: web.Application, listen: Listen) -> None:
    loop = asyncio.get_running_loop()

    def told(hurry: bool) -> None:
        if hurry or app[STOPPING].is_set():
            app[HURRY].set()
        app[STOPPING].set()

    loop.add_signal_handler(signal.SIGTERM, told, False)
    loop.add_signal_handler(signal.SIGINT, told, True)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    watch = asyncio.create_task(metrics.watch_loop())
    try:
        site = web.TCPSite(runner, listen.operator_host, listen.operator_port)
        await site.start()
        log.info("started", operator=site.name)
        await app[STOPPING].wait()
        log.info("stopping")
    finally:
        await runner.cleanup()
        watch.cancel()


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _readyz(request: web.Request) -> web.Response:
    state = await _state(request.app)
    ready = all(state.values())
    body = msgspec.json.encode({"ready": ready, "checks": state})
    return web.Response(body=body, status=200 if ready else 503, content_type="application/json")


async def _state(app: web.Application) -> dict[str, bool]:
    """Return which checks pass."""
    checks = app[CHECKS]
    outcomes = await asyncio.gather(*(_passes(check) for check in checks.values()))
    return dict(zip(checks, outcomes, strict=True))


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
            return await check()
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not ready
        return False


async def _metrics(request: web.Request) -> web.Response:
    metrics.told(await _state(request.app))
    accept = request.headers.get("Accept", "")
    # thousands of lines take tens of milliseconds, for which requests need not wait
    loop = asyncio.get_running_loop()
    body, content_type = await loop.run_in_executor(_WRITING, metrics.exposition, accept)
    return web.Response(body=body, headers={"Content-Type": content_type})

"""The service as a process of its own: it draws, and leaves nothing behind when it is stopped."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from cli.nats import Nats
from kit.bus import Bus
from kit.storage import Storage
from proto.errors import Unavailable
from proto.ids import AccountId
from services.qr.payload import Cards
from tests.integration.jobs.book import until
from tests.integration.qr.studio import SECRET, Studio, subject

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)], ids=str)
async def test_it_draws_and_takes_its_processes_along(
    bus: Bus,
    storage: Storage,
    account: AccountId,
    nats_server: Nats,
    database_url: str,
    folder: Path,
    how: signal.Signals,
    code: int,
) -> None:
    environment = os.environ | {
        "NATS_URL": nats_server.url("qr"),
        "DATABASE_URL": database_url,
        "STORAGE_URL": f"file://{folder}",
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": "WARNING",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.qr", cwd=PROJECT, env=environment
    )
    studio = Studio(bus, storage, account, Cards([SECRET]))

    async def draws() -> bool:
        try:
            drawn = await studio.draw([subject(1)])
        except Unavailable:
            return False
        return len(await studio.codes(drawn)) == 1

    await until(draws)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(how)
    assert await process.wait() == code
    gone, left = await asyncio.to_thread(psutil.wait_procs, children, 20)
    assert (len(gone), left) == (len(children), [])

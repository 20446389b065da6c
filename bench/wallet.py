"""The ledger: reserves a second in batches, one by one, over NATS, and pgbench on the same server.

pgbench's simple-update is what PostgreSQL does with one small transaction per request; the aim is
to be well above that with full bookkeeping, on one busy account, without turning durability off.
"""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count, cycle
from uuid import uuid4

import uvloop

from bench.load import Rate, measure_for
from bench.servers import Servers, running
from cli import reach
from kit import database
from kit.bus import Bus
from kit.database import Pool
from proto.ids import AccountId
from proto.wallet import Reserve, TopUp
from services.wallet.batches import Batches, Hold, apply
from services.wallet.ledger import Ledger
from services.wallet.statement import reconcile

CALLERS = (1, 32, 256)
ACCOUNTS = 1000
SECONDS = 3.0
WARM_UP_SECONDS = 10.0
TOKENS = 1_000_000_000
_PGBENCH_CLIENTS = (8, 32)

_keys = count()

Measured = dict[tuple[str, int], Rate]
"""By accounts ("hot", "1000") and callers."""


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    with running("wallet") as servers:
        print(json.dumps(uvloop.run(_measure(servers))))


async def _measure(servers: Servers) -> dict[str, float]:
    async with database.connect(servers.postgres.url(), at_most=32) as pool:
        print(f"synchronous_commit is {await pool.fetchval('SHOW synchronous_commit')}")
        crowds = await _open_accounts(pool)
        await _warm_up(servers, pool)
        print("\nledger, in batches over one connection")
        batched = await _in_batches(servers, pool, crowds)
        print("\nledger, the same function with one row a transaction")
        unbatched = await _one_by_one(pool, crowds)
        print("\npgbench simple-update on the same server")
        pgbench = max(_pgbench(servers, clients) for clients in _PGBENCH_CLIENTS)
        print("\nover NATS, the wallet in a process of its own")
        over_nats = await _over_nats(servers, crowds)
        books = await reconcile(pool)
        if books.discrepancies or books.sum_of_all_places:
            raise SystemExit("the books do not balance")
        print(f"\nthe books balance over {books.entries} entries")
    hot = batched["hot", 256].per_second
    hot_32, alone_32 = batched["hot", 32].per_second, unbatched["hot", 32].per_second
    return {
        "hot_reserves_per_s": round(hot),
        "pgbench_simple_update_tps": round(pgbench),
        "ratio": round(hot / pgbench, 2),
        "hot_unbatched_32_per_s": round(alone_32),
        "hot_batched_32_per_s": round(hot_32),
        "batching_ratio": round(hot_32 / alone_32, 1),
        "via_nats_reserves_per_s": round(over_nats["hot", 256].per_second),
    }


async def _open_accounts(pool: Pool) -> dict[str, list[AccountId]]:
    """Return one busy account, and a thousand."""
    ledger = Ledger(pool, Batches(pool))
    crowds = {
        name: [AccountId(uuid4()) for _ in range(how_many)]
        for name, how_many in (("hot", 1), (str(ACCOUNTS), ACCOUNTS))
    }
    for account in (account for crowd in crowds.values() for account in crowd):
        await ledger.top_up(TopUp(account=account, tokens=TOKENS, key="bench"))
    return crowds


async def _warm_up(servers: Servers, pool: Pool) -> None:
    """Write until the server has all its log segments, which it makes once and then reuses."""
    _run_pgbench(servers, "--initialize", "--scale=20", "--quiet")
    async with database.connect(servers.postgres.url(), at_most=1) as writer:
        ledger = Ledger(pool, Batches(writer))
        account = AccountId(uuid4())
        await ledger.top_up(TopUp(account=account, tokens=TOKENS, key="warm-up"))
        await measure_for(lambda: ledger.reserve(_reserve(account)), CALLERS[-1], WARM_UP_SECONDS)


async def _in_batches(servers: Servers, pool: Pool, crowds: dict[str, list[AccountId]]) -> Measured:
    async with database.connect(servers.postgres.url(), at_most=1) as writer:
        ledger = Ledger(pool, Batches(writer))
        return await _table(crowds, lambda account: ledger.reserve(_reserve(account)))


async def _one_by_one(pool: Pool, crowds: dict[str, list[AccountId]]) -> Measured:
    async def reserve(account: AccountId) -> object:
        request = _reserve(account)
        hold = Hold(
            account=request.account,
            key=request.key,
            operation=request.operation,
            units=request.units,
            tokens=request.tokens,
            lease_seconds=request.expires_in,
            correlation_id="",
            api_key=None,
            cap=None,
        )
        hold.answer = asyncio.get_running_loop().create_future()
        async with pool.acquire() as connection:
            await apply(connection, [hold])
        return await hold.answer

    return await _table(crowds, reserve)


async def _over_nats(servers: Servers, crowds: dict[str, list[AccountId]]) -> Measured:
    async with _connected(servers.nats.url()) as bus:
        return await _table(crowds, lambda account: bus.request(_reserve(account), 30.0))


async def _table(
    crowds: dict[str, list[AccountId]], reserve: Callable[[AccountId], Awaitable[object]]
) -> Measured:
    measured: Measured = {}
    for name, accounts in crowds.items():
        for callers in CALLERS:
            turn = cycle(accounts)

            def call(turn: Iterator[AccountId] = turn) -> Awaitable[object]:
                return reserve(next(turn))

            rate = await measure_for(call, callers, SECONDS)
            measured[name, callers] = rate
            print(f"{name:>5} accounts  {rate}", flush=True)
    return measured


def _reserve(account: AccountId) -> Reserve:
    return Reserve(
        account=account, tokens=2, key=f"call:{next(_keys)}:{account}", operation="face_crop"
    )


def _pgbench(servers: Servers, clients: int) -> float:
    """Return transactions a second of PostgreSQL's own benchmark on the same server."""
    text = _run_pgbench(
        servers,
        "--builtin=simple-update",
        "--no-vacuum",
        f"--client={clients}",
        "--jobs=2",
        "--time=10",
    )
    found = re.search(r"tps = ([\d.]+)", text)
    if found is None:
        raise SystemExit(f"pgbench said nothing of its rate: {text}")
    print(f"{clients:3d} clients {float(found[1]):8.0f}/s", flush=True)
    return float(found[1])


def _run_pgbench(servers: Servers, *arguments: str) -> str:
    server = servers.postgres
    where = ("--host=127.0.0.1", f"--port={server.port}", "--username=darkroom")
    return subprocess.run(
        (str(server.binaries / "pgbench"), *where, *arguments, "darkroom"),
        env={**reach.ENVIRONMENT, "PGPASSWORD": server.password},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(url, "bench")
    try:
        yield bus
    finally:
        await bus.close()


if __name__ == "__main__":
    main()

"""The presets that accounts make, by account and name."""

import msgspec
from asyncpg import Record

from kit.database import Pool
from proto.errors import InvalidRequest, NameTaken, NotFound
from proto.ids import AccountId
from proto.presets import MOST_PRESETS, Preset, PresetName

ONE_AT_A_TIME = """
SELECT pg_advisory_xact_lock(hashtextextended('presets.presets ' || $1::text, 0))
"""
"""Until the transaction ends, only one for each account: counting does not see what others add."""

EXISTS = """
SELECT true FROM presets.presets WHERE account_id = $1 AND name = $2
"""

ADD = """
INSERT INTO presets.presets (account_id, name, aspect, head, eye_line, full_size, medium_size,
    sizes, background, format, dpi)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
WHERE (SELECT count(*) FROM presets.presets WHERE account_id = $1) < $12
RETURNING true
"""

GET = """
SELECT name, aspect, head, eye_line, full_size AS full, medium_size AS medium, sizes, background,
    format, dpi
FROM presets.presets WHERE account_id = $1 AND name = $2
"""

ALL = """
SELECT name, aspect, head, eye_line, full_size AS full, medium_size AS medium, sizes, background,
    format, dpi
FROM presets.presets WHERE account_id = $1 ORDER BY name
"""

REPLACE = """
UPDATE presets.presets
SET aspect = $3, head = $4, eye_line = $5, full_size = $6, medium_size = $7, sizes = $8,
    background = $9, format = $10, dpi = $11, changed_at = now()
WHERE account_id = $1 AND name = $2
RETURNING true
"""

DELETE = """
DELETE FROM presets.presets WHERE account_id = $1 AND name = $2 RETURNING true
"""


class Store:
    """The presets in one database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, account: AccountId, name: PresetName) -> Preset:
        """Return one of an account's presets. Raises NotFound."""
        row = await self._pool.fetchrow(GET, account, name)
        if row is None:
            raise _not_found()
        return _preset(row)

    async def all(self, account: AccountId) -> list[Preset]:
        """Return an account's presets by name."""
        return [_preset(row) for row in await self._pool.fetch(ALL, account)]

    async def add(self, account: AccountId, preset: Preset) -> None:
        """Add a preset. Raises NameTaken, InvalidRequest when the account has all it may."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(ONE_AT_A_TIME, str(account))
            if await connection.fetchval(EXISTS, account, preset.name):
                raise NameTaken(f"there is a preset called {preset.name} already")
            if not await connection.fetchval(ADD, account, *_values(preset), MOST_PRESETS):
                raise InvalidRequest(
                    f"an account has at most {MOST_PRESETS} presets of its own; delete one first"
                )

    async def replace(self, account: AccountId, preset: Preset) -> None:
        """Put a preset in the place of the one of its name. Raises NotFound."""
        if not await self._pool.fetchval(REPLACE, account, *_values(preset)):
            raise _not_found()

    async def delete(self, account: AccountId, name: PresetName) -> None:
        """Remove a preset. Raises NotFound."""
        if not await self._pool.fetchval(DELETE, account, name):
            raise _not_found()


def _values(preset: Preset) -> tuple[object, ...]:
    """Return $2 to $11 of what writes a preset."""
    return (
        preset.name,
        preset.aspect,
        preset.head,
        preset.eye_line,
        preset.full,
        preset.medium,
        msgspec.json.encode(preset.sizes).decode(),
        preset.background,
        preset.format,
        preset.dpi,
    )


def _preset(row: Record) -> Preset:
    sizes = msgspec.json.decode(row["sizes"])
    return msgspec.convert({**row, "sizes": sizes, "own": True}, Preset)


def _not_found() -> NotFound:
    return NotFound("there is no such preset in this account")

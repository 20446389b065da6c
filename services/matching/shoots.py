"""Shoots: the picture days of an agency."""

from asyncpg import Record
from msgspec import UNSET

from kit.database import Connection, Pool
from proto.agencies import MOST_SHOOTS, AgencyId, Shoot, ShootId
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.matching.shoots import AboutShoot, ChangeShoot, CreateShoot, GetShoots, ShootList
from services.matching import agencies

_SHOWN = """
SELECT id, agency_id AS agency, name, icp_type, state, created_at,
    (SELECT count(*) FROM matching.files
     WHERE account_id = shoots.account_id AND shoot_id = shoots.id) AS files
FROM matching.shoots WHERE account_id = $1 AND agency_id = $2
"""

ONE = f"""
{_SHOWN} AND id = $3
"""

ALL = f"""
{_SHOWN} AND (state = 'archived') = $3 ORDER BY id
"""

ADD = """
INSERT INTO matching.shoots (account_id, agency_id, name, icp_type, state)
SELECT $1, $2, $3, $4, $5
WHERE (SELECT count(*) FROM matching.shoots WHERE account_id = $1 AND agency_id = $2) < $6
RETURNING id
"""

CHANGE = """
UPDATE matching.shoots
SET name = coalesce($4, name), icp_type = coalesce($5, icp_type), state = coalesce($6, state)
WHERE account_id = $1 AND agency_id = $2 AND id = $3
"""

LOCK = """
SELECT state FROM matching.shoots WHERE account_id = $1 AND agency_id = $2 AND id = $3
FOR NO KEY UPDATE
"""


async def lock_open(
    connection: Connection, account: AccountId, agency: AgencyId, shoot: ShootId
) -> None:
    """Keep a shoot for oneself until the transaction ends; its agency is held.

    Raises NotFound, and InvalidRequest for one that is archived.
    """
    state = await connection.fetchval(LOCK, account, agency, shoot)
    if state is None:
        raise _not_found()
    if state == "archived":
        raise InvalidRequest("this shoot is archived; change its state first")


class Shoots:
    """The shoots in one database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, request: CreateShoot) -> Shoot:
        """Add a shoot. Raises NotFound, and InvalidRequest where nothing may be added."""
        account, agency = request.account, request.agency
        async with self._pool.acquire() as connection, connection.transaction():
            # for oneself: counting does not see what others add
            agencies.check_open(await agencies.locked(connection, account, agency))
            created = await connection.fetchval(
                ADD, account, agency, request.name, request.icp_type, request.state, MOST_SHOOTS
            )
            if created is None:
                raise InvalidRequest(
                    f"an agency has at most {MOST_SHOOTS} shoots; delete one first"
                )
            return _shoot(await connection.fetchrow(ONE, account, agency, created))

    async def get(self, request: AboutShoot) -> Shoot:
        """Return a shoot. Raises NotFound."""
        return _shoot(
            await self._pool.fetchrow(ONE, request.account, request.agency, request.shoot)
        )

    async def all(self, request: GetShoots) -> ShootList:
        """Return an agency's shoots. Raises NotFound."""
        account, agency = request.account, request.agency
        rows = await self._pool.fetch(ALL, account, agency, request.archived)
        if not rows:
            await agencies.check_there(self._pool, account, agency)
        return ShootList(shoots=[_shoot(row) for row in rows])

    async def change(self, request: ChangeShoot) -> Shoot:
        """Change what is given. Raises NotFound."""
        account, agency, shoot = request.account, request.agency, request.shoot
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                CHANGE,
                account,
                agency,
                shoot,
                None if request.name is UNSET else request.name,
                None if request.icp_type is UNSET else request.icp_type,
                None if request.state is UNSET else request.state,
            )
            return _shoot(await connection.fetchrow(ONE, account, agency, shoot))


def _shoot(row: Record | None) -> Shoot:
    if row is None:
        raise _not_found()
    return Shoot(**row)


def _not_found() -> NotFound:
    return NotFound("there is no such shoot in this agency")

"""The matches of an account, the latest first."""

from kit.database import Pool
from proto.agencies import MatchId
from proto.errors import NotFound, Unavailable
from proto.jobs import Job
from proto.matching.matches import GetMatches, MatchList
from services.matching.standing import Standing

PAGE = """
SELECT id, agency_id, jobs, state, created_at,
    created_at < now() - interval '10 minutes' AS has_waited
FROM matching.matches
WHERE account_id = $1 AND ($2::bigint IS NULL OR agency_id = $2) AND ($3::bigint IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""


class MatchLists:
    """Lists the matches in one database."""

    def __init__(self, pool: Pool, standing: Standing) -> None:
        self._pool = pool
        self._standing = standing

    async def page(self, request: GetMatches) -> MatchList:
        """Return a page; what has ended since is concluded, what never began is left out."""
        rows = await self._pool.fetch(
            PAGE, request.account, request.agency, request.before, request.limit + 1
        )
        jobs: dict[MatchId, Job | None] = {}
        for row in rows[: request.limit]:
            try:
                jobs[MatchId(row["id"])] = await self._standing.look(request.account, row)
            except Unavailable:
                jobs[MatchId(row["id"])] = None
            except NotFound:
                continue
        more = len(rows) > request.limit
        return MatchList(
            matches=await self._standing.shown(request.account, jobs),
            next_before=rows[request.limit - 1]["id"] if more else None,
        )

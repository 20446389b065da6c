"""Rate limits as headers: draft-ietf-httpapi-ratelimit-headers, RateLimit-Policy and RateLimit."""

from collections.abc import Sequence

from aiohttp import web

from proto.plans import RateLimit


def tell(response: web.StreamResponse, limits: Sequence[RateLimit]) -> None:
    """Say in the answer how the limits stand; nothing where there are none."""
    if not limits:
        return
    response.headers["RateLimit-Policy"] = ", ".join(
        f'"{limit.name}";q={limit.quota};w={limit.window}' for limit in limits
    )
    response.headers["RateLimit"] = ", ".join(
        f'"{limit.name}";r={limit.remaining};t={limit.reset}' for limit in limits
    )

"""Ways to ask that come up again and again."""

from cli.dashboards.panels import Query

_NOW = "rate({metric}{{{where}}}[$__rate_interval])"
_HOUR = "increase({metric}{{{where}}}[1h])"

TYPICAL = (("0.5", "50 %"), ("0.95", "95 %"))
HALF_AND_WORST = (("0.5", "50 %"), ("0.99", "99 %"))
MOST = (("0.95", "95 %"),)


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return how much a counter grows in a second, summed over everything but `by`."""
    return _summed(_NOW.format(metric=metric, where=where), by)


def in_an_hour(metric: str, by: str = "", where: str = "") -> str:
    """Return how much a counter grew within an hour, summed over everything but `by`."""
    return _summed(_HOUR.format(metric=metric, where=where), by)


def mean(histogram: str, by: str = "") -> str:
    """Return the mean of what a histogram observed."""
    return f"{rate(f'{histogram}_sum', by)} / {rate(f'{histogram}_count', by)}"


def quantiles(
    histogram: str,
    shares: tuple[tuple[str, str], ...],
    by: str = "",
    where: str = "",
    *,
    hour: bool = False,
    called: str = "",
) -> tuple[Query, ...]:
    """Return one query for each share: the value that so many of the observations do not exceed.

    Args:
        histogram: Its name, without `_bucket`.
        shares: As a number, and as people read it.
        by: A label to tell apart.
        where: Which series.
        hour: Of the last hour, for what happens seldom.
        called: What stands before the share in the legend.
    """
    labels = f"{by}, le" if by else "le"
    legend = f"{{{{{by}}}}} " if by else called
    ask = in_an_hour if hour else rate
    return tuple(
        Query(
            f"histogram_quantile({share}, {ask(f'{histogram}_bucket', labels, where)})",
            f"{legend}{name}",
            exemplars=not hour,
        )
        for share, name in shares
    )


def _summed(expr: str, by: str) -> str:
    expr = expr.replace("{}", "")
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"

"""Tokens: held, settled and given back, and whether the books are right."""

from cli.dashboards.panels import Dashboard, Panel, Query, Row
from cli.dashboards.queries import HALF_AND_WORST, in_an_hour, mean, quantiles, rate

MONEY = Dashboard(
    uid="darkroom-money",
    title="Darkroom / Money",
    says="Tokens that are held, settled and given back, and what stands open.",
    rows=(
        Row(
            "The books",
            (
                Panel(
                    title="Difference",
                    kind="stat",
                    width=4,
                    height=5,
                    unit="none",
                    thresholds=(1, 1),
                    says="What accounts say they hold, less what their open holds add up to; 0.",
                    queries=(Query("max(abs(darkroom_wallet_held_mismatch_tokens))"),),
                ),
                Panel(
                    title="Lapsed and not released",
                    kind="stat",
                    width=4,
                    height=5,
                    unit="s",
                    thresholds=(30, 60),
                    says="How long the first such hold has waited for the sweep; seconds are good.",
                    queries=(Query("max(darkroom_wallet_hold_overdue_seconds)"),),
                ),
                Panel(
                    title="Open holds",
                    kind="stat",
                    width=4,
                    height=5,
                    unit="short",
                    says="Of calls that somebody waits for, and of jobs.",
                    queries=(Query("max by (owner) (darkroom_wallet_open_holds)", "{{owner}}"),),
                ),
                Panel(
                    title="Tokens in open holds",
                    kind="stat",
                    width=6,
                    height=5,
                    unit="short",
                    says="Set aside, and neither spent nor given back.",
                    queries=(Query("max by (owner) (darkroom_wallet_held_tokens)", "{{owner}}"),),
                ),
                Panel(
                    title="Oldest open hold",
                    kind="stat",
                    width=6,
                    height=5,
                    unit="s",
                    says="Of a call it is minutes, of a job at most a day.",
                    queries=(
                        Query(
                            "max by (owner) (darkroom_wallet_oldest_hold_age_seconds)", "{{owner}}"
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Movement",
            (
                Panel(
                    title="Tokens a second",
                    width=12,
                    unit="short",
                    says="Held when work begins; settled and given back when it has ended.",
                    queries=(
                        Query("darkroom_wallet_tokens_reserved:rate5m", "held"),
                        Query("darkroom_wallet_tokens_settled:rate5m", "settled"),
                        Query("sum(way:darkroom_wallet_tokens_refunded:rate5m)", "given back"),
                    ),
                ),
                Panel(
                    title="Held, by operation",
                    width=12,
                    unit="short",
                    stacked=True,
                    says="Tokens a second, by what the price book calls it.",
                    queries=(
                        Query(
                            rate("darkroom_wallet_operation_tokens_reserved_total", "operation"),
                            "{{operation}}",
                        ),
                    ),
                ),
                Panel(
                    title="Given back",
                    unit="short",
                    says="settled: the rest of a partial success; refunded: nothing succeeded; "
                    "expired: nobody ended the hold.",
                    queries=(Query("way:darkroom_wallet_tokens_refunded:rate5m", "{{way}}"),),
                ),
                Panel(
                    title="Share that is given back",
                    unit="percentunit",
                    says="Of the tokens held within an hour.",
                    queries=(
                        Query(
                            f"{in_an_hour('darkroom_wallet_tokens_refunded_total')}"
                            f" / ({in_an_hour('darkroom_wallet_tokens_reserved_total')} > 0)",
                            "given back",
                        ),
                    ),
                ),
                Panel(
                    title="Holds asked for",
                    unit="ops",
                    says="short of tokens, over an API key's cap, or a key in conflict.",
                    queries=(Query(rate("darkroom_wallet_holds_total", "outcome"), "{{outcome}}"),),
                ),
                Panel(
                    title="Tokens added",
                    unit="short",
                    says="Topped up and granted within an hour.",
                    queries=(
                        Query(in_an_hour("darkroom_wallet_tokens_added_total", "way"), "{{way}}"),
                    ),
                ),
                Panel(
                    title="Holds and ends in one statement",
                    unit="short",
                    says="On average; it grows with load, up to 128.",
                    queries=(Query(mean("darkroom_wallet_batch_wishes"), "wishes"),),
                ),
                Panel(
                    title="Time of a statement",
                    unit="s",
                    says="Half and 99 % of batches take; milliseconds are good.",
                    queries=quantiles("darkroom_wallet_batch_duration_seconds", HALF_AND_WORST),
                ),
            ),
        ),
    ),
)

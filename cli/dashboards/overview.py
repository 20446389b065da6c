"""How requests over HTTP go: rate, errors and duration of each dialect, and what the month says."""

from cli.dashboards.panels import Dashboard, Panel, Query, Row, Variable
from cli.dashboards.queries import quantiles, rate

_BY_CODE = "dialect_operation_code:darkroom_http_requests:rate5m"
_BY_DIALECT = 'dialect=~"$dialect"'
OVERVIEW = Dashboard(
    uid="darkroom-overview",
    title="Darkroom / Overview",
    says="Requests over HTTP by dialect: how many, how many fail, how long they take.",
    variables=(
        Variable(
            "dialect", "Dialect", "label_values(darkroom_http_requests_total, dialect)", many=True
        ),
    ),
    rows=(
        Row(
            "Now",
            (
                Panel(
                    title="Requests",
                    kind="stat",
                    width=4,
                    height=4,
                    unit="reqps",
                    says="Requests a second over the last five minutes.",
                    queries=(Query("sum(dialect:darkroom_http_requests:rate5m)"),),
                ),
                Panel(
                    title="Errors",
                    kind="stat",
                    width=4,
                    height=4,
                    unit="percentunit",
                    thresholds=(0.001, 0.01),
                    says="Share of requests answered with 5xx; 0.1 % is what a month may have.",
                    queries=(
                        Query(
                            f'sum({_BY_CODE}{{code=~"5.."}})'
                            " / sum(dialect:darkroom_http_requests:rate5m)"
                        ),
                    ),
                ),
                Panel(
                    title="95 % answered within",
                    kind="stat",
                    width=4,
                    height=4,
                    unit="s",
                    says="Of all operations together; what counts is the objective of each.",
                    queries=(
                        Query(
                            "histogram_quantile(0.95, sum by (le) "
                            "(rate(darkroom_http_request_duration_seconds_bucket[5m])))"
                        ),
                    ),
                ),
                Panel(
                    title="Being worked on",
                    kind="stat",
                    width=4,
                    height=4,
                    unit="short",
                    says="Requests that have come and are not answered, open streams included.",
                    queries=(Query("sum(darkroom_http_requests_in_flight)"),),
                ),
                Panel(
                    title="Services that answer",
                    kind="stat",
                    width=4,
                    height=4,
                    unit="short",
                    says="Services of which at least one replica passes all of its checks.",
                    queries=(
                        Query(
                            "count(max by (service) "
                            "(min by (service, instance) (darkroom_check_passes)) == 1)"
                        ),
                    ),
                ),
                Panel(
                    title="Items that wait",
                    kind="stat",
                    width=4,
                    height=4,
                    unit="short",
                    says="Of jobs; the dashboard Queues says more.",
                    queries=(Query("sum(kind:darkroom_jobs_items_unstarted:max)"),),
                ),
            ),
        ),
        Row(
            "Thirty days",
            (
                Panel(
                    title="Availability",
                    kind="stat",
                    width=12,
                    height=5,
                    unit="percentunit",
                    says="Share of requests not answered with 5xx; the objective is 99.9 %.",
                    queries=(
                        Query("1 - dialect:darkroom_http_errors:ratio_rate30d", "{{dialect}}"),
                    ),
                ),
                Panel(
                    title="Answered in time",
                    kind="stat",
                    width=12,
                    height=5,
                    unit="percentunit",
                    says="Share of answers within what is aimed at for their operation; 99 %.",
                    queries=(Query("1 - dialect:darkroom_http_slow:ratio_rate30d", "{{dialect}}"),),
                ),
            ),
        ),
        Row(
            "Dialect: $dialect",
            (
                Panel(
                    title="Rate",
                    unit="reqps",
                    stacked=True,
                    says="Requests a second by operation.",
                    queries=(
                        Query(
                            f"sum by (operation) ({_BY_CODE}{{{_BY_DIALECT}}}) > 0",
                            "{{operation}}",
                        ),
                    ),
                ),
                Panel(
                    title="Answers",
                    unit="reqps",
                    stacked=True,
                    says="Requests a second by status.",
                    queries=(
                        Query(
                            f"sum by (code) ({_BY_CODE}{{{_BY_DIALECT}}}) > 0",
                            "{{code}}",
                        ),
                    ),
                ),
                Panel(
                    title="Errors",
                    unit="percentunit",
                    says="Share of each operation's requests that is answered with 5xx.",
                    queries=(
                        Query(
                            f"dialect_operation:darkroom_http_errors:ratio_rate5m{{{_BY_DIALECT}}}",
                            "{{operation}}",
                        ),
                    ),
                ),
                Panel(
                    title="Duration",
                    unit="s",
                    says="Half, 95 % and 99 % are answered within; points lead to traces.",
                    queries=quantiles(
                        "darkroom_http_request_duration_seconds",
                        (("0.5", "50 %"), ("0.95", "95 %"), ("0.99", "99 %")),
                        "",
                        _BY_DIALECT,
                    ),
                ),
                Panel(
                    title="Slow answers",
                    unit="percentunit",
                    says="Share of each operation's answers that comes later than is aimed at.",
                    queries=(
                        Query(
                            f"dialect_operation:darkroom_http_slow:ratio_rate5m{{{_BY_DIALECT}}}",
                            "{{operation}}",
                        ),
                    ),
                ),
                Panel(
                    title="Answers broken off",
                    unit="reqps",
                    says="Archives, statements and files whose sending ended midway.",
                    queries=(
                        Query(
                            rate("darkroom_http_answers_cut_total", "operation", _BY_DIALECT),
                            "{{operation}}",
                        ),
                    ),
                ),
            ),
            repeat="dialect",
        ),
    ),
)

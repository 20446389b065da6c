"""One service in depth: its process, what it answers and asks, its database and its storage."""

from cli.dashboards.panels import Dashboard, Panel, Query, Row, Variable
from cli.dashboards.queries import HALF_AND_WORST, MOST, quantiles, rate

_IT = 'service="$service"'
_REFUSED = f'{_IT},code!="OK"'


SERVICE = Dashboard(
    uid="darkroom-service",
    title="Darkroom / One service",
    says="Everything that one service tells of itself.",
    variables=(Variable("service", "Service", "label_values(darkroom_build_info, service)"),),
    rows=(
        Row(
            "Process",
            (
                Panel(
                    title="Replicas",
                    kind="stat",
                    width=4,
                    height=6,
                    unit="short",
                    says="That answer Prometheus, by version.",
                    queries=(
                        Query(f"count by (version) (darkroom_build_info{{{_IT}}})", "{{version}}"),
                    ),
                ),
                Panel(
                    title="Checks",
                    kind="stat",
                    width=8,
                    height=6,
                    unit="bool_on_off",
                    says="What it needs; on where at least one replica reaches it.",
                    queries=(
                        Query(f"max by (check) (darkroom_check_passes{{{_IT}}})", "{{check}}"),
                    ),
                ),
                Panel(
                    title="Running for",
                    kind="stat",
                    width=4,
                    height=6,
                    unit="s",
                    says="Since the last of its replicas started.",
                    queries=(Query(f"time() - max(process_start_time_seconds{{{_IT}}})"),),
                ),
                Panel(
                    title="Files and sockets",
                    kind="stat",
                    width=8,
                    height=6,
                    unit="percentunit",
                    thresholds=(0.6, 0.8),
                    says="Share of what each process may open.",
                    queries=(
                        Query(
                            f"max(process_open_fds{{{_IT}}} / process_max_fds{{{_IT}}})",
                            "of the limit",
                        ),
                    ),
                ),
                Panel(
                    title="Processor",
                    unit="short",
                    says="Cores that each replica uses; the event loop alone can use one.",
                    queries=(
                        Query(
                            f"rate(process_cpu_seconds_total{{{_IT}}}[$__rate_interval])",
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    title="Memory",
                    unit="bytes",
                    says="That each replica has.",
                    queries=(Query(f"process_resident_memory_bytes{{{_IT}}}", "{{instance}}"),),
                ),
                Panel(
                    title="Lag of the event loop",
                    unit="s",
                    says="How late tasks are woken, half and 99 %; a millisecond or two are good.",
                    queries=quantiles("darkroom_event_loop_lag_seconds", HALF_AND_WORST, where=_IT),
                ),
            ),
        ),
        Row(
            "What it answers",
            (
                Panel(
                    title="Messages",
                    unit="reqps",
                    stacked=True,
                    says="Answered a second, by subject.",
                    queries=(
                        Query(
                            rate("darkroom_bus_requests_total", "subject", _IT),
                            "{{subject}}",
                        ),
                    ),
                ),
                Panel(
                    title="Errors",
                    unit="reqps",
                    says="Answers other than OK, by subject and code; refusals are no faults.",
                    queries=(
                        Query(
                            rate("darkroom_bus_requests_total", "subject, code", _REFUSED),
                            "{{subject}} {{code}}",
                        ),
                    ),
                ),
                Panel(
                    title="Duration",
                    unit="s",
                    says="95 % are answered within, by subject.",
                    queries=quantiles(
                        "darkroom_bus_request_duration_seconds", MOST, "subject", _IT
                    ),
                ),
                Panel(
                    title="Being worked on",
                    unit="short",
                    says="Messages, by subject.",
                    queries=(
                        Query(
                            f"sum by (subject) (darkroom_bus_requests_in_flight{{{_IT}}})",
                            "{{subject}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "What it asks",
            (
                Panel(
                    title="Questions",
                    unit="reqps",
                    stacked=True,
                    says="A second, by subject.",
                    queries=(
                        Query(
                            rate("darkroom_bus_calls_total", "subject", _IT),
                            "{{subject}}",
                        ),
                    ),
                ),
                Panel(
                    title="Not answered well",
                    unit="reqps",
                    says="By subject and what came back.",
                    queries=(
                        Query(
                            rate("darkroom_bus_calls_total", "subject, code", _REFUSED),
                            "{{subject}} {{code}}",
                        ),
                    ),
                ),
                Panel(
                    title="Time until the answer",
                    unit="s",
                    says="95 % come within, by subject.",
                    queries=quantiles("darkroom_bus_call_duration_seconds", MOST, "subject", _IT),
                ),
            ),
        ),
        Row(
            "PostgreSQL",
            (
                Panel(
                    title="Statements",
                    unit="ops",
                    says="A second: ok, error (often a refusal), away when there is no server.",
                    queries=(
                        Query(
                            rate("darkroom_database_queries_total", "outcome", _IT),
                            "{{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    title="Duration",
                    unit="s",
                    says="Half and 99 % of statements take.",
                    queries=quantiles(
                        "darkroom_database_query_duration_seconds", HALF_AND_WORST, where=_IT
                    ),
                ),
                Panel(
                    title="Connections",
                    unit="short",
                    says="In use and idle, and how many there may be, over all replicas.",
                    queries=(
                        Query(
                            f"sum by (state) (darkroom_database_connections{{{_IT}}})", "{{state}}"
                        ),
                        Query(f"sum(darkroom_database_connections_limit{{{_IT}}})", "limit"),
                    ),
                ),
            ),
        ),
        Row(
            "Storage",
            (
                Panel(
                    title="Operations",
                    width=6,
                    unit="ops",
                    says="A second, by what was done and how it went.",
                    queries=(
                        Query(
                            rate("darkroom_storage_operations_total", "operation, outcome", _IT),
                            "{{operation}} {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    title="Failed",
                    width=6,
                    unit="percentunit",
                    says="Share of operations at which the storage itself failed.",
                    queries=(
                        Query(
                            "service_operation:darkroom_storage_operations_failed:ratio_rate5m"
                            f"{{{_IT}}}",
                            "{{operation}}",
                        ),
                    ),
                ),
                Panel(
                    title="Duration",
                    width=6,
                    unit="s",
                    says="95 % are done within; put_stream takes as long as the client sends.",
                    queries=(
                        Query(
                            "service_operation:darkroom_storage_operation_duration_seconds:p95_rate5m"
                            f"{{{_IT}}}",
                            "{{operation}}",
                        ),
                    ),
                ),
                Panel(
                    title="Bytes",
                    width=6,
                    unit="Bps",
                    says="Read and written a second.",
                    queries=(
                        Query(
                            rate("darkroom_storage_bytes_total", "direction", _IT),
                            "{{direction}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

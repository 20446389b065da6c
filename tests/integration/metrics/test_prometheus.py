"""Every panel and every rule finds what it asks for in what a running stack tells Prometheus."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cli.dashboards.__main__ import ALL
from cli.dashboards.service import SERVICE
from cli.nats import ONLY_ASKS
from cli.services import NAMES
from proto.cardreader import KIND as CARD_READ
from proto.facecrop import KIND as FACE_CROP
from proto.matching.matches import MATCH_KIND
from services.gateway import measuring
from services.gateway.app import operations
from tests.contract.conftest import Client
from tests.integration.metrics.conftest import TRACE
from tests.prometheus import RULES, Prometheus

SECONDS = 150.0
VARIABLES = {"$__rate_interval": "5m", "$dialect": ".+"}

_METRIC = re.compile(r"\b((?:darkroom|nv|process)_[a-z0-9_]+|[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+)\b")
_SELECTED = re.compile(rf"{_METRIC.pattern}(\{{[^}}]*\}})")
_OBSERVED = ("_bucket", "_sum", "_count")
"""Of histograms, which are there before anything was observed, and say nothing until then."""


def rules(kind: str) -> list[dict[str, Any]]:
    """Return the rules of a kind: `record` or `alert`."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    groups = [group for file in files for group in file["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def forms(expr: str) -> list[str]:
    """Return a panel's query as it is sent; once for each service where it is about one."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    if "$service" not in expr:
        return [expr]
    return [expr.replace("$service", service) for service in NAMES]


async def without(prometheus: Prometheus, asked: dict[str, list[str]]) -> list[str]:
    """Return what of the asked finds nothing in any of its forms, however long one waits."""
    try:
        async with asyncio.timeout(SECONDS):
            while asked:
                for name, exprs in list(asked.items()):
                    for expr in exprs:
                        if await prometheus.has(expr):
                            del asked[name]
                            break
                await asyncio.sleep(0.5 if asked else 0)
    except TimeoutError:
        pass
    return list(asked)


async def having(prometheus: Prometheus, expr: str) -> list[str]:
    """Return the services that have everything that a panel's query selects of one of them."""
    found = []
    for service in NAMES:
        selected = [
            f"increase({each}[5m]) > 0" if metric.endswith(_OBSERVED) else each
            for metric, where in _SELECTED.findall(expr)
            for each in [f"{metric}{where.replace('$service', service)}"]
        ]
        assert selected, expr
        if all([await prometheus.has(each) for each in selected]):
            found.append(service)
    return found


@pytest.fixture(scope="session")
async def expected(prometheus: Prometheus) -> Callable[[str], bool]:
    """Whether a query can find anything here: where there is no Triton, none about it."""
    there = bool(await prometheus.query('up{service="triton"}'))
    return lambda expr: there or "nv_" not in expr


@pytest.mark.usefixtures("traffic")
async def test_every_panel_finds_data(
    prometheus: Prometheus, expected: Callable[[str], bool]
) -> None:
    asked = {
        f"{dashboard.title}: {panel.title}: {query.expr}": forms(query.expr)
        for dashboard in ALL
        for panel in dashboard.panels
        for query in panel.queries
        if expected(query.expr)
    }
    assert await without(prometheus, asked) == []


@pytest.mark.usefixtures("traffic")
async def test_the_panels_of_one_service_find_data_of_each_that_tells_it(
    prometheus: Prometheus,
) -> None:
    exprs = {query.expr for panel in SERVICE.panels for query in panel.queries}
    assert all("$service" in expr for expr in exprs)
    asked = {
        form: [form]
        for expr in exprs
        for service in await having(prometheus, expr)
        for form in forms(expr.replace("$service", service))
    }
    assert len(asked) > len(exprs)
    assert await without(prometheus, asked) == []


@pytest.mark.usefixtures("traffic")
async def test_the_traffic_touches_every_service(prometheus: Prometheus) -> None:
    asked = {
        service: [
            f'sum(darkroom_bus_requests_total{{service="{service}",code="OK"}}'
            f' or darkroom_items_total{{service="{service}",outcome="succeeded"}}) > 0'
        ]
        for service in set(NAMES) - set(ONLY_ASKS)
    }
    asked |= {
        kind: [f'sum(darkroom_items_total{{kind="{kind}",outcome="succeeded"}}) > 0']
        for kind in (FACE_CROP, CARD_READ, MATCH_KIND)
    }
    assert await without(prometheus, asked) == []


@pytest.mark.usefixtures("traffic")
async def test_every_recording_rule_finds_data(
    prometheus: Prometheus, expected: Callable[[str], bool]
) -> None:
    asked = {rule["record"]: [rule["record"]] for rule in rules("record") if expected(rule["expr"])}
    assert await without(prometheus, asked) == []


@pytest.mark.usefixtures("traffic")
async def test_every_alert_looks_at_what_is_there(
    prometheus: Prometheus, expected: Callable[[str], bool]
) -> None:
    named = {name for rule in rules("alert") for name in _METRIC.findall(rule["expr"])}
    assert len(named) > 20
    asked = {name: [f'count({{__name__="{name}"}})'] for name in named if expected(name)}
    assert await without(prometheus, asked) == []


@pytest.mark.usefixtures("traffic")
async def test_no_rule_fails_and_nothing_is_alarming(prometheus: Prometheus) -> None:
    groups = (await prometheus.ask("rules"))["groups"]
    told = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in told} == {"ok"}
    firing = [rule["name"] for rule in told if rule.get("state") == "firing"]
    assert firing == []


@pytest.mark.usefixtures("traffic")
async def test_a_bucket_leads_to_the_trace_of_a_request(prometheus: Prometheus) -> None:
    async with asyncio.timeout(SECONDS):
        for metric in (
            "darkroom_http_request_duration_seconds_bucket",
            "darkroom_bus_request_duration_seconds_bucket",
            "darkroom_model_request_duration_seconds_bucket",
        ):
            traces: set[str] = set()
            while TRACE not in traces:
                found = await prometheus.ask("query_exemplars", query=metric, start="0", end="9e9")
                traces = {e["labels"]["trace_id"] for line in found for e in line["exemplars"]}


async def test_labels_come_from_the_code_and_not_from_callers(
    prometheus: Prometheus, client: Client
) -> None:
    for number in range(20):
        await client.send("GET", f"/files/outputs/{number}/a.jpg")
        await client.send("GET", f"/no/such/{number}")
        await client.send(f"MADEUP{number}", "/v1/wallet")
        await client.send("DELETE", "/v1/wallet")
    of_ours = {"match[]": "darkroom_http_requests_total"}
    await prometheus.until('darkroom_http_requests_total{operation="unknown",code="405"} >= 20', 30)
    known = {measuring.labels(operation)[1] for operation in operations()} | {"unknown"}
    assert set(await prometheus.ask("label/operation/values", **of_ours)) == known
    dialects = await prometheus.ask("label/dialect/values", **of_ours)
    assert set(dialects) == {measuring.OWN, *measuring.DIALECTS.values()}
    series = {
        sample.labels["service"]: sample.value
        for sample in await prometheus.query(
            "count by (service) ({__name__=~'darkroom_.+', instance!=''})"
        )
    }
    assert max(series.values()) < 6_000, series


async def test_every_part_of_the_stack_is_found(prometheus: Prometheus) -> None:
    told = {sample.labels["service"] for sample in await prometheus.query("up == 1")}
    assert told >= set(NAMES)

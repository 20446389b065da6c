"""What is counted, under which labels, and how it is written down."""

import asyncio

import pytest
from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from kit import context, metrics
from kit.metrics import Few, Measure

BROUGHT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture(scope="module")
def measured() -> tuple[Counter, Histogram]:
    counter = Counter("test_things", "Things", ("what", "code"))
    return counter, Histogram("test_thing_seconds", "Time of things", ("what",))


def test_what_can_happen_is_there_with_nothing_from_the_start(
    measured: tuple[Counter, Histogram],
) -> None:
    measure = Measure(*measured, ("first",), ("OK", "INTERNAL"))
    assert value("test_things_total", what="first", code="OK") == 0
    assert value("test_things_total", what="first", code="INTERNAL") == 0
    measure.add("OK", 0.2)
    measure.add("UNFORESEEN", 0.2)
    assert value("test_things_total", what="first", code="OK") == 1
    assert value("test_things_total", what="first", code="UNFORESEEN") == 1
    assert value("test_thing_seconds_count", what="first") == 2


def test_an_answer_that_never_came_counts_as_a_fault() -> None:
    answered = metrics.Answered("test.subject")

    def gone() -> None:
        with answered.once():
            assert value("darkroom_bus_requests_in_flight", subject="test.subject") == 1
            raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        gone()
    assert value("darkroom_bus_requests_in_flight", subject="test.subject") == 0
    assert value("darkroom_bus_requests_total", subject="test.subject", code="INTERNAL") == 1


def test_of_names_from_elsewhere_the_first_few_are_kept_apart() -> None:
    few = Few(2)
    assert [few(name) for name in ("a", "b", "a", "c", "b", "d")] == [
        "a",
        "b",
        "a",
        "other",
        "b",
        "other",
    ]


@pytest.mark.parametrize(
    ("flags", "kept"), [("-01", True), ("-00", False), ("-03", True), ("-02", False), ("-ff", True)]
)
def test_only_a_trace_that_somebody_keeps_is_led_to(flags: str, kept: bool) -> None:
    token = context.traceparent.set(BROUGHT + flags)
    try:
        expected = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"} if kept else None
        assert metrics.exemplar() == expected
    finally:
        context.traceparent.reset(token)
    assert metrics.exemplar() is None


def test_exemplars_are_told_to_those_who_ask_for_openmetrics(
    measured: tuple[Counter, Histogram],
) -> None:
    token = context.traceparent.set(BROUGHT + "-01")
    try:
        Measure(*measured, ("traced",), ("OK",)).add("OK", 0.2)
    finally:
        context.traceparent.reset(token)
    body, content_type = metrics.exposition(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = text_string_to_metric_families(body.decode())
    exemplars = [
        sample.exemplar.labels
        for family in families
        for sample in family.samples
        if sample.labels.get("what") == "traced" and sample.exemplar
    ]
    assert exemplars == [{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}]
    body, content_type = metrics.exposition("*/*")
    assert content_type.startswith("text/plain; version=0.0.4")
    assert b"4bf92f3577b34da6a3ce929d0e0e4736" not in body


def test_names_follow_the_conventions() -> None:
    for family in REGISTRY.collect():
        if not family.name.startswith("darkroom_"):
            continue
        assert family.documentation[0].isupper()
        for banned in ("milliseconds", "_ms", "_kb", "percent"):
            assert banned not in family.name
        if family.type == "histogram":
            units = ("_seconds", "_items", "_wishes", "_bytes")
            assert family.name.endswith(units), family.name


async def test_a_loop_that_is_held_up_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_LOOP_SECONDS", 0.0)
    before = value("darkroom_event_loop_lag_seconds_sum") or 0.0
    times = iter((0.0, 3.0, 3.0))
    looked = asyncio.Event()

    def clock() -> float:
        found = next(times, None)
        if found is None:
            looked.set()
            return 3.0
        return found

    task = asyncio.create_task(metrics.watch_loop(clock))
    await asyncio.wait_for(looked.wait(), 5)
    task.cancel()
    after = value("darkroom_event_loop_lag_seconds_sum")
    assert after is not None
    assert after - before == pytest.approx(3.0)

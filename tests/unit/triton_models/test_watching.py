import pytest

from triton_models.watching import LEAST_INTERVAL_SECONDS, Action, Watch


@pytest.fixture
def watch() -> Watch:
    return Watch(["a", "b"], started=100.0, start_seconds=60.0)


def ready(watch: Watch, now: float = 101.0) -> Watch:
    for model in watch.models:
        watch.answered(model, now, 0.01)
    return watch


def test_it_is_ready_when_every_model_has_answered(watch: Watch) -> None:
    watch.answered("a", 101, 0.01)
    assert not watch.ready
    watch.answered("b", 101, 0.01)
    assert watch.ready


def test_a_model_may_be_silent_while_the_server_starts(watch: Watch) -> None:
    assert watch.silent("a", 159.9) is None


def test_a_server_that_does_not_come_up_is_started_again(watch: Watch) -> None:
    action = watch.silent("a", 160.0)
    assert action
    assert (action.kind, action.pause_seconds) == ("restart", 0.5)


def test_a_model_that_falls_silent_is_loaded_anew_and_then_the_server_restarted(
    watch: Watch,
) -> None:
    ready(watch)
    assert watch.silent("a", 110) == Action("reload", "it does not answer", "a")
    second = watch.silent("a", 111)
    assert second
    assert second.kind == "restart"


def test_an_answer_forgives_a_failure(watch: Watch) -> None:
    ready(watch)
    watch.silent("a", 110)
    watch.answered("a", 111, 0.01)
    third = watch.silent("a", 120)
    assert third
    assert third.kind == "reload"


def test_pauses_double_up_to_a_limit_and_begin_again_when_it_is_well(watch: Watch) -> None:
    pauses = [watch.gone().pause_seconds for _ in range(8)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    watch.restarted(200)
    ready(watch, 201)
    assert watch.gone().pause_seconds == 0.5


def test_after_a_restart_nothing_has_answered_yet(watch: Watch) -> None:
    ready(watch)
    watch.restarted(300)
    assert not watch.ready
    assert watch.due(300) == ["a", "b"]
    assert watch.silent("a", 301) is None


@pytest.mark.parametrize(
    ("took", "until_next"), [(0.001, LEAST_INTERVAL_SECONDS), (0.06, 3.0), (0.3, 15.0)]
)
def test_a_slow_model_is_asked_less_often(watch: Watch, took: float, until_next: float) -> None:
    watch.answered("a", 200.0, took)
    watch.answered("b", 1000.0, took)
    assert watch.due(200.0 + until_next - 0.01) == []
    assert watch.due(200.0 + until_next + 0.01) == ["a"]

"""`darkroom restart`: one process after the other is replaced, and the stack goes on."""

import stat
import urllib.request

import msgspec
import psutil
import pytest

from cli.home import Target
from tests.running import RunningStack, run, temporary_home


def targets(stack: RunningStack) -> dict[str, str]:
    read = msgspec.json.decode(stack.at.targets.read_bytes(), type=list[Target])
    return {target.labels["service"]: target.targets[0] for target in read}


@pytest.mark.parametrize("service", ["presets", "gateway"])
def test_a_service_is_replaced_and_told_of(stack: RunningStack, service: str) -> None:
    before, told = stack.card.pids, targets(stack)
    done = stack.run("restart", service)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == service
    after = stack.card.pids
    assert not psutil.pid_exists(before[service])
    assert psutil.pid_exists(after[service])
    assert {name for name in before if before[name] != after[name]} == {service}
    now = targets(stack)
    assert {name for name in told if told[name] != now[name]} == {service}
    for url in (f"http://{now[service]}/readyz", f"{stack.url}/v1/prices"):
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own addresses
            assert answer.status == 200


def test_orders_are_taken_from_the_owner_alone(stack: RunningStack) -> None:
    mode = (stack.home / "orders").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_where_nothing_runs_there_is_nothing_to_restart() -> None:
    with temporary_home() as home:
        refused = run("restart", home=home)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith("Darkroom is not running in")

"""`darkroom up` as a process: what it tells, what it survives, that it leaves nothing behind."""

import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.running import RunningStack, run, temporary_home

PARTS = (
    "postgres",
    "nats",
    "triton",
    "accounts",
    "wallet",
    "webhooks",
    "presets",
    "jobs",
    "qr",
    "facecrop",
    "cardreader",
    "facereader",
    "matching",
    "gateway",
)
RECOVERY_SECONDS = 60.0


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, what
        time.sleep(0.05)


def family(stack: RunningStack) -> list[psutil.Process]:
    """Every process of a stack, those of Triton and PostgreSQL included."""
    up = psutil.Process(stack.process.pid)
    return [up, *up.children(recursive=True)]


def left(processes: list[psutil.Process]) -> list[str]:
    """Those of the processes that still run."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.cmdline()[:3]}")
        except psutil.NoSuchProcess:
            continue
    return found


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def money_moves(stack: RunningStack) -> bool:
    """Whether a command reaches accounts, wallet and the database behind them."""
    return stack.run("wallet", "topup", stack.card.email, "1").returncode == 0


@pytest.fixture(scope="module")
def victim() -> Iterator[RunningStack]:
    """A stack of which any part may be killed."""
    with temporary_home() as home:
        stack = RunningStack.start(home)
        yield stack
        stack.stop()


def test_it_tells_where_everything_is(stack: RunningStack) -> None:
    card = stack.card
    assert set(card.pids) == set(PARTS)
    assert all(psutil.pid_exists(pid) for pid in card.pids.values())
    for part in (card.url, f"{card.url}/docs", card.email, card.password, str(stack.home)):
        assert part in stack.output
    assert answers(f"{card.url}/docs")


def test_it_prints_a_line_with_seconds_for_each_part(stack: RunningStack) -> None:
    lines = [line.split() for line in stack.output.splitlines()]
    timed = {words[0] for words in lines if len(words) == 3 and words[2] == "s"}
    assert set(PARTS) <= timed


def test_the_passwords_of_the_servers_are_told_to_nobody_else(stack: RunningStack) -> None:
    told = (stack.home / "stack.json").read_text() + stack.output
    for url in (stack.links.nats_url, stack.links.database_url):
        password = url.partition("://")[2].partition("@")[0].partition(":")[2]
        assert password
        assert password not in told


def test_a_second_one_in_the_same_home_says_where_the_first_one_is(stack: RunningStack) -> None:
    second = run("up", "--port=0", home=stack.at)
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr == (f"Darkroom is already running at {stack.url} (home: {stack.home}).\n")
    assert stack.card, "and the first one goes on"


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, temporary_home() as home:
        port = server.getsockname()[1]
        refused = run("up", f"--port={port}", home=home)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Port {port} is taken by another program")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_killed_comes_back(victim: RunningStack, part: str) -> None:
    before = victim.card.pids[part]
    os.kill(before, signal.SIGKILL)
    until(lambda: victim.card.pids[part] != before, RECOVERY_SECONDS, f"{part} stays away")
    until(
        lambda: f"{part} is back" in victim.output.rpartition(f"{part} was ended")[2],
        RECOVERY_SECONDS,
        f"{part} does not get ready:\n{victim.output}",
    )
    assert {name: psutil.pid_exists(pid) for name, pid in victim.card.pids.items()} == (
        dict.fromkeys(PARTS, True)
    )
    until(lambda: money_moves(victim), RECOVERY_SECONDS, "the wallet does not answer")
    until(lambda: answers(f"{victim.url}/v1/prices"), RECOVERY_SECONDS, "nobody answers")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_leaves_no_process_behind(how: signal.Signals) -> None:
    with temporary_home() as home:
        stack = RunningStack.start(home)
        processes = family(stack)
        assert len(processes) > len(PARTS)
        assert stack.stop(how) == 0
        assert left(processes) == []
        assert "does not stop" not in stack.output
        assert not (home.folder / "stack.json").exists()
        assert not (home.folder / "links.json").exists()


def test_killed_it_leaves_no_process_behind_and_can_be_started_again() -> None:
    with temporary_home() as home:
        first = RunningStack.start(home)
        account = first.card.account_id
        processes = family(first)
        first.stop(signal.SIGKILL)
        until(lambda: left(processes) == [], 15.0, f"still there: {left(processes)}")

        second = RunningStack.start(home)
        books = second.run("wallet", "reconcile")
        known = second.card.account_id
        assert second.stop(signal.SIGHUP) == 0
        assert known == account
        assert books.returncode == 0, books.stderr


def test_interrupted_while_it_starts_it_leaves_no_process_behind() -> None:
    with temporary_home() as home:
        stack = RunningStack.begin(home)
        until(lambda: len(family(stack)) > 1, 30.0, "nothing is started")
        processes = family(stack)
        assert stack.stop() == 1
        assert left(processes) == []
        assert "Stopped before everything was up." in stack.output


def test_a_failed_start_says_which_part_and_what_its_log_says() -> None:
    with temporary_home() as home:
        failed = run("up", "--port=0", home=home, ACCESS_TOKEN_SECONDS="soon")
    assert failed.returncode == 1
    assert "accounts ended by itself with exit code 2; its log ends:" in failed.stderr
    assert "a setting of services.accounts" in failed.stderr
    assert str(home.logs / "accounts.log") in failed.stderr

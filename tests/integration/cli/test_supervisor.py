"""The supervisor with small real programs."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from cli.errors import Interrupted, StartFailed
from cli.processes import Program
from cli.supervisor import Supervisor

WAIT_SECONDS = 10.0


class Told:
    """Remembers what the supervisor said."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.complaints: list[str] = []

    def step(self, name: str, seconds: float, note: str = "") -> None:
        self.steps.append(name)

    def complain(self, text: str) -> None:
        self.complaints.append(text)


async def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < give_up, "it did not come about"
        await asyncio.sleep(0.01)


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


def exists(path: Path) -> Callable[[], Awaitable[bool]]:
    """Ready when a file is there."""

    async def ready() -> bool:
        return await asyncio.to_thread(path.exists)

    return ready


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def supervisor(told: Told) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(told, on_change=lambda: None)
    yield supervisor
    await supervisor.stop()


Make = Callable[..., Program]


@pytest.fixture
def program(tmp_path: Path) -> Make:
    """Makes a program out of a line of shell."""

    def make(
        name: str,
        script: str,
        ready: Callable[[], Awaitable[bool]] = yes,
        ready_within: float = 5.0,
        stop_within: float = 5.0,
    ) -> Program:
        return Program(
            name=name,
            command=("/bin/sh", "-c", script),
            environment={"PATH": os.defpath},
            folder=tmp_path,
            log=tmp_path / f"{name}.log",
            ready=ready,
            ready_within_seconds=ready_within,
            stop_within_seconds=stop_within,
        )

    return make


async def test_programs_of_a_stage_run_and_all_end_at_the_stop(
    supervisor: Supervisor, program: Make, told: Told
) -> None:
    await supervisor.start([program("a", "exec sleep 60"), program("b", "exec sleep 60")])
    pids = supervisor.pids
    assert set(told.steps) == set(pids) == {"a", "b"}
    await supervisor.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert told.complaints == []


async def test_later_stages_end_before_earlier_ones(
    supervisor: Supervisor, program: Make, tmp_path: Path
) -> None:
    write = "trap 'echo {0} >> order; exit' TERM; touch {0}.up; while :; do sleep 0.05; done"
    for name in ("first", "second", "third"):
        await supervisor.start([program(name, write.format(name), exists(tmp_path / f"{name}.up"))])
    await supervisor.stop()
    assert (tmp_path / "order").read_text().split() == ["third", "second", "first"]


async def test_a_killed_program_is_started_again_and_its_new_process_is_known(
    supervisor: Supervisor, program: Make, told: Told
) -> None:
    await supervisor.start([program("a", "exec sleep 60")])
    killed = supervisor.pids["a"]
    os.kill(killed, signal.SIGKILL)
    await until(lambda: len(told.complaints) == 2)
    assert told.complaints[0] == "a was ended by SIGKILL; starting it again"
    assert told.complaints[1].startswith("a is back after")
    assert supervisor.pids["a"] != killed
    assert psutil.pid_exists(supervisor.pids["a"])


async def test_a_program_that_keeps_ending_is_started_less_and_less_often(
    supervisor: Supervisor, program: Make, tmp_path: Path
) -> None:
    script = "date +%s.%N >> starts; [ $(wc -l < starts) -lt 2 ] && exec sleep 0.1; exit 3"
    starts = tmp_path / "starts"
    await supervisor.start([program("a", script, exists(starts))])
    await until(lambda: len(starts.read_text().split()) == 5)
    at = [float(moment) for moment in starts.read_text().split()]
    pauses = [after - before for before, after in pairwise(at[1:])]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 2 * pauses[0]


async def test_a_program_that_cannot_be_run_again_yet_is_tried_until_it_can(
    supervisor: Supervisor, program: Make, told: Told, tmp_path: Path
) -> None:
    binary = tmp_path / "program"
    binary.write_text("#!/bin/sh\nexec sleep 60\n")
    binary.chmod(0o755)
    await supervisor.start([replace(program("a", ""), command=(str(binary),))])
    binary.rename(tmp_path / "away")
    os.kill(supervisor.pids["a"], signal.SIGKILL)
    await until(lambda: any("a cannot be run" in line for line in told.complaints))
    (tmp_path / "away").rename(binary)
    await until(lambda: "a is back" in told.complaints[-1])


async def test_a_program_that_is_not_there_fails_the_start(
    supervisor: Supervisor, program: Make, tmp_path: Path
) -> None:
    missing = replace(program("a", ""), command=(str(tmp_path / "missing"),))
    with pytest.raises(StartFailed, match=r"a cannot be run \(.*No such file"):
        await supervisor.start([missing])


async def test_what_a_dead_program_had_started_goes_with_it(
    supervisor: Supervisor, program: Make, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    script = "sleep 60 & echo $! > new; mv new child; wait"
    await supervisor.start([program("a", script, exists(child))])
    grandchild = psutil.Process(int(child.read_text()))
    os.kill(supervisor.pids["a"], signal.SIGKILL)
    await until(lambda: not running(grandchild))


async def test_one_that_ignores_the_request_to_stop_is_killed_in_the_end(
    supervisor: Supervisor, program: Make, told: Told, tmp_path: Path
) -> None:
    script = "trap '' TERM; touch up; while :; do sleep 0.05; done"
    await supervisor.start([program("deaf", script, exists(tmp_path / "up"), stop_within=0.3)])
    pid = supervisor.pids["deaf"]
    await supervisor.stop()
    assert told.complaints == ["deaf does not stop; killing it"]
    assert not psutil.pid_exists(pid)


async def test_a_program_that_ends_at_once_fails_the_start_with_the_end_of_its_log(
    supervisor: Supervisor, program: Make
) -> None:
    bad = program("bad", "echo first; echo the disk is full; exit 7", no)
    with pytest.raises(StartFailed) as failure:
        await supervisor.start([bad, program("good", "exec sleep 60", no)])
    assert "bad ended by itself with exit code 7" in str(failure.value)
    assert "the disk is full" in str(failure.value)


async def test_a_program_that_never_answers_fails_the_start(
    supervisor: Supervisor, program: Make
) -> None:
    with pytest.raises(StartFailed, match="mute did not answer in 0 seconds"):
        await supervisor.start([program("mute", "exec sleep 60", no, ready_within=0.2)])


async def test_being_told_to_stop_ends_a_start_that_is_under_way(
    supervisor: Supervisor, program: Make
) -> None:
    starting = asyncio.create_task(supervisor.start([program("slow", "exec sleep 60", no)]))
    await until(lambda: bool(supervisor.pids))
    pid = supervisor.pids["slow"]
    supervisor.interrupt()
    with pytest.raises(Interrupted):
        await starting
    await supervisor.stop()
    assert not psutil.pid_exists(pid)


async def test_told_twice_to_stop_nothing_is_waited_for(
    supervisor: Supervisor, program: Make, told: Told, tmp_path: Path
) -> None:
    script = "trap '' TERM; touch up; while :; do sleep 0.05; done"
    await supervisor.start([program("deaf", script, exists(tmp_path / "up"), stop_within=60.0)])
    supervisor.interrupt()
    supervisor.interrupt()
    async with asyncio.timeout(WAIT_SECONDS):
        await supervisor.stop()
    assert told.complaints == []


async def test_programs_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    script = """
import asyncio, os
from pathlib import Path
from cli.processes import Program, spawn
async def main():
    child = await spawn(Program(name="child", command=("/bin/sleep", "60"), environment={},
        folder=Path("/"), log=Path(os.environ["LOG"]), ready=None))
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "LOG": str(tmp_path / "log"), "PYTHONPATH": "."},
    )
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    await until(lambda: not running(child))


async def test_a_log_that_has_grown_large_is_set_aside(
    supervisor: Supervisor, program: Make, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    with log.open("wb") as file:
        file.truncate(20_000_001)
    await supervisor.start([program("a", "exec sleep 60")])
    assert log.stat().st_size == 0
    assert (tmp_path / "a.old.log").stat().st_size == 20_000_001


def running(process: psutil.Process) -> bool:
    """Whether it is there and not only waiting to be reaped."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_replaced_program_stops_once_its_successor_is_ready(
    supervisor: Supervisor, program: Make, tmp_path: Path, told: Told
) -> None:
    old = "trap 'echo old >> order; exit' TERM; while :; do sleep 0.02; done"
    new = "sleep 0.3; echo new >> order; touch ready; exec sleep 60"
    await supervisor.start([program("a", old)])
    before = supervisor.pids["a"]
    await supervisor.replace(program("a", new, exists(tmp_path / "ready")))
    assert (tmp_path / "order").read_text().split() == ["new", "old"]
    assert not psutil.pid_exists(before)
    assert psutil.pid_exists(supervisor.pids["a"])
    assert supervisor.pids["a"] != before
    assert told.complaints == []


async def test_a_successor_that_does_not_start_leaves_the_old_one_running(
    supervisor: Supervisor, program: Make, told: Told
) -> None:
    await supervisor.start([program("a", "exec sleep 60")])
    before = supervisor.pids["a"]
    with pytest.raises(StartFailed, match="exit code 3"):
        await supervisor.replace(program("a", "exit 3", no))
    assert supervisor.pids == {"a": before}
    assert psutil.pid_exists(before)
    os.kill(before, signal.SIGKILL)
    await until(lambda: supervisor.pids["a"] != before)
    assert len(told.complaints) >= 1, "and it is still looked after"


async def test_a_successor_is_looked_after_as_the_old_one_was(
    supervisor: Supervisor, program: Make, told: Told
) -> None:
    await supervisor.start([program("a", "exec sleep 60")])
    await supervisor.replace(program("a", "exec sleep 61"))
    successor = supervisor.pids["a"]
    os.kill(successor, signal.SIGKILL)
    await until(lambda: supervisor.pids["a"] != successor)
    assert "sleep 61" in " ".join(psutil.Process(supervisor.pids["a"]).cmdline())


async def test_a_stop_in_the_middle_of_a_replacement_leaves_nothing_behind(
    supervisor: Supervisor, program: Make
) -> None:
    family = psutil.Process()
    others = set(family.children())
    await supervisor.start([program("a", "exec sleep 60")])
    replacing = asyncio.create_task(supervisor.replace(program("a", "exec sleep 61", no)))
    await until(lambda: len(set(family.children()) - others) > 1)
    children = set(family.children()) - others
    await supervisor.stop()
    with pytest.raises(Interrupted):
        await replacing
    assert [child.pid for child in children if psutil.pid_exists(child.pid)] == []


async def test_what_does_not_run_cannot_be_replaced(supervisor: Supervisor, program: Make) -> None:
    with pytest.raises(ValueError, match="b does not run here"):
        await supervisor.replace(program("b", "exec sleep 60"))

"""Keeps programs running: starts them in stages, starts again what dies, stops them in reverse.

A program is replaced by starting it once more, waiting until that process answers, and only then
telling the old one to stop.
"""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from cli.errors import Interrupted, StartFailed
from cli.processes import Program, kill_group, spawn, tell

_POLL_SECONDS = 0.03
_ANSWER_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30.0
_INTERRUPTED = "Stopped before everything was up."


class Reporter(Protocol):
    """Who is told what happens."""

    def step(self, name: str, seconds: float, note: str = "") -> None:
        """Say that a step is done."""

    def complain(self, text: str) -> None:
        """Say that something is wrong."""


@dataclass(slots=True, eq=False)
class Running:
    """A program under supervision, and its process of the moment."""

    program: Program
    process: Process
    since: float = field(default_factory=perf_counter)
    pause: float = _FIRST_PAUSE_SECONDS
    keeper: "asyncio.Task[None] | None" = None
    replaced: bool = False
    """Whether another process has taken over; then it is not started again."""

    def next_pause(self) -> float:
        """Return how long to wait before the next start: longer each time it dies young."""
        steady = perf_counter() - self.since > _STEADY_SECONDS
        pause = _FIRST_PAUSE_SECONDS if steady else self.pause
        self.pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return pause


class Supervisor:
    """Runs programs until it is told to stop."""

    def __init__(self, reporter: Reporter, on_change: Callable[[], None]) -> None:
        """Take who is told of each step, and what is called when a process was replaced."""
        self.stopping = asyncio.Event()
        """Set it to stop: a start under way ends with Interrupted."""
        self._reporter = reporter
        self._on_change = on_change
        self._stages: list[list[Running]] = []
        self._replacing = asyncio.Lock()

    @property
    def pids(self) -> dict[str, int]:
        """The process of each program by its name, in the order of starting."""
        return {r.program.name: r.process.pid for stage in self._stages for r in stage}

    async def start(self, stage: Sequence[Program]) -> None:
        """Start programs side by side and wait until all answer. Raises StartFailed, Interrupted.

        Those of later stages may rely on them; they are stopped before them.
        """
        running: list[Running] = []
        self._stages.append(running)
        outcomes = await asyncio.gather(
            *(self._start(program, running) for program in stage), return_exceptions=True
        )
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        # where one failed, the others were only interrupted
        for failure in sorted(failures, key=lambda failure: isinstance(failure, Interrupted)):
            raise failure

    def interrupt(self) -> None:
        """Ask for the stop; asked again, kill what has not stopped yet."""
        if self.stopping.is_set():
            for running in (r for stage in self._stages for r in stage):
                tell(running.process, signal.SIGKILL)
        self.stopping.set()

    async def replace(self, program: Program) -> float:
        """Put a new process in the place of one that runs, and return after how many seconds.

        `program` has the name of the old one, and ports of its own; both run until the new process
        answers. One is replaced at a time. Raises StartFailed, and then the old one goes on;
        Interrupted.
        """
        async with self._replacing:
            began = perf_counter()
            stage, old = self._found(program.name)
            try:
                new = Running(program, await spawn(program))
            except OSError as error:
                raise StartFailed(program.name, f"cannot be run ({error})", program.log) from error
            stage.append(new)
            try:
                await self._until_ready(new)
            except StartFailed:
                stage.remove(new)
                tell(new.process, signal.SIGKILL)
                await new.process.wait()
                kill_group(new.process)
                raise
            new.keeper = asyncio.create_task(self._keep(new))
            old.replaced = True
            self._on_change()
            await self._stop(old, old.program.replace_signal, old.program.replace_within_seconds)
            stage.remove(old)
            return perf_counter() - began

    def _found(self, name: str) -> tuple[list[Running], Running]:
        for stage in self._stages:
            for running in stage:
                if running.program.name == name:
                    return stage, running
        raise ValueError(f"{name} does not run here")

    async def stop(self) -> None:
        """Stop everything, the last stage first; kill what does not end in its time."""
        self.stopping.set()
        for stage in reversed(self._stages):
            await asyncio.gather(
                *(
                    self._stop(
                        running, running.program.stop_signal, running.program.stop_within_seconds
                    )
                    for running in stage
                )
            )
        self._stages.clear()

    async def _start(self, program: Program, stage: list[Running]) -> None:
        began = perf_counter()
        if self.stopping.is_set():
            raise Interrupted(_INTERRUPTED)
        try:
            running = Running(program, await spawn(program))
            stage.append(running)
            await self._until_ready(running)
        except OSError as error:
            self.stopping.set()
            raise StartFailed(program.name, f"cannot be run ({error})", program.log) from error
        except StartFailed:
            self.stopping.set()
            raise
        running.keeper = asyncio.create_task(self._keep(running))
        self._reporter.step(program.name, perf_counter() - began)

    async def _until_ready(self, running: Running) -> None:
        program, process = running.program, running.process
        give_up = perf_counter() + program.ready_within_seconds
        while not await _answers(program):
            if self.stopping.is_set():
                raise Interrupted(_INTERRUPTED)
            if process.returncode is not None:
                raise StartFailed(program.name, _ending(process), program.log)
            if perf_counter() > give_up:
                seconds = f"{program.ready_within_seconds:.0f} seconds"
                raise StartFailed(program.name, f"did not answer in {seconds}", program.log)
            await asyncio.sleep(_POLL_SECONDS)

    async def _keep(self, running: Running) -> None:
        """Start the program again whenever it ends, until everything stops."""
        name = running.program.name
        while True:
            await running.process.wait()
            kill_group(running.process)
            if await self._is_over(running):
                return
            self._reporter.complain(f"{name} {_ending(running.process)}; starting it again")
            try:
                running.process = await spawn(running.program)
            except OSError as error:
                self._reporter.complain(f"{name} cannot be run ({error})")
                continue
            if running.replaced:
                tell(running.process, running.program.replace_signal)
                continue
            running.since = perf_counter()
            self._on_change()
            try:
                await self._until_ready(running)
            except Interrupted:
                tell(running.process, running.program.stop_signal)
            except StartFailed:
                tell(running.process, signal.SIGKILL)
            else:
                seconds = perf_counter() - running.since
                self._reporter.complain(f"{name} is back after {seconds:.1f} s")

    async def _is_over(self, running: Running) -> bool:
        """Whether it is not to be started again; asked when it has ended, known after a pause."""
        if running.replaced:
            return True
        return await self._stopping_within(running.next_pause()) or running.replaced

    async def _stopping_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _stop(self, running: Running, how: signal.Signals, within: float) -> None:
        ended = running.keeper or asyncio.create_task(_wait(running.process))
        tell(running.process, how)
        await asyncio.wait({ended}, timeout=within)
        if not ended.done():
            self._reporter.complain(f"{running.program.name} does not stop; killing it")
        while not ended.done():
            tell(running.process, signal.SIGKILL)
            await asyncio.wait({ended}, timeout=1.0)
        kill_group(running.process)
        await ended


async def _answers(program: Program) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await program.ready()
    except TimeoutError:
        return False


async def _wait(process: Process) -> None:
    await process.wait()


def _ending(process: Process) -> str:
    code = process.returncode
    if code is None:
        return "runs"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended by itself with exit code {code}"

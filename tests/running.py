"""Stacks and homes for tests: `darkroom up` as a process of its own, in a folder that goes away."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cli import ports, postgres
from cli.errors import NotRunning
from cli.home import PROJECT, Home, Links, StackCard
from cli.processes import tied_to_us

START_SECONDS = 90.0
STOP_SECONDS = 60.0


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home that is removed afterwards, with what PostgreSQL keeps for it elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="darkroom-"))
    folder.chmod(0o711)  # as root, PostgreSQL runs as another user, who must get through
    home = Home(folder)
    home.prepare()
    try:
        yield home
    finally:
        postgres.remove_data(home)
        shutil.rmtree(folder)


@dataclass(frozen=True)
class RunningStack:
    """What `darkroom up` started, as those see it who use it."""

    process: "subprocess.Popen[str]"
    fetch_port: int
    """It may fetch pictures from this port of 127.0.0.1, where a test may serve some."""
    at: Home

    @classmethod
    def start(cls, home: Home, **settings: str) -> Self:
        """Start a stack and wait until it is up."""
        stack = cls.begin(home, **settings)
        stack.wait_until_up()
        return stack

    @classmethod
    def begin(cls, home: Home, **settings: str) -> Self:
        """Start a stack, and no more; its output goes to up.log in the home."""
        (fetch_port,) = ports.free(1)
        command = darkroom("up", "--port=0", f"--fetch-allow=127.0.0.1:{fetch_port}", home=home)
        with (home.folder / "up.log").open("w") as log:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=os.environ | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                process_group=0,
                preexec_fn=tied_to_us(signal.SIGTERM),  # noqa: PLW1509 - as `up` does it itself
            )
        return cls(process, fetch_port, home)

    @property
    def home(self) -> Path:
        """The folder of its data and logs."""
        return self.at.folder

    @property
    def card(self) -> StackCard:
        """stack.json as it stands at this moment."""
        return self.at.card()

    @property
    def links(self) -> Links:
        """Its private servers, passwords included."""
        return self.at.links()

    @property
    def url(self) -> str:
        """Where its API is."""
        return self.card.url

    @property
    def nats_url(self) -> str:
        """Its message bus, for one who may say everything."""
        return self.links.nats_url

    @property
    def output(self) -> str:
        """What `up` has printed so far."""
        return (self.home / "up.log").read_text()

    def log(self, part: str) -> str:
        """What a part of it has written so far."""
        return (self.home / "logs" / f"{part}.log").read_text()

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of `darkroom` against it."""
        return run(*words, home=self.at)

    def wait_until_up(self) -> None:
        """Return when it answers; fail with its output when it ends or takes too long."""
        give_up = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < give_up:
            try:
                self.at.card()
            except NotRunning:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise AssertionError(f"the stack did not come up:\n{self.output}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Tell it to stop, as Ctrl-C does, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def run(*words: str, home: Home, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of `darkroom` and return what it said."""
    return subprocess.run(
        darkroom(*words, home=home),
        cwd=PROJECT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def darkroom(*words: str, home: Home) -> list[str]:
    """Return the command line of a command that takes a home."""
    return [sys.executable, "-m", "cli", *words, f"--home={home.folder}"]

"""The folder that holds everything of one stack: its data, its logs, its secrets, its lock."""

import base64
import fcntl
import hmac
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cli.errors import AlreadyRunning, NotRunning

PROJECT = Path(__file__).resolve().parent.parent
"""Where the code lies; services run from here."""

DEFAULT = PROJECT / ".darkroom"

_PRIVATE = 0o600


class StackCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a running stack tells everybody, as stack.json."""

    url: str
    email: str
    password: str
    account_id: str
    pids: dict[str, int]
    """The process of each part by its name, true after every restart."""


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """How a running stack's private servers are reached, passwords included; for the operator."""

    nats_url: str
    database_url: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where Prometheus finds the metrics of one part, as its file_sd reads it."""

    targets: list[str]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Home:
    """Names for the places inside the folder, and the rules for writing them."""

    folder: Path

    @property
    def logs(self) -> Path:
        """Where each part writes its log."""
        return self.folder / "logs"

    @property
    def storage(self) -> Path:
        """Where pictures lie."""
        return self.folder / "storage"

    def prepare(self) -> None:
        """Make the folders; others on the machine may pass through but not look around."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in (self.logs, self.storage):
            folder.mkdir(mode=0o700, exist_ok=True)

    def secret(self, purpose: str) -> str:
        """Return this home's secret for one purpose: 32 characters, always the same, safe in URLs.

        Every one is derived from a master that is drawn when the home is first used.
        """
        digest = hmac.digest(self._master(), purpose.encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:24]).decode()

    def _master(self) -> bytes:
        file = self.folder / "secret"
        if not file.exists():
            _write(file, secrets.token_hex(32).encode(), _PRIVATE)
        return file.read_bytes()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from running a stack in this home. Raises AlreadyRunning.

        The lock ends with the process, however it ends.
        """
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(self._already_running()) from None
            self.withdraw()  # what a killed one told is no longer true
            try:
                yield
            finally:
                self.withdraw()

    @property
    def targets(self) -> Path:
        """Where Prometheus is told of the parts of the running stack."""
        return self.folder / "targets.json"

    def publish(self, card: StackCard, links: Links, targets: Sequence[Target] = ()) -> None:
        """Tell where the running stack is."""
        _write(self.targets, msgspec.json.encode(targets), _PRIVATE)
        _write(self.folder / "links.json", _readable(links), _PRIVATE)
        # the demo login is in it: for whoever owns the home, as are the links
        _write(self.folder / "stack.json", _readable(card), _PRIVATE)

    def withdraw(self) -> None:
        """Take back what was told: nothing runs any more."""
        for name in ("stack.json", "links.json", "targets.json"):
            (self.folder / name).unlink(missing_ok=True)

    def card(self) -> StackCard:
        """Return what the running stack tells. Raises NotRunning."""
        return msgspec.json.decode(self._published("stack.json"), type=StackCard)

    def links(self) -> Links:
        """Return how the running stack's private servers are reached. Raises NotRunning."""
        return msgspec.json.decode(self._published("links.json"), type=Links)

    def _published(self, name: str) -> bytes:
        try:
            if self._is_held():
                return (self.folder / name).read_bytes()
        except FileNotFoundError:
            pass
        raise NotRunning(f"Darkroom is not running in {self.folder}; start it with ./just up.")

    def _is_held(self) -> bool:
        with (self.folder / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _already_running(self) -> str:
        try:
            return f"Darkroom is already running at {self.card().url} (home: {self.folder})."
        except NotRunning:
            return f"Darkroom is already starting or stopping in {self.folder}."


def _readable(struct: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(struct), indent=2) + b"\n"


def _write(file: Path, content: bytes, mode: int) -> None:
    """Replace the file in one step, so that nobody ever reads half of it."""
    new = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
        stream.write(content)
    new.replace(file)

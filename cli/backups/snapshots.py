"""Snapshots of JetStream streams, by the server's own API: consistent, with their consumers.

The files are those that `nats stream backup` writes, so that either can restore the other's: a
JSON with the settings and the state, and an archive of the messages.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from cli.backups.errors import BackupFailed
from kit.bus import Bus

_ANSWER_SECONDS = 10.0
_PIECE_SECONDS = 30.0
"""For the next piece of a snapshot."""
_PIECE_BYTES = 128 * 1024
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stream as it was saved."""

    stream: str
    messages: int
    bytes: int
    """Of the archive."""


def files(folder: Path, stream: str) -> tuple[Path, Path]:
    """Return where settings and messages of a stream are."""
    return folder / f"{stream}.stream.json", folder / f"{stream}.stream.tar.s2"


def saved(folder: Path) -> list[str]:
    """Return the streams that a backup has."""
    return sorted(path.name.removesuffix(".stream.json") for path in folder.glob("*.stream.json"))


def messages(folder: Path, stream: str) -> int:
    """Return how many messages a saved stream has."""
    kept = msgspec.json.decode(files(folder, stream)[0].read_bytes(), type=dict[str, Any])
    return int(kept["state"]["messages"])


async def save(bus: Bus, stream: str, folder: Path) -> Snapshot | None:
    """Write a stream into a folder; None if the server has none of that name.

    Raises BackupFailed when the server stops in the middle.
    """
    settings, archive = files(folder, stream)
    pieces: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = bus.client.new_inbox()
    subscription = await bus.client.subscribe(inbox, cb=pieces.put)
    try:
        asked = {"deliver_subject": inbox, "chunk_size": _PIECE_BYTES, "no_consumers": False}
        answer = await _ask(bus.client, f"$JS.API.STREAM.SNAPSHOT.{stream}", asked)
        if answer.get("error", {}).get("code") == _NOT_FOUND:
            return None
        _raise_for(stream, answer)
        size = 0
        with archive.open("wb") as file:
            async for piece in _pieces(stream, pieces):
                size += file.write(piece)
    finally:
        await subscription.unsubscribe()
    kept = {"config": answer["config"], "state": answer["state"]}
    settings.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    return Snapshot(stream, int(answer["state"]["messages"]), size)


async def restore(bus: Bus, stream: str, folder: Path, replicas: int) -> Snapshot:
    """Make a stream from a folder, with so many copies; there must be none of its name.

    Raises BackupFailed.
    """
    settings, archive = files(folder, stream)
    kept = msgspec.json.decode(settings.read_bytes(), type=dict[str, Any])
    kept["config"]["num_replicas"] = replicas
    answer = await _ask(bus.client, f"$JS.API.STREAM.RESTORE.{stream}", kept)
    _raise_for(stream, answer)
    where, size = answer["deliver_subject"], 0
    with archive.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            size += len(piece)
            reply = await _send(bus.client, stream, where, piece)
            if reply:  # a server that cannot go on says why instead of asking for more
                _raise_for(stream, msgspec.json.decode(reply, type=dict[str, Any]))
    made = msgspec.json.decode(await _send(bus.client, stream, where, b""), type=dict[str, Any])
    _raise_for(stream, made)
    return Snapshot(stream, int(made["state"]["messages"]), size)


async def _pieces(stream: str, arriving: "asyncio.Queue[Msg]") -> AsyncIterator[bytes]:
    """Yield the pieces of an archive; each is acknowledged, which lets the server send the next."""
    while True:
        try:
            async with asyncio.timeout(_PIECE_SECONDS):
                message = await arriving.get()
        except TimeoutError:
            raise BackupFailed(f"{stream}: the server stopped in the middle.") from None
        if not message.data:
            if (message.headers or {}).get("Status", "").startswith(("4", "5")):
                raise BackupFailed(f"{stream}: the server could not go on.")
            return
        yield message.data
        if message.reply:
            await message.respond(b"")


async def _ask(client: Client, subject: str, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = await client.request(subject, msgspec.json.encode(asked), _ANSWER_SECONDS)
    except (NatsError, TimeoutError) as error:
        raise BackupFailed(f"{subject}: {str(error) or 'no answer'}.") from error
    answer: dict[str, Any] = msgspec.json.decode(reply.data, type=dict[str, Any])
    return answer


async def _send(client: Client, stream: str, where: str, piece: bytes) -> bytes:
    try:
        return (await client.request(where, piece, _PIECE_SECONDS)).data
    except (NatsError, TimeoutError) as error:
        raise BackupFailed(f"{stream}: {str(error) or 'no answer'}.") from error


def _raise_for(stream: str, answer: dict[str, Any]) -> None:
    if error := answer.get("error"):
        raise BackupFailed(f"{stream}: {error.get('description', error)}.")

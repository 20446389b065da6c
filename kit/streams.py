"""JetStream streams and consumers that are what was asked for, or refused.

nats-server 2.9 accepts settings that only newer servers know and silently drops them. So what the
server says it made is compared with what was asked, field by field.
"""

from dataclasses import fields
from typing import TypeVar

from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import NotFoundError

Config = TypeVar("Config", StreamConfig, ConsumerConfig)


class StreamMismatch(Exception):
    """The server has something else than was asked for; use a newer server or ask for less."""

    def __init__(self, name: str, field: str, asked: object, answered: object) -> None:
        super().__init__(f"{name}: asked for {field}={asked!r}, the server has {answered!r}")
        self.field = field
        self.asked = asked
        self.answered = answered


async def declare_stream(jetstream: JetStreamContext, config: StreamConfig) -> None:
    """Make a stream unless it is there, and check that it is as asked. Raises StreamMismatch.

    A stream that is there with other settings is refused, never changed: that is a migration.
    """
    name = config.name or ""
    try:
        answered = (await jetstream.stream_info(name)).config
    except NotFoundError:
        made = await jetstream.add_stream(config)
        if difference := _difference(config, made.config):
            await jetstream.delete_stream(name)
            raise StreamMismatch(name, *difference) from None
        return
    if difference := _difference(config, answered):
        raise StreamMismatch(name, *difference)


async def declare_consumer(
    jetstream: JetStreamContext, stream: str, config: ConsumerConfig
) -> None:
    """Make a durable consumer unless it is there, and check it. Raises StreamMismatch."""
    name = config.durable_name or ""
    try:
        answered = (await jetstream.consumer_info(stream, name)).config
    except NotFoundError:
        made = await jetstream.add_consumer(stream, config)
        if difference := _difference(config, made.config):
            await jetstream.delete_consumer(stream, name)
            raise StreamMismatch(name, *difference) from None
        return
    if difference := _difference(config, answered):
        raise StreamMismatch(name, *difference)


def _difference(asked: Config, answered: Config) -> tuple[str, object, object] | None:
    """Return the first field that was asked for and is not as asked: its name and both values."""
    for field in fields(asked):
        wanted, found = getattr(asked, field.name), getattr(answered, field.name)
        # what was left at its default was not asked for; the server fills it in
        if wanted is not None and wanted != field.default and wanted != found:
            return field.name, wanted, found
    return None

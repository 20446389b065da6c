"""JetStream streams and consumers that are what was asked for, or refused.

nats-server 2.9 accepts settings that only newer servers know and silently drops them: a consumer
with two filters then gets every message. So what the server says it has is compared with what was
asked, field by field.

What is there already is found again when it is as asked, and otherwise refused, never changed: to
change a stream that holds messages is a migration, and somebody should think about it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import TypeVar

from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

Config = TypeVar("Config", StreamConfig, ConsumerConfig)

_NAME_IN_USE = 10058
"""JSStreamNameExistErr of nats-server: there is such a stream, with other settings."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that is not as asked."""

    field: str
    asked: object
    answered: object

    def __str__(self) -> str:
        return f"{self.field}: asked for {_shown(self.asked)}, has {_shown(self.answered)}"


class StreamMismatch(Exception):
    """The server has something else than was asked for.

    Use a newer server, ask for less, or migrate what is there.
    """

    def __init__(self, name: str, differences: list[Difference]) -> None:
        super().__init__(f"{name} is not as asked for; " + "; ".join(map(str, differences)))
        self.differences = differences


async def declare_stream(jetstream: JetStreamContext, config: StreamConfig) -> None:
    """Make a stream unless it is there, and check that it is as asked.

    Raises StreamMismatch; then a stream that was there is left as it was, and one that was made
    here is removed, so that a newer server starts afresh.
    """
    if not config.name:
        raise ValueError("a stream needs a name")
    try:
        found = await jetstream.stream_info(config.name)
    except NotFoundError:
        wrong = await _make_stream(jetstream, config.name, config)
    else:
        wrong = differences(config, found.config)
    if wrong:
        raise StreamMismatch(config.name, wrong)


async def _make_stream(
    jetstream: JetStreamContext, name: str, config: StreamConfig
) -> list[Difference]:
    """Make a stream that was not there, and return what is not as asked."""
    try:
        made = await jetstream.add_stream(config)
    except BadRequestError as error:
        if error.err_code != _NAME_IN_USE:
            raise
        # another process has made it since it was looked for
        return differences(config, (await jetstream.stream_info(name)).config)
    wrong = differences(config, made.config)
    # another process may have made and used it since it was looked for
    if wrong and not made.state.messages:
        await jetstream.delete_stream(name)
    return wrong


async def declare_consumer(
    jetstream: JetStreamContext, stream: str, config: ConsumerConfig
) -> None:
    """Make a durable consumer unless it is there, and check that it is as asked.

    Raises StreamMismatch, as `declare_stream` does, with one gap: nats-py cannot ask to make a
    consumer only where there is none, and nats-server changes one that is there. Of two processes
    that first ask for different ones at the same moment both are told yes, and the later one holds.
    """
    if not config.durable_name:
        raise ValueError("a consumer needs a durable name, to be found again")
    try:
        answered = (await jetstream.consumer_info(stream, config.durable_name)).config
    except NotFoundError:
        answered = (await jetstream.add_consumer(stream, config)).config
        wrong = differences(config, answered)
        if wrong:
            await jetstream.delete_consumer(stream, config.durable_name)
    else:
        wrong = differences(config, answered)
    if wrong:
        raise StreamMismatch(f"{stream}/{config.durable_name}", wrong)


def differences(asked: Config, answered: Config) -> list[Difference]:
    """Return the settings that were asked for and are not as asked, in the order of the fields.

    None leaves a setting to the server, and so does a duplicate window of 0.
    """
    pairs = [
        Difference(field.name, getattr(asked, field.name), getattr(answered, field.name))
        for field in fields(asked)
    ]
    return [pair for pair in pairs if not _is_left_to_the_server(pair) and not _is_as_asked(pair)]


def _is_left_to_the_server(pair: Difference) -> bool:
    return pair.asked is None or (pair.field == "duplicate_window" and pair.asked == 0)


def _is_as_asked(pair: Difference) -> bool:
    match pair.asked, pair.answered:
        case False, None:  # servers leave out what is off
            return True
        case float() | int() as asked, float() as answered:  # was nanoseconds on the way
            return math.isclose(asked, answered, abs_tol=1e-6)
        case Mapping() as asked, Mapping() as answered:  # servers add metadata of their own
            return asked.items() <= answered.items()
        case asked, answered:
            return asked == answered


def _shown(value: object) -> str:
    return str(value.value) if isinstance(value, Enum) else repr(value)

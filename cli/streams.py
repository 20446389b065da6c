"""`darkroom streams`: make the streams of the bus before services do, with as many copies as asked.

Services make streams that are not there, with one copy, which is right for one server. Of a
cluster of three each stream has three, so that a server may go.
"""

from dataclasses import replace

from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from cli.errors import Refused
from kit.bus import Bus
from kit.events import EVENTS
from kit.streams import StreamMismatch, declare_stream
from services.jobs.kinds import WORK

STREAMS = (EVENTS, WORK)
"""Everything that JetStream keeps for Darkroom."""

_ANSWER_SECONDS = 20.0
"""Servers that have just found each other take a while to agree on a leader."""


async def declare(bus: Bus, replicas: int) -> str:
    """Make the streams, or give those that are there another number of copies. Raises Refused."""
    lines = []
    for config in STREAMS:
        wanted = replace(config, num_replicas=replicas)
        jetstream = bus.client.jetstream(timeout=_ANSWER_SECONDS)
        try:
            found = (await jetstream.stream_info(str(config.name))).config
            if found.num_replicas != replicas:
                await jetstream.update_stream(replace(found, num_replicas=replicas))
        except NotFoundError:
            pass
        except NatsError as error:
            raise Refused(f"{config.name}: {error}.") from error
        try:
            await declare_stream(jetstream, wanted)
        except (NatsError, StreamMismatch) as error:
            raise Refused(f"{config.name}: {error}.") from error
        lines.append(f"{config.name} has {replicas} {'copy' if replicas == 1 else 'copies'}")
    return "\n".join(lines)

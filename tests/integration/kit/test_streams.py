"""Streams on a real nats-server, which may be too old for what is asked.

Debian's 2.9 drops what it does not know; from 2.10 on the same settings are kept. Either way a test
knows which of the two it must see.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    ConsumerConfig,
    RetentionPolicy,
    StorageType,
    StoreCompression,
    StreamConfig,
    SubjectTransform,
)
from nats.js.errors import BadRequestError, NotFoundError

from kit.streams import StreamMismatch, declare_consumer, declare_stream


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    client = await nats.connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
def jetstream(client: Client) -> JetStreamContext:
    return client.jetstream()


def keeps_new_settings(client: Client) -> bool:
    version = client.connected_server_version
    return (version.major, version.minor) >= (2, 10)


def work_queue(**more: object) -> StreamConfig:
    name = f"work-{uuid4().hex}"
    config = StreamConfig(
        name=name,
        subjects=[f"{name}.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        max_age=3600,
        duplicate_window=60,
    )
    return config.evolve(**more)


async def test_a_work_queue_is_made_once_and_found_again(jetstream: JetStreamContext) -> None:
    config = work_queue()
    name = str(config.name)
    await declare_stream(jetstream, config)
    await jetstream.publish(f"{name}.item", b"x")
    await declare_stream(jetstream, config)
    info = await jetstream.stream_info(name)
    assert info.config.retention == RetentionPolicy.WORK_QUEUE
    assert info.state.messages == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", {"owner": "jobs"}),
        ("compression", StoreCompression.S2),
        ("subject_transform", SubjectTransform(src=">", dest="x.>")),
    ],
)
async def test_a_setting_that_the_server_drops_is_refused_and_nothing_is_left(
    client: Client, jetstream: JetStreamContext, field: str, value: object
) -> None:
    config = work_queue(**{field: value})
    name = str(config.name)
    if keeps_new_settings(client):
        await declare_stream(jetstream, config)
        assert getattr((await jetstream.stream_info(name)).config, field)
        return
    with pytest.raises(StreamMismatch) as caught:
        await declare_stream(jetstream, config)
    (difference,) = caught.value.differences
    assert (difference.field, difference.asked, difference.answered) == (field, value, None)
    with pytest.raises(NotFoundError):
        await jetstream.stream_info(name)


@pytest.mark.parametrize(
    ("field", "value", "answered"),
    [
        ("max_msgs", 5, -1),
        ("max_age", 60, 3600),
        ("retention", RetentionPolicy.LIMITS, "workqueue"),
        ("storage", StorageType.MEMORY, "file"),
        ("duplicate_window", 30, 60),
    ],
)
async def test_a_stream_with_other_settings_is_refused_and_left_alone(
    jetstream: JetStreamContext, field: str, value: object, answered: object
) -> None:
    config = work_queue()
    await declare_stream(jetstream, config)
    with pytest.raises(StreamMismatch) as caught:
        await declare_stream(jetstream, config.evolve(**{field: value}))
    (difference,) = caught.value.differences
    assert (difference.field, difference.asked, difference.answered) == (field, value, answered)
    assert getattr((await jetstream.stream_info(str(config.name))).config, field) == answered


async def test_of_two_that_make_a_stream_differently_at_once_one_is_refused(
    jetstream: JetStreamContext,
) -> None:
    config = work_queue(max_msgs=5)
    # on one connection both have asked for the stream before either is told that there is none
    outcomes = await asyncio.gather(
        declare_stream(jetstream, config),
        declare_stream(jetstream, config.evolve(max_msgs=7)),
        return_exceptions=True,
    )
    (refused,) = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(refused, StreamMismatch)
    (difference,) = refused.differences
    kept = (await jetstream.stream_info(str(config.name))).config.max_msgs
    assert (difference.field, difference.answered) == ("max_msgs", kept)
    assert {difference.asked, kept} == {5, 7}


async def test_a_stream_that_cannot_be_made_is_no_mismatch(jetstream: JetStreamContext) -> None:
    config = work_queue()
    await declare_stream(jetstream, config)
    with pytest.raises(BadRequestError, match="overlap"):
        await declare_stream(jetstream, work_queue(subjects=config.subjects))


async def test_a_stream_that_denies_more_than_asked_is_refused(
    jetstream: JetStreamContext,
) -> None:
    config = work_queue()
    await declare_stream(jetstream, config.evolve(deny_delete=True))
    with pytest.raises(StreamMismatch, match="deny_delete: asked for False, has True"):
        await declare_stream(jetstream, config)


async def test_a_consumer_is_made_once_and_found_again(jetstream: JetStreamContext) -> None:
    config = work_queue()
    await declare_stream(jetstream, config)
    consumer = ConsumerConfig(
        durable_name="workers",
        ack_wait=30.25,
        max_deliver=5,
        filter_subject=f"{config.name}.a.*",
        max_ack_pending=100,
    )
    for _ in range(2):
        await declare_consumer(jetstream, str(config.name), consumer)
    info = await jetstream.consumer_info(str(config.name), "workers")
    assert info.config.max_deliver == 5


async def test_a_consumer_with_other_settings_is_refused_and_left_alone(
    jetstream: JetStreamContext,
) -> None:
    config = work_queue()
    name = str(config.name)
    await declare_stream(jetstream, config)
    consumer = ConsumerConfig(durable_name="workers", max_deliver=5)
    await declare_consumer(jetstream, name, consumer)
    with pytest.raises(StreamMismatch, match="max_deliver: asked for 3, has 5"):
        await declare_consumer(jetstream, name, consumer.evolve(max_deliver=3))
    assert (await jetstream.consumer_info(name, "workers")).config.max_deliver == 5


async def test_a_consumer_that_would_get_other_messages_than_asked_is_refused(
    client: Client, jetstream: JetStreamContext
) -> None:
    config = work_queue()
    name = str(config.name)
    await declare_stream(jetstream, config)
    asked = [f"{name}.a", f"{name}.b"]
    consumer = ConsumerConfig(durable_name="picky", filter_subjects=asked)
    if keeps_new_settings(client):
        await declare_consumer(jetstream, name, consumer)
        info = await jetstream.consumer_info(name, "picky")
        assert info.config.filter_subjects == asked
        return
    with pytest.raises(StreamMismatch) as caught:
        await declare_consumer(jetstream, name, consumer)
    assert [each.field for each in caught.value.differences] == ["filter_subjects"]
    with pytest.raises(NotFoundError):
        await jetstream.consumer_info(name, "picky")


async def test_what_has_no_name_could_not_be_found_again(jetstream: JetStreamContext) -> None:
    with pytest.raises(ValueError, match="name"):
        await declare_stream(jetstream, StreamConfig(subjects=["x"]))
    with pytest.raises(ValueError, match="durable"):
        await declare_consumer(jetstream, "work", ConsumerConfig())

"""Streams on a real nats-server, which may be too old for what is asked."""

from collections.abc import AsyncIterator, Awaitable
from uuid import uuid4

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import (
    ConsumerConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    SubjectTransform,
)
from nats.js.errors import NotFoundError

from kit.streams import StreamMismatch, declare_consumer, declare_stream


@pytest.fixture
async def jetstream(nats_url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(nats_url)
    yield client.jetstream()
    await client.close()


def work_queue(**more: object) -> StreamConfig:
    name = f"work-{uuid4().hex}"
    return StreamConfig(
        name=name,
        subjects=[f"{name}.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        duplicate_window=60,
        **more,  # type: ignore[arg-type]
    )


async def refusal(declared: Awaitable[None]) -> StreamMismatch | None:
    try:
        await declared
    except StreamMismatch as mismatch:
        return mismatch
    return None


async def test_a_work_queue_is_made_once_and_found_again(jetstream: JetStreamContext) -> None:
    config = work_queue()
    await declare_stream(jetstream, config)
    await declare_stream(jetstream, config)
    info = await jetstream.stream_info(str(config.name))
    assert info.config.retention == RetentionPolicy.WORK_QUEUE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", {"owner": "jobs"}),
        ("subject_transform", SubjectTransform(src=">", dest="x.>")),
    ],
)
async def test_a_setting_that_the_server_drops_is_refused_and_nothing_is_left(
    jetstream: JetStreamContext, field: str, value: object
) -> None:
    config = work_queue(**{field: value})
    mismatch = await refusal(declare_stream(jetstream, config))
    if mismatch:
        assert (mismatch.field, mismatch.asked) == (field, value)
        with pytest.raises(NotFoundError):
            await jetstream.stream_info(str(config.name))
    else:  # a server that knows it must have it
        info = await jetstream.stream_info(str(config.name))
        assert getattr(info.config, field)


async def test_a_stream_with_other_settings_is_refused_and_left_alone(
    jetstream: JetStreamContext,
) -> None:
    config = work_queue()
    await declare_stream(jetstream, config)
    with pytest.raises(StreamMismatch, match="max_msgs=5") as caught:
        await declare_stream(jetstream, config.evolve(max_msgs=5))
    assert caught.value.field == "max_msgs"
    assert (await jetstream.stream_info(str(config.name))).config.max_msgs == -1


async def test_a_consumer_is_made_once_and_found_again(jetstream: JetStreamContext) -> None:
    config = work_queue()
    await declare_stream(jetstream, config)
    consumer = ConsumerConfig(durable_name="workers", ack_wait=30, max_deliver=5)
    for _ in range(2):
        await declare_consumer(jetstream, str(config.name), consumer)
    info = await jetstream.consumer_info(str(config.name), "workers")
    assert info.config.max_deliver == 5


async def test_a_consumer_that_would_get_other_messages_than_asked_is_refused(
    jetstream: JetStreamContext,
) -> None:
    config = work_queue()
    await declare_stream(jetstream, config)
    asked = [f"{config.name}.a", f"{config.name}.b"]
    consumer = ConsumerConfig(durable_name="picky", filter_subjects=asked)
    mismatch = await refusal(declare_consumer(jetstream, str(config.name), consumer))
    if mismatch:
        assert mismatch.field == "filter_subjects"
        with pytest.raises(NotFoundError):
            await jetstream.consumer_info(str(config.name), "picky")
    else:
        info = await jetstream.consumer_info(str(config.name), "picky")
        assert info.config.filter_subjects == asked

import pytest
from nats.js.api import ConsumerConfig, RetentionPolicy, StorageType, StoreCompression, StreamConfig

from kit.streams import StreamMismatch, differences

MADE = StreamConfig(
    name="work",
    subjects=["work.>"],
    retention=RetentionPolicy.WORK_QUEUE,
    storage=StorageType.FILE,
    max_msgs=-1,
    max_age=60.5,
    num_replicas=1,
    duplicate_window=120.0,
    allow_direct=False,
)


@pytest.mark.parametrize(
    "asked",
    [
        StreamConfig(name="work"),
        StreamConfig(name="work", max_age=60.5),
        StreamConfig(name="work", max_age=60.500_000_001),
        StreamConfig(name="work", duplicate_window=120),
        StreamConfig(name="work", retention=RetentionPolicy.WORK_QUEUE),
        StreamConfig(name="work", allow_direct=False, allow_msg_ttl=False),
        MADE,
    ],
    ids=str,
)
def test_what_was_not_asked_for_makes_no_difference(asked: StreamConfig) -> None:
    assert differences(asked, MADE) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subjects", ["work.a"]),
        ("retention", RetentionPolicy.LIMITS),
        ("storage", StorageType.MEMORY),
        ("max_msgs", 5),
        ("max_age", 60),
        ("duplicate_window", 60),
        ("num_replicas", 3),
        ("allow_direct", True),
        ("metadata", {"owner": "jobs"}),
        ("compression", StoreCompression.S2),
        ("allow_msg_ttl", True),
    ],
)
def test_what_was_asked_for_and_is_otherwise_is_told(field: str, value: object) -> None:
    (difference,) = differences(MADE.evolve(**{field: value}), MADE)
    assert difference.field == field
    assert difference.asked == value
    assert difference.answered == getattr(MADE, field)


def test_a_setting_left_as_the_client_has_it_is_asked_for_too() -> None:
    # the client sends it, and a stream that denies deletes is not one that does not
    (difference,) = differences(MADE, MADE.evolve(deny_delete=True))
    assert difference.field == "deny_delete"


def test_metadata_that_the_server_adds_makes_no_difference() -> None:
    asked = ConsumerConfig(durable_name="w", metadata={"owner": "jobs"})
    answered = asked.evolve(metadata={"owner": "jobs", "_nats.req.level": "0"})
    assert differences(asked, answered) == []
    (difference,) = differences(asked, asked.evolve(metadata={"_nats.req.level": "0"}))
    assert difference.field == "metadata"


def test_a_mismatch_names_everything_that_is_not_as_asked() -> None:
    asked = MADE.evolve(max_msgs=5, retention=RetentionPolicy.LIMITS)
    error = StreamMismatch("work", differences(asked, MADE))
    assert str(error) == (
        "work is not as asked for; retention: asked for limits, has workqueue; "
        "max_msgs: asked for 5, has -1"
    )

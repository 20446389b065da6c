from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from proto.events import Event, LowBalance
from proto.ids import AccountId, JobId
from proto.jobs import JobCompleted, JobFailed
from proto.webhooks import EVENT_TYPES, EndpointId, WebhookTest
from services.gateway.app import operations
from services.gateway.openapi import document
from services.webhooks import signing
from services.webhooks.deliveries import body_of


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return document(operations(), "1.2.3")


def test_every_endpoint_of_the_gateway_is_described(api: dict[str, Any]) -> None:
    described = {
        (method.upper(), path) for path, methods in api["paths"].items() for method in methods
    }
    assert {
        ("POST", "/v1/services/studio/face-crop"),
        ("POST", "/v1/services/studio/face-crop/upload"),
        ("GET", "/v1/wallet"),
        ("GET", "/v1/wallet/transactions"),
        ("GET", "/v1/prices"),
        ("POST", "/v1/account/login"),
        ("GET", "/files/{key}"),
        ("GET", "/openapi.json"),
    } <= described


def test_every_operation_has_a_sentence_an_id_and_answers(api: dict[str, Any]) -> None:
    listed = [operation for path in api["paths"].values() for operation in path.values()]
    assert all(operation["summary"].endswith(".") for operation in listed)
    assert all(operation["responses"] for operation in listed)
    assert len({operation["operationId"] for operation in listed}) == len(listed)


def test_every_reference_leads_somewhere(api: dict[str, Any]) -> None:
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.extend(value for key, value in node.items() if key == "$ref")
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(api)
    assert found
    assert all(ref.rpartition("/")[2] in api["components"]["schemas"] for ref in found)


def test_only_what_needs_no_token_is_open(api: dict[str, Any]) -> None:
    open_paths = {
        path
        for path, methods in api["paths"].items()
        for operation in methods.values()
        if "security" not in operation
    }
    assert "/v1/services/studio/face-crop" not in open_paths
    assert "/v1/wallet" not in open_paths
    assert {"/v1/prices", "/v1/account/login"} <= open_paths


ABOUT: dict[str, Any] = {
    "id": uuid4(),
    "account": AccountId(uuid4()),
    "happened_at": datetime(2026, 11, 21, tzinfo=UTC),
}
ENDED: dict[str, Any] = {
    "task_id": JobId(uuid4()),
    "kind": "face_crop",
    "total": 2,
    "succeeded": 1,
    "failed": 0,
    "cancelled": 1,
    "tokens_deducted": 4,
    "tokens_refunded": 2,
    "wallet_transaction_id": "17",
}
EVENTS: list[Event] = [
    JobCompleted(**ABOUT, **ENDED, status="completed", code="", message=""),
    JobFailed(**ABOUT, **ENDED, status="cancelled", code="CANCELLED", message="cancelled"),
    LowBalance(**ABOUT, balance=1, threshold=2),
    WebhookTest(**ABOUT, endpoint=EndpointId(uuid4())),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_what_is_told_to_webhooks_is_described_as_it_is_sent(
    api: dict[str, Any], event: Event
) -> None:
    fields = msgspec.to_builtins(event)
    sent = msgspec.json.decode(body_of(event.type, event.happened_at, fields))
    operation = api["webhooks"][event.type]["post"]
    schemas = api["components"]["schemas"]

    def resolved(schema: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]]
        return found

    body = resolved(operation["requestBody"]["content"]["application/json"]["schema"])
    assert body["properties"].keys() == set(body["required"]) == sent.keys()
    assert body["properties"]["type"] == {"enum": [event.type]}
    data = resolved(body["properties"]["data"])
    assert data["properties"].keys() == set(data["required"]) == sent["data"].keys()
    kinds = {"string": str, "integer": int}
    for name, schema in data["properties"].items():
        assert isinstance(sent["data"][name], kinds[schema.get("type", "string")])


def test_every_event_of_webhooks_is_described_with_its_headers(api: dict[str, Any]) -> None:
    assert api["webhooks"].keys() == set(EVENT_TYPES)
    headers = signing.headers([b"secret"], "id", 1, b"{}").keys() - {"Content-Type"}
    for path in api["webhooks"].values():
        assert {each["name"] for each in path["post"]["parameters"]} == headers
        assert path["post"]["summary"].endswith(".")


def test_what_is_no_json_is_described_by_its_media_type(api: dict[str, Any]) -> None:
    job = "/v1/services/studio/jobs/{task_id}"

    def media(path: str) -> list[str]:
        return list(api["paths"][path]["get"]["responses"]["200"]["content"])

    assert media(f"{job}/events") == ["text/event-stream"]
    assert media(f"{job}/archive") == ["application/zip"]
    assert media("/v1/wallet/transactions.csv") == ["text/csv"]

from typing import Any

import pytest

from services.gateway.app import operations
from services.gateway.openapi import document


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

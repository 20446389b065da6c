"""What network policies allow, by cases that Kubernetes' documentation decides."""

from typing import Any

import pytest

from cli.deployment.checking.policies import Place, Policies

WEB, DATABASE = Place(labels={"app": "web"}), Place(labels={"app": "database"})
OUTSIDE = Place(address="198.51.100.7")
ELSEWHERE = Place(namespace="elsewhere", labels={"app": "web"})


def policy(selector: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"kind": "NetworkPolicy", "spec": {"podSelector": selector, **spec}}


def app(name: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app": name}}}


NOTHING = policy({}, policyTypes=["Ingress", "Egress"])
WEB_OUT = policy(
    {"matchLabels": {"app": "web"}},
    policyTypes=["Egress"],
    egress=[{"to": [app("database")], "ports": [{"protocol": "TCP", "port": 5432}]}],
)
DATABASE_IN = policy(
    {"matchLabels": {"app": "database"}},
    ingress=[{"from": [app("web")], "ports": [{"port": 5432}]}],
)


@pytest.mark.parametrize(
    ("policies", "source", "target", "port", "connects"),
    [
        ([], WEB, DATABASE, 5432, True),
        ([NOTHING], WEB, DATABASE, 5432, False),
        ([NOTHING, WEB_OUT], WEB, DATABASE, 5432, False),
        ([NOTHING, DATABASE_IN], WEB, DATABASE, 5432, False),
        ([NOTHING, WEB_OUT, DATABASE_IN], WEB, DATABASE, 5432, True),
        ([NOTHING, WEB_OUT, DATABASE_IN], WEB, DATABASE, 5433, False),
        ([NOTHING, WEB_OUT, DATABASE_IN], DATABASE, WEB, 5432, False),
        # a policy for what comes in says nothing of what goes out
        ([DATABASE_IN], DATABASE, OUTSIDE, 443, True),
        # pods of the same labels in another namespace are others
        ([DATABASE_IN], ELSEWHERE, DATABASE, 5432, False),
        ([policy({}, ingress=[{}])], ELSEWHERE, DATABASE, 1, True),
        ([policy({}, ingress=[])], WEB, DATABASE, 1, False),
        (
            [policy({}, ingress=[{"from": [{"namespaceSelector": {}}]}])],
            ELSEWHERE,
            DATABASE,
            1,
            True,
        ),
        (
            [
                policy(
                    {},
                    egress=[
                        {
                            "to": [
                                {
                                    "ipBlock": {
                                        "cidr": "198.51.0.0/16",
                                        "except": ["198.51.100.0/24"],
                                    }
                                }
                            ]
                        }
                    ],
                )
            ],
            WEB,
            OUTSIDE,
            443,
            False,
        ),
        (
            [policy({}, egress=[{"to": [{"ipBlock": {"cidr": "198.51.0.0/16"}}]}])],
            WEB,
            OUTSIDE,
            443,
            True,
        ),
        # an address says nothing of pods
        (
            [policy({}, policyTypes=["Egress"], egress=[{"to": [app("web")]}])],
            WEB,
            OUTSIDE,
            443,
            False,
        ),
        (
            [policy({}, policyTypes=["Egress"], egress=[{"ports": [{"port": 1, "endPort": 9}]}])],
            WEB,
            OUTSIDE,
            5,
            True,
        ),
        (
            [policy({}, policyTypes=["Egress"], egress=[{"ports": [{"port": 1, "endPort": 9}]}])],
            WEB,
            OUTSIDE,
            10,
            False,
        ),
        (
            [
                policy(
                    {}, policyTypes=["Egress"], egress=[{"ports": [{"protocol": "UDP", "port": 5}]}]
                )
            ],
            WEB,
            OUTSIDE,
            5,
            False,
        ),
    ],
)
def test_a_connection_comes_about_or_not(
    policies: list[dict[str, Any]], source: Place, target: Place, port: int, connects: bool
) -> None:
    assert Policies(policies).connects(source, target, port) is connects


@pytest.mark.parametrize(
    ("expression", "selects"),
    [
        ({"key": "app", "operator": "In", "values": ["web", "x"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["web"]}, True),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
    ],
)
def test_expressions_select(expression: dict[str, Any], selects: bool) -> None:
    closed = policy({"matchExpressions": [expression]}, policyTypes=["Egress"])
    assert Policies([closed]).connects(WEB, OUTSIDE, 443) is not selects

"""What leaves for the internet: network policies with the addresses that the fetcher allows."""

from cli.deployment.pods import Object
from kit import addresses

_HTTPS = [{"protocol": "TCP", "port": 443}]


def policies() -> list[Object]:
    """Return the policies of those who fetch what strangers name, and of those who store."""
    fetching = _policy(
        "to-the-internet",
        "internet",
        # a stranger's URL names any port
        [{"to": _public(), "ports": [{"protocol": "TCP", "port": 1, "endPort": 65535}]}],
    )
    storing = _policy("to-object-storage", "storage", [{"to": _public(), "ports": _HTTPS}])
    return [fetching, storing]


def _public() -> list[Object]:
    """Return every public address; what `kit.addresses` calls special is left out."""
    return [
        {
            "ipBlock": {
                "cidr": "0.0.0.0/0",
                "except": [str(network) for network in addresses.SPECIAL_4],
            }
        },
        {
            "ipBlock": {
                "cidr": str(addresses.GLOBAL_6),
                "except": [str(network) for network in addresses.SPECIAL_6],
            }
        },
    ]


def _policy(name: str, reaches: str, egress: list[Object]) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "podSelector": {"matchLabels": {f"reaches/{reaches}": "true"}},
            "policyTypes": ["Egress"],
            "egress": egress,
        },
    }

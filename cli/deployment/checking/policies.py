"""What network policies allow, worked out as a cluster works it out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from cli.deployment.pods import Object


@dataclass(frozen=True, slots=True)
class Place:
    """One end of a connection: a pod, or an address outside of the cluster."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the pod."""
    namespace: str = ""
    """Of the pod; empty for the one that the policies are in."""
    address: str = ""
    """Outside; then the rest does not count."""


class Policies:
    """The network policies of one namespace."""

    def __init__(self, objects: Sequence[Object]) -> None:
        self._policies = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]

    def connects(self, source: Place, target: Place, port: int) -> bool:
        """Whether a TCP connection comes about: the one end may make it, the other takes it."""
        leaves = source.address or source.namespace or self._allows("Egress", source, target, port)
        arrives = (
            target.address or target.namespace or self._allows("Ingress", target, source, port)
        )
        return bool(leaves and arrives)

    def _allows(self, direction: str, pod: Place, other: Place, port: int) -> bool:
        selecting = [
            policy
            for policy in self._policies
            if direction in _types(policy) and selects(policy["podSelector"], pod.labels)
        ]
        word, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
        rules = [rule for policy in selecting for rule in policy.get(word) or []]
        return not selecting or any(
            _has_peer(rule.get(peers), other) and _has_port(rule.get("ports"), port)
            for rule in rules
        )


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels means a pod; an empty one means all."""
    wanted = selector.get("matchLabels", {})
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions", [])
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    found, values = labels.get(expression["key"]), expression.get("values", [])
    match expression["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case _:
            return found is None


def _types(policy: Object) -> Iterator[str]:
    given = policy.get("policyTypes")
    yield from given or (["Ingress", "Egress"] if "egress" in policy else ["Ingress"])


def _has_peer(peers: Sequence[Object] | None, other: Place) -> bool:
    return not peers or any(_is_peer(peer, other) for peer in peers)


def _is_peer(peer: Object, other: Place) -> bool:
    if "ipBlock" in peer:
        return bool(other.address) and _in_block(peer["ipBlock"], other.address)
    if other.address:
        return False
    if "namespaceSelector" in peer:
        names = {"kubernetes.io/metadata.name": other.namespace or "darkroom"}
        if not selects(peer["namespaceSelector"], names):
            return False
    elif other.namespace:
        return False
    return selects(peer.get("podSelector", {}), other.labels)


def _in_block(block: Object, text: str) -> bool:
    address = ip_address(text)
    return address in ip_network(block["cidr"]) and not any(
        address in ip_network(left_out) for left_out in block.get("except", [])
    )


def _has_port(ports: Sequence[Object] | None, port: int) -> bool:
    return not ports or any(
        each.get("protocol", "TCP") == "TCP"
        and int(each["port"]) <= port <= int(each.get("endPort") or each["port"])
        for each in ports
    )

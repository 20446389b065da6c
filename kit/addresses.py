"""Which network addresses belong to the public internet, seen through every way to wrap one.

The tables are IANA's registries of special-purpose addresses (RFC 6890 and its successors), written
out because what `ipaddress.is_global` answers differs between patch releases of Python 3.11.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

SPECIAL_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
GLOBAL_6 = IPv6Network("2000::/3")
"""All that was ever given out. Loopback, local, multicast, compatible and translated IPv4 and the
NAT64 prefix for private use (RFC 8215) lie outside."""
SPECIAL_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: leads to any IPv4 address, and is obsolete (RFC 7526)
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether this is an address of the internet, written as `getaddrinfo` writes it.

    An IPv4 address inside an IPv6 one (mapped, or behind NAT64) counts as what it leads to. What
    is no address, or has a zone, is not public. NAT64 under a network's own prefix cannot be told
    from other addresses; a network that has it must keep its translator from private addresses.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_4(address)
    if address.scope_id:
        return False
    inside = _wrapped(address)
    if inside is not None:
        return _is_public_4(inside)
    return address in GLOBAL_6 and not any(address in network for network in SPECIAL_6)


def _is_public_4(address: IPv4Address) -> bool:
    return not any(address in network for network in SPECIAL_4)


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that a connection to this one is really made to."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped

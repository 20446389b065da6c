"""Which network addresses belong to the public internet, seen through every way to wrap one."""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")
_NOT_PUBLIC_4 = (
    # `is_global` of Python 3.11 knows most; these it lets through
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    IPv4Network("192.0.0.0/24"),  # protocol assignments, RFC 6890
)
_NOT_PUBLIC_6 = (
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them
    IPv6Network("3fff::/20"),  # documentation, RFC 9637
    IPv6Network("5f00::/16"),  # segment routing, RFC 9602
    IPv6Network("fec0::/10"),  # site-local, deprecated
)


def is_public(text: str) -> bool:
    """Whether an address (without brackets, a zone makes it private) is one of the internet's."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return all(_is_public(each) for each in (address, *_wrapped(address)))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return not address.is_reserved and not any(address in net for net in _NOT_PUBLIC_4)
    if address.scope_id or address in _COMPATIBLE:
        return False
    return not any(address in network for network in _NOT_PUBLIC_6)


def _wrapped(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address carries inside."""
    if isinstance(address, IPv4Address):
        return []
    inside = [address.ipv4_mapped, address.sixtofour]
    if any(address in network for network in _NAT64):
        inside.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in inside if each is not None]

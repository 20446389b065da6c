import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import ports
from cli.errors import PortTaken


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_free_ports_are_all_different_and_can_be_listened_on() -> None:
    found = ports.free(20)
    assert len(set(found)) == 20
    servers = [socket.create_server(("127.0.0.1", port)) for port in found]
    for server in servers:
        server.close()


def test_free_ports_are_never_given_to_outgoing_connections() -> None:
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    lowest_ephemeral = int(ephemeral.split()[0])
    assert all(port < lowest_ephemeral for port in ports.free(50))


def test_a_port_that_is_free_is_the_one_that_is_given() -> None:
    (port,) = ports.free(1)
    assert ports.wanted(port) == port


def test_zero_means_any_free_port() -> None:
    assert ports.wanted(0) > 0


def test_a_taken_port_is_named_with_what_to_do(taken: int) -> None:
    with pytest.raises(PortTaken, match=f"Port {taken} is taken .* --port"):
        ports.wanted(taken)

"""Ports for private servers, and whether a wanted one is free."""

import errno
import random
import socket
from pathlib import Path

from cli.errors import PortTaken

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 15_000
_USUAL_EPHEMERAL = 32_768
_WAITING_CONNECTIONS = 1024


def free(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 on which nothing listens.

    They lie below those that the kernel gives to outgoing connections: a server that is started
    again must find its port as it left it.
    """
    highest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else _USUAL_EPHEMERAL
    candidates = list(range(_LOWEST, max(highest, _LOWEST + 1_000)))
    random.shuffle(candidates)
    found: list[int] = []
    while len(found) < count:
        port = candidates.pop()
        if _bindable(port):
            found.append(port)
    return found


def wanted(port: int) -> int:
    """Return the port if it is free, any free one for 0. Raises PortTaken."""
    if port == 0:
        return free(1)[0]
    if not _bindable(port):
        raise PortTaken(
            f"Port {port} is taken by another program; choose another with --port"
            " (0 for any free one)."
        )
    return port


def listening(port: int) -> socket.socket:
    """Return a socket that listens on a port of 127.0.0.1, on any free one for 0. Raises PortTaken.

    Connections wait in it, whether or not anybody answers them yet.
    """
    server = socket.socket()
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", wanted(port)))
        server.listen(_WAITING_CONNECTIONS)
    except BaseException:
        server.close()
        raise
    return server


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        # as servers do: what only lingers from a closed connection is no hindrance
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise PortTaken(f"Port {port} needs rights that you do not have.") from error
            return False
    return True

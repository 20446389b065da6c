"""The bus as it is deployed, on this machine: the files of deploy/nats, three servers, TLS."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from cli import certificates, nats, ports, secrets
from cli.certificates import Certificate
from cli.home import PROJECT
from cli.processes import Program

FOLDER = PROJECT / "deploy" / "nats"
NAMES = ("nats-0", "nats-1", "nats-2")


@dataclass(frozen=True, slots=True)
class Ports:
    client: int
    cluster: int
    monitor: int


@dataclass
class Cluster:
    """Three servers. Only addresses and folders differ from what runs in a cluster."""

    folder: Path
    ports: dict[str, Ports] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> Certificate:
        """Write what the servers read."""
        free = iter(ports.free(3 * len(NAMES)))
        self.ports = {name: Ports(next(free), next(free), next(free)) for name in NAMES}
        lines = dict(line.split("=", 1) for line in secrets.as_environment().splitlines())
        self.passwords = {user: lines[secrets.variable(user)] for user in secrets.users()}
        certificate = certificates.made_for(["nats", "127.0.0.1"])
        for name, text in certificate.as_secret().items():
            (self.folder / name).write_text(text)
        for name in NAMES:
            self._configure(name)
        return certificate

    @property
    def authority(self) -> Path:
        return self.folder / "ca.crt"

    def url(self, user: str, server: str = "nats-0") -> str:
        return f"tls://{user}:{self.passwords[user]}@127.0.0.1:{self.ports[server].client}"

    def environment(self, user: str = nats.OPERATOR) -> dict[str, str]:
        """What a pod of this user is told."""
        return {"NATS_URL": self.url(user), "NATS_CA": str(self.authority)}

    def program(self, name: str) -> Program:
        """Return how a server is run, as its pod runs it."""
        variables = {secrets.variable(user): text for user, text in self.passwords.items()}
        return Program(
            name=name,
            command=(nats._binary(), "--config", str(self.folder / name / "nats.conf")),
            environment={"PATH": os.defpath, "POD_NAME": name, **variables},
            folder=self.folder,
            log=self.folder / f"{name}.log",
            ready=lambda: _healthy(self.ports[name].monitor),
        )

    def _configure(self, name: str) -> None:
        own, folder = self.ports[name], self.folder / name
        (folder / "data").mkdir(parents=True)
        for file in FOLDER.glob("*.conf"):
            text = file.read_text()
            for server, its in self.ports.items():
                text = text.replace(f"{server}.nats-headless:6222", f"127.0.0.1:{its.cluster}")
            for old, new in {
                "0.0.0.0:4222": f"127.0.0.1:{own.client}",
                "0.0.0.0:6222": f"127.0.0.1:{own.cluster}",
                "0.0.0.0:8222": f"127.0.0.1:{own.monitor}",
                '"/data"': f'"{folder}/data"',
                "/run/nats-tls/": f"{self.folder}/",
                "/run/nats/": f"{folder}/",
            }.items():
                text = text.replace(old, new)
            (folder / file.name).write_text(text)


async def _healthy(port: int) -> bool:
    """Whether the server says of itself what the startup probe asks."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        status = await reader.readline()
        writer.close()
        await writer.wait_closed()
    except OSError:
        return False
    return b" 200 " in status

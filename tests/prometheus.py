"""Debian's Prometheus for tests: the programs, and a private server with our rules."""

import asyncio
import math
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from cli.home import PROJECT

RULES = PROJECT / "deploy" / "prometheus" / "rules"
RULE_TESTS = PROJECT / "deploy" / "prometheus" / "tests"
GET = "sh deploy/prometheus/get.sh"

_TOOLS = PROJECT / ".darkroom" / "tools" / "usr" / "bin"
_CONFIGURATION = """\
global:
  scrape_interval: 2s
  scrape_timeout: 2s
  evaluation_interval: 2s
rule_files: [{rules}/*.yml]
scrape_configs:
  - job_name: darkroom
    file_sd_configs:
      - files: [{targets}]
"""


def program(name: str) -> str | None:
    """Return where `prometheus` or `promtool` is, None where there is none."""
    return shutil.which(name, path=os.pathsep.join((os.environ["PATH"], str(_TOOLS))))


def promtool(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    found = program("promtool")
    assert found is not None
    return subprocess.run([found, *map(str, words)], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Sample:
    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes the parts of one stack every two seconds."""

    process: "subprocess.Popen[bytes]"
    url: str
    session: aiohttp.ClientSession

    @classmethod
    def begin(
        cls, folder: Path, targets: Path, port: int, session: aiohttp.ClientSession
    ) -> "Prometheus":
        """Start a server, and no more."""
        found = program("prometheus")
        assert found is not None
        file = folder / "prometheus.yml"
        file.write_text(_CONFIGURATION.format(rules=RULES, targets=targets))
        with (folder / "prometheus.log").open("w") as log:
            process = subprocess.Popen(
                [
                    found,
                    f"--config.file={file}",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--enable-feature=exemplar-storage",
                ],
                stdout=log,
                stderr=log,
            )
        return cls(process, f"http://127.0.0.1:{port}", session)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    async def ask(self, what: str, **query: str) -> Any:
        """Return the data of an answer of the API; an error fails the test."""
        async with self.session.get(f"{self.url}/api/v1/{what}", params=query) as answer:
            body = msgspec.json.decode(await answer.read())
        assert body["status"] == "success", (query, body)
        return body["data"]

    async def query(self, expr: str) -> list[Sample]:
        """Return what a query gives at this moment."""
        data = await self.ask("query", query=expr)
        assert data["resultType"] == "vector", expr
        return [Sample(line["metric"], float(line["value"][1])) for line in data["result"]]

    async def has(self, expr: str) -> bool:
        """Whether a query gives at least one number."""
        return any(not math.isnan(sample.value) for sample in await self.query(expr))

    async def until(self, expr: str, seconds: float) -> None:
        """Return when a query gives something, once the server is up."""
        async with asyncio.timeout(seconds):
            while True:
                if await self._is_up() and await self.has(expr):
                    return
                await asyncio.sleep(0.2)

    async def _is_up(self) -> bool:
        try:
            async with self.session.get(f"{self.url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            assert self.process.poll() is None, "prometheus has ended"
            return False

"""PostgreSQL's own programs, pg_dump and pg_restore: those of our wheel, or the machine's."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from cli import reach
from cli.backups.errors import BackupFailed
from cli.errors import ProgramMissing


async def dump(url: str, into: Path) -> None:
    """Write one consistent copy of a database into a file. Raises BackupFailed, ProgramMissing."""
    await _run("pg_dump", url, "--format=custom", "--no-owner", "--no-acl", f"--file={into}")


async def restore(url: str, file: Path) -> None:
    """Fill a database from such a file; all of it or nothing. Raises as `dump` does."""
    options = ("--no-owner", "--no-acl", "--exit-on-error", "--single-transaction")
    await _run("pg_restore", url, *options, str(file))


async def _run(name: str, url: str, *options: str) -> None:
    without_password, environment = _apart(url)
    process = await asyncio.create_subprocess_exec(
        _program(name),
        *options,
        f"--dbname={without_password}",
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise BackupFailed(f"{name} failed: {last}")


def _apart(url: str) -> tuple[str, Mapping[str, str]]:
    """Return a URL without its password, and the environment with it.

    What stands on a command line can be read by everybody on the machine.
    """
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    bare = urlunsplit(parts._replace(netloc=f"{name}{at}{place}"))
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    return bare, environment | ({"PGPASSWORD": unquote(password)} if password else {})


def _program(name: str) -> str:
    """Return where a program is: the wheel's before the machine's, which may be too old.

    pg_dump refuses a server that is newer than itself. Raises ProgramMissing.
    """
    try:
        return str(reach.packages() / reach.PROGRAMS / name)
    except ProgramMissing:
        if found := shutil.which(name):
            return found
        raise ProgramMissing(
            f"{name} is not installed; it comes with PostgreSQL's client programs."
        ) from None

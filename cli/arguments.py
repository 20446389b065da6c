"""The command line: which commands there are, and what each is told."""

import argparse
import os
from pathlib import Path
from typing import TypeAlias

from cli.home import DEFAULT

_MOST_TOKENS = 1_000_000_000

# what add_subparsers returns; argparse has no public name for it
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def parser() -> argparse.ArgumentParser:
    """Return the parser; what it finds has the words of the command as `words`."""
    top = argparse.ArgumentParser(
        prog="darkroom", description="Run Darkroom on one machine, and look after it."
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_running(commands)
    _add_operating(commands)
    _add_building(commands)
    return top


def _add(commands: _Commands, words: str, what_it_does: str) -> argparse.ArgumentParser:
    *_, name = words.split()
    added = commands.add_parser(name, help=what_it_does, description=what_it_does)
    added.set_defaults(words=words)
    return added


def _add_running(commands: _Commands) -> None:
    up = _add(commands, "up", "Run everything in the foreground until Ctrl-C.")
    up.add_argument(
        "--port", type=_port, default=8080, help="where the API listens; 0 for any (default: 8080)"
    )
    up.add_argument(
        "--fetch-allow",
        default=os.environ.get("FETCH_ALLOW", ""),
        metavar="HOST:PORT,...",
        help="addresses that may be fetched although they are not public",
    )
    _add_home(up)
    _add(commands, "demo", "Send a photograph through a stack of its own, and show what happens.")


def _add_operating(commands: _Commands) -> None:
    account = commands.add_parser("account", help="Open accounts.").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = _add(account, "account create", "Open an account on the running stack.")
    create.add_argument("email", type=_email, metavar="EMAIL")
    create.add_argument(
        "--password", type=_password, help="10 characters or more; made up and shown if left out"
    )
    create.add_argument(
        "--tokens", type=_first_tokens, default=0, help="to begin with (default: 0)"
    )
    _add_home(create)

    wallet = commands.add_parser("wallet", help="Top up wallets, check the books.").add_subparsers(
        required=True, metavar="COMMAND"
    )
    topup = _add(wallet, "wallet topup", "Add tokens to an account of the running stack.")
    topup.add_argument("account", metavar="ACCOUNT|EMAIL")
    topup.add_argument("tokens", type=_tokens, metavar="TOKENS")
    topup.add_argument("--reason", default="", help="shown in the statement")
    topup.add_argument("--key", help="the same key never adds twice; made up if left out")
    _add_home(topup)
    reconcile = _add(
        wallet, "wallet reconcile", "Compute every balance again; fails when one is wrong."
    )
    _add_home(reconcile)


def _add_building(commands: _Commands) -> None:
    _add(commands, "config", "Print every setting of every service, its meaning and default.")
    _add(commands, "models", "Build the model repository, as far as it is not there.")
    docs = _add(commands, "docs", "Write docs/openapi.json and docs/asyncapi.json from the code.")
    docs.add_argument("--check", action="store_true", help="only fail if they are out of date")


def _add_home(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--home",
        type=Path,
        default=DEFAULT,
        metavar="DIR",
        help="folder of the stack's data and logs (default: .darkroom in the project)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _tokens(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_TOKENS:
        raise argparse.ArgumentTypeError(f"tokens are counted from 1 to {_MOST_TOKENS}")
    return int(text)


def _first_tokens(text: str) -> int:
    return 0 if text == "0" else _tokens(text)


def _email(text: str) -> str:
    name, _, domain = text.partition("@")
    if not (name and domain):
        raise argparse.ArgumentTypeError("an e-mail address has a name, an @ and a domain")
    return text


def _password(text: str) -> str:
    if not 10 <= len(text) <= 200:
        raise argparse.ArgumentTypeError("a password has 10 to 200 characters")
    return text

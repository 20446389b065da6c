"""The command line: which commands there are, and what each is told."""

import argparse
import os
from pathlib import Path
from typing import TypeAlias, get_args
from uuid import UUID

from cli.home import DEFAULT
from proto.plans import PlanName

_MOST_TOKENS = 1_000_000_000
_MOST_PER_MINUTE = 1_000_000
_MOST_DAYS = 3650
_MOST_LINES = 1000
_MOST_JOBS = 200
_MOST_PHOTOS = 100_000
_MOST_CALLERS = 256
_FEWEST_MEGAPIXELS = 0.1
_MOST_MEGAPIXELS = 100.0
_ACCOUNT = "ACCOUNT|EMAIL"
_PLANS = get_args(PlanName)

# what add_subparsers returns; argparse has no public name for it
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def parser() -> argparse.ArgumentParser:
    """Return the parser; what it finds has the words of the command as `words`."""
    top = argparse.ArgumentParser(
        prog="darkroom", description="Run Darkroom on one machine, and look after it."
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_running(commands)
    _add_looking(commands)
    _add_operating(commands)
    _add_jobs(commands)
    _add_trust(commands)
    _add_building(commands)
    _add_deploying(commands)
    return top


def _group(commands: _Commands, name: str, what_it_is: str) -> _Commands:
    added = commands.add_parser(name, help=what_it_is, description=what_it_is)
    return added.add_subparsers(required=True, metavar="COMMAND")


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
    restart = _add(
        commands, "restart", "Replace running services, each once its successor is ready."
    )
    restart.add_argument("services", nargs="*", metavar="SERVICE", help="all of them if left out")
    _add_home(restart)
    _add(commands, "demo", "Send a photograph through a stack of its own, and show what happens.")


def _add_looking(commands: _Commands) -> None:
    doctor = _add(commands, "doctor", "Look at everything that is needed, and say what to mend.")
    doctor.add_argument(
        "--service",
        action="append",
        default=[],
        metavar="NAME",
        help="take the environment for that of this service; may be repeated",
    )
    doctor.add_argument("--json", action="store_true", help="print the report for programs")
    _add_home(doctor)

    bench = _add(commands, "bench", "Send photographs to a running gateway, and time the answers.")
    bench.add_argument("--url", help="of the gateway; that of the stack in the home if left out")
    bench.add_argument(
        "--key",
        metavar="FILE",
        help="file with an API key or an access token, - for standard input; DARKROOM_KEY, or the"
        " demo account of the stack in the home, if left out",
    )
    bench.add_argument(
        "--photos", type=_photos, default=50, metavar="N", help="to send (default: 50)"
    )
    bench.add_argument(
        "--megapixels", type=_megapixels, default=12.0, metavar="MP", help="of each (default: 12)"
    )
    bench.add_argument(
        "--file", type=Path, metavar="JPEG", help="a photograph of your own in place of ours"
    )
    bench.add_argument(
        "--callers", type=_callers, default=4, metavar="C", help="at a time (default: 4)"
    )
    bench.add_argument("--preset", default="school", help="as icp_type (default: school)")
    bench.add_argument("--enhance", action="store_true", help="have the portraits sharpened")
    bench.add_argument(
        "--most-tokens",
        type=_tokens,
        required=True,
        metavar="TOKENS",
        help="that may be spent; nothing is sent if it could be more",
    )
    _add_home(bench)


def _add_operating(commands: _Commands) -> None:
    account = _group(commands, "account", "Open accounts; their plans, limits and keys.")
    create = _add(account, "account create", "Open an account on the running stack.")
    create.add_argument("email", type=_email, metavar="EMAIL")
    create.add_argument(
        "--password", type=_password, help="10 characters or more; made up and shown if left out"
    )
    create.add_argument(
        "--tokens", type=_first_tokens, default=0, help="to begin with (default: 0)"
    )
    create.add_argument("--name", default="", help="what the account is called")
    create.add_argument(
        "--plan", choices=_PLANS, help="DEFAULT_PLAN of the accounts service if left out"
    )
    _add_home(create)
    plan = _add(account, "account plan", "Put an account on another plan.")
    plan.add_argument("account", metavar=_ACCOUNT)
    plan.add_argument("plan", choices=_PLANS)
    _add_home(plan)
    limit = _add(account, "account limit", "Give an account, or one API key, another rate limit.")
    limit.add_argument("account", metavar=_ACCOUNT)
    limit.add_argument(
        "per_minute",
        type=_per_minute,
        metavar="REQUESTS|plan|none",
        help="a minute; `plan` for the plan's again, `none` for no limit",
    )
    limit.add_argument("--api-key", type=UUID, metavar="ID", help="as `account keys` lists it")
    _add_home(limit)
    keys = _add(account, "account keys", "List the API keys of an account.")
    keys.add_argument("account", metavar=_ACCOUNT)
    _add_home(keys)

    wallet = _group(commands, "wallet", "Top up wallets, check the books.")
    topup = _add(wallet, "wallet topup", "Add tokens to an account of the running stack.")
    topup.add_argument("account", metavar=_ACCOUNT)
    topup.add_argument("tokens", type=_tokens, metavar="TOKENS")
    topup.add_argument("--reason", default="", help="shown in the statement")
    topup.add_argument("--key", help="the same key never adds twice; made up if left out")
    _add_home(topup)
    grant = _add(wallet, "wallet grant", "Give an account tokens that lapse, and are spent first.")
    grant.add_argument("account", metavar=_ACCOUNT)
    grant.add_argument("tokens", type=_tokens, metavar="TOKENS")
    grant.add_argument("--days", type=_days, default=30, help="until they lapse (default: 30)")
    grant.add_argument("--reason", default="", help="shown in the statement")
    grant.add_argument("--key", help="the same key never gives twice; made up if left out")
    _add_home(grant)
    statement = _add(wallet, "wallet statement", "Show the newest transactions of an account.")
    statement.add_argument("account", metavar=_ACCOUNT)
    statement.add_argument("--limit", type=_lines, default=20, help="lines (default: 20)")
    _add_home(statement)
    reconcile = _add(
        wallet, "wallet reconcile", "Compute every balance again; fails when one is wrong."
    )
    _add_home(reconcile)


def _add_jobs(commands: _Commands) -> None:
    jobs = _group(commands, "jobs", "Batches of work: where they stand, cancelling one.")
    listing = _add(jobs, "jobs list", "Show the newest jobs of an account.")
    listing.add_argument("account", metavar=_ACCOUNT)
    listing.add_argument("--limit", type=_jobs, default=20, help="lines (default: 20)")
    _add_home(listing)
    cancel = _add(jobs, "jobs cancel", "Release what has not been begun of a job.")
    cancel.add_argument("account", metavar=_ACCOUNT)
    cancel.add_argument("task", type=UUID, metavar="TASK", help="as `jobs list` shows it")
    _add_home(cancel)


def _add_trust(commands: _Commands) -> None:
    issuer = _group(commands, "issuer", "Other issuers whose tokens are taken.")
    add = _add(issuer, "issuer add", "Take the tokens of an issuer, for one account.")
    add.add_argument("issuer", metavar="ISSUER", help="as in the claim iss")
    add.add_argument("jwks_url", metavar="JWKS_URL", help="where its public keys are")
    add.add_argument("audience", metavar="AUDIENCE", help="as in the claim aud")
    add.add_argument("account", metavar=_ACCOUNT)
    _add_home(add)
    _add_home(_add(issuer, "issuer list", "List the issuers whose tokens are taken."))
    remove = _add(issuer, "issuer remove", "Take no more tokens of an issuer.")
    remove.add_argument("issuer", metavar="ISSUER")
    _add_home(remove)

    keys = _group(commands, "keys", "The keys that sign access tokens.")
    _add_home(_add(keys, "keys rotate", "Sign with a new key; old ones verify until they lapse."))

    service = _group(commands, "service", "Keys between services (X-API-Key).")
    issue = _add(service, "service issue-key", "Make an internal caller's key; void the last one.")
    issue.add_argument("name", metavar="NAME", help="of the caller: printcart")
    _add_home(issue)
    outbound = _add(
        service, "service set-outbound", "Store where an engine is, and the key for it."
    )
    outbound.add_argument("service", metavar="SERVICE", help="headshot (which is facecrop)")
    outbound.add_argument("base_url", metavar="BASE_URL")
    outbound.add_argument("key", metavar="KEY", help="- to read it from standard input")
    _add_home(outbound)


def _add_building(commands: _Commands) -> None:
    _add(commands, "config", "Print every setting of every service, its meaning and default.")
    _add(commands, "models", "Build the model repository, as far as it is not there.")
    docs = _add(commands, "docs", "Write docs/openapi.json and docs/asyncapi.json from the code.")
    docs.add_argument("--check", action="store_true", help="only fail if they are out of date")


def _add_deploying(commands: _Commands) -> None:
    migrate = _add(commands, "migrate", "Bring the tables of DATABASE_URL to this version.")
    migrate.add_argument("services", nargs="*", metavar="SERVICE", help="all of them if left out")
    streams = _add(commands, "streams", "Make the streams of the bus, with copies on its servers.")
    _add_replicas(streams)

    secrets = _group(commands, "secrets", "Fresh secrets for a deployment, printed once.")
    _add(secrets, "secrets environment", "Print variables, for containers on one machine.")
    manifests = _add(secrets, "secrets manifests", "Print objects, for `kubectl apply -f -`.")
    manifests.add_argument("--namespace", default="darkroom", help="(default: darkroom)")

    repository = _group(commands, "repository", "The built models in object storage.")
    publish = _add(repository, "repository publish", "Send the built models to a URL.")
    publish.add_argument("url", metavar="URL", help="s3://bucket/prefix, gs://, az://, file:///")
    fetch = _add(repository, "repository fetch", "Take published models into a folder.")
    fetch.add_argument("url", metavar="URL")
    fetch.add_argument("folder", type=Path, metavar="FOLDER")
    _add_backups(commands)


def _add_backups(commands: _Commands) -> None:
    backup = _group(commands, "backup", "Backups: taken, sent away, fetched, drilled.")
    take = _add(backup, "backup take", "Write database and streams into a new folder.")
    take.add_argument("folder", type=Path, metavar="FOLDER")
    take.add_argument("--only", choices=("database", "streams"), help="one of the two")
    _add_home(take)
    store = _add(backup, "backup store", "Send a folder to BACKUP_URL; forget what is too old.")
    store.add_argument("folder", type=Path, metavar="FOLDER")
    store.add_argument("what", metavar="WHAT", help="kind of backup: postgresql, jetstream")
    fetch = _add(backup, "backup fetch", "Take the newest backup of a kind into a new folder.")
    fetch.add_argument("folder", type=Path, metavar="FOLDER")
    fetch.add_argument("what", metavar="WHAT")
    drill = _add(backup, "backup drill", "Restore a backup on empty servers, and look through it.")
    drill.add_argument("folder", type=Path, metavar="FOLDER")
    _add_replicas(drill)


def _add_replicas(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--replicas",
        type=int,
        choices=(1, 3, 5),
        default=1,
        help="copies of each stream, at most as many as there are servers (default: 1)",
    )


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


def _per_minute(text: str) -> int | None:
    if text in ("plan", "none"):
        return None if text == "plan" else 0
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_PER_MINUTE:
        raise argparse.ArgumentTypeError(
            f"a rate limit is a number from 1 to {_MOST_PER_MINUTE}, `plan` or `none`"
        )
    return int(text)


def _photos(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_PHOTOS:
        raise argparse.ArgumentTypeError(f"photographs are counted from 1 to {_MOST_PHOTOS}")
    return int(text)


def _callers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_CALLERS:
        raise argparse.ArgumentTypeError(f"callers are counted from 1 to {_MOST_CALLERS}")
    return int(text)


def _megapixels(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not _FEWEST_MEGAPIXELS <= number <= _MOST_MEGAPIXELS:
        raise argparse.ArgumentTypeError(
            f"a photograph has {_FEWEST_MEGAPIXELS} to {_MOST_MEGAPIXELS} megapixels"
        )
    return number


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"days are counted from 1 to {_MOST_DAYS}")
    return int(text)


def _lines(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_LINES:
        raise argparse.ArgumentTypeError(f"lines are counted from 1 to {_MOST_LINES}")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_JOBS:
        raise argparse.ArgumentTypeError(f"jobs are counted from 1 to {_MOST_JOBS}")
    return int(text)


def _email(text: str) -> str:
    name, _, domain = text.partition("@")
    if not (name and domain):
        raise argparse.ArgumentTypeError("an e-mail address has a name, an @ and a domain")
    return text


def _password(text: str) -> str:
    if not 10 <= len(text) <= 200:
        raise argparse.ArgumentTypeError("a password has 10 to 200 characters")
    return text

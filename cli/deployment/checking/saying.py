"""Whether each service may say what it says, and nothing else: code, proto and permissions agree.

What a service says is read out of its code: the requests of `proto` that it makes somewhere, and
those that the parts of `kit` make that it uses. What it may say stands in `cli.nats.MAY_SAY`, and
in the file that nats-server reads.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from cli import nats, secrets
from cli.asyncapi import requests
from cli.deployment import bus, needs
from cli.home import PROJECT
from proto.events import Event
from proto.message import Request

USERS = PROJECT / "deploy" / "nats" / "users.conf"

_KIT_IN_USE = {
    "kit.work": ("working", "Worker"),
    "kit.guarding": ("key_required",),
}
"""Parts of the kit that ask others, and by what name a service uses them."""


def check(users: str) -> Iterator[str]:
    """Yield what a service says and may not, may say and does not, or may hear of others.

    Args:
        users: The text of the file of users.
    """
    if users != bus.users_file():
        yield "deploy/nats/users.conf is out of date; run ./just k8s"
    told = set(re.findall(r'user: "([^"]+)"', users))
    yield from (f"the bus has no user {name}" for name in set(secrets.users()) - told)
    subjects = {kind.subject for kind in requests()}
    for service in nats.MAY_SAY:
        yield from _of_service(service, subjects)


def _of_service(service: str, subjects: set[str]) -> Iterator[str]:
    said = says(service)
    for subject in sorted(subjects):
        if subject in said and not may_say(service, subject):
            yield f"{service} says {subject} and may not"
        if may_say(service, subject) and subject not in said:
            yield f"{service} may say {subject} and never does"
        mine = subject.split(".")[0] == service
        if may_hear(service, subject) != mine:
            yield f"{service} {'may not hear' if mine else 'may hear'} {subject}"
    works_on = kinds(service)
    if works_on != set(needs.of(service).kinds):
        yield f"{service} works on {sorted(works_on)}, and may take {needs.of(service).kinds}"
    events = [pattern for pattern in nats.MAY_SAY[service] if pattern.startswith("events.")]
    happened = tells(service)
    for event in sorted(happened):
        if not any(matches(pattern, event) for pattern in events):
            yield f"{service} tells {event} and may not"
    for pattern in events:
        if not any(matches(pattern, event) for event in happened):
            yield f"{service} may tell {pattern} and never does"


def may_say(service: str, subject: str) -> bool:
    """Whether a service's permissions let it say something."""
    told: Any = nats.permissions(service)["publish"]
    allowed, denied = (
        any(matches(pattern, subject) for pattern in told[word]) for word in ("allow", "deny")
    )
    return allowed and not denied


def may_hear(service: str, subject: str) -> bool:
    """Whether a service's permissions let it listen to something."""
    heard: Any = nats.permissions(service)["subscribe"]
    return any(matches(pattern, subject) for pattern in heard)


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject is among those that a pattern of NATS means."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(given) >= len(wanted) and _alike(wanted[:-1], given)
    return len(wanted) == len(given) and _alike(wanted, given)


def _alike(wanted: list[str], given: list[str]) -> bool:
    return all(one in ("*", other) for one, other in zip(wanted, given, strict=False))


@cache
def says(service: str) -> frozenset[str]:
    """Return the subjects of the requests that the code of a service makes."""
    return frozenset(kind.subject for tree in _modules(service) for kind in _made(tree))


@cache
def tells(service: str) -> frozenset[str]:
    """Return the subjects of the events that the code of a service publishes.

    Those that it knows, if it publishes any: which one is made is sometimes decided as it runs.
    """
    trees = _modules(service)
    if not _uses(trees, "kit.events", ("publish",)) and not _uses(trees, "kit", ("events",)):
        return frozenset()
    return frozenset(
        value.subject()
        for tree in trees
        for value in _imported(tree).values()
        if isinstance(value, type) and issubclass(value, Event) and hasattr(value, "type")
    )


@cache
def kinds(service: str) -> frozenset[str]:
    """Return the kinds of items that a service registers for.

    They are the constants KIND and ..._KIND of proto in a module that makes a RegisterKind.
    """
    return frozenset(
        value
        for tree in _own_modules(service)
        if any(
            isinstance(node, ast.Call) and _name(node) == "RegisterKind" for node in ast.walk(tree)
        )
        for name, value in _imported(tree).items()
        if name == "KIND" or name.endswith("_KIND")
    )


@cache
def _own_modules(service: str) -> list[ast.AST]:
    folder = PROJECT / "services" / service
    return [_parsed(path) for path in sorted(folder.rglob("*.py"))]


@cache
def _modules(service: str) -> list[ast.AST]:
    """Return the modules of a service, and those of the kit that ask others on its behalf."""
    own = _own_modules(service)
    used = [module for module, names in _KIT_IN_USE.items() if _uses(own, module, names)]
    return own + [_parsed(PROJECT / f"{module.replace('.', '/')}.py") for module in used]


def _parsed(path: Path) -> ast.AST:
    return ast.parse(path.read_text())


def _uses(trees: list[ast.AST], module: str, names: tuple[str, ...]) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == module
        and any(alias.name in names for alias in node.names)
        for tree in trees
        for node in ast.walk(tree)
    )


def _made(tree: ast.AST) -> Iterator[type[Request[Any]]]:
    """Yield the requests that a module makes: imported from proto, and called or handed on."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {_name(call) for call in calls}
    # `checked(told, GetMissing)` makes what it is given
    called |= {
        given.id
        for call in calls
        if _name(call) == "checked"
        for given in call.args
        if isinstance(given, ast.Name)
    }
    for name, value in _imported(tree).items():
        if name in called and isinstance(value, type) and issubclass(value, Request):
            yield value


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _imported(tree: ast.AST) -> dict[str, Any]:
    """Return what a module imports from proto, by the name that it has there."""
    return {
        alias.asname or alias.name: getattr(import_module(str(node.module)), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "proto"
        for alias in node.names
        if node.module != "proto"
    }

"""Whether each service may say what it says, and nothing else: code, proto and permissions agree.

What a service says is read out of its code: the requests of `proto` that it makes somewhere, those
that the parts of `kit` make that it uses, and what it tells queues, streams and whoever listens
(`streaming`). What it may say stands in `cli.nats.MAY_SAY`, and in the file that nats-server reads.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from cli import nats, secrets
from cli.asyncapi import requests
from cli.deployment import bus, needs
from cli.deployment.checking import sources, streaming
from cli.home import PROJECT
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
    works_on = streaming.kinds(service)
    if works_on != set(needs.of(service).kinds):
        yield f"{service} works on {sorted(works_on)}, and may take {needs.of(service).kinds}"
    yield from _patterns(service)


def _patterns(service: str) -> Iterator[str]:
    """Yield what a service says or hears besides requests and may not, or may and does not."""
    told: Any = nats.permissions(service)
    allowed: set[str] = set(told["publish"]["allow"])
    asks = {pattern for pattern in allowed if pattern.split(".")[0] in nats.MAY_SAY}
    others = allowed - asks
    spoken, heard = streaming.says(service), streaming.hears(service)
    idle = {
        each for each in asks if not any(matches(each, said) for said in says(service) | spoken)
    }
    for pattern in sorted(idle | (others - spoken)):
        yield f"{service} may say {pattern} and never does"
    for pattern in sorted(spoken - allowed):
        yield f"{service} says {pattern} and may not"
    for pattern in sorted(set(told["subscribe"]) - heard):
        yield f"{service} may hear {pattern} and never listens"
    for pattern in sorted(heard - set(told["subscribe"])):
        yield f"{service} listens to {pattern} and may not"


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
    own = sources.of_service(service)
    used = [name for name, names in _KIT_IN_USE.items() if sources.uses(own, name, names)]
    modules = [*own, *(sources.module(name) for name in used)]
    return frozenset(kind.subject for tree in modules for kind in _made(tree))


def _made(tree: ast.AST) -> Iterator[type[Request[Any]]]:
    """Yield the requests that a module makes: imported from proto, and called or handed on."""
    calls = list(sources.calls([tree]))
    called = {sources.called(call) for call in calls}
    # `checked(told, GetMissing)` makes what it is given
    called |= {
        given.id
        for call in calls
        if sources.called(call) == "checked"
        for given in call.args
        if isinstance(given, ast.Name)
    }
    for name, value in sources.imported(tree).items():
        if name in called and isinstance(value, type) and issubclass(value, Request):
            yield value

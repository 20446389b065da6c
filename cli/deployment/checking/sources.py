"""The code of services, read and not run: what a module imports, calls and is made of."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from cli.home import PROJECT


@cache
def of_service(service: str) -> list[ast.AST]:
    """Return the modules of a service."""
    folder = PROJECT / "services" / service
    return [ast.parse(path.read_text()) for path in sorted(folder.rglob("*.py"))]


@cache
def module(name: str) -> ast.Module:
    """Return a module of ours by its dotted name."""
    return ast.parse((PROJECT / f"{name.replace('.', '/')}.py").read_text())


def part(name: str, wanted: str) -> list[ast.AST]:
    """Return a function or class of a module, and what of the module it makes use of."""
    defined = {
        node.name: node
        for node in module(name).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    found: dict[str, ast.AST] = {}
    left = [wanted]
    while left:
        if (each := left.pop()) in found or each not in defined:
            continue
        found[each] = defined[each]
        left += [node.id for node in ast.walk(defined[each]) if isinstance(node, ast.Name)]
    return list(found.values())


def uses(trees: Iterable[ast.AST], name: str, wanted: Iterable[str]) -> bool:
    """Whether some module imports one of these names from a module."""
    return any(
        node.module == name and any(alias.name in wanted for alias in node.names)
        for tree in trees
        for node in _found(tree)[0]
    )


def calls(trees: Iterable[ast.AST]) -> Iterator[ast.Call]:
    """Yield every call."""
    for tree in trees:
        yield from _found(tree)[1]


def called(call: ast.Call) -> str:
    """Return what is called by its own name; empty for a method."""
    return call.func.id if isinstance(call.func, ast.Name) else ""


def asked_for(call: ast.Call) -> str:
    """Return what is called, whether by its own name or as a method."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else called(call)


@cache
def imported(tree: ast.AST) -> dict[str, Any]:
    """Return what a module imports from proto, by the name that it has there."""
    return {
        alias.asname or alias.name: getattr(import_module(str(node.module)), alias.name)
        for node in _found(tree)[0]
        if str(node.module).startswith("proto.")
        for alias in node.names
    }


@cache
def _found(tree: ast.AST) -> tuple[list[ast.ImportFrom], list[ast.Call]]:
    """Return the imports and the calls in a tree, for which it is walked once."""
    nodes = list(ast.walk(tree))
    return (
        [node for node in nodes if isinstance(node, ast.ImportFrom)],
        [node for node in nodes if isinstance(node, ast.Call)],
    )

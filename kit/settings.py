"""Settings come from the environment into one typed struct per service, checked at start."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

Settings = TypeVar("Settings", bound=msgspec.Struct)


class BadSetting(Exception):
    """A setting is missing or makes no sense; the message names the variable and what it is for."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One variable, as `darkroom config` prints it."""

    name: str
    meaning: str
    default: str | None
    """None when it must be given."""


def load(kind: type[Settings], environment: Mapping[str, str]) -> Settings:
    """Read every field of `kind` from the variable of its name in upper case.

    Lists are written with commas. Raises BadSetting.
    """
    known = {setting.name for setting in describe(kind)}
    fields = get_type_hints(kind)
    given: dict[str, Any] = {
        name.lower(): _list_or_text(fields[name.lower()], environment[name])
        for name in known
        if environment.get(name, "") != ""
    }
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in given:
            raise BadSetting(f"{field.name.upper()} is not set: {_meaning(kind, field.name)}")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(f"a setting of {kind.__module__} is wrong: {error}") from error


def problems(kind: type[msgspec.Struct], environment: Mapping[str, str]) -> dict[str, str]:
    """Return all that is wrong with the variables that `kind` reads, by name.

    There is nothing if `load` works. Values are never quoted, as they may be secrets. What is wrong
    with several together stands under the names of all of them.
    """
    hints = get_type_hints(kind, include_extras=True)
    plain = get_type_hints(kind)
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        name, text = field.name.upper(), environment.get(field.name.upper(), "")
        if text:
            try:
                msgspec.convert(
                    _list_or_text(plain[field.name], text), hints[field.name], strict=False
                )
            except msgspec.ValidationError as error:
                found[name] = _unquoted(hints[field.name], error)
        elif field.required:
            found[name] = f"is not set: {_meaning(kind, field.name)}"
    if not found:
        try:
            load(kind, environment)
        except BadSetting as error:
            names = [field.name.upper() for field in msgspec.structs.fields(kind)]
            said = str(error).partition(": ")[2]
            found[", ".join(name for name in names if name in said) or "settings"] = said
    return found


def _unquoted(annotation: object, error: msgspec.ValidationError) -> str:
    """Return what is wrong with a value, and not the value."""
    plain = get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
    if get_origin(plain) is Literal:
        return f"is none of {', '.join(map(str, get_args(plain)))}"
    return str(error).partition(" - at")[0].replace("Expected", "should be", 1)


def describe(kind: type[msgspec.Struct]) -> list[Setting]:
    """List the variables that `kind` reads, in the order they are declared."""
    return [
        Setting(
            name=field.name.upper(),
            meaning=_meaning(kind, field.name),
            default=None if field.required else _written(_default(field)),
        )
        for field in msgspec.structs.fields(kind)
    ]


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _written(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return "" if value is None else str(value)


def _meaning(kind: type[msgspec.Struct], name: str) -> str:
    annotation = get_type_hints(kind, include_extras=True)[name]
    for note in get_args(annotation)[1:]:
        if isinstance(note, Meta) and note.description:
            return note.description
    return ""


def _list_or_text(annotation: object, text: str) -> str | list[str]:
    if get_origin(annotation) in (list, tuple):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text

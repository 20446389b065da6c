"""Presets over HTTP: the four ICPs, and those that the account makes of its own."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.errors import NotFound
from proto.presets import (
    MOST_SIZES,
    Aspect,
    CreatePreset,
    DeletePreset,
    Dpi,
    Format,
    Fraction,
    GetPreset,
    GetPresets,
    Preset,
    PresetDraft,
    PresetName,
    ReplacePreset,
    Size,
    SizeName,
)
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.problems import Problem, json_response
from services.gateway.resources import BUS
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody

operations = Operations("Presets")

_NAME = Parameter("name", "path", "The preset's name")

Background = Annotated[str, Meta(pattern=r"^(#[0-9a-fA-F]{6}|transparent)$(?!\n)")]
OutputSizes = Annotated[dict[SizeName, Size], Meta(max_length=MOST_SIZES + 2)]


class PresetBody(msgspec.Struct, frozen=True, kw_only=True):
    """How a portrait is framed and what comes out."""

    name: str
    aspect: Aspect
    """Width to height of the frame."""
    head_ratio: float
    """Crown to chin, as a fraction of the frame's height."""
    eye_line: float
    """From the top edge to the eyes, as a fraction of the frame's height."""
    output_sizes: dict[str, Size]
    """Width and height in pixels: `full`, `medium` and further ones."""
    background: str | None
    """#RRGGBB or transparent; null leaves the photograph's own."""
    format: Format
    dpi: int
    own: bool
    """Whether the account made it; the others are there for every account."""


class PresetsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every preset that the account may use: the four ICPs first, then its own by name."""

    presets: list[PresetBody]


class PresetFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How portraits shall be framed and what shall come out.

    An unknown field is refused: it would be a wish that is never fulfilled.
    """

    aspect: Aspect
    """Width to height of the frame, each 1 to 100."""
    head_ratio: Fraction
    """Crown to chin, as a fraction of the frame's height. The head must lie inside the frame."""
    eye_line: Fraction
    """From the top edge to the eyes, as a fraction of the frame's height."""
    output_sizes: OutputSizes = {}
    """Width and height in pixels, of the frame's aspect to within a pixel: `full`, `medium` and up
    to 8 further ones under names of yours. Left out, `full` is the largest within 2400 x 3000, or
    3000 x 2400 if it lies, and `medium` has a long side of 1000. Where both are left out and there
    are others, warnings judge what you asked for: `full` is the largest of the others, unless that
    makes more than 90 megapixels of all together, and `medium` is no larger than that."""
    background: Background | None = None
    """#RRGGBB or transparent; null leaves the photograph's own."""
    format: Format | None = None
    """Left out, png for a transparent background, else jpeg, which cannot be transparent."""
    dpi: Dpi = 300
    own: bool = True
    """As it is answered; it changes nothing."""


class ReplacePresetBody(PresetFields, frozen=True, kw_only=True):
    """What the preset shall be from now on; what is answered can be sent back."""

    name: str | None = None
    """That of the path, or left out."""


class CreatePresetBody(PresetFields, frozen=True, kw_only=True):
    """A preset and its name."""

    name: PresetName


@operations.add(
    "GET", "/v1/services/studio/presets", {200: PresetsBody, **ASKING}, scope="facecrop"
)
async def presets(request: web.Request) -> web.Response:
    """List the four ICPs and the account's own presets."""
    found = await request.app[BUS].request(GetPresets(account=request[ACCOUNT]))
    return json_response(PresetsBody(presets=[_shown(each) for each in found.presets]))


@operations.add(
    "GET",
    "/v1/services/studio/presets/{name}",
    {200: PresetBody, 404: ErrorBody, **ASKING},
    parameters=(_NAME,),
    scope="facecrop",
)
async def preset(request: web.Request) -> web.Response:
    """Show one preset."""
    found = await request.app[BUS].request(GetPreset(account=request[ACCOUNT], name=_name(request)))
    return json_response(_shown(found))


@operations.add(
    "POST",
    "/v1/services/studio/presets",
    {201: PresetBody, 409: ErrorBody, **ERROR_ANSWERS},
    body=CreatePresetBody,
    scope="facecrop",
)
async def create(request: web.Request) -> web.Response:
    """Make a preset of the account's own."""
    body = await read_json(request, CreatePresetBody)
    made = await request.app[BUS].request(
        CreatePreset(account=request[ACCOUNT], **_asked(body.name, body))
    )
    return json_response(_shown(made), 201)


@operations.add(
    "PUT",
    "/v1/services/studio/presets/{name}",
    {200: PresetBody, 404: ErrorBody, **ERROR_ANSWERS},
    body=ReplacePresetBody,
    parameters=(_NAME,),
    scope="facecrop",
)
async def replace(request: web.Request) -> web.Response:
    """Replace one of the account's own presets; what is left out is chosen anew."""
    name = _name(request)
    body = await read_json(request, ReplacePresetBody)
    if body.name not in (None, name):
        sentence = f"a preset keeps its name; leave name out, or send {name}"
        raise Problem(422, "INVALID_REQUEST", sentence)
    changed = await request.app[BUS].request(
        ReplacePreset(account=request[ACCOUNT], **_asked(name, body))
    )
    return json_response(_shown(changed))


@operations.add(
    "DELETE",
    "/v1/services/studio/presets/{name}",
    {204: None, 404: ErrorBody, 422: ErrorBody, **ASKING},
    parameters=(_NAME,),
    scope="facecrop",
)
async def delete(request: web.Request) -> web.Response:
    """Remove one of the account's own presets."""
    await request.app[BUS].request(DeletePreset(account=request[ACCOUNT], name=_name(request)))
    return web.Response(status=204)


def _name(request: web.Request) -> PresetName:
    """Return the name in the path. Raises NotFound for what cannot be one."""
    try:
        return msgspec.convert(request.match_info["name"], PresetName)
    except msgspec.ValidationError as error:
        raise NotFound("there is no such preset in this account") from error


def _asked(name: PresetName, body: PresetFields) -> dict[str, Any]:
    """Return what a body asks for as the fields of a request."""
    sizes = dict(body.output_sizes)
    draft = PresetDraft(
        name=name,
        aspect=body.aspect,
        head=body.head_ratio,
        eye_line=body.eye_line,
        full=sizes.pop("full", None),
        medium=sizes.pop("medium", None),
        sizes=sizes,
        background=body.background or "",
        format=body.format,
        dpi=body.dpi,
    )
    return msgspec.structs.asdict(draft)


def _shown(preset: Preset) -> PresetBody:
    return PresetBody(
        name=preset.name,
        aspect=preset.aspect,
        head_ratio=preset.head,
        eye_line=preset.eye_line,
        output_sizes={"full": preset.full, "medium": preset.medium, **preset.sizes},
        background=preset.background or None,
        format=preset.format,
        dpi=preset.dpi,
        own=preset.own,
    )

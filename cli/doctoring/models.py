"""Models: are the files those that were tested, and does each answer."""

import asyncio
import hashlib
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from cli.doctoring.findings import Finding, Verdict
from cli.doctoring.patient import Patient
from triton_models.builder.__main__ import MANIFEST
from triton_models.serve import DEFAULT_MODELS
from vision.connect import connect
from vision.errors import ModelError
from vision.models import ModelName, Models, blank

_TRITON_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
_OLDEST = (2, 30)
_BUILD = "Run ./just models."


async def look(patient: Patient) -> AsyncIterator[Finding]:
    """Look at the model repository, at the server, and at every model that is used."""
    if not patient.asks_models:
        yield Finding("models", "models", "skipped", "none is asked by what is looked at here")
        return
    used = list(dict.fromkeys([*DEFAULT_MODELS, patient.upscaler]))
    whole = True
    if patient.models_here:
        for finding in await asyncio.to_thread(lambda: list(_files(patient.repository, used))):
            whole = whole and finding.verdict != "fix"
            yield finding
    else:
        yield Finding("models", "files", "skipped", "they lie where Triton is")
    for url in patient.triton_urls:
        async for finding in _served(url, used):
            yield finding
    if not patient.triton_urls and whole:
        yield Finding(
            "models",
            "triton",
            "warning",
            "TRITON_URL is not set: every service that looks at pictures runs the models itself",
            "Run Triton, and name its gRPC address in TRITON_URL; or leave it, on a small machine.",
        )
        async for finding in _answers(connect(None, patient.repository), used):
            yield finding


def _files(repository: Path, used: list[str]) -> Iterator[Finding]:
    checksums: dict[str, str] = tomllib.loads(MANIFEST.read_text())
    right = []
    for name, checksum in checksums.items():
        file = repository / name / "1" / "model.onnx"
        verdict: Verdict = "fix" if name in used else "warning"
        try:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except FileNotFoundError:
            yield Finding("models", name, verdict, f"{file} is missing", _BUILD)
            continue
        except OSError as error:
            yield Finding("models", name, verdict, f"{file} cannot be read ({error.strerror})")
            continue
        if found != checksum:
            said = f"{file} is not the file that was tested: its checksum is another"
            yield Finding("models", name, "fix", said, f"Remove it. {_BUILD}")
        elif not (repository / name / "config.pbtxt").exists():
            said = f"{name} has no config.pbtxt, without which Triton does not load it"
            yield Finding("models", name, verdict, said, "Take it from the release.")
        else:
            right.append(name)
    if right:
        yield Finding("models", "files", "ok", f"{', '.join(right)}: as they were tested")


async def _served(url: str, used: list[str]) -> AsyncIterator[Finding]:
    client = triton.InferenceServerClient(url)
    try:
        async with asyncio.timeout(_TRITON_SECONDS):
            told = await client.get_server_metadata()
    except (InferenceServerException, TimeoutError, ValueError):
        fix = "Start Triton there, or correct TRITON_URL: host and gRPC port, without a scheme."
        yield Finding("connections", "triton", "fix", f"{url} does not answer", fix)
        return
    finally:
        await client.close()
    yield Finding("connections", "triton", "ok", f"{url} answers")
    version = tuple(int(part) for part in told.version.split(".")[:2] if part.isdigit())
    verdict: Verdict = "ok" if version >= _OLDEST else "warning"
    fix = "" if verdict == "ok" else "Use a newer one: tests run with 2.51."
    yield Finding("versions", "triton", verdict, f"Triton {told.version}", fix)
    async for finding in _answers(connect(url, Path()), used):
        yield finding


async def _answers(models: Models, used: list[str]) -> AsyncIterator[Finding]:
    answered = []
    try:
        for name in used:
            model = ModelName(name)
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await models.infer(model, blank(model))
            except (ModelError, TimeoutError) as error:
                fix = "Look into its log; load the model again, or start it again."
                said = f"gives no answer to a blank picture ({type(error).__name__})"
                yield Finding("models", name, "fix", said, fix)
            else:
                answered.append(name)
    finally:
        await models.close()
    if answered:
        said = f"{', '.join(answered)}: each answers a blank picture"
        yield Finding("models", models.kind, "ok", said)

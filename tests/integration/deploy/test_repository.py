"""The model repository through object storage; here a folder takes its place."""

from pathlib import Path

import pytest

from cli import repository
from cli.errors import CommandFailed


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository of two models, small ones."""
    for name in ("eyes", "ears"):
        (tmp_path / "models" / name / "1").mkdir(parents=True)
        (tmp_path / "models" / name / "config.pbtxt").write_text(f'name: "{name}"\n')
        (tmp_path / "models" / name / "1" / "model.onnx").write_bytes(name.encode() * 100)
    return tmp_path / "models"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return (tmp_path / "store").as_uri()


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


async def test_what_is_published_is_what_comes(models: Path, url: str, tmp_path: Path) -> None:
    await repository.publish(url, models)
    await repository.fetch(url, tmp_path / "fetched")
    assert content(tmp_path / "fetched") == content(models)


async def test_what_is_there_already_is_kept(models: Path, url: str, tmp_path: Path) -> None:
    await repository.publish(url, models)
    await repository.fetch(url, tmp_path / "fetched")
    kept = tmp_path / "fetched" / "eyes" / "1" / "model.onnx"
    damaged = tmp_path / "fetched" / "ears" / "1" / "model.onnx"
    before = kept.stat().st_mtime_ns
    damaged.write_bytes(b"half")
    await repository.fetch(url, tmp_path / "fetched")
    assert kept.stat().st_mtime_ns == before
    assert content(tmp_path / "fetched") == content(models)


async def test_a_version_replaces_another_at_once(models: Path, url: str, tmp_path: Path) -> None:
    await repository.publish(url, models)
    (models / "eyes" / "1" / "model.onnx").write_bytes(b"better eyes")
    await repository.publish(url, models)
    await repository.fetch(url, tmp_path / "fetched")
    assert (tmp_path / "fetched" / "eyes" / "1" / "model.onnx").read_bytes() == b"better eyes"


async def test_a_model_that_was_not_built_is_not_published(models: Path, url: str) -> None:
    (models / "ears" / "1" / "model.onnx").unlink()
    with pytest.raises(CommandFailed, match="Not built yet: ears"):
        await repository.publish(url, models)


async def test_nothing_published_is_a_sentence(url: str, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no models at"):
        await repository.fetch(url, tmp_path / "fetched")


async def test_what_was_changed_in_the_store_is_refused(
    models: Path, url: str, tmp_path: Path
) -> None:
    await repository.publish(url, models)
    (changed,) = (tmp_path / "store").glob("*/eyes/1/model.onnx")
    changed.write_bytes(b"somebody else's eyes")
    with pytest.raises(CommandFailed, match=r"eyes/1/model.onnx is not what was published"):
        await repository.fetch(url, tmp_path / "fetched")
    changed.unlink()
    with pytest.raises(CommandFailed, match=r"is listed and not there"):
        await repository.fetch(url, tmp_path / "other")


async def test_a_list_may_not_name_places_outside(models: Path, url: str, tmp_path: Path) -> None:
    await repository.publish(url, models)
    index = tmp_path / "store" / "index.json"
    index.write_text(index.read_text().replace("eyes/config.pbtxt", "../config.pbtxt"))
    with pytest.raises(CommandFailed, match="would lie outside"):
        await repository.fetch(url, tmp_path / "fetched")

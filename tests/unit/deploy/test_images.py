"""Images and what runs from them on one machine: right as they are, and broken on purpose."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from cli import services
from cli.deployment import containers, dockerfile
from cli.deployment.checking import images


@pytest.fixture(scope="module")
def _composed() -> dict[str, Any]:
    return images.composed(images.fresh())


@pytest.fixture
def composed(_composed: dict[str, Any]) -> dict[str, Any]:
    return deepcopy(_composed)


def test_nothing_is_wrong_with_the_images() -> None:
    assert list(images.check_files()) == []


def test_nothing_is_wrong_with_what_runs_on_one_machine(composed: dict[str, Any]) -> None:
    assert list(images.check_composed(composed)) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("FROM python:3.11.14-slim-bookworm AS services", "FROM python AS services", "not pinned"),
        ("USER 65532:65532", "USER root", "runs as root"),
        ("USER 65532:65532\n", "", "runs as root"),
        ("--require-hashes ", "", "installs without checksums"),
        ("fonts-noto-core ", "", "cards are set in others"),
        ("fonts-noto-core ", "fonts-noto-core gcc ", "installs gcc"),
        ("COPY kit kit", "COPY kits kit", "copies kits, which is not there"),
        ('CMD ["python"', "CMD python -m cli\nCMD [", "DL3"),
        ("STOPSIGNAL SIGTERM", "RUN sudo true", "DL3004"),
    ],
)
def test_a_broken_dockerfile_is_found(tmp_path: Path, old: str, new: str, finding: str) -> None:
    shutil.copytree(images.FOLDER, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "Dockerfile"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    found = list(images.check_files(tmp_path))
    assert any(finding in each for each in found), found


@pytest.mark.parametrize(
    ("break_it", "finding"),
    [
        (lambda c: c.pop("qr"), "qr does not run"),
        (
            lambda c: c["wallet"]["environment"].update(SWEEP="1"),
            "wallet: is told SWEEP, which it does not read",
        ),
        (
            lambda c: c["jobs"]["environment"].pop("STORAGE_URL"),
            "jobs: STORAGE_URL is not set",
        ),
        (
            lambda c: c["qr"]["environment"].update(SECRET_KEY="short"),
            "qr: a setting of services.qr.settings is wrong",
        ),
        (
            lambda c: c["qr"]["environment"].update(NATS_URL="nats://wallet:x@nats"),
            "qr: does not come to the bus as itself",
        ),
        (
            lambda c: c["wallet"].update(networks={"inside": None, "outside": None}),
            "wallet: has a way out, and no business there",
        ),
        (
            lambda c: c["facecrop"].update(networks={"inside": None}),
            "facecrop: has no way out to what it fetches",
        ),
        (
            lambda c: c["jobs"].update(networks={"inside": None}),
            "jobs: has no way to pictures that lie elsewhere",
        ),
        (
            lambda c: c["wallet"]["networks"].update(storage=None),
            "wallet: has a way to pictures, and no business there",
        ),
        (lambda c: c["qr"].update(volumes=[]), "qr: has no pictures"),
        (lambda c: c["facecrop"].update(stop_grace_period="1m0s"), "facecrop: is killed after"),
        (
            lambda c: c["nats"]["environment"].pop("NATS_PASSWORD_QR"),
            "nats: is not told the password of qr",
        ),
        (
            lambda c: c["triton"]["command"].remove("--load-model=person_matte"),
            "triton: does not load person_matte",
        ),
        (lambda c: c["nats"].update(image="nats"), "nats: its image is not pinned"),
        (lambda c: c["gateway"].update(security_opt=[]), "gateway: may gain rights"),
        (
            lambda c: c["gateway"]["ports"][0].update(host_ip="0.0.0.0"),
            "gateway: can be reached from other machines at port 8080",
        ),
    ],
)
def test_what_is_broken_is_found(
    composed: dict[str, Any], break_it: Callable[[Any], Any], finding: str
) -> None:
    break_it(composed)
    found = list(images.check_composed(composed))
    assert any(each.startswith(finding) for each in found), found


def test_pictures_that_lie_elsewhere_are_reached_by_all_who_keep_them(tmp_path: Path) -> None:
    shutil.copytree(images.FOLDER.parent, tmp_path / "deploy", ignore=shutil.ignore_patterns("k8s"))
    folder = tmp_path / "deploy" / "docker"
    (folder / containers.CREDENTIALS).write_text("AWS_ACCESS_KEY_ID=known\n")
    elsewhere = {"STORAGE_URL": "s3://bucket/pictures", "STORAGE_INSIDE": "false"}
    made = images.read(images.fresh() | elsewhere, folder)
    outward = {name for name, each in made["networks"].items() if not each.get("internal")}
    assert outward == {"outside", "storage"}
    for name in services.NAMES:
        told = made["services"][name]
        keeps = "STORAGE_URL" in told["environment"]
        assert (told["environment"].get("AWS_ACCESS_KEY_ID") == "known") is keeps
        assert not keeps or outward & set(told["networks"])
    assert images.read(images.fresh(), folder)["networks"]["storage"]["internal"]


def test_without_secrets_nothing_is_composed() -> None:
    with pytest.raises(ValueError, match="NATS_PASSWORD"):
        images.composed({})


def test_a_dockerfile_is_read() -> None:
    packages, services = dockerfile.stages(images.FOLDER / "Dockerfile")
    (install,) = dockerfile.runs(packages)
    assert "--only-binary :all: -r requirements/runtime.lock" in install
    assert "\\" not in install
    copied = [copy.sources[0] for copy in dockerfile.copies(services)]
    assert copied[:2] == ["LICENSE", "proto"]
    assert "/opt/darkroom" not in copied

"""Images get the packages that were tested: every lock agrees with the one that tests run with."""

import re
from pathlib import Path

import pytest

from cli.home import PROJECT

FOLDER = PROJECT / "requirements"


def pinned(name: str) -> set[str]:
    found = re.findall(r"^([a-z0-9._-]+==\S+)", (FOLDER / f"{name}.lock").read_text(), re.MULTILINE)
    assert found
    return set(found)


@pytest.mark.parametrize("name", ["runtime", "builder"])
def test_an_image_gets_what_the_tests_ran_with(name: str) -> None:
    assert pinned(name) <= pinned("dev")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.lock")), ids=lambda path: path.name)
def test_every_package_has_its_checksum_and_no_host(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    for package in re.split(r"(?m)^(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in package, package

"""The overlays as kubectl renders them, once per run; a test changes a copy."""

from copy import deepcopy

import pytest

from cli.deployment.checking import rendering
from cli.deployment.pods import Object


@pytest.fixture(scope="session")
def _rendered() -> dict[str, list[Object]]:
    return {overlay: rendering.rendered(overlay) for overlay in rendering.overlays()}


@pytest.fixture
def prod(_rendered: dict[str, list[Object]]) -> list[Object]:
    return deepcopy(_rendered["prod"])


@pytest.fixture
def dev(_rendered: dict[str, list[Object]]) -> list[Object]:
    return deepcopy(_rendered["dev"])

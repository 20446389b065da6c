"""Build what is missing: `python -m triton_models.builder`."""

import hashlib
import sys
import time
import tomllib
from pathlib import Path

from triton_models.builder.archives import BadSource

REPOSITORY = Path(__file__).parent.parent / "repository"
MANIFEST = Path(__file__).parent / "manifest.toml"


class WrongResult(Exception):
    """A model was built that is not the one that was tested."""


def main() -> int:
    """Build the models that are not there or not as they should be. Returns the exit code."""
    expected: dict[str, str] = tomllib.loads(MANIFEST.read_text())
    try:
        for name, checksum in expected.items():
            started = time.perf_counter()
            if build(name, checksum) == "built":
                print(f"models  {name:15} {time.perf_counter() - started:6.1f} s", flush=True)
    except (BadSource, WrongResult) as error:
        print(f"models: {error}", file=sys.stderr)
        return 1
    return 0


def build(name: str, checksum: str, repository: Path = REPOSITORY) -> str:
    """Bring one model into the repository and say what was done. Raises BadSource, WrongResult."""
    file = repository / name / "1" / "model.onnx"
    if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == checksum:
        return "verified"
    # here and not above: importing onnx takes longer than verifying all models
    from triton_models.builder.networks import NETWORKS

    model = NETWORKS[name]()
    if (found := hashlib.sha256(model).hexdigest()) != checksum:
        raise WrongResult(
            f"{name} came out with checksum {found}, not the one in {MANIFEST.name}; "
            "install the versions in requirements/dev.lock and build again"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    arriving = file.with_suffix(".arriving")
    arriving.write_bytes(model)
    arriving.rename(file)
    return "built"


if __name__ == "__main__":
    sys.exit(main())

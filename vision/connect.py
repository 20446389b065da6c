"""Which models to call, decided in one place."""

from pathlib import Path

from vision.inprocess import OnnxModels
from vision.models import Models
from vision.triton import TritonModels
from vision.watching import Watch, unwatched


def connect(triton_url: str | None, repository: Path, watch: Watch = unwatched) -> Models:
    """Reach the models; nothing is sent or loaded before the first call.

    Args:
        triton_url: Host and gRPC port of a Triton server; None where there is none.
        repository: The model repository, read by this process if there is no server.
        watch: Hears of every request to a model.

    Returns:
        Models to be closed by the caller. Must be called while an event loop runs.
    """
    if triton_url:
        return TritonModels(triton_url, watch=watch)
    return OnnxModels(repository, watch=watch)

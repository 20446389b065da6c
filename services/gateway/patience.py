"""How long requests may take: what is waited for before an answer, and before a gateway ends."""

from services.gateway.settings import Settings

OTHERS_SECONDS = 150.0
"""Within which everything is answered that is no crop: a job begun after its logo was read."""


def seconds_for(settings: Settings, photos: int) -> float:
    """Return how long the engine may take for so many photos."""
    return settings.engine_seconds + (photos - 1) * settings.engine_seconds_per_image


def seconds_for_references(settings: Settings, references: int) -> float:
    """Return how long is waited for so many references; those left out are built when asked again.

    No longer than for anything else, because a gateway that stops waits no longer.
    """
    return min(seconds_for(settings, references + 1), longest_seconds(settings))


def longest_seconds(settings: Settings) -> float:
    """Return how long a request may take whose body is here; what takes longer is a job.

    Archives and statements are sent for as long as clients read them, and do not count.
    """
    return max(seconds_for(settings, max(1, settings.sync_images)), OTHERS_SECONDS)

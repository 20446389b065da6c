"""Why there is no backup, or none that helps.

BackupFailed
├── Damaged             a backup is not whole, or not what was backed up
├── NotEmpty            a drill was pointed at servers that hold something
└── DrillFailed         what was restored is not what it should be
"""

from cli.errors import CommandFailed


class BackupFailed(CommandFailed):
    """A backup could not be taken, sent, fetched or restored."""


class Damaged(BackupFailed):
    """A backup is not whole, or not what was backed up; take the one before it."""


class NotEmpty(BackupFailed):
    """A drill was pointed at servers that hold something; give it empty ones."""


class DrillFailed(BackupFailed):
    """What was restored is not what it should be; every difference is in the message."""

"""What can go wrong with backups."""


class BackupError(RuntimeError):
    """A backup or a restore cannot be made; the message says what to do."""

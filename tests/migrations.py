"""Takes databases back to older migrations. The code only migrates forward."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from data import database


def downgrade(url: str, revision: str) -> None:
    """Undo the migrations of a database down to a revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    config.attributes["url"] = url
    command.downgrade(config, revision)

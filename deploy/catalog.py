"""Which images there are. It imports the standard library only, as all that a release needs to build them."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent  # the checkout


class Image(NamedTuple):
    """Which extras of pyproject.toml an image has, and which processes of the Procfile are for it."""

    extras: str
    processes: tuple[str, ...]
    most_mb: int | None = None  # uncompressed


IMAGES = {
    "gateway": Image("gateway", ("gateway",), most_mb=250),
    "inference": Image("serve", ("inference",)),
    "channels": Image("gateway,channels", ("worker", "channels")),
    "site": Image("dashboard", ("dashboard", "web")),
    "flows": Image("train,serve,flows,s3,kubernetes", ("flows", "mlflow", "prefect")),
}


def name_of(image: str) -> str:
    """The name of an image in podman's store."""
    return f"localhost/tonebridge-{image}"

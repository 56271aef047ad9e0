"""The settings of inbound webhooks, from `configs/inbound.yaml`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

import configs
from configs import StageConfig

CONFIG = configs.ROOT / "configs" / "inbound.yaml"

_Count = Annotated[int, Field(ge=1)]


class InboundConfig(StageConfig):
    """What other tools may send. Durations are in the unit that the name ends in."""

    most: _Count
    most_bytes: _Count
    share_of_queue: Annotated[float, Field(gt=0, le=1)]
    once_minutes: Annotated[float, Field(gt=0)]
    former_secret_hours: Annotated[float, Field(gt=0)]
    list_messages: _Count
    lists_at_once: _Count


def load(path: Path = CONFIG) -> InboundConfig:
    """The settings of a yaml file; ConfigError when they are not valid."""
    return configs.load(InboundConfig, path)

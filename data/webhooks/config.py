"""The settings of webhooks, from `configs/webhooks.yaml`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

import configs
from configs import StageConfig

CONFIG = configs.ROOT / "configs" / "webhooks.yaml"

_Count = Annotated[int, Field(ge=1)]
_Duration = Annotated[float, Field(gt=0)]


class WebhooksConfig(StageConfig):
    """How events are delivered. Durations are in the unit that the name ends in."""

    most: _Count
    list_deliveries: _Count
    lists_at_once: _Count
    at_once: _Count
    timeout_s: _Duration
    most_attempts: Annotated[int, Field(ge=1, le=1000)]
    first_retry_s: _Duration
    longest_retry_s: _Duration
    longest_pause_s: _Duration
    longest_retry_after_s: _Duration
    disabled_after_days: _Duration
    former_secret_hours: _Duration


def load(path: Path = CONFIG) -> WebhooksConfig:
    """The settings of a yaml file; ConfigError when they are not valid."""
    return configs.load(WebhooksConfig, path)

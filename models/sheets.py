"""Rows of a sheet for blind readers: a request and a rewrite, without the system that wrote it."""

import json
from hashlib import blake2b

from pydantic import BaseModel, ConfigDict

from data.records import Intensity, TransformType


class SheetRow(BaseModel):
    """What a reader sees. `key` is a digest of the other fields, so it shows when one of them was changed."""

    model_config = ConfigDict(frozen=True)

    key: str
    transform_type: TransformType
    intensity: Intensity
    text: str
    rewrite: str


class ReadingError(ValueError):
    """A reader's file has an unknown key, a missing row or an unknown label; the message names them."""


def make_row(text: str, transform_type: TransformType, intensity: int, rewrite: str) -> SheetRow:
    """The row of a rewrite of the message `text`. Equal rewrites of a request have equal keys."""
    parts = [transform_type.value, str(intensity), text, rewrite]
    key = blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
    return SheetRow(key=key, transform_type=transform_type, intensity=intensity, text=text, rewrite=rewrite)

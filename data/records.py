"""The vocabulary: the few words that tables, API, code, tests and pages share."""

import json
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class TransformType(StrEnum):
    """What a rewrite is for."""

    SOFTEN = "soften"
    CLARIFY = "clarify"
    STRUCTURE = "structure"
    SUMMARIZE = "summarize"
    TERMINOLOGY = "terminology"
    REQUIREMENTS = "requirements"
    BACKGROUND = "background"


Intensity = Annotated[
    int, Field(ge=0, le=3, strict=True, description="0 barely touches the message, 3 is strongest")
]

Engine = Literal["ctranslate2", "transformers"]


class Protection(BaseModel):
    """How facts are kept from being lost, see `models.protection`: hidden from the model behind masks, and
    how many other rewrites are looked at when one has lost some, or always.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    masks: bool = False
    retries: Annotated[int, Field(ge=0, le=8)] = 0
    always: bool = False

    def __bool__(self) -> bool:
        return self.masks or self.retries > 0


UNPROTECTED = Protection()
PROTECTED = Protection(masks=True, retries=5)  # what releases have, by the table in docs/protection.md


class Spec(BaseModel):
    """All that decides an output.

    Two equal specs give the same text for a message when it is sampled with a seed; greedy text may differ in
    a word where int8 rounding, in another batch, decides between near-equal tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    prompt: Literal["frame-1"] = "frame-1"
    engine: Engine = "ctranslate2"
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_k: Annotated[int, Field(ge=1, le=200)] = 40
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 128
    protection: Protection = UNPROTECTED

    @property
    def digest(self) -> str:
        """The spec's name: blake2b-128 of its canonical JSON, in hex.

        No protection is left out, so that specs from before there was any keep their names.
        """
        decides = self.model_dump(mode="json", exclude={"protection"} if not self.protection else None)
        canonical = json.dumps(decides, sort_keys=True, separators=(",", ":"))
        return blake2b(canonical.encode(), digest_size=16).hexdigest()


Split = Literal["train", "validation"]


class Demonstration(BaseModel):
    """A message and a rewrite worth imitating: from the seed, or by a person who edited an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    transform_type: TransformType
    intensity: Intensity
    rewrite: str
    split: Split = "train"


class PreferencePair(BaseModel):
    """Two rewrites of a message of which people chose one, each with the version that wrote it.

    `stars` is by how much the chosen one was rated higher, on average; None where it was chosen outright.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    transform_type: TransformType
    intensity: Intensity
    chosen: str
    rejected: str
    chosen_version: str
    rejected_version: str
    stars: Annotated[float | None, Field(gt=0, le=4)] = None
    split: Split = "train"


class Label(BaseModel):
    """One rewrite that a person found good or bad: unpaired, as KTO reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    transform_type: TransformType
    intensity: Intensity
    rewrite: str
    good: bool
    version: str
    split: Split = "train"

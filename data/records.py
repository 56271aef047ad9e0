"""The vocabulary: types that tables, API, code, tests and pages share."""

import json
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TransformType(StrEnum):
    """The purpose of a rewrite."""

    SOFTEN = "soften"
    CLARIFY = "clarify"
    STRUCTURE = "structure"
    SUMMARIZE = "summarize"
    TERMINOLOGY = "terminology"
    REQUIREMENTS = "requirements"
    BACKGROUND = "background"


Intensity = Annotated[
    int,
    Field(ge=0, le=3, strict=True, description="0 barely touches the message, 3 is strongest", examples=[2]),
]

Engine = Literal["ctranslate2", "transformers", "openai", "llamacpp"]
Prompt = Literal["frame-1", "frame-2"]  # the request alone, or with instructions and examples
Form = Literal["text", "edits"]  # a version writes the whole text, or edits of the message


class Protection(BaseModel):
    """How facts are protected (`models.protection`).

    `masks` hides them from the model. `retries` is the number of further rewrites to choose from if the first
    one lost a fact. With `always` a judge chooses among them in every case; a spec, so serving, refuses that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    masks: bool = False
    retries: Annotated[int, Field(ge=0, le=8)] = 0
    always: bool = False

    def __bool__(self) -> bool:
        return self.masks or self.retries > 0


UNPROTECTED = Protection()
PROTECTED = Protection(masks=True, retries=5)  # for releases, by the table in docs/protection.md


class Spec(BaseModel):
    """Everything that determines the output of a message.

    A new field is left out of the JSON while it has its default (`Field(exclude_if=...)`), as in a routing:
    during an upgrade the former release reads the specs of this one, and it refuses unknown fields.

    Equal specs give the same text for a message and seed. Greedy text may differ in a word if, in another
    batch, int8 rounding decides between tokens of nearly equal probability.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    form: Form = "text"
    rules: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="of a spec of edits")] | None = None
    prompt: Prompt = "frame-1"
    engine: Engine = "ctranslate2"
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_k: Annotated[int, Field(ge=1, le=200)] = 40
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 128
    protection: Protection = UNPROTECTED

    @model_validator(mode="after")
    def _has_something_to_choose_by(self) -> Self:
        if self.protection.always:
            raise ValueError(
                "protection.always writes drafts for a judge to choose from, and no judge is valid for what "
                "is served (docs/quality.md): set it to false"
            )
        return self

    @model_validator(mode="after")
    def _edits_need_no_protection(self) -> Self:
        if self.form == "edits" and self.protection:
            raise ValueError("an edit script keeps facts by itself: leave protection out of a spec of edits")
        if self.form == "text" and self.rules is not None:
            raise ValueError("rules propose edits: leave them out of a spec of text")
        return self

    @property
    def digest(self) -> str:
        """The spec's id: blake2b-128 of its canonical JSON, in hex.

        No protection and the form "text" are excluded, so that specs from before these fields keep their ids.
        """
        excluded = {"protection"} if not self.protection else set()
        if self.form == "text":
            excluded |= {"form", "rules"}
        fields = self.model_dump(mode="json", exclude=excluded)
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return blake2b(canonical.encode(), digest_size=16).hexdigest()


class TermRule(StrEnum):
    """What rewrites do with a term of a dictionary."""

    KEEP = "keep"  # leave it as it is
    EXPLAIN = "explain"  # explain it by the wording
    REPLACE = "replace"  # say the wording in its place


class Term(BaseModel):
    """A term of a dictionary; `wording` explains it, or is said in its place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: Annotated[str, Field(min_length=1, max_length=100)]
    rule: TermRule
    wording: Annotated[str, Field(max_length=300, description="empty for `keep`")] = ""


class Role(StrEnum):
    """What a part of a message does in it."""

    GREETING = "greeting"
    CLOSING = "closing"
    TOPIC = "topic"
    SITUATION = "situation"
    REASON = "reason"
    REQUEST = "request"
    QUESTION = "question"
    DATE = "date"
    PLAN = "plan"
    OPEN = "open"
    ASIDE = "aside"


class Need(StrEnum):
    """What a part of a message is in a list of requirements."""

    NEED = "need"
    WISH = "wish"
    CONSTRAINT = "constraint"
    DEADLINE = "deadline"
    OPEN = "open"
    CONTEXT = "context"
    NOTHING = "nothing"


Split = Literal["train", "validation"]


# An error of theirs is in the log of a flow's run, which Prefect stores: so it quotes no text.
_OF_TEXTS = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Demonstration(BaseModel):
    """A message and a good rewrite of it: from the seed, or from a person's edit."""

    model_config = _OF_TEXTS

    text: str
    transform_type: TransformType
    intensity: Intensity
    rewrite: str
    split: Split = "train"


class PreferencePair(BaseModel):
    """Two rewrites of a message, the chosen and the rejected one, each with the version that wrote it.

    `stars` is the difference of their mean ratings; None if people compared the two directly.
    """

    model_config = _OF_TEXTS

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
    """A rewrite that a person rated as good or bad: unpaired feedback, as for KTO."""

    model_config = _OF_TEXTS

    text: str
    transform_type: TransformType
    intensity: Intensity
    rewrite: str
    good: bool
    version: str
    split: Split = "train"

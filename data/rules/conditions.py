"""What a rule may ask of a message, and what it proposes. A rule has at most one condition of each kind, and
all of them must hold.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Literal, NamedTuple
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from data import normal_form
from data.people import dictionaries
from data.reasons import ReasonedError
from data.records import Intensity, TransformType
from data.rules import patterns

LONGEST_PLACE = 200  # characters of a channel, or of a recipient
_MOST_WORDS, _MOST_PLACES = 20, 50
_LONGEST_WORD, _LONGEST_NAME = 100, 200  # characters
_LONGEST_ZONE = 100
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_NOT_EVERYWHERE = frozenset({"localtime", "Factory"})  # of the machine, and of no place


class RefusedConditionError(ReasonedError, ValueError):
    """A condition cannot be one of a rule."""


class ConditionKind(StrEnum):
    """What a condition is about, in the order in which conditions are checked: the cheapest first."""

    HOURS = "hours"
    CHANNEL = "channel"
    RECIPIENT = "recipient"
    KEYWORD = "keyword"
    PATTERN = "pattern"
    TONE = "tone"


class Day(StrEnum):
    """A day of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


def fold(place: str) -> str:
    """The same for spellings of a channel or a recipient that only differ in case or in Unicode's forms."""
    return normal_form.normalise("NFKC", place).casefold()


def _tidy_name(text: str) -> str:
    name = dictionaries.tidy(text, _LONGEST_NAME)
    if not name:
        raise RefusedConditionError("rule_name_empty")
    return name


def _check_zone(zone: str) -> str:
    if zone not in _list_zones():
        raise RefusedConditionError("unknown_time_zone", zone=zone)
    return zone


@cache
def _list_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_EVERYWHERE


class _Condition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Keyword = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_WORD, pattern=_NO_CONTROLS),
    AfterValidator(lambda text: dictionaries.check_term(text, _LONGEST_WORD)),
]
Place = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_PLACE, pattern=_NO_CONTROLS, strip_whitespace=True),
]
Places = Annotated[list[Place], Field(max_length=_MOST_PLACES)]
Clock = Annotated[str, StringConstraints(pattern=_CLOCK)]


class KeywordCondition(_Condition):
    """The message has one of these words, each found as a term of a dictionary is: as a whole word, in its
    plural, too, and in Japanese.
    """

    kind: Annotated[Literal[ConditionKind.KEYWORD], Field(description="what the condition is about")]
    words: Annotated[
        list[Keyword],
        Field(
            min_length=1,
            max_length=_MOST_WORDS,
            description="words or phrases; one with a capital is found as written, another one in any case",
            examples=[["asap", "至急"]],
        ),
    ]


class PatternCondition(_Condition):
    """The message has a place that a regular expression (RE2) matches."""

    kind: Annotated[Literal[ConditionKind.PATTERN], Field(description="what the condition is about")]
    pattern: Annotated[
        str,
        StringConstraints(min_length=1, max_length=patterns.LONGEST, pattern=r"^[^\x00]*$"),
        Field(
            description="in RE2's syntax, without look-around and back-references; `\\b` and `\\w` are ASCII",
            examples=[r"!{3,}"],
        ),
    ]
    ignores_case: Annotated[
        bool, Field(strict=True, description="whether capitals make no difference", examples=[False])
    ] = False

    @model_validator(mode="after")
    def _check(self) -> "PatternCondition":
        patterns.compile_pattern(self.pattern, self.ignores_case)
        return self


class ToneCondition(_Condition):
    """The message is likely to be read as harsh: the analysis gives that level a greater probability."""

    kind: Annotated[Literal[ConditionKind.TONE], Field(description="what the condition is about")]
    harsh_above: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            strict=True,
            allow_inf_nan=False,
            description="the probability of `harsh`, as `POST /api/v1/analyze` says it; never holds for a"
            " message in another language than English and Japanese",
            examples=[0.5],
        ),
    ]


class _PlaceCondition(_Condition):
    values: Annotated[Places, Field(description="exactly one of these, in any case")] = []
    prefixes: Annotated[Places, Field(description="or begins with one of these, in any case")] = []

    @model_validator(mode="after")
    def _check(self) -> "_PlaceCondition":
        if not self.values and not self.prefixes:
            raise RefusedConditionError("places_missing")
        return self


class ChannelCondition(_PlaceCondition):
    """The message is for one of these channels."""

    kind: Annotated[Literal[ConditionKind.CHANNEL], Field(description="what the condition is about")]


class RecipientCondition(_PlaceCondition):
    """The message is for one of these people."""

    kind: Annotated[Literal[ConditionKind.RECIPIENT], Field(description="what the condition is about")]


class HoursCondition(_Condition):
    """The message is sent at these hours, by the clock of a time zone."""

    kind: Annotated[Literal[ConditionKind.HOURS], Field(description="what the condition is about")]
    days: Annotated[
        list[Day],
        Field(
            min_length=1,
            max_length=7,
            description="the days on which the hours start; those over midnight end on the next day",
            examples=[["mon", "tue", "wed", "thu", "fri"]],
        ),
    ]
    starts: Annotated[Clock, Field(description="from this time on", examples=["19:00"])]
    ends: Annotated[
        Clock,
        Field(
            description="before this time; one that is earlier than `starts` is of the next day, and the same"
            " one makes the whole day",
            examples=["08:00"],
        ),
    ]
    time_zone: Annotated[
        str,
        StringConstraints(min_length=1, max_length=_LONGEST_ZONE),
        AfterValidator(_check_zone),
        Field(description="a name of IANA's database of time zones", examples=["Asia/Tokyo"]),
    ]


Condition = Annotated[
    KeywordCondition
    | PatternCondition
    | ToneCondition
    | ChannelCondition
    | RecipientCondition
    | HoursCondition,
    Field(discriminator="kind"),
]


def _check_kinds(conditions: list[Condition]) -> list[Condition]:
    kinds = [condition.kind for condition in conditions]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise RefusedConditionError("condition_twice", kind=kind.value)
    return conditions


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_NAME, pattern=_NO_CONTROLS),
    AfterValidator(_tidy_name),
    Field(description="what people read beside the proposal", examples=["Kinder in the evening"]),
]
Conditions = Annotated[
    list[Condition],
    Field(min_length=1, max_length=len(ConditionKind), description="all must hold; one of each kind at most"),
    AfterValidator(_check_kinds),
]
Priority = Annotated[
    int,
    Field(
        ge=1,
        le=1000,
        strict=True,
        description="1 is the first; of rules with the same priority a person's own comes first, then the"
        " older one",
        examples=[100],
    ),
]
Enabled = Annotated[
    bool, Field(strict=True, description="false: kept, and proposes nothing", examples=[True])
]


class Rule(BaseModel):
    """A rule: its conditions, and the rewrite that it proposes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    conditions: Conditions
    transform_type: TransformType
    intensity: Intensity
    priority: Priority = 100
    enabled: Enabled = True

    def condition(self, kind: ConditionKind) -> Condition | None:
        """Its condition of a kind, if it has one."""
        return next((each for each in self.conditions if each.kind is kind), None)


class StoredRule(NamedTuple):
    """A rule in Postgres; without a person it is the organisation's."""

    id: uuid.UUID
    user_id: uuid.UUID | None
    rule: Rule
    created_by: str
    created_at: datetime


def in_order(rules: Iterable[StoredRule]) -> list[StoredRule]:
    """Rules in the order in which they are tried: by priority, a person's own before the organisation's, the
    older one before the newer one.
    """
    return sorted(rules, key=lambda each: (each.rule.priority, each.user_id is None, each.id))


CONDITIONS: TypeAdapter[list[Condition]] = TypeAdapter(Conditions)

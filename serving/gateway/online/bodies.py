"""The request bodies of the REST routes, with all their limits."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from data.reasons import Reason, reason
from data.records import Intensity, TransformType
from data.traffic.comparisons import Policy
from serving.gateway.auth import Caller
from serving.gateway.online.placement import Message
from serving.gateway.problems import InvalidError

MAX_CHARACTERS = 8000
MAX_ITEMS = 100
LOCALE = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$"  # RFC 5646, as far as it needs no registry
CHANNEL = r"^[a-z0-9][a-z0-9._-]{0,39}$"

Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_CHARACTERS, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$"),
    Field(
        description="the message, at most 8,000 characters", examples=["Fix the login page before Monday."]
    ),
]
UserId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
    Field(description="your name for the person, scoped to your key", examples=["ann"]),
]


_OF_PERSON: dict[str, Any] = {
    "description": "your name for the person; a token leaves it out",
    "examples": ["ann"],
}
UserName = Annotated[UserId | None, Field(**_OF_PERSON)]
AskedPerson = Annotated[UserId | None, Query(**_OF_PERSON)]  # in a query


def check_speaks_for(caller: Caller, user_id: str | None) -> None:
    """InvalidError when a token names another person than its own subject."""
    if caller.subject is not None and user_id not in (None, caller.subject):
        raise InvalidError({"user_id": reason("token_names_itself")})


def name_person(caller: Caller, user_id: str | None, missing: Reason) -> str | None:
    """The name of the person whom a request is about; InvalidError when one with a key names nobody, because
    of `missing`, or one with a token somebody else.
    """
    check_speaks_for(caller, user_id)
    if caller.subject is None and user_id is None:
        raise InvalidError({"user_id": missing})
    return user_id


class TransformRequest(BaseModel):
    """A message to rewrite."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    transform_type: TransformType
    intensity: Intensity
    user_id: Annotated[
        UserId | None, Field(description="your name for the person, scoped to your key", examples=["ann"])
    ] = None
    locale: Annotated[
        str | None,
        Field(
            pattern=LOCALE,
            description="language tag of the person, `ja-JP`; experiments may need it",
            examples=["en-GB"],
        ),
    ] = None
    channel: Annotated[
        str | None,
        Field(
            pattern=CHANNEL,
            description="where the message is sent, `chat`; experiments may need it",
            examples=["chat"],
        ),
    ] = None

    def message(self, caller: Caller) -> Message:
        """The message for the online path; InvalidError when the caller may not act for the person."""
        check_speaks_for(caller, self.user_id)
        return Message(
            self.text, self.transform_type, self.intensity, self.user_id, self.locale, self.channel
        )


class StreamableRequest(TransformRequest):
    """A message to rewrite, and whether the answer is streamed."""

    stream: Annotated[
        bool | None,
        Field(
            strict=True,
            description="true: answer with server-sent events; when it is not given, `Accept` decides",
        ),
    ] = None


class CompareRequest(TransformRequest):
    """A message to rewrite twice."""

    policy: Annotated[
        Policy | None,
        Field(description="where the two outputs come from; null: as the installation needs votes now"),
    ] = None


class BatchRequest(BaseModel):
    """Messages to rewrite, each for itself."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[
        list[TransformRequest], Field(min_length=1, max_length=MAX_ITEMS, description="the messages")
    ]

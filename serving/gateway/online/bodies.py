"""The request bodies of the REST routes, with all their limits."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from data.reasons import reason
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
    str, StringConstraints(min_length=1, max_length=MAX_CHARACTERS, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")
]
UserId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


def check_speaks_for(caller: Caller, user_id: str | None) -> None:
    """InvalidError when a token names another person than its own subject."""
    if caller.subject is not None and user_id not in (None, caller.subject):
        raise InvalidError({"user_id": reason("token_names_itself")})


class TransformRequest(BaseModel):
    """A message to rewrite."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    transform_type: TransformType
    intensity: Intensity
    user_id: Annotated[UserId | None, Field(description="your name for the person, scoped to your key")] = (
        None
    )
    locale: Annotated[
        str | None,
        Field(pattern=LOCALE, description="language tag of the person, `ja-JP`; experiments may need it"),
    ] = None
    channel: Annotated[
        str | None,
        Field(pattern=CHANNEL, description="where the message is sent, `chat`; experiments may need it"),
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

    policy: Policy | None = None


class BatchRequest(BaseModel):
    """Messages to rewrite, each for itself."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[TransformRequest], Field(min_length=1, max_length=MAX_ITEMS)]

"""The events of webhooks in the description: the document of each, as `serving.worker.events` writes it, and
the headers that come with it.
"""

import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from data.fields import FactsMissing, Id, RequestedBy, Time, VersionName
from data.jobs.listing import Batch, ListedJob
from data.reasons import Reason
from data.records import Intensity, TransformType
from data.webhooks.events import EventType
from serving.gateway.description.examples import SHOWN
from serving.gateway.online.answering import (
    AnswerId,
    CacheLevel,
    FellBack,
    TransformedText,
    VariantName,
    WhyUnchanged,
)

Happened = Annotated[Time, Field(description="when it happened")]
PersonId = Annotated[Id, Field(description="the person")]
PersonName = Annotated[
    str | None,
    Field(description="your name for the person; null: no request has named one", examples=["ann"]),
]
KeyId = Annotated[
    str | None,
    Field(
        description="the key whose name for the person this is; null for a token's",
        examples=["ef2d1c1413919698"],
    ),
]
ExperimentId = Annotated[
    Id | None, Field(description="the experiment; null: outside of one", examples=[None])
]
Message = Annotated[
    str, Field(description="the message that was rewritten", examples=["Fix the login page before Monday."])
]
English = Annotated[
    str, Field(description="`reasons` in English", examples=["People prefer the version before."])
]
Reasons = Annotated[list[Reason], Field(description="why, as codes and values")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")  # new fields may come


class SentAnswer(_Part):
    """An answer that a person got. It has no receipt, since whoever has one can vote for the person."""

    answer_id: AnswerId
    user_id: PersonId
    external_id: PersonName
    key_id: KeyId
    experiment_id: ExperimentId
    variant: VariantName
    epoch: Annotated[int, Field(description="the epoch of the routing", examples=[3])]
    cache: CacheLevel
    fallback: FellBack
    locale: Annotated[str | None, Field(description="language tag of the request", examples=["en-GB"])]
    channel: Annotated[str | None, Field(description="channel of the request", examples=["chat"])]
    output_id: Annotated[Id, Field(description="the stored text; answers from a cache share one")]
    version: Annotated[VersionName, Field(description="the version that wrote the text")]
    transform_type: TransformType
    intensity: Intensity
    message: Message
    transformed_text: TransformedText
    facts_missing: FactsMissing
    unchanged: WhyUnchanged


class Answers(_Part):
    """Answers that people got."""

    answers: Annotated[list[SentAnswer], Field(description="at most a hundred")]


class SentVote(_Part):
    """A vote as it is when the event is sent."""

    vote_id: Annotated[Id, Field(description="the vote")]
    kind: Annotated[
        Literal["thumb", "rating", "edit", "comparison", "comment"], Field(description="the kind of vote")
    ]
    thumb_up: Annotated[bool | None, Field(description="of a thumb", examples=[True])]
    rating: Annotated[int | None, Field(description="stars of a rating", examples=[None])]
    text: Annotated[str | None, Field(description="text of an edit or a comment", examples=[None])]
    reason: Annotated[str | None, Field(description="why, in a comparison", examples=[None])]
    preferred_output_id: Annotated[
        Id | None, Field(description="the better text of a comparison; null: neither", examples=[None])
    ]
    comparison_id: Annotated[Id | None, Field(description="the comparison", examples=[None])]
    user_id: PersonId
    external_id: PersonName
    key_id: KeyId
    experiment_id: ExperimentId
    variant: Annotated[str | None, Field(description="the arm of the answer", examples=["champion"])]
    epoch: Annotated[int | None, Field(description="the epoch of the answer", examples=[3])]
    created_at: Annotated[Time, Field(description="when the person first voted")]
    updated_at: Annotated[Time, Field(description="when the person last changed the vote")]
    output_id: Annotated[Id, Field(description="the text that the vote is on")]
    version: Annotated[VersionName, Field(description="the version that wrote the text")]
    transform_type: TransformType
    intensity: Intensity
    message: Message
    transformed_text: TransformedText


class EndedJob(_Part):
    """What ended: a batch, or another job."""

    batch: Annotated[
        Batch | None, Field(description="the batch; absent for a job", json_schema_extra=SHOWN)
    ] = None
    job: Annotated[ListedJob | None, Field(description="the job; absent for a batch")] = None


class UsedQuota(_Part):
    """How much of the month's answers is used."""

    month: Annotated[str, Field(description="year and month in UTC", examples=["2026-11"])]
    answers: Annotated[int, Field(description="answers in this month", examples=[8000])]
    quota: Annotated[int, Field(description="answers that the plan allows in a month", examples=[10000])]
    share: Annotated[float, Field(description="the share that is reached, 0.8 or 1", examples=[0.8])]


class CarriedOut(_Part):
    """A decision, and what became of it."""

    experiment_id: Annotated[Id | None, Field(description="the experiment")]
    decision_id: Annotated[Id, Field(description="the decision")]
    action: Annotated[str, Field(description="what was decided", examples=["ship"])]
    outcome: Annotated[str | None, Field(description="what became of it", examples=["done"])]
    decided_by: RequestedBy
    reason: English
    reasons: Reasons
    failure: Annotated[str | None, Field(description="why it failed, in English", examples=[None])]
    failure_reasons: Annotated[list[Reason], Field(description="why it failed", examples=[[]])]


class Released(_Part):
    """The version that answers by default from now on."""

    version: Annotated[VersionName, Field(description="the new champion")]
    replaced: Annotated[str | None, Field(description="the version before; null: the first", examples=["v1"])]
    epoch: Annotated[int, Field(description="the epoch that begins with it", examples=[4])]
    reason: English
    reasons: Reasons


class RefusedVersion(_Part):
    """A version that the gate refused."""

    version: Annotated[VersionName, Field(description="the version")]
    method: Annotated[str, Field(description="how it was trained", examples=["sft+dpo"])]
    reason: English
    reasons: Reasons


class RefusedSnapshot(_Part):
    """A data set that may not be trained on."""

    snapshot: Annotated[
        str, Field(description="digest of the snapshot", examples=["5f2c0e7a9b1d4c3e8f7a6b5c4d3e2f1a"])
    ]
    counts: Annotated[
        dict[str, Any], Field(description="what it contains, by kind", examples=[{"pairs": 640}])
    ]
    reason: English
    reasons: Reasons


class DisabledWebhook(_Part):
    """A webhook that was disabled by itself."""

    webhook_id: Annotated[Id, Field(description="the webhook")]
    url: Annotated[str, Field(description="its address", examples=["https://hooks.example.com/tonebridge"])]
    disabled_at: Annotated[Time, Field(description="since when nothing is sent")]
    reason: English
    reasons: Reasons


class Nothing(_Part):
    """No data."""


class _Event(_Part):
    timestamp: Happened


class AnswerCreated(_Event):
    """People got answers."""

    type: Annotated[Literal["answer.created"], Field(description="the type of the event")]
    data: Answers


class FeedbackGiven(_Event):
    """A person voted, or changed a vote."""

    type: Annotated[Literal["feedback.given"], Field(description="the type of the event")]
    data: SentVote


class ExperimentDecided(_Event):
    """A decision on an experiment was carried out, failed, or waits for a person."""

    type: Annotated[Literal["experiment.decided"], Field(description="the type of the event")]
    data: CarriedOut


class VersionReleased(_Event):
    """A version answers by default from now on."""

    type: Annotated[Literal["version.released"], Field(description="the type of the event")]
    data: Released


class VersionRefused(_Event):
    """The gate refused a version."""

    type: Annotated[Literal["version.refused"], Field(description="the type of the event")]
    data: RefusedVersion


class SnapshotRefused(_Event):
    """A data set may not be trained on."""

    type: Annotated[Literal["snapshot.refused"], Field(description="the type of the event")]
    data: RefusedSnapshot


class QuotaNear(_Event):
    """80 % of the month's answers are used, or all."""

    type: Annotated[Literal["quota.near"], Field(description="the type of the event")]
    data: UsedQuota


class JobDone(_Event):
    """The last message of a batch ended, or an export."""

    type: Annotated[Literal["job.done"], Field(description="the type of the event")]
    data: EndedJob


class WebhookDisabled(_Event):
    """Another webhook of yours was disabled by itself."""

    type: Annotated[Literal["webhook.disabled"], Field(description="the type of the event")]
    data: DisabledWebhook


class WebhookTest(_Event):
    """Somebody asked for it."""

    type: Annotated[Literal["webhook.test"], Field(description="the type of the event")]
    data: Nothing


DOCUMENTS: dict[EventType, type[_Event]] = {
    EventType.ANSWER_CREATED: AnswerCreated,
    EventType.FEEDBACK_GIVEN: FeedbackGiven,
    EventType.EXPERIMENT_DECIDED: ExperimentDecided,
    EventType.VERSION_RELEASED: VersionReleased,
    EventType.VERSION_REFUSED: VersionRefused,
    EventType.SNAPSHOT_REFUSED: SnapshotRefused,
    EventType.QUOTA_NEAR: QuotaNear,
    EventType.JOB_DONE: JobDone,
    EventType.WEBHOOK_DISABLED: WebhookDisabled,
    EventType.WEBHOOK_TEST: WebhookTest,
}


def install(app: FastAPI) -> None:
    """Describe each event as a webhook. Nothing of it is a route."""
    for kind, document in DOCUMENTS.items():
        app.webhooks.add_api_route(
            kind.value,
            _receiver(kind, document),
            methods=["POST"],
            status_code=204,
            response_class=Response,
            response_description="You have it. Any 2xx is fine, within 15 seconds",
            responses={
                410: {"description": "The address is gone: the webhook is disabled at once"},
                "default": {"description": "It is sent again later, up to 20 times in all"},
            },
            tags=["webhooks"],
            description=f"{document.__doc__}\n\n{_EVERY}",
        )


_EVERY = (
    "Signed as Standard Webhooks says. All attempts have the same `webhook-id`: remember the ids for some"
    " days, and drop what you know. Texts are as they are when the event is sent."
)
_ID = Header(
    alias="webhook-id", description="the event's id", examples=["01a22303-92fd-74fc-b4f4-074280c0308c"]
)
_TIME = Header(
    alias="webhook-timestamp", description="when it was sent, in seconds since 1970", examples=[1795896356]
)
_SIGNATURE = Header(
    alias="webhook-signature",
    description="one signature for each secret in force, separated by blanks: `v1,` and the base64 of"
    " HMAC-SHA256",
    examples=["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="],
)


def _receiver(kind: EventType, document: type[_Event]) -> Callable[..., None]:
    """A function with the parameters of a receiver; its name is that of the operation."""

    def receive(
        body: Any,
        webhook_id: Annotated[uuid.UUID, _ID],
        webhook_timestamp: Annotated[int, _TIME],
        webhook_signature: Annotated[str, _SIGNATURE],
    ) -> None:
        raise AssertionError("this is for the API's page; the receiver is a server of yours")

    receive.__annotations__["body"] = document
    receive.__name__ = f"on_{kind.replace('.', '_')}"
    return receive

"""An answer as it is shown to its person later: by `GET /api/v1/answers`, and as an event of a WebSocket."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import Field

from data.records import Intensity, TransformType
from data.traffic import receipts
from data.traffic.feedback import OwnFeedback
from data.traffic.own_answers import OwnAnswer
from data.traffic.receipts import Receipt
from serving.gateway.online.answering import Answer, explain


class ShownAnswer(Answer):
    """An answer that a person got, with its message and what the person said about it. Its receipt takes a
    vote, as the one that came with the answer.
    """

    created_at: Annotated[
        datetime, Field(description="when the person got it", examples=["2027-01-31T09:00:00.250000Z"])
    ]
    message: Annotated[
        str, Field(description="what was rewritten", examples=["Fix the login page before Monday."])
    ]
    transform_type: Annotated[TransformType, Field(description="how", examples=["soften"])]
    intensity: Annotated[Intensity, Field(description="how far, 0 to 3", examples=[2])]
    feedback: Annotated[
        OwnFeedback | None,
        Field(
            description="what the person has said about the rewrite, in whichever answer they got it; null:"
            " nothing",
            examples=[
                {
                    "thumb_up": True,
                    "rating": 4,
                    "edit": "Could you please fix the login page before Monday?",
                    "comment": "Too formal for our team.",
                }
            ],
        ),
    ]


def describe(
    answer: OwnAnswer, organisation_id: uuid.UUID, user_id: uuid.UUID, is_personal: bool, secret: bytes
) -> ShownAnswer:
    """An answer with a receipt, which `secret` signs anew. `is_personal`: the person has a token or a
    session, and is not named by an API key.
    """
    receipt = Receipt(
        output_id=answer.output_id,
        organisation_id=organisation_id,
        user_id=user_id,
        experiment_id=answer.experiment_id,
        comparison_id=None,
        variant=answer.variant,
        version=answer.version,
        epoch=answer.epoch,
        issued_at=int(answer.created_at.timestamp()),
        is_personal=is_personal,
    )
    return ShownAnswer(
        answer_id=answer.id,
        receipt=receipts.sign(receipt, secret),
        transformed_text=answer.text,
        variant=answer.variant,
        version=answer.version,
        cache=answer.cache,
        fallback=answer.fell_back,
        facts_missing=answer.facts_missing,
        unchanged=explain(answer.unchanged),
        created_at=answer.created_at,
        message=answer.message,
        transform_type=answer.transform_type,
        intensity=answer.intensity,
        feedback=answer.feedback,
    )

"""Feedback: a vote on an output, with the receipt that came with the answer."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from data.fields import Id
from data.traffic import feedback, receipts
from data.traffic.feedback import ErasedError, Vote, WrongReceiptError
from data.traffic.receipts import ForgedReceiptError, Receipt
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Admitted, AnsweredOnce
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import ForeignReceiptError
from serving.gateway.refusals import refuses
from serving.gateway.routes.rewriting import IdempotencyKey
from serving.observability import spans
from serving.observability.spans import Thing

router = APIRouter(prefix="/api/v1", tags=["feedback"])


class FeedbackStored(BaseModel):
    """Where a vote was stored; voting again keeps the id."""

    feedback_id: Annotated[Id, Field(description="the vote")]


@router.post(
    "/feedback",
    status_code=201,
    response_model=FeedbackStored,
    responses=refuses(
        (ForgedReceiptError, "receipt_malformed"),
        (ForeignReceiptError, "receipt_foreign_organisation"),
        (WrongReceiptError, "answer_receipt_needed", {"kind": "thumb"}),
        (ErasedError, "output_erased"),
    ),
)
async def give_feedback(
    parts: InjectedParts,
    body: Annotated[Vote, Field(discriminator="kind")],
    caller: Admitted,
    answer_once: AnsweredOnce,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Vote on a rewrite, with the receipt that came with it. There are five kinds of votes; a second vote
    of a kind replaces the first. A receipt that a key got takes votes with any key of its organisation;
    that of a person takes only the votes of this person.
    """
    receipt = check(parts, caller, body)

    async def do() -> tuple[int, bytes]:
        stored = await store(parts, caller, receipt, body)
        return 201, stored.model_dump_json().encode()

    return await answer_once(idempotency_key, body, do)


def check(parts: Parts, caller: Caller, vote: Vote) -> Receipt:
    """The receipt of a vote; an error of the receipt, or UnavailableError, when it cannot be stored now."""
    receipt = receipts.read(vote.receipt, parts.receipt_secret, parts.former_receipt_secrets)
    _check_may_use(caller, receipt)
    parts.directory.require_postgres()
    return receipt


async def store(parts: Parts, caller: Caller, receipt: Receipt, vote: Vote) -> FeedbackStored:
    """Store a vote whose receipt was checked."""
    async with parts.pool.connection() as connection:
        id = await feedback.record(connection, receipt, vote, caller.key_id)
    spans.record(Thing.VOTE, str(id), [(Thing.OUTPUT, str(receipt.output_id))], kind=vote.kind)
    return FeedbackStored(feedback_id=id)


def _check_may_use(caller: Caller, receipt: Receipt) -> None:
    """ForeignReceiptError unless the caller may vote with a receipt.

    A person who signs in, or whose organisation signs a token for them, votes for themselves, and nobody
    votes for them. A receipt that was issued to an API key can be used with any key of its organisation: an
    app has several keys, replaces them while receipts are in use, and vouches for its people with each.
    """
    if receipt.organisation_id != caller.identity.organisation_id:
        raise ForeignReceiptError("receipt_foreign_organisation")
    if caller.subject is not None and receipt.user_id != caller.user(None)[0]:
        raise ForeignReceiptError("receipt_foreign_person")
    if caller.subject is None and receipt.is_personal:
        raise ForeignReceiptError("receipt_personal")

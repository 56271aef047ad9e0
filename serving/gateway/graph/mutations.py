"""What can be done: a rewrite and a vote, each by the function of its REST route and with its limits."""

from typing import Any, cast

import msgspec
import strawberry
from pydantic import TypeAdapter, ValidationError

from data.records import TransformType
from data.traffic.feedback import Vote
from serving.gateway import problems
from serving.gateway.auth import credential
from serving.gateway.dependencies import admission
from serving.gateway.graph import objects
from serving.gateway.graph.context import Info
from serving.gateway.graph.faults import AnsweredError
from serving.gateway.online.answering import Answer
from serving.gateway.problems import InvalidError, LeftError
from serving.gateway.routes import feedback
from serving.observability import spans
from serving.request_counts import LEFT

_VOTE: TypeAdapter[Vote] = TypeAdapter(Vote)
_FEEDBACK = "/api/v1/feedback"  # whose rate a vote takes


@strawberry.input
class TransformInput:
    """A message to rewrite: the body of `POST /api/v1/transform`, and its Idempotency-Key."""

    text: str
    transform_type: TransformType
    intensity: int
    user_id: str | None = None
    locale: str | None = None
    channel: str | None = None
    idempotency_key: str | None = None


@strawberry.input
class FeedbackInput:
    """A vote: the body of `POST /api/v1/feedback`. `kind` says which of the other fields it has."""

    receipt: str
    kind: str
    up: bool | None = None
    stars: int | None = None
    text: str | None = None
    preferred: str | None = None
    reason: str | None = None


@strawberry.type
class Mutation:
    """Rewrites and votes."""

    @strawberry.mutation(graphql_type=objects.Answer)
    async def transform(self, info: Info, input: TransformInput) -> Any:
        """Rewrite a message. It takes what `POST /api/v1/transform` takes, of the rate of that route."""
        body = _given(input)
        key = body.pop("idempotency_key", None)
        # The trace and the id of the request go on; what is about the body and its encoding does not.
        headers = {name.encode(): value.encode() for name, value in spans.inject().items()}
        if (request_id := info.context.headers.get(b"x-request-id")) is not None:
            headers[b"x-request-id"] = request_id
        token = credential(info.context.headers)
        assert token is not None, "the caller is known by it"
        headers |= {b"x-api-key": token.encode(), b"content-type": b"application/json"}
        if key is not None:
            headers[b"idempotency-key"] = key.encode("latin-1", "replace")
        reply = await info.context.front.reply(headers, msgspec.json.encode(body), info.context.turn, None)
        if reply.status == LEFT:
            info.context.refusal = LeftError()
            raise info.context.refusal
        content = cast(bytes, reply.content)  # no stream, since the headers do not accept one
        if reply.status != 200:
            named = {name.decode(): value.decode() for name, value in reply.headers}
            raise AnsweredError(content, named)
        return Answer.model_validate_json(content)

    @strawberry.mutation(graphql_type=objects.FeedbackStored)
    async def feedback(self, info: Info, input: FeedbackInput) -> Any:
        """Say what an output is worth. A second vote of a kind replaces the first."""
        context = info.context
        async with admission(context.parts.limiter, context.caller, _FEEDBACK):
            try:
                vote = _VOTE.validate_python(_given(input))
            except ValidationError as error:
                raise InvalidError(problems.by_field(error.errors(include_url=False))) from error
            receipt = feedback.check(context.parts, context.caller, vote)
            return await feedback.store(context.parts, context.caller, receipt, vote)


def _given(input: Any) -> dict[str, Any]:
    """The fields of an input that were given."""
    return {name: value for name, value in vars(input).items() if value is not None}

"""What can be subscribed to: the channels of the WebSocket, from the same hub, with the same checks."""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import strawberry
from pydantic import BaseModel, TypeAdapter, ValidationError

from data.jobs.listing import Batch, ListedJob
from data.records import TransformType
from data.traffic.notices import Subject
from experiments.drafts import WholeExperiment
from serving.gateway import problems
from serving.gateway.graph import objects
from serving.gateway.graph.context import Context, Info
from serving.gateway.online.answering import Answer
from serving.gateway.online.bodies import UserId
from serving.gateway.problems import InvalidError
from serving.gateway.realtime import messages
from serving.gateway.realtime.connection import Position, Topic
from serving.gateway.realtime.messages import Subscribe

_MOST_WAITING = 1000  # events of a subscription; past it they are dropped, and the client is told


class _AnnouncedAnswer(Answer):
    message: str
    transform_type: TransformType
    intensity: int


class _Person(BaseModel):
    user_id: UserId | None = None


_BATCH, _JOB, _EXPERIMENT = TypeAdapter(Batch), TypeAdapter(ListedJob), TypeAdapter(WholeExperiment)


@strawberry.type
class AnnouncedAnswer(objects.Answer):
    """An answer with its message."""

    message: str = strawberry.field(description="What was rewritten.")
    transform_type: TransformType = strawberry.field(description="How.")
    intensity: int = strawberry.field(description="How far, 0 to 3.")


@strawberry.type
class Release:
    """The version that answers by default from an epoch on, and the one that it replaced."""

    version: str = strawberry.field(description="The version that answers by default.")
    replaced: str | None = strawberry.field(description="The version that did before; null: it is the first.")
    epoch: int = strawberry.field(description="The number of the epoch that began with it.")


@strawberry.interface
class Event:
    """A change. A client that comes back subscribes to the same with the newest cursor as `after`. With
    `isReset` events may be missing: read the state by a query.
    """

    cursor: str = strawberry.field(description="Where to go on after this event.")
    is_reset: bool = strawberry.field(description="Whether events may be missing.")


@strawberry.type
class JobEvent(Event):
    """A batch has changed, or a job without one."""

    batch: objects.Batch | None = None
    job: objects.Job | None = None


@strawberry.type
class AnswerEvent(Event):
    """A person got an answer."""

    answer: AnnouncedAnswer | None = None


@strawberry.type
class ExperimentEvent(Event):
    """An experiment has changed."""

    experiment: objects.Experiment | None = None


@strawberry.type
class ReleaseEvent(Event):
    """A version was released."""

    release: Release | None = None


class _Inbox:
    """The events of one subscription that wait to be shown: a `Subscriber` of the hub."""

    def __init__(self) -> None:
        self.is_open = True
        self.topics: dict[Topic, Position] | None = None
        self._waiting: deque[dict[str, Any]] = deque()
        self._has_some = asyncio.Event()

    def send(self, frame: bytes) -> None:
        """Keep an event. When too many wait, all are dropped, and a reset is in their place."""
        message = messages.read(frame)
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.clear()
            message = {"type": "reset", "cursor": message["cursor"]}
        self._waiting.append(message)
        self._has_some.set()

    async def next(self) -> dict[str, Any]:
        """The next event."""
        while not self._waiting:
            self._has_some.clear()
            await self._has_some.wait()
        return self._waiting.popleft()


async def _listen(
    context: Context, wanted: Subscribe, after: str | None
) -> AsyncGenerator[tuple[str, Any | None], None]:
    """The cursor and the document of each event; without a document it is a reset."""
    sockets, inbox = context.sockets, _Inbox()
    topic = await sockets.find_topic(context.caller, wanted)
    try:
        await sockets.hub.subscribe(inbox, topic, after)
        while True:
            message = await inbox.next()
            yield message["cursor"], message.get("data")
    finally:
        inbox.is_open = False
        sockets.hub.leave(inbox)


@strawberry.type
class Subscription:
    """What happens from now on; with `after`, what has happened since that cursor, too."""

    @strawberry.subscription
    async def jobs(self, info: Info, after: str | None = None) -> AsyncGenerator[JobEvent, None]:
        """Batches and jobs that the caller requested; for admins, all of their organisation."""
        async for cursor, data in _listen(info.context, Subscribe(Subject.JOBS), after):
            batch: Any = _BATCH.validate_python(data) if data and "messages" in data else None
            job: Any = _JOB.validate_python(data) if data and "messages" not in data else None
            yield JobEvent(cursor=cursor, is_reset=data is None, batch=batch, job=job)

    @strawberry.subscription
    async def answers(
        self, info: Info, user_id: str | None = None, after: str | None = None
    ) -> AsyncGenerator[AnswerEvent, None]:
        """The answers of a person; `userId` is the caller's name for the person, with an API key."""
        try:
            person = _Person(user_id=user_id)
        except ValidationError as error:
            raise InvalidError(problems.by_field(error.errors(include_url=False))) from error
        wanted = Subscribe(Subject.ANSWERS, user_id=person.user_id)
        async for cursor, data in _listen(info.context, wanted, after):
            answer: Any = _AnnouncedAnswer.model_validate(data) if data else None
            yield AnswerEvent(cursor=cursor, is_reset=data is None, answer=answer)

    @strawberry.subscription
    async def experiments(
        self, info: Info, experiment_id: uuid.UUID | None = None, after: str | None = None
    ) -> AsyncGenerator[ExperimentEvent, None]:
        """Experiments, or one of them."""
        wanted = Subscribe(Subject.EXPERIMENTS, experiment_id=experiment_id)
        async for cursor, data in _listen(info.context, wanted, after):
            experiment: Any = _EXPERIMENT.validate_python(data) if data else None
            yield ExperimentEvent(cursor=cursor, is_reset=data is None, experiment=experiment)

    @strawberry.subscription
    async def releases(self, info: Info, after: str | None = None) -> AsyncGenerator[ReleaseEvent, None]:
        """Versions that are released."""
        async for cursor, data in _listen(info.context, Subscribe(Subject.RELEASES), after):
            release: Any = Release(**data) if data else None
            yield ReleaseEvent(cursor=cursor, is_reset=data is None, release=release)

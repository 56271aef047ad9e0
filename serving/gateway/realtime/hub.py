"""Who has subscribed to what, and the events that go to them.

An event has a cursor: its place in the order of all notices, and the subscription that it is of. A client
that connects again subscribes with its last cursor, and gets what it has missed; or `reset`, if that is no
longer kept: then it reads the state by the REST routes. The cursor of another subscription is refused: what
that one has shown says nothing about this one. Of several changes of one thing that come close together only
the last is shown.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec
import prometheus_client
import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.reasons import reason
from data.traffic import notices
from data.traffic.notices import Notice, Subject
from serving.gateway import tasks
from serving.gateway.problems import InvalidError, UnavailableError
from serving.gateway.realtime import documents, messages
from serving.gateway.realtime.connection import Position, Topic

log = logging.getLogger(__name__)

KEPT = 20_000  # notices, for clients that come back
_GATHER_S = 0.05  # between two deliveries: changes of the same thing meanwhile are shown once
_AT_ONCE = 500  # frames, before others get their turn
_WATCH_EVERY_S, _WATCH_FOR_S = 30.0, 90.0
_RETRY_S = 1.0
_POSTGRES_ERRORS = (psycopg.Error, PoolTimeout, OSError)


def name_subscription(topic: Topic) -> str:
    """The id of what a client has subscribed to: the channel, and the person or the experiment that it has
    named. All gateways have the same, and whether somebody sees the jobs of others makes no difference.
    """
    named = topic[:1] if topic[0] is Subject.JOBS else topic
    return blake2b("\0".join(map(str, named)).encode(), digest_size=6).hexdigest()


def parse_cursor(cursor: str) -> Position | None:
    """The position in a cursor without a subscription; None when it is none."""
    milliseconds, _, number = cursor.partition("-")
    if len(cursor) <= 40 and all(part.isascii() and part.isdecimal() for part in (milliseconds, number)):
        return int(milliseconds), int(number)
    return None


def write_cursor(position: Position, topic: Topic | None = None) -> str:
    """The cursor of a position in the subscription to a topic; without one it holds in all of them."""
    cursor = f"{position[0]}-{position[1]}"
    return cursor if topic is None else f"{cursor}.{name_subscription(topic)}"


def find_position(cursor: str, topic: Topic) -> Position | None:
    """The position after which a subscription to a topic goes on; None when the cursor is none. InvalidError
    for the cursor of another subscription.
    """
    position, _, subscription = cursor.partition(".")
    if subscription and subscription != name_subscription(topic):
        raise InvalidError({"after": reason("cursor_of_another")})
    return parse_cursor(position)


def list_topics(notice: Notice) -> Iterator[Topic]:
    """The topics whose subscribers a notice concerns."""
    fields = notice.fields
    match notice.subject:
        case Subject.JOBS:
            organisation_id = uuid.UUID(fields["organisation_id"])
            yield Subject.JOBS, organisation_id, fields["requested_by"]
            yield Subject.JOBS, organisation_id, None
        case Subject.ANSWERS:
            yield Subject.ANSWERS, uuid.UUID(fields["user_id"])
        case Subject.EXPERIMENTS:
            yield Subject.EXPERIMENTS, uuid.UUID(fields["experiment_id"])
            yield Subject.EXPERIMENTS, None
        case Subject.RELEASES:
            yield (Subject.RELEASES,)


class Subscriber(Protocol):
    """Who gets events: a connection, or a subscription of GraphQL on one."""

    topics: dict[Topic, Position] | None  # subscriptions, and since when

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""

    def send(self, frame: bytes) -> None:
        """Send a frame."""


class _Event(NamedTuple):
    """A notice to show, to all subscribers of its topics or only to one that came back, of one topic."""

    position: Position
    notice: Notice
    only: tuple[Subscriber, Topic] | None = None


class Hub:
    """The subscriptions of a gateway's clients. Belongs to one event loop."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        receipt_secret: bytes,
        registry: prometheus_client.CollectorRegistry,
        is_shared: bool,
        kept: int = KEPT,
    ) -> None:
        """With `is_shared` all gateways have the same positions. `kept` notices can be resumed."""
        self._pool, self._receipt_secret = pool, receipt_secret
        self.is_shared, self._kept = is_shared, kept
        self.position: Position = (time.time_ns() // 1_000_000, 0)  # of the newest notice
        self._floor = self.position  # what came before is not known here
        self._recent: deque[tuple[Position, Notice]] = deque()
        self._recent_by_topic: dict[Topic, deque[tuple[Position, Notice]]] = {}
        self._subscribers: dict[Topic, set[Subscriber]] = {}
        self._events: list[_Event] = []
        self._has_events = asyncio.Event()
        self._is_delivering = False
        self._people: Counter[uuid.UUID] = Counter()  # with subscribers to their answers
        self._unwatched: set[uuid.UUID] = set()
        self._watching: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._sent = prometheus_client.Counter(
            "tonebridge_socket_events", "Events sent over WebSockets", registry=registry
        )

    def start(self) -> None:
        """Start to deliver events."""
        works = [
            tasks.keep(self._deliver, "events of WebSockets"),
            tasks.keep(self._keep_watching, "whose answers are announced"),
        ]
        self._tasks = [asyncio.create_task(work) for work in works]

    async def stop(self) -> None:
        """Stop."""
        await tasks.end(self._tasks)

    async def subscribe(
        self, subscriber: Subscriber, topic: Topic, after: str | None, confirmation: bytes | None = None
    ) -> None:
        """Send a subscriber the events of a topic from now on, and those after a cursor; before them a frame
        that confirms it. UnavailableError while Postgres cannot be told whose answers to announce,
        InvalidError for the cursor of another subscription.
        """
        last = None if after is None else find_position(after, topic)
        if topic[0] is Subject.ANSWERS:
            await self._watch(topic[1])
        if not subscriber.is_open:
            return
        self.unsubscribe(subscriber, topic)  # the former subscription, if there is one
        since = self.position
        if confirmation is not None:
            subscriber.send(confirmation)
        if after is not None:
            if last is None or last < self._floor or (last > since and not self.is_shared):
                subscriber.send(self._reset(topic))
            else:
                recent = self._recent_by_topic.get(topic, ())
                self._add(_Event(at, notice, (subscriber, topic)) for at, notice in recent if at > last)
                since = max(since, last)  # another gateway may have read more than this one
        if subscriber.topics is None:
            subscriber.topics = {}
        subscriber.topics[topic] = since
        self._subscribers.setdefault(topic, set()).add(subscriber)
        if topic[0] is Subject.ANSWERS:
            self._people[topic[1]] += 1

    def unsubscribe(self, subscriber: Subscriber, topic: Topic) -> None:
        """Send a subscriber the events of a topic no longer."""
        if subscriber.topics is None or topic not in subscriber.topics:
            return
        del subscriber.topics[topic]
        subscribers = self._subscribers[topic]
        subscribers.remove(subscriber)
        if not subscribers:
            del self._subscribers[topic]
        if topic[0] is Subject.ANSWERS:
            self._people[topic[1]] -= 1
            if not self._people[topic[1]]:
                del self._people[topic[1]]

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        for topic in list(subscriber.topics or ()):
            self.unsubscribe(subscriber, topic)

    def load(self, floor: Position, history: Iterable[tuple[Position, Notice]]) -> None:
        """Take the notices since `floor` as known, without sending them."""
        self._floor = self.position = floor
        self._recent.clear()
        self._recent_by_topic.clear()
        for position, notice in history:
            self._keep(position, notice)

    def take(self, position: Position, notice: Notice) -> None:
        """Send the event of a new notice."""
        self._keep(position, notice)
        if any(topic in self._subscribers for topic in list_topics(notice)):
            self._add([_Event(position, notice)])

    def reset(self, position: Position) -> None:
        """Tell all subscribers that notices before a position may be missing."""
        self.load(position, ())
        self._events.clear()
        for topic, subscribers in self._subscribers.items():
            frame = self._reset(topic)
            for subscriber in list(subscribers):
                subscriber.send(frame)

    def _keep(self, position: Position, notice: Notice) -> None:
        self.position = position
        self._recent.append((position, notice))
        for topic in list_topics(notice):
            self._recent_by_topic.setdefault(topic, deque()).append((position, notice))
        if len(self._recent) > self._kept:
            self._floor, oldest = self._recent.popleft()
            for topic in list_topics(oldest):
                same = self._recent_by_topic[topic]
                same.popleft()
                if not same:
                    del self._recent_by_topic[topic]

    def _add(self, events: Iterable[_Event]) -> None:
        self._events += events
        self._has_events.set()

    def _reset(self, topic: Topic) -> bytes:
        return messages.encode(
            "reset",
            channel=topic[0],
            subscription=name_subscription(topic),
            cursor=write_cursor(self.position, topic),
        )

    async def _deliver(self) -> None:
        if self._is_delivering:  # it ended by an error, with the events that it had taken
            self.reset(self.position)
        self._is_delivering = True
        while True:
            await self._has_events.wait()
            self._has_events.clear()
            events, self._events = self._events, []
            try:
                await self._send(events)
            except _POSTGRES_ERRORS as error:
                log.warning("%d events wait for Postgres: %s", len(events), error)
                self._events = events + self._events
                self._has_events.set()
                await asyncio.sleep(_RETRY_S)
            await asyncio.sleep(_GATHER_S)

    async def _send(self, events: list[_Event]) -> None:
        """Send events in their order. The documents are read first, so that after an error of Postgres
        nothing was sent.
        """
        newest = {(documents.identify(event.notice), event.only): event for event in events}
        by_notice = await documents.read(
            self._pool, self._receipt_secret, [event.notice for event in newest.values()]
        )
        for event in sorted(newest.values(), key=lambda event: event.position):
            if (document := by_notice.get(event.notice.id)) is None:
                continue
            if event.only is not None:
                subscriber, topic = event.only
                subscriber.send(_write(event, topic, document))
                self._sent.inc()
                continue
            await self._send_to_all(event, document)

    async def _send_to_all(self, event: _Event, document: bytes) -> None:
        for topic in list_topics(event.notice):
            if not (subscribers := list(self._subscribers.get(topic, ()))):
                continue
            frame = _write(event, topic, document)  # the same for all of them
            for number, subscriber in enumerate(subscribers):
                since = (subscriber.topics or {}).get(topic)
                if since is not None and since < event.position:
                    subscriber.send(frame)
                    self._sent.inc()
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)

    async def _watch(self, user_id: uuid.UUID) -> None:
        """Have the answers of a person announced; many people in one statement."""
        if user_id in self._people:
            return
        self._unwatched.add(user_id)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch_all())
        await asyncio.shield(self._watching)

    async def _watch_all(self) -> None:
        await asyncio.sleep(0)  # others of this turn of the event loop
        people, self._unwatched, self._watching = self._unwatched, set(), None
        try:
            async with self._pool.connection() as connection:
                await notices.watch(connection, people, _WATCH_FOR_S)
        except _POSTGRES_ERRORS as error:
            raise UnavailableError("postgres_unavailable") from error

    async def _keep_watching(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            try:
                async with self._pool.connection() as connection:
                    await notices.watch(connection, self._people, _WATCH_FOR_S)
            except _POSTGRES_ERRORS as error:
                log.warning("answers may not be announced: %s", error)


def _write(event: _Event, topic: Topic, document: bytes) -> bytes:
    """The frame of an event in the subscription to a topic."""
    return messages.encode(
        "event",
        channel=topic[0],
        subscription=name_subscription(topic),
        cursor=write_cursor(event.position, topic),
        data=msgspec.Raw(document),
    )

"""The objects of the schema. A resolver returns the object that the REST route shows, and its fields are read
by their names: nothing is copied, and nothing that REST does not show can be selected.

Each list of objects has the argument `first`, by which `limits` multiplies.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import strawberry
from strawberry.scalars import JSON

from data import reasons
from data.jobs.listing import ListedJob
from data.jobs.queue import Kind, State
from data.people.identities import Role
from data.reasons import reason
from data.records import TransformType
from experiments.drafts import ListedExperiment, WholeExperiment
from experiments.lifecycle import Status
from serving.gateway.graph.context import Info
from serving.gateway.graph.limits import MOST_LISTED
from serving.gateway.problems import InvalidError


def check_first(first: int) -> int:
    """The number of objects to list; InvalidError when it is none that may be asked for."""
    if not 1 <= first <= MOST_LISTED:
        raise InvalidError({"first": reason("first_out_of_range", first=first, limit=MOST_LISTED)})
    return first


def _listed(name: str, of: Any, default: int, description: str) -> Any:
    """A field that shows the first objects of a list."""

    def resolve(root: strawberry.Parent[Any], first: int = default) -> Any:
        return list(getattr(root, name))[: check_first(first)]

    return strawberry.field(resolve, graphql_type=list[of], description=description)


class Language(StrEnum):
    """A language of the catalogue of reasons."""

    EN = "en"
    JA = "ja"


strawberry.enum(TransformType)
strawberry.enum(Kind, name="JobKind")
strawberry.enum(State, name="JobState")
strawberry.enum(Status)
strawberry.enum(Role)
strawberry.enum(Language)


@strawberry.type
class Reason:
    """Why something was decided or refused: a code and its values, and the sentence in a language."""

    code: str
    values: JSON

    @strawberry.field
    def text(root: strawberry.Parent[reasons.Reason], language: Language = Language.EN) -> str:
        """The sentence."""
        return root.render(language.value)


@strawberry.type
class Me:
    """The caller, and their role."""

    name: str
    user_id: uuid.UUID | None
    organisation_id: uuid.UUID
    organisation: str
    role: Role
    runs_this: bool

    @strawberry.field
    def plan(self, info: Info) -> str:
        """The plan of the organisation, which sets the limits."""
        return info.context.caller.identity.plan


@strawberry.type
class Batch:
    """Messages that one request gave to the queue, and how many of them are in each state."""

    id: uuid.UUID
    requested_by: str
    messages: int
    created_at: datetime
    waiting: int
    running: int
    done: int
    dead: int
    cancelled: int


@strawberry.type
class FailedAttempt:
    """Why an attempt failed."""

    attempt: int
    at: datetime
    reason: str
    reasons: list[Reason] = _listed("reasons", Reason, 5, "The reason as codes and values.")


@strawberry.type
class Job:
    """A job of the queue. `availableAt` is when it is tried next; while it runs, its lease's end."""

    id: uuid.UUID
    kind: Kind
    state: State
    attempts: int
    available_at: datetime
    batch_id: uuid.UUID | None
    place: int | None
    requested_by: str
    replayed_from: uuid.UUID | None
    ended_by: str | None
    created_at: datetime
    done_at: datetime | None
    errors: list[FailedAttempt] = _listed("errors", FailedAttempt, 5, "The failed attempts.")

    @strawberry.field(graphql_type=Batch | None)
    async def batch(root: strawberry.Parent[ListedJob], info: Info) -> Any:
        """The batch that it belongs to; those of all jobs in one query."""
        return None if root.batch_id is None else await info.context.batches.load(root.batch_id)


@strawberry.type
class Arm:
    """A variant of an experiment, and the version that answers its users."""

    name: str
    version: str
    is_baseline: bool
    dropped_at: datetime | None


@strawberry.type
class Decision:
    """A decision on an experiment, with its outcome."""

    id: uuid.UUID
    action: str
    parameters: JSON
    reason: str
    requested_by: str
    created_at: datetime
    claimed_at: datetime | None
    done_at: datetime | None
    outcome: str | None
    reasons: list[Reason] = _listed("reasons", Reason, 5, "The reason as codes and values.")
    failure: list[Reason] = _listed("failure", Reason, 5, "Why it was not carried out.")


async def _whole(root: ListedExperiment, info: Info) -> WholeExperiment:
    """The experiment with its details; those of a list are loaded together."""
    return root if isinstance(root, WholeExperiment) else await info.context.experiments.load(root.id)


@strawberry.type
class Experiment:
    """An experiment; a draft has no baseline yet."""

    id: uuid.UUID
    name: str
    hypothesis: str
    status: Status
    is_sample: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    arms: list[Arm] = _listed("variants", Arm, 10, "Its arms, the baseline first.")
    plan_faults: list[Reason] = _listed("plan_faults", Reason, 5, "Why its plan is not valid.")

    @strawberry.field
    async def plan(root: strawberry.Parent[ListedExperiment], info: Info) -> JSON:
        """Its plan."""
        return JSON((await _whole(root, info)).plan)

    @strawberry.field
    async def target(root: strawberry.Parent[ListedExperiment], info: Info) -> JSON:
        """Which messages are in it."""
        return JSON((await _whole(root, info)).target)

    @strawberry.field
    async def share(root: strawberry.Parent[ListedExperiment], info: Info) -> float:
        """The share of users who are in it now, 0 to 1."""
        return (await _whole(root, info)).share

    @strawberry.field(graphql_type=list[Decision])
    async def decisions(root: strawberry.Parent[ListedExperiment], info: Info, first: int = 20) -> Any:
        """The decisions on it, the newest first."""
        return (await _whole(root, info)).decisions[: check_first(first)]


@strawberry.type
class Metric:
    """A metric that a draft may name, with its definition."""

    name: str
    is_own: bool
    kind: str
    of: str | None
    per: str | None
    q: float | None
    cap: float | None
    cap_percentile: float | None
    usual: float
    share: bool
    better: str
    says: str


@strawberry.type
class Segment:
    """A kind of segment, and the expression that gives a user's segment."""

    name: str
    expression: str


@strawberry.type
class Metrics:
    """The metrics and segments that the next draft gets."""

    metrics: list[Metric] = _listed(
        "metrics", Metric, 50, "Those that are shipped, and those of the installation's own file."
    )
    own_segments: list[Segment] = _listed(
        "own_segments", Segment, 20, "Those of the installation's own file."
    )


@strawberry.type
class Unchanged:
    """Why a text is the message itself."""

    code: str
    values: JSON
    text: str


@strawberry.type
class Answer:
    """One reply to one person. The receipt takes a vote."""

    answer_id: uuid.UUID
    receipt: str
    transformed_text: str
    variant: str
    version: str
    cache: str
    fallback: bool
    facts_missing: list[str]
    unchanged: Unchanged | None


@strawberry.type
class FeedbackStored:
    """Where a vote was stored; voting again keeps the id."""

    feedback_id: uuid.UUID

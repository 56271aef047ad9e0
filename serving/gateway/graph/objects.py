"""The objects of the schema. A resolver returns the object that the REST route shows, and its fields are read
by their names: nothing is copied, and nothing that REST does not show can be selected.

Each list of objects has the argument `first`, by which `limits` multiplies. `SOURCES` names the document of
REST that each object shows, for the descriptions of its fields.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import strawberry
from strawberry.scalars import JSON

from data import reasons
from data.inbound import endpoints
from data.inbound.endpoints import ReplyForm, Verification
from data.jobs import listing
from data.jobs.listing import ListedJob, Outcome
from data.jobs.queue import Kind, State
from data.people import identities, key_changes
from data.people.accounts import ListedAccount
from data.people.app_feedback import About
from data.people.identities import ListedKey, Role
from data.people.key_changes import KeyAction
from data.people.request_secrets import ListedRequestSecret
from data.people.sessions import ListedSession
from data.records import TermRule, TransformType
from data.rules import conditions as rule_conditions
from data.traffic import feedback as feedback_on_outputs
from data.webhooks import deliveries, subscriptions
from data.webhooks.events import EventType
from experiments import decisions, drafts
from experiments.drafts import ListedExperiment, WholeExperiment
from experiments.lifecycle import Status
from serving.gateway import own_answers
from serving.gateway.graph.arguments import check_first
from serving.gateway.graph.context import Info, Newest
from serving.gateway.online import answering
from serving.gateway.owners import Scope
from serving.gateway.routes import (
    accounts,
    app_feedback,
    comparisons,
    consent,
    dictionary,
    erasures,
    feedback,
    metrics,
    origins,
    preferences,
    rules,
)


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
strawberry.enum(Scope)
strawberry.enum(TermRule)
strawberry.enum(EventType)
strawberry.enum(KeyAction)
strawberry.enum(About, name="AppFeedbackAbout")
strawberry.enum(Verification, name="InboundVerification")
strawberry.enum(ReplyForm, name="InboundReplyForm")
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
class BatchResult:
    """What became of a message of a batch so far."""

    place: int = strawberry.field(description="Its place in the batch, from 0.")
    state: State
    reasons: list[Reason] = _listed(
        "reasons", Reason, 5, "Why the newest attempt failed; empty once it is done."
    )

    @strawberry.field(graphql_type=Answer | None)
    def answer(root: strawberry.Parent[Outcome]) -> Any:
        """The answer; null until it is done."""
        return None if root.result is None else answering.Answer.model_validate(root.result)


@strawberry.type
class OwnFeedback:
    """What a person has said about a rewrite: their newest vote of each kind."""

    thumb_up: bool | None
    rating: int | None
    edit: str | None
    comment: str | None


@strawberry.type
class OwnAnswer(Answer):
    """An answer that a person got, with its message and what they said about it."""

    created_at: datetime
    message: str
    transform_type: TransformType
    intensity: int
    feedback: OwnFeedback | None


@strawberry.type
class DictionaryTerm:
    """A term of a dictionary, and what rewrites do with it."""

    id: uuid.UUID
    scope: Scope
    term: str
    rule: TermRule
    wording: str
    created_by: str | None
    created_at: datetime


@strawberry.type
class RuleContent:
    """What a rule asks of a message, and the rewrite that it proposes."""

    name: str
    transform_type: TransformType
    intensity: int
    priority: int
    enabled: bool

    @strawberry.field
    def conditions(root: strawberry.Parent[rule_conditions.Rule]) -> JSON:
        """Its conditions, which must all hold, as `PATCH /api/v1/rules/{rule_id}` takes them."""
        return JSON(rule_conditions.CONDITIONS.dump_python(root.conditions, mode="json"))


@strawberry.type
class Rule(RuleContent):
    """A rule that proposes a rewrite of a message, for the person who writes it."""

    id: uuid.UUID
    scope: Scope
    created_by: str | None
    created_at: datetime


@strawberry.type
class RuleChange:
    """A change of a rule: it was added (no `former`), changed, or deleted (no `present`)."""

    id: uuid.UUID
    rule_id: uuid.UUID
    former: RuleContent | None
    present: RuleContent | None
    changed_by: str
    changed_at: datetime


@strawberry.type
class Consent:
    """Whether a person's feedback may train models, and whether the person or the organisation said so."""

    training: bool
    said_by: str


@strawberry.type
class ErasureCounts:
    """What an erasure has removed so far."""

    answers: int
    texts: int
    votes: int
    comparisons: int
    jobs: int
    terms: int
    snapshots: int


@strawberry.type
class Erasure:
    """An erasure that a person asked for: `waiting`, `history_removed` or `finished`."""

    id: uuid.UUID
    state: str
    requested_at: datetime
    finished_at: datetime | None
    removed: ErasureCounts
    versions_left: int


@strawberry.type
class Preferences:
    """What a person prefers, for clients to preselect; null: no preference."""

    language: Language | None
    transform_type: TransformType | None
    intensity: int | None
    tour_closed: bool | None


@strawberry.type
class Progress:
    """How many comparisons a person has judged, today in UTC and in all, and skipped; and how many pairs that
    others have judged wait for the person.
    """

    today: int
    all: int
    skipped: int
    waiting_for_overlap: int


@strawberry.type
class Account:
    """A person who signs in."""

    id: uuid.UUID
    email: str
    name: str
    role: Role
    created_at: datetime
    signed_in_at: datetime | None


@strawberry.type
class Session:
    """Where a person is signed in."""

    id: uuid.UUID
    device: str | None
    signed_in_at: datetime
    last_used_at: datetime
    is_current: bool


@strawberry.type
class RequestSecret:
    """What signs requests with an API key, without the secret itself."""

    id: str
    created_at: datetime
    revoked_at: datetime | None


@strawberry.type
class ApiKey:
    """An API key without its secret. `origins` are of the pages that may use it; null: the organisation's.
    Only a key for pages has `rewrites_a_day`.
    """

    id: str
    name: str
    role: Role
    browser: bool
    origins: list[str] | None
    rewrites_a_day: int | None
    requires_signatures: bool
    created_at: datetime
    revoked_at: datetime | None

    @strawberry.field(graphql_type=list[RequestSecret])
    async def request_secrets(root: strawberry.Parent[ListedKey], info: Info, first: int = 5) -> Any:
        """What signs requests with it, the newest first; that of all keys in one query. `requestSecrets` of
        `Query` has further pages.
        """
        return await info.context.request_secrets.load(Newest(root.id, check_first(first)))


@strawberry.type
class SigningKey:
    """A key that signs tokens, without the key."""

    kid: str
    algorithm: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


@strawberry.type
class KeyChange:
    """Who made, changed or revoked a key, a secret, a token or a list of origins. What it is not about is
    null.
    """

    id: uuid.UUID
    action: KeyAction
    key_id: str | None
    secret_id: str | None
    kid: str | None
    jti: str | None
    origins: list[str] | None
    rewrites_a_day: int | None
    changed_by: str
    changed_at: datetime


@strawberry.type
class Delivery:
    """A delivery of an event to a webhook, and the receiver's status and time when it arrived."""

    id: uuid.UUID
    event_id: uuid.UUID
    type: EventType
    state: State
    created_at: datetime
    available_at: datetime
    attempts: int
    status: int | None
    duration_ms: float | None
    done_at: datetime | None
    replayed_from: uuid.UUID | None
    errors: list[FailedAttempt] = _listed("errors", FailedAttempt, 5, "The failed attempts.")


@strawberry.type
class Webhook:
    """An address that gets events, without its secrets. It is `disabledAt` a time by a person, or by itself
    for a reason.
    """

    id: uuid.UUID
    url: str
    events: list[EventType]
    description: str
    created_by: str
    created_at: datetime
    waiting: int
    failing_since: datetime | None
    failures: int
    skipped: int
    disabled_at: datetime | None
    disabled_because: str | None
    disabled_reason: Reason | None
    former_secret_until: datetime | None

    @strawberry.field(graphql_type=list[Delivery])
    async def deliveries(root: strawberry.Parent[subscriptions.Webhook], info: Info, first: int = 5) -> Any:
        """Its newest deliveries, the newest first; those of all webhooks in one query. `deliveries` of
        `Query` filters them and has further pages.
        """
        return await info.context.deliveries.load(Newest(root.id, check_first(first)))


@strawberry.type
class InboundWebhook:
    """An address to which another tool sends messages, and where the rewrites go, without its secrets."""

    id: uuid.UUID
    path: str
    name: str
    verification: Verification
    text_pointer: str
    transform_type: TransformType
    intensity: int
    reply_url: str
    reply_form: ReplyForm
    delivers_unchanged: bool
    key_id: str
    created_by: str
    created_at: datetime
    failures: int
    waiting: int
    dead: int
    former_secret_until: datetime | None


@strawberry.type
class AppFeedback:
    """What a person said about the app itself."""

    id: uuid.UUID
    about: About
    comment: str
    may_answer: bool
    author: str | None
    created_at: datetime


@strawberry.type
class Organisation:
    """What an organisation's owners decide about training."""

    trains_across: bool
    trains_by_default: bool


@strawberry.type
class KeyOrigins:
    """The pages that may use an API key: a list of its own, if it has one, and the list in force."""

    origins: list[str] | None
    in_force: list[str]


@strawberry.type
class FeedbackStored:
    """Where a vote was stored; voting again keeps the id."""

    feedback_id: uuid.UUID


SOURCES: Mapping[type, type] = {
    Reason: reasons.Reason,
    Me: accounts.Me,
    Batch: listing.Batch,
    FailedAttempt: listing.FailedAttempt,
    Job: listing.ListedJob,
    Arm: drafts.ListedArm,
    Decision: decisions.ListedDecision,
    Experiment: drafts.WholeExperiment,
    Metric: metrics.ListedMetric,
    Segment: metrics.ListedSegment,
    Metrics: metrics.ListedMetrics,
    Unchanged: answering.Unchanged,
    Answer: answering.Answer,
    BatchResult: Outcome,
    OwnFeedback: feedback_on_outputs.OwnFeedback,
    OwnAnswer: own_answers.ShownAnswer,
    DictionaryTerm: dictionary.DictionaryTerm,
    RuleContent: rule_conditions.Rule,
    Rule: rules.ListedRule,
    RuleChange: rules.RecordedRuleChange,
    Consent: consent.Consent,
    ErasureCounts: erasures.ErasureCounts,
    Erasure: erasures.Erasure,
    Preferences: preferences.Preferences,
    Progress: comparisons.Progress,
    Account: ListedAccount,
    Session: ListedSession,
    RequestSecret: ListedRequestSecret,
    ApiKey: ListedKey,
    SigningKey: identities.ListedSigningKey,
    KeyChange: key_changes.KeyChange,
    Delivery: deliveries.Delivery,
    Webhook: subscriptions.Webhook,
    InboundWebhook: endpoints.InboundWebhook,
    AppFeedback: app_feedback.AppFeedback,
    Organisation: consent.Terms,
    KeyOrigins: origins.KeyOrigins,
    FeedbackStored: feedback.FeedbackStored,
}

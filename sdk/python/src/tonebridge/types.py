"""The documents of the API. Made from openapi.json c5d9675679fac81bc0db531691b5a0a46a8e1b1f14102904b1a2c37f241484dc."""

# Made by `make sdk`. Do not change it here.

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

from typing_extensions import NotRequired


class AddedSigningKey(TypedDict):
    """
    A signing key that is in force now.
    """

    kid: str


class AssistantMessage(TypedDict):
    """
    The rewrite.
    """

    content: str
    refusal: NotRequired[None]
    role: NotRequired[Literal["assistant"]]


class Batch(TypedDict):
    """
    Messages that one request gave to the queue, and how many of them are in each state.
    """

    cancelled: int
    created_at: str
    dead: int
    done: int
    id: str
    messages: int
    requested_by: str
    running: int
    waiting: int


class Cancelled(TypedDict):
    """
    How many messages will not be rewritten.
    """

    cancelled: int


class ContentItem(TypedDict):
    text: str
    type: Literal["text"]


class ChatMessage(TypedDict):
    """
    A turn of a conversation.
    """

    content: NotRequired[str | list[ContentItem]]
    """
    of the last message: what to rewrite; the texts of several parts are its lines
    """
    role: Literal["user", "assistant"]


class Choice(TypedDict):
    """
    Which of two outputs is better; the receipt is the comparison's.
    """

    kind: Literal["comparison"]
    preferred: Literal["first", "second", "neither"]
    reason: NotRequired[str | None]
    """
    why, for people to read: no model learns it
    """
    receipt: str
    """
    the receipt that came with the answer
    """


class Comment(TypedDict):
    """
    A comment in words.
    """

    kind: Literal["comment"]
    receipt: str
    """
    the receipt that came with the answer
    """
    text: str


class CompletionChoice(TypedDict):
    """
    The one answer.
    """

    finish_reason: NotRequired[Literal["stop"]]
    index: NotRequired[Literal[0]]
    logprobs: NotRequired[None]
    message: AssistantMessage


class Consent(TypedDict):
    """
    The consent in force for a person.
    """

    said_by: Literal["person", "organisation"]
    """
    organisation: the person has not chosen, so its default applies
    """
    training: bool


class Credentials(TypedDict):
    """
    The address and password of an account.
    """

    email: str
    password: str


class DroppedChallenger(TypedDict):
    """
    The challenger to withdraw, and the reason.
    """

    challenger: str
    reason: str


class Edit(TypedDict):
    """
    The rewrite as the person prefers it.
    """

    kind: Literal["edit"]
    receipt: str
    """
    the receipt that came with the answer
    """
    text: str


class EnqueuedDeliveries(TypedDict):
    """
    The new deliveries, which a worker sends.
    """

    deliveries: list[str]


class ErrorDetails(TypedDict):
    """
    What is wrong, and what to do. `code` is OpenAI's where clients know one, else that of the reason.
    """

    code: str
    message: str
    param: str | None
    type: str


class ErrorDocument(TypedDict):
    """
    An error in OpenAI's shape.
    """

    error: ErrorDetails


EventType: TypeAlias = Literal[
    "answer.created",
    "feedback.given",
    "experiment.decided",
    "version.released",
    "version.refused",
    "snapshot.refused",
    "quota.near",
    "job.done",
    "webhook.disabled",
    "webhook.test",
]
"""
What happened.
"""


class FeedbackStored(TypedDict):
    """
    Where a vote was stored; voting again keeps the id.
    """

    feedback_id: str


JsonValue: TypeAlias = Any


class Judge(TypedDict):
    """
    The person who compares.
    """

    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


Kind: TypeAlias = Literal["rewrite", "export", "webhook"]
"""
What a job is about; the worker has a handler for each.
"""


class ListedAccount(TypedDict):
    """
    An account in the list for its organisation's administrators.
    """

    created_at: str
    email: str
    id: str
    name: str
    role: str
    signed_in_at: str | None


class ListedArm(TypedDict):
    """
    A variant, and the version that answers its users.
    """

    dropped_at: str | None
    is_baseline: bool
    name: str
    version: str


class ListedKey(TypedDict):
    """
    An API key in the list for its organisation, without the secret, which is not stored.
    """

    created_at: str
    id: str
    name: str
    requires_signatures: bool
    revoked_at: str | None
    role: str


class ListedMetric(TypedDict):
    """
    A metric, and whether it comes from the installation's own file.
    """

    better: Literal["higher", "lower"]
    cap: NotRequired[float | None]
    """
    upper limit of a user's quantity
    """
    cap_percentile: NotRequired[float | None]
    """
    the cap is this percentile of users before the start (`caps`)
    """
    is_own: bool
    kind: Literal["proportion", "mean", "ratio", "quantile"]
    name: str
    of: NotRequired[str | None]
    per: NotRequired[str | None]
    q: NotRequired[float | None]
    says: str
    """
    description for people
    """
    share: NotRequired[bool]
    """
    a user's value lies between 0 and 1: a value beyond counts as the nearer end
    """
    usual: NotRequired[float]
    """
    covariate of a mean for a user without a past
    """


class ListedRequestSecret(TypedDict):
    """
    A secret in the list of a key, without the secret itself. Its id is the `keyid` of signatures.
    """

    created_at: str
    id: str
    revoked_at: str | None


class ListedSegment(TypedDict):
    """
    A kind of segment of the installation's own file, and the expression that gives a user's segment.
    """

    expression: str
    name: str


class MadeAccount(TypedDict):
    """
    A new account.
    """

    id: str


class MadeKey(TypedDict):
    """
    A new API key. No other response has it.
    """

    id: str
    key: str


class MadeRequestSecret(TypedDict):
    """
    A new secret. No other response has it. The bytes of its text are the key of HMAC.
    """

    id: str
    """
    the `keyid` of signatures
    """
    secret: str


class MadeWebhook(TypedDict):
    """
    A new webhook. No other response has its secret.
    """

    id: str
    secret: str
    """
    whsec_..., with which libraries of Standard Webhooks verify
    """


class MarginOutlook(TypedDict):
    """
    How long it takes to exclude a loss of a metric's margin, if both versions are equally good.
    """

    days: float | None
    """
    days until then, with the plan's power; None: more than two years
    """
    is_assumed: bool
    """
    how much users differ is not known: the worst case is assumed
    """
    margin: float
    smallest: float | None
    """
    smallest loss that can be excluded within the plan's maximum_days; None: none
    """


class Me(TypedDict):
    """
    The caller, and their role.
    """

    name: str
    """
    in the audit trail
    """
    organisation: str
    organisation_id: str
    role: str
    runs_this: bool
    """
    the organisation runs the installation: its people may see experiments
    """
    user_id: str | None
    """
    the person whose answers and votes are yours; null for an API key
    """


class Model(TypedDict):
    """
    A transform type at an intensity.
    """

    created: NotRequired[int]
    id: str
    object: NotRequired[Literal["model"]]
    owned_by: NotRequired[str]


class Models(TypedDict):
    """
    All models, by type and intensity.
    """

    data: list[Model]
    object: NotRequired[Literal["list"]]


class NewConsent(TypedDict):
    """
    A person's choice.
    """

    training: bool
    """
    my feedback may train models
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


Challenger: TypeAlias = str


class NewExport(TypedDict):
    """
    The votes to export: those from `since` on and before `until`; all without them.
    """

    since: NotRequired[str | None]
    until: NotRequired[str | None]


class NewPasswords(TypedDict):
    """
    The current password, and the new one.
    """

    new_password: str
    password: str


class NewShare(TypedDict):
    """
    The share of users to put into the experiment.
    """

    reason: NotRequired[str | None]
    share: float


Channel: TypeAlias = str


Locale: TypeAlias = str


class NewTerms(TypedDict):
    """
    An owner's decisions; omitted fields stay as they are.
    """

    trains_across: NotRequired[bool | None]
    """
    your people's feedback may train other organisations' models
    """
    trains_by_default: NotRequired[bool | None]
    """
    people who have not chosen are taken to consent
    """


class NewWebhook(TypedDict):
    """
    An address that gets events by POST.
    """

    description: NotRequired[str]
    events: list[EventType]
    url: str
    """
    https://..., public; redirects are not followed
    """


class NewWebhookSecret(TypedDict):
    """
    The new secret of a webhook. The former one signs, too, for a day.
    """

    secret: str


class OnlyText(TypedDict):
    """
    The one format of an answer.
    """

    type: Literal["text"]


class OptionalReason(TypedDict):
    """
    The reason, which may be left out.
    """

    reason: NotRequired[str | None]


class Progress(TypedDict):
    """
    The number of comparisons that a person has judged.
    """

    all: int
    """
    votes
    """
    skipped: int
    today: int
    """
    votes since midnight UTC
    """
    waiting_for_overlap: int
    """
    pairs that others have judged, and this person has not
    """


class Rating(TypedDict):
    """
    One to five stars.
    """

    kind: Literal["rating"]
    receipt: str
    """
    the receipt that came with the answer
    """
    stars: int


class Ready(TypedDict):
    """
    Whether this gateway can answer, and by which epoch.
    """

    detail: str
    ready: bool


class Reason(TypedDict):
    """
    One reason. A code that the catalogue lacks, as of a newer release, renders as code and values.
    """

    code: str
    values: NotRequired[dict[str, int | float | str | list[str]]]


class Replay(TypedDict):
    """
    Which dead jobs to try again: all of a kind.
    """

    kind: Kind


class Replayed(TypedDict):
    """
    The new jobs that repeat the dead ones.
    """

    jobs: list[str]


class RequiredReason(TypedDict):
    """
    The reason, for the audit trail.
    """

    reason: str


Role: TypeAlias = Literal["member", "viewer", "experimenter", "admin", "owner"]
"""
What a person or a key may do. Each role includes the roles before it.
"""


class ShippedChallenger(TypedDict):
    """
    The challenger to ship, which may be left out when there is only one, and the reason.
    """

    challenger: NotRequired[str | None]
    reason: str


class SignaturePolicy(TypedDict):
    """
    Whether a key accepts signed requests only.
    """

    required: bool


State: TypeAlias = Literal["waiting", "running", "done", "dead", "cancelled", "replayed"]
"""
Where a job is in its life.
"""


Status: TypeAlias = Literal[
    "draft", "running", "paused", "shipped", "rolled_back", "stopped", "discarded", "holdout"
]
"""
How an experiment stands, as the table `experiments` stores it.
"""


class StoredDecision(TypedDict):
    """
    A stored decision, which is carried out within seconds; the experiment then has its outcome.
    """

    decision_id: str
    happens: str
    """
    the effect of the decision, in words
    """


class StreamOptions(TypedDict):
    """
    What a stream contains besides the answer.
    """

    include_usage: NotRequired[bool | None]
    """
    a last chunk has the tokens
    """


class Terms(TypedDict):
    """
    The decisions of an organisation.
    """

    trains_across: bool
    trains_by_default: bool


class Thumb(TypedDict):
    """
    Thumb up or down.
    """

    kind: Literal["thumb"]
    receipt: str
    """
    the receipt that came with the answer
    """
    up: bool


class ToRefresh(TypedDict):
    """
    The newest refresh token of a session.
    """

    refresh_token: str


class TokenToRevoke(TypedDict):
    """
    A token that must not be accepted any more.
    """

    token: str


class Tokens(TypedDict):
    """
    The tokens of a session (RFC 6749, 5.1). A refresh token is used once: the next one comes with the next
    access token.
    """

    access_token: str
    expires_in: NotRequired[int]
    """
    seconds until the access token expires
    """
    refresh_token: str
    token_type: NotRequired[Literal["Bearer"]]


TransformType: TypeAlias = Literal[
    "soften", "clarify", "structure", "summarize", "terminology", "requirements", "background"
]
"""
The purpose of a rewrite.
"""


class Unchanged(TypedDict):
    """
    Why a text is the message itself: the reason's code, its values, and the sentence in English.
    """

    code: str
    text: str
    values: dict[str, int | float | str | list[str]]


class Usage(TypedDict):
    """
    The tokens that a model read and wrote for this request: zero for a text that was written before.
    """

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int


class WantedComparison(TypedDict):
    """
    The message to compare rewrites of: your own, or if you leave it out, a shipped one.
    """

    intensity: NotRequired[int | None]
    text: NotRequired[str | None]
    transform_type: NotRequired[TransformType | None]
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


class Webhook(TypedDict):
    """
    A webhook without its secrets. It is `disabled_at` a time by a person, or by itself for a
    `disabled_reason`, in English `disabled_because`. `skipped` events were not enqueued for it, since too
    many deliveries waited.
    """

    created_at: str
    created_by: str
    description: str
    disabled_at: str | None
    disabled_because: str | None
    disabled_reason: Reason | None
    events: list[EventType]
    failing_since: str | None
    failures: int
    former_secret_until: str | None
    id: str
    skipped: int
    url: str
    waiting: int


class WebhookChanges(TypedDict):
    """
    What to change. `enabled: false` stops the deliveries; `true` starts them again.
    """

    description: NotRequired[str | None]
    enabled: NotRequired[bool | None]
    events: NotRequired[list[EventType] | None]
    url: NotRequired[str | None]


class Answer(TypedDict):
    """
    One reply to one person.
    """

    answer_id: str
    cache: Literal["l1", "l2", "miss"]
    facts_missing: list[str]
    fallback: bool
    receipt: str
    transformed_text: str
    unchanged: Unchanged | None
    """
    why the text is the message itself; null when the model wrote it
    """
    variant: str
    version: str


class CompareRequest(TypedDict):
    """
    A message to rewrite twice.
    """

    channel: NotRequired[str | None]
    """
    where the message is sent, `chat`; experiments may need it
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    locale: NotRequired[str | None]
    """
    language tag of the person, `ja-JP`; experiments may need it
    """
    policy: NotRequired[Literal["two_samples", "champion_against_challenger", "between_challengers"] | None]
    text: str
    transform_type: TransformType
    user_id: NotRequired[str | None]
    """
    your name for the person, scoped to your key
    """


class CompletionRequest(TypedDict):
    """
    A message to rewrite. The last of `messages` is the message, and has the role `user`; earlier turns
    change nothing. A system message is refused, since ToneBridge follows no instructions.
    """

    audio: NotRequired[None]
    frequency_penalty: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    function_call: NotRequired[Literal["none", "auto"] | None]
    functions: NotRequired[list[Any] | None]
    logit_bias: NotRequired[dict[str, Any] | None]
    logprobs: NotRequired[Literal[False] | None]
    max_completion_tokens: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    max_tokens: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    messages: list[ChatMessage]
    metadata: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    modalities: NotRequired[list[Literal["text"]] | None]
    model: Literal[
        "tonebridge/soften-0",
        "tonebridge/soften-1",
        "tonebridge/soften-2",
        "tonebridge/soften-3",
        "tonebridge/clarify-0",
        "tonebridge/clarify-1",
        "tonebridge/clarify-2",
        "tonebridge/clarify-3",
        "tonebridge/structure-0",
        "tonebridge/structure-1",
        "tonebridge/structure-2",
        "tonebridge/structure-3",
        "tonebridge/summarize-0",
        "tonebridge/summarize-1",
        "tonebridge/summarize-2",
        "tonebridge/summarize-3",
        "tonebridge/terminology-0",
        "tonebridge/terminology-1",
        "tonebridge/terminology-2",
        "tonebridge/terminology-3",
        "tonebridge/requirements-0",
        "tonebridge/requirements-1",
        "tonebridge/requirements-2",
        "tonebridge/requirements-3",
        "tonebridge/background-0",
        "tonebridge/background-1",
        "tonebridge/background-2",
        "tonebridge/background-3",
    ]
    """
    transform type and intensity
    """
    moderation: NotRequired[None]
    n: NotRequired[Literal[1] | None]
    parallel_tool_calls: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    prediction: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    presence_penalty: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    prompt_cache_key: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    prompt_cache_options: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    prompt_cache_retention: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    reasoning_effort: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    response_format: NotRequired[OnlyText | None]
    safety_identifier: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    seed: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    service_tier: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    stop: NotRequired[list[Any] | None]
    store: NotRequired[Literal[False] | None]
    stream: NotRequired[bool | None]
    """
    answer with server-sent events
    """
    stream_options: NotRequired[StreamOptions | None]
    temperature: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    tool_choice: NotRequired[Literal["none", "auto"] | None]
    tools: NotRequired[list[Any] | None]
    top_logprobs: NotRequired[Literal[0] | None]
    top_p: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    user: NotRequired[str | None]
    """
    your name for the person, scoped to your key
    """
    verbosity: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    web_search_options: NotRequired[None]


class Details(TypedDict):
    """
    What an answer of `/api/v1/transform` has besides its text. The receipt takes feedback.
    """

    answer_id: str
    cache: Literal["l1", "l2", "miss"]
    facts_missing: list[str]
    fallback: bool
    receipt: str
    unchanged: Unchanged | None
    """
    why the text is the message itself; null when the model wrote it
    """
    variant: str
    version: str


class DraftPlan(TypedDict):
    """
    A plan that is not drafted yet.
    """

    challengers: NotRequired[int]
    """
    number of challengers
    """
    plan: NotRequired[dict[str, JsonValue]]
    """
    fields that differ from configs/experiment.yaml
    """
    users_a_day: NotRequired[float | None]
    """
    new users a day with the whole ramp; null: as in recent traffic
    """


class Entry(TypedDict):
    """
    The outcome of one message: its answer, or the problem (RFC 9457) that prevented one.
    """

    answer: NotRequired[Answer | None]
    problem: NotRequired[dict[str, Any] | None]
    status: int


class FailedAttempt(TypedDict):
    """
    Why an attempt failed: `reasons`, and in English `reason`.
    """

    at: str
    attempt: int
    reason: str
    reasons: list[Reason]


class GraphQLRequest(TypedDict):
    """
    A document, or the id of a trusted one, with its variables.
    """

    documentId: NotRequired[str | None]
    extensions: NotRequired[dict[str, JsonValue] | None]
    """
    not read
    """
    operationName: NotRequired[str | None]
    query: NotRequired[str | None]
    variables: NotRequired[dict[str, JsonValue] | None]


class InvalidField(TypedDict):
    """
    What is wrong with one field of a request, and what it may be.
    """

    allowed: str
    allowed_reason: Reason
    field: str
    message: str
    part: NotRequired[str | None]
    reason: Reason


class ListedDecision(TypedDict):
    """
    A decision with its rendered reason, as the API returns it.
    """

    action: str
    claimed_at: str | None
    created_at: str
    done_at: str | None
    failure: list[Reason]
    id: str
    outcome: str | None
    parameters: dict[str, Any]
    reason: str
    reasons: list[Reason]
    requested_by: str


class ListedExperiment(TypedDict):
    """
    An experiment in a list. A draft has no baseline: the champion at its start becomes the baseline.
    `is_sample` marks an experiment with simulated data. `plan_faults` say why its plan is not valid.
    """

    created_at: str
    ended_at: str | None
    hypothesis: str
    id: str
    is_sample: bool
    name: str
    plan_faults: list[Reason]
    started_at: str | None
    status: Status
    variants: list[ListedArm]


class ListedJob(TypedDict):
    """
    A job without its payload. `available_at` is when it is tried next; while it runs, its lease's end.
    """

    attempts: int
    available_at: str
    batch_id: str | None
    created_at: str
    done_at: str | None
    ended_by: str | None
    errors: list[FailedAttempt]
    id: str
    kind: Kind
    place: int | None
    replayed_from: str | None
    requested_by: str
    state: State


class ListedMetrics(TypedDict):
    """
    The metrics and segments that the next draft gets. A running experiment keeps those of its plan.
    """

    metrics: list[ListedMetric]
    own_segments: list[ListedSegment]


class NewAccount(TypedDict):
    """
    A person who may sign in.
    """

    email: str
    name: NotRequired[str]
    password: str
    role: NotRequired[Role]


class NewKey(TypedDict):
    """
    An API key to make.
    """

    name: str
    role: NotRequired[Role]


class NewRole(TypedDict):
    """
    Another role for a person.
    """

    role: Role


class NewSigningKey(TypedDict):
    """
    A key to sign tokens with. A `kid` is your own, and stays taken when its key is revoked.
    """

    algorithm: Literal["HS256", "EdDSA"]
    key: str
    """
    base64url: the secret of HS256 (`k` of its JWK), at least 32 bytes; or the Ed25519 public key of EdDSA (`x` of its JWK)
    """
    kid: str
    role: NotRequired[Role]


class NewTarget(TypedDict):
    """
    The messages of an experiment: those that match every field with values; all, if no field has any.
    """

    channels: NotRequired[list[Channel]]
    locales: NotRequired[list[Locale]]
    organisations: NotRequired[list[str]]
    transform_types: NotRequired[list[TransformType]]


class Outlook(TypedDict):
    """
    What a plan can show.
    """

    days_needed: float | None
    """
    with ramp, window and minimum_days; None: more than two years, or not known
    """
    detectable: float | None
    """
    smallest effect on the primary metric that the plan detects within its maximum_days
    """
    is_assumed: bool
    """
    how users differ in the primary metric is assumed: the worst case
    """
    margins: dict[str, MarginOutlook]
    """
    of the primary metric and the guardrails
    """
    n_star: int | None
    """
    the n_star with which the fewest users are needed
    """
    unknown: list[str]
    """
    metrics of the plan of which nothing is known yet
    """
    users_in_time: float | None
    """
    users whose windows close within the plan's maximum_days; None: not known how many come
    """
    users_needed: float | None
    """
    users who detect the plan's smallest effect with its power; users without a value of the primary metric are included
    """
    users_needed_fixed: float | None
    """
    the same in a test with one analysis at a time that is fixed in advance
    """
    warnings: list[Reason]


class Problem(TypedDict):
    """
    Why a request was refused (RFC 9457). `reasons` has the codes and values of `detail`.
    """

    detail: str
    errors: NotRequired[list[InvalidField]]
    """
    of a request that is not valid
    """
    reasons: list[Reason]
    status: int
    title: str
    type: str


class Side(TypedDict):
    """
    One of the two outputs of a comparison.
    """

    facts_missing: list[str]
    transformed_text: str
    unchanged: Unchanged | None
    """
    why the text is the message itself; null when the model wrote it
    """


class StreamableRequest(TypedDict):
    """
    A message to rewrite, and whether the answer is streamed.
    """

    channel: NotRequired[str | None]
    """
    where the message is sent, `chat`; experiments may need it
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    locale: NotRequired[str | None]
    """
    language tag of the person, `ja-JP`; experiments may need it
    """
    stream: NotRequired[bool | None]
    """
    true: answer with server-sent events; when it is not given, `Accept` decides
    """
    text: str
    transform_type: TransformType
    user_id: NotRequired[str | None]
    """
    your name for the person, scoped to your key
    """


class TransformRequest(TypedDict):
    """
    A message to rewrite.
    """

    channel: NotRequired[str | None]
    """
    where the message is sent, `chat`; experiments may need it
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    locale: NotRequired[str | None]
    """
    language tag of the person, `ja-JP`; experiments may need it
    """
    text: str
    transform_type: TransformType
    user_id: NotRequired[str | None]
    """
    your name for the person, scoped to your key
    """


class WholeExperiment(TypedDict):
    """
    An experiment, the share of users who are in it now (0 to 1), and its decisions, the newest first.
    """

    created_at: str
    decisions: list[ListedDecision]
    ended_at: str | None
    hypothesis: str
    id: str
    is_sample: bool
    name: str
    plan: dict[str, Any]
    plan_faults: list[Reason]
    share: float
    started_at: str | None
    status: Status
    target: dict[str, Any]
    variants: list[ListedArm]


class BatchAnswer(TypedDict):
    """
    The entries, in the order of the messages.
    """

    items: list[Entry]


class BatchRequest(TypedDict):
    """
    Messages to rewrite, each for itself.
    """

    items: list[TransformRequest]


class Compared(TypedDict):
    """
    Two outputs for one message, in random order; the receipt takes the vote.
    """

    comparison_id: str
    first: Side
    policy: Literal["two_samples", "champion_against_challenger", "between_challengers"]
    receipt: str
    second: Side


class Completion(TypedDict):
    """
    A rewrite. `tonebridge` is no field of OpenAI's; in a stream, the chunk with `finish_reason` has it.
    """

    choices: list[CompletionChoice]
    created: int
    id: str
    model: str
    object: NotRequired[Literal["chat.completion"]]
    system_fingerprint: str
    """
    the version that wrote the text
    """
    tonebridge: Details
    usage: Usage


class Delivery(TypedDict):
    """
    A delivery of an event to a webhook: the failed attempts, and the receiver's status and time when one
    arrived. A done delivery without a status had nothing left to send: an erasure deleted it.
    """

    attempts: int
    available_at: str
    created_at: str
    done_at: str | None
    duration_ms: float | None
    errors: list[FailedAttempt]
    event_id: str
    id: str
    replayed_from: str | None
    state: State
    status: int | None
    type: EventType


class Messages(TypedDict):
    """
    Messages to rewrite later, each for itself.
    """

    items: list[TransformRequest]


class NewExperiment(TypedDict):
    """
    An experiment to draft: versions against the champion at the time of its start.
    """

    challengers: list[Challenger]
    hypothesis: str
    name: str
    plan: NotRequired[dict[str, JsonValue]]
    """
    fields that differ from configs/experiment.yaml
    """
    target: NotRequired[NewTarget]


class NextComparison(TypedDict):
    """
    Two rewrites in random order, and their message. Vote with the receipt.
    """

    comparison_id: str
    first: Side
    intensity: int
    message: str
    policy: Literal["two_samples", "champion_against_challenger", "between_challengers"]
    receipt: str
    second: Side
    transform_type: TransformType

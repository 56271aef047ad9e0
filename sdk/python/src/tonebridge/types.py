"""The documents of the API. Made from openapi.json 0d3c352076dfc096daecc5617ae6db51a939bdc69f4bce48b22163ab3dc2bba6."""

# Made by `make sdk`. Do not change it here.

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

About: TypeAlias = Literal["idea", "problem", "praise"]
"""
What it is about.
"""


class AddedSigningKey(TypedDict):
    """
    A signing key that is in force now.
    """

    kid: str
    """
    your name for the signing key
    """


class Alive(TypedDict):
    """
    That the process runs.
    """

    status: NotRequired[Literal["alive"]]
    """
    always `alive`
    """


class AnalyzeRequest(TypedDict):
    """
    A message to analyse.
    """

    locale: NotRequired[str | None]
    """
    language tag of the reader of the analysis, `ja-JP`: explanations are Japanese for Japanese, otherwise English
    """
    sent_on: NotRequired[str | None]
    """
    the sender's day, by which `tomorrow` has a date; today in UTC if it is not given
    """
    text: str
    """
    the message, at most 8,000 characters
    """


class AppFeedback(TypedDict):
    """
    What a person said about the app.
    """

    about: About
    """
    what it is about
    """
    author: str | None
    """
    the person's address or name; null unless `may_answer`, and when the account is gone
    """
    comment: str
    """
    in the person's words, at most 2,000 characters; nothing else is stored with it
    """
    created_at: str
    """
    when it was sent
    """
    id: str
    """
    its id
    """
    may_answer: bool
    """
    whether the admins see who wrote it, and may answer
    """


class AssistantMessage(TypedDict):
    """
    The rewrite.
    """

    content: str
    """
    the rewrite
    """
    refusal: NotRequired[None]
    """
    always null
    """
    role: NotRequired[Literal["assistant"]]
    """
    who wrote it
    """


class Batch(TypedDict):
    """
    Messages that one request gave to the queue, and how many of them are in each state.
    """

    cancelled: int
    """
    messages that will not be rewritten
    """
    created_at: str
    """
    when it was accepted
    """
    dead: int
    """
    messages that were given up after all attempts
    """
    done: int
    """
    messages that are rewritten
    """
    id: str
    """
    the batch
    """
    messages: int
    """
    number of messages in the request
    """
    requested_by: str
    """
    the key or the account that requested it, as in the audit trail
    """
    running: int
    """
    messages that a worker rewrites now
    """
    waiting: int
    """
    messages that wait for a worker
    """


class Cancelled(TypedDict):
    """
    How many messages will not be rewritten.
    """

    cancelled: int
    """
    number of messages
    """


Prefix: TypeAlias = str


Value: TypeAlias = str


class ChannelCondition(TypedDict):
    """
    The message is for one of these channels.
    """

    kind: Literal["channel"]
    """
    what the condition is about
    """
    prefixes: NotRequired[list[Prefix]]
    """
    or begins with one of these, in any case
    """
    values: NotRequired[list[Value]]
    """
    exactly one of these, in any case
    """


class ContentItem(TypedDict):
    text: str
    """
    the message, at most 8,000 characters
    """
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
    """
    who wrote the turn
    """


class Choice(TypedDict):
    """
    Which of two outputs is better; the receipt is the comparison's.
    """

    kind: Literal["comparison"]
    """
    the kind of vote
    """
    preferred: Literal["first", "second", "neither"]
    """
    the better one
    """
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
    """
    the kind of vote
    """
    receipt: str
    """
    the receipt that came with the answer
    """
    text: str
    """
    the comment
    """


class CompletionChoice(TypedDict):
    """
    The one answer.
    """

    finish_reason: NotRequired[Literal["stop"]]
    """
    the text is complete
    """
    index: NotRequired[Literal[0]]
    """
    there is one choice
    """
    logprobs: NotRequired[None]
    """
    always null
    """
    message: AssistantMessage


ConditionKind: TypeAlias = Literal["hours", "channel", "recipient", "keyword", "pattern", "tone"]
"""
What a condition is about, in the order in which conditions are checked: the cheapest first.
"""


class Consent(TypedDict):
    """
    The consent in force for a person.
    """

    said_by: Literal["person", "organisation"]
    """
    organisation: the person has not chosen, so its default applies
    """
    training: bool
    """
    the person's feedback may train models
    """


class Credentials(TypedDict):
    """
    The address and password of an account, and where the person signs in.
    """

    device: NotRequired[str | None]
    """
    the device, coarsely: by it the person recognises the session in the list of theirs
    """
    email: str
    """
    the address to sign in with
    """
    password: str
    """
    the present password
    """


Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
"""
A day of the week.
"""


class DroppedChallenger(TypedDict):
    """
    The challenger to withdraw, and the reason.
    """

    challenger: str
    """
    the challenger to withdraw
    """
    reason: str
    """
    why
    """


class Edit(TypedDict):
    """
    The rewrite as the person prefers it.
    """

    kind: Literal["edit"]
    """
    the kind of vote
    """
    receipt: str
    """
    the receipt that came with the answer
    """
    text: str
    """
    the whole text as it should be
    """


class EndedSessions(TypedDict):
    """
    What has ended.
    """

    ended: int
    """
    how many sessions this request has ended
    """


class EnqueuedDeliveries(TypedDict):
    """
    The new deliveries, which a worker sends.
    """

    deliveries: list[str]
    """
    the new deliveries, the oldest event first
    """


class ErasureCounts(TypedDict):
    """
    What an erasure has removed so far.
    """

    answers: int
    """
    rewrites that the person got, in their history
    """
    comparisons: int
    """
    pairs of rewrites that were shown to the person
    """
    jobs: int
    """
    messages of batches
    """
    snapshots: int
    """
    sets of training data that the person was in
    """
    terms: int
    """
    terms of the person's own dictionary
    """
    texts: int
    """
    messages with their rewrites that nobody else got
    """
    votes: int
    """
    votes, edits and comments
    """


class ErrorDetails(TypedDict):
    """
    What is wrong, and what to do. `code` is OpenAI's where clients know one, else that of the reason.
    """

    code: str
    """
    a code for programs
    """
    message: str
    """
    what is wrong, and what to do
    """
    param: str | None
    """
    the parameter that is wrong; null: none is
    """
    type: str
    """
    `invalid_request_error`, `requests`, `insufficient_quota` or `server_error`
    """


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
    """
    the vote
    """


FindingKind: TypeAlias = Literal[
    "hurts",
    "order",
    "courtesy",
    "hedge",
    "passive",
    "long_sentence",
    "term",
    "vague_time",
    "vague_amount",
    "vague_person",
    "vague_thing",
    "urgent",
    "no_rush",
    "deadline",
]
"""
What words do to a reader.
"""


class HoursCondition(TypedDict):
    """
    The message is sent at these hours, by the clock of a time zone.
    """

    days: list[Day]
    """
    the days on which the hours start; those over midnight end on the next day
    """
    ends: str
    """
    before this time; one that is earlier than `starts` is of the next day, and the same one makes the whole day
    """
    kind: Literal["hours"]
    """
    what the condition is about
    """
    starts: str
    """
    from this time on
    """
    time_zone: str
    """
    a name of IANA's database of time zones
    """


class InboundSecret(TypedDict):
    """
    The secret that the tool has made.
    """

    secret: NotRequired[str | None]
    """
    the secret, if the tool makes it; without it a random one is made
    """


JsonValue: TypeAlias = Any


class Judge(TypedDict):
    """
    The person who compares.
    """

    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


KeyAction: TypeAlias = Literal[
    "key_created",
    "key_revoked",
    "key_origins_changed",
    "key_quota_changed",
    "origins_changed",
    "secret_created",
    "secret_revoked",
    "signatures_required",
    "signatures_not_required",
    "signing_key_added",
    "signing_key_revoked",
    "token_revoked",
]
"""
What was done.
"""


class KeyChange(TypedDict):
    """
    A change of a key, of a secret, of a signing key, of a list of origins, or of a token.
    """

    action: KeyAction
    changed_at: str
    """
    when
    """
    changed_by: str
    """
    who did it; empty, if that person was erased
    """
    id: str
    """
    the id of the change
    """
    jti: str | None
    """
    the token: its `jti`, or a digest of one without it
    """
    key_id: str | None
    """
    the API key; null where it is about none
    """
    kid: str | None
    """
    the signing key, or that of the token
    """
    origins: list[str] | None
    """
    the new list of origins; null: a key has that of its organisation from now on
    """
    rewrites_a_day: int | None
    """
    the new quota of a key for web pages; null: not set
    """
    secret_id: str | None
    """
    the secret of the API key, made or revoked
    """


class KeyOrigins(TypedDict):
    """
    The pages that may use a key.
    """

    in_force: list[str]
    """
    the entries that hold for the key: of its list, or of the organisation's
    """
    origins: list[str] | None
    """
    a list of the key's own; null: it has that of the organisation
    """


class KeyQuota(TypedDict):
    """
    What a key for web pages may use up.
    """

    rewrites_a_day: int
    """
    rewrites that a key for web pages may ask for in a day (UTC)
    """


Word: TypeAlias = str


class KeywordCondition(TypedDict):
    """
    The message has one of these words, each found as a term of a dictionary is: as a whole word, in its
    plural, too, and in Japanese.
    """

    kind: Literal["keyword"]
    """
    what the condition is about
    """
    words: list[Word]
    """
    words or phrases; one with a capital is found as written, another one in any case
    """


Kind: TypeAlias = Literal["rewrite", "export", "webhook", "channel_reply", "inbound"]
"""
What a job is about. The worker and the process `channels` have a handler for each.
"""


class ListedAccount(TypedDict):
    """
    An account in the list for its organisation's administrators.
    """

    created_at: str
    """
    when it was made
    """
    email: str
    """
    the address to sign in with
    """
    id: str
    """
    the account
    """
    name: str
    """
    the person's name
    """
    role: str
    """
    what the person may do, one of `Role`
    """
    signed_in_at: str | None
    """
    when the person last signed in; null: never
    """


class ListedArm(TypedDict):
    """
    A variant, and the version that answers its users.
    """

    dropped_at: str | None
    """
    when the challenger was withdrawn while the experiment went on; null: it was not
    """
    is_baseline: bool
    """
    it is what the challengers are compared with
    """
    name: str
    """
    name of the variant
    """
    version: str
    """
    the version that answers its users
    """


class ListedKey(TypedDict):
    """
    An API key in the list for its organisation, without the secret, which is not stored.
    """

    browser: bool
    """
    it is in web pages: it may only rewrite and vote
    """
    created_at: str
    """
    when it was made
    """
    id: str
    """
    the key's id, a part of the key itself
    """
    name: str
    """
    your name for it
    """
    origins: list[str] | None
    """
    of the pages that may use it; null: those of the organisation
    """
    requires_signatures: bool
    """
    it accepts signed requests only
    """
    revoked_at: str | None
    """
    since when it is refused; null while it is valid
    """
    rewrites_a_day: int | None
    """
    rewrites a day (UTC) that a key for web pages may ask for; null: no such quota
    """
    role: str
    """
    what it may do, one of `Role`
    """


class ListedMetric(TypedDict):
    """
    A metric, and whether it comes from the installation's own file.
    """

    better: Literal["higher", "lower"]
    """
    which values are better
    """
    cap: NotRequired[float | None]
    """
    upper limit of a user's quantity
    """
    cap_percentile: NotRequired[float | None]
    """
    the cap is this percentile of users before the start (`caps`)
    """
    is_own: bool
    """
    it comes from the installation's own file
    """
    kind: Literal["proportion", "mean", "ratio", "quantile"]
    """
    how it is computed
    """
    name: str
    """
    its name in plans
    """
    of: NotRequired[str | None]
    """
    the quantity, or an expression over quantities; of a ratio, the numerator
    """
    per: NotRequired[str | None]
    """
    denominator of a ratio; null for other kinds
    """
    q: NotRequired[float | None]
    """
    the quantile, 0 to 1; null for other kinds
    """
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
    """
    when it was made
    """
    id: str
    """
    the `keyid` of signatures
    """
    revoked_at: str | None
    """
    since when it is refused; null while it is valid
    """


class ListedSegment(TypedDict):
    """
    A kind of segment of the installation's own file, and the expression that gives a user's segment.
    """

    expression: str
    """
    gives a user's segment
    """
    name: str
    """
    its name
    """


class ListedSession(TypedDict):
    """
    An open session, in the list for its person.
    """

    device: str | None
    """
    the device, as the client described it at sign-in; null: it did not
    """
    id: str
    """
    the session
    """
    is_current: bool
    """
    it is the session of this request
    """
    last_used_at: str
    """
    when its tokens were last renewed: in use, every ten minutes at least
    """
    signed_in_at: str
    """
    when the person signed in
    """


class ListedSigningKey(TypedDict):
    """
    A signing key in the list for its organisation, without the key.
    """

    algorithm: Literal["HS256", "EdDSA"]
    """
    how it signs
    """
    created_at: str
    """
    when it was added
    """
    kid: str
    """
    its id, in the tokens that it signs
    """
    revoked_at: str | None
    """
    when it was revoked; null while it is in force
    """
    role: str
    """
    the role of every token that it signs
    """


class MadeAccount(TypedDict):
    """
    A new account.
    """

    id: str
    """
    the account
    """


class MadeInboundWebhook(TypedDict):
    """
    A new inbound webhook. No other response has its secret.
    """

    id: str
    """
    the inbound webhook
    """
    path: str
    """
    where the tool sends its requests, at the address of the process `channels`
    """
    secret: str | None
    """
    the new secret; null if you gave it. No other response has it
    """


class MadeKey(TypedDict):
    """
    A new API key. No other response has it.
    """

    id: str
    """
    the key's id
    """
    key: str
    """
    the key, for the header `X-API-Key`
    """


class MadeRequestSecret(TypedDict):
    """
    A new secret. No other response has it. The bytes of its text are the key of HMAC.
    """

    id: str
    """
    the `keyid` of signatures
    """
    secret: str
    """
    what signs requests
    """


class MadeWebhook(TypedDict):
    """
    A new webhook. No other response has its secret.
    """

    id: str
    """
    the webhook
    """
    secret: str
    """
    `whsec_...`, with which libraries of Standard Webhooks verify
    """


class MarginOutlook(TypedDict):
    """
    How long it takes to exclude a loss of a metric's margin, if both versions are equally good.
    """

    days: float | None
    """
    days until then, with the plan's power; null: more than two years
    """
    is_assumed: bool
    """
    how much users differ is not known: the worst case is assumed
    """
    margin: float
    """
    loss that must be excluded, in the metric's unit
    """
    smallest: float | None
    """
    smallest loss that can be excluded within the plan's maximum_days; null: none
    """


class MatchedWords(TypedDict):
    """
    Words of the message.
    """

    end: int
    """
    where they end, exclusive, in characters
    """
    start: int
    """
    where they start, in characters (code points)
    """
    text: str
    """
    the words
    """


class Me(TypedDict):
    """
    The caller, and their role.
    """

    name: str
    """
    your name in the audit trail
    """
    organisation: str
    """
    name of your organisation
    """
    organisation_id: str
    """
    your organisation
    """
    role: str
    """
    what you may do, one of `Role`
    """
    runs_this: bool
    """
    the organisation runs the installation: its people may see experiments
    """
    user_id: str | None
    """
    the person whose answers and votes are yours; null for an API key
    """


class MessageToMatch(TypedDict):
    """
    A message that is about to be sent. None of it is stored.
    """

    channel: NotRequired[str | None]
    """
    where the message is going, in your own words; conditions on the channel compare it
    """
    recipient: NotRequired[str | None]
    """
    to whom the message is going, in your own words; conditions on the recipient compare it
    """
    sent_at: NotRequired[str | None]
    """
    when; now, if it is not given
    """
    text: str
    """
    the message, at most 8,000 characters
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


class Model(TypedDict):
    """
    A transform type at an intensity.
    """

    created: NotRequired[int]
    """
    since when it has this name, in seconds since 1970
    """
    id: str
    """
    name of the model
    """
    object: NotRequired[Literal["model"]]
    """
    what this is
    """
    owned_by: NotRequired[str]
    """
    always `tonebridge`
    """


class Models(TypedDict):
    """
    All models, by type and intensity.
    """

    data: list[Model]
    """
    the 28 models
    """
    object: NotRequired[Literal["list"]]
    """
    what this is
    """


class NewAppFeedback(TypedDict):
    """
    What a person says about the app.
    """

    about: About
    """
    what it is about
    """
    comment: str
    """
    in the person's words, at most 2,000 characters; nothing else is stored with it
    """
    may_answer: NotRequired[bool]
    """
    whether the admins see who wrote it, and may answer
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


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


class NewErasure(TypedDict):
    """
    A person's request to be forgotten.
    """

    erase: Literal["everything"]
    """
    always `everything`, so that no request erases by accident
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


Challenger: TypeAlias = str
"""
name of a version
"""


class NewExport(TypedDict):
    """
    The votes to export: those from `since` on and before `until`; all without them.
    """

    since: NotRequired[str | None]
    """
    votes from this time on; null: from the first
    """
    until: NotRequired[str | None]
    """
    votes before this time; null: to the last
    """


class NewInboundSecret(TypedDict):
    """
    The new secret of an inbound webhook. The former one is accepted, too, for a day.
    """

    secret: str | None
    """
    the new secret; null if you gave it. No other response has it
    """


Origin: TypeAlias = str
"""
as browsers send it, such as `https://app.example.org`; `https://*.example.org` for all subdomains; `http://localhost:3000` for development
"""


class NewKeyOrigins(TypedDict):
    """
    The pages that may use a key.
    """

    origins: list[Origin] | None
    """
    a list of the key's own; empty: no page; null: the list of the organisation
    """


class NewPasswords(TypedDict):
    """
    The current password, and the new one.
    """

    new_password: str
    """
    a new password, of 12 to 200 characters
    """
    password: str
    """
    the present password
    """


class NewShare(TypedDict):
    """
    The share of users to put into the experiment.
    """

    reason: NotRequired[str | None]
    """
    why, for the audit trail
    """
    share: float
    """
    share of the users, up to 1; at least what it is now
    """


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
    """
    your words for it
    """
    events: list[EventType]
    """
    the events to send; `webhook.test` comes without being named
    """
    url: str
    """
    `https://...`, public; redirects are not followed
    """


class NewWebhookSecret(TypedDict):
    """
    The new secret of a webhook. The former one signs, too, for a day.
    """

    secret: str
    """
    `whsec_...`, with which libraries of Standard Webhooks verify
    """


class Nothing(TypedDict):
    """
    No data.
    """


class OnlyText(TypedDict):
    """
    The one format of an answer.
    """

    type: Literal["text"]
    """
    a plain text
    """


class OptionalReason(TypedDict):
    """
    The reason, which may be left out.
    """

    reason: NotRequired[str | None]
    """
    why, for the audit trail
    """


class Origins(TypedDict):
    """
    The pages that may use the organisation's tokens, and its keys without a list of their own.
    """

    origins: list[Origin]
    """
    at most 50; empty: pages cannot use them
    """


class OwnFeedback(TypedDict):
    """
    What a person has said about a rewrite: their newest vote of each kind, null where there is none.
    """

    comment: str | None
    """
    a comment in words
    """
    edit: str | None
    """
    the whole text as it should be
    """
    rating: int | None
    """
    stars, 1 to 5: 1 is the worst, 5 the best
    """
    thumb_up: bool | None
    """
    true: thumb up; false: thumb down
    """


class PatternCondition(TypedDict):
    """
    The message has a place that a regular expression (RE2) matches.
    """

    ignores_case: NotRequired[bool]
    """
    whether capitals make no difference
    """
    kind: Literal["pattern"]
    """
    what the condition is about
    """
    pattern: str
    """
    in RE2's syntax, without look-around and back-references; `\\b` and `\\w` are ASCII
    """


class Progress(TypedDict):
    """
    The number of comparisons that a person has judged.
    """

    all: int
    """
    votes
    """
    skipped: int
    """
    comparisons that the person skipped
    """
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
    """
    the kind of vote
    """
    receipt: str
    """
    the receipt that came with the answer
    """
    stars: int
    """
    1 is the worst, 5 the best
    """


class Ready(TypedDict):
    """
    Whether this gateway can answer, and by which epoch.
    """

    detail: str
    """
    the epoch, or why it is not ready
    """
    ready: bool
    """
    a load balancer may send requests here
    """


class Reason(TypedDict):
    """
    One reason. A code that the catalogue lacks, as of a newer release, renders as code and values.
    """

    code: str
    """
    code in the catalogue
    """
    values: NotRequired[dict[str, int | float | str | list[str]]]
    """
    what the sentence is about, by name
    """


class RecipientCondition(TypedDict):
    """
    The message is for one of these people.
    """

    kind: Literal["recipient"]
    """
    what the condition is about
    """
    prefixes: NotRequired[list[Prefix]]
    """
    or begins with one of these, in any case
    """
    values: NotRequired[list[Value]]
    """
    exactly one of these, in any case
    """


class RefusedSnapshot(TypedDict):
    """
    A data set that may not be trained on.
    """

    counts: dict[str, Any]
    """
    what it contains, by kind
    """
    reason: str
    """
    `reasons` in English
    """
    reasons: list[Reason]
    """
    why, as codes and values
    """
    snapshot: str
    """
    digest of the snapshot
    """


class RefusedVersion(TypedDict):
    """
    A version that the gate refused.
    """

    method: str
    """
    how it was trained
    """
    reason: str
    """
    `reasons` in English
    """
    reasons: list[Reason]
    """
    why, as codes and values
    """
    version: str
    """
    the version
    """


class Released(TypedDict):
    """
    The version that answers by default from now on.
    """

    epoch: int
    """
    the epoch that begins with it
    """
    reason: str
    """
    `reasons` in English
    """
    reasons: list[Reason]
    """
    why, as codes and values
    """
    replaced: str | None
    """
    the version before; null: the first
    """
    version: str
    """
    the new champion
    """


class Replay(TypedDict):
    """
    Which dead jobs to try again: all of a kind.
    """

    kind: Kind
    """
    the kind of the jobs
    """


class Replayed(TypedDict):
    """
    The new jobs that repeat the dead ones.
    """

    jobs: list[str]
    """
    the new jobs, in the order of the dead ones
    """


ReplyForm: TypeAlias = Literal["text", "answer"]
"""
What is delivered.
"""


class RequiredReason(TypedDict):
    """
    The reason, for the audit trail.
    """

    reason: str
    """
    why
    """


Role: TypeAlias = Literal["member", "viewer", "experimenter", "admin", "owner"]
"""
What a person or a key may do. Each role includes the roles before it.
"""


Scope: TypeAlias = Literal["own", "organisation"]
"""
Whose: a person's own, or the organisation's.
"""


class ShippedChallenger(TypedDict):
    """
    The challenger to ship, which may be left out when there is only one, and the reason.
    """

    challenger: NotRequired[str | None]
    """
    the challenger to ship; null: the only one
    """
    reason: str
    """
    why
    """


class SignaturePolicy(TypedDict):
    """
    Whether a key accepts signed requests only.
    """

    required: bool
    """
    true: unsigned requests are refused; the key needs a secret
    """


class SnapshotRefused(TypedDict):
    """
    A data set may not be trained on.
    """

    data: RefusedSnapshot
    timestamp: str
    """
    when it happened
    """
    type: Literal["snapshot.refused"]
    """
    the type of the event
    """


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
    """
    the decision, in `decisions` of the experiment
    """
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


TermRule: TypeAlias = Literal["keep", "explain", "replace"]
"""
What rewrites do with a term of a dictionary.
"""


class Terms(TypedDict):
    """
    The decisions of an organisation.
    """

    trains_across: bool
    """
    your people's feedback may train other organisations' models
    """
    trains_by_default: bool
    """
    people who have not chosen are taken to consent
    """


class Thumb(TypedDict):
    """
    Thumb up or down.
    """

    kind: Literal["thumb"]
    """
    the kind of vote
    """
    receipt: str
    """
    the receipt that came with the answer
    """
    up: bool
    """
    true: thumb up; false: thumb down
    """


class ToRefresh(TypedDict):
    """
    The newest refresh token of a session.
    """

    refresh_token: str
    """
    the newest refresh token of the session
    """


class TokenToRevoke(TypedDict):
    """
    A token that must not be accepted any more.
    """

    token: str
    """
    the token
    """


class Tokens(TypedDict):
    """
    The tokens of a session (RFC 6749, 5.1). A refresh token is used once: the next one comes with the next
    access token.
    """

    access_token: str
    """
    a JWT for the header `Authorization: Bearer`
    """
    expires_in: NotRequired[int]
    """
    seconds until the access token expires
    """
    refresh_token: str
    """
    the newest refresh token of the session
    """
    token_type: NotRequired[Literal["Bearer"]]
    """
    how it is sent
    """


class ToneCondition(TypedDict):
    """
    The message is likely to be read as harsh: the analysis gives that level a greater probability.
    """

    harsh_above: float
    """
    the probability of `harsh`, as `POST /api/v1/analyze` says it; never holds for a message in another language than English and Japanese
    """
    kind: Literal["tone"]
    """
    what the condition is about
    """


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
    """
    code in the catalogue
    """
    text: str
    """
    the reason in English
    """
    values: dict[str, int | float | str | list[str]]
    """
    what the sentence is about, by name
    """


class Usage(TypedDict):
    """
    The tokens that a model read and wrote for this request: zero for a text that was written before.
    """

    completion_tokens: int
    """
    tokens that a model wrote
    """
    prompt_tokens: int
    """
    tokens that a model read
    """
    total_tokens: int
    """
    the sum of both
    """


class UsedQuota(TypedDict):
    """
    How much of the month's answers is used.
    """

    answers: int
    """
    answers in this month
    """
    month: str
    """
    year and month in UTC
    """
    quota: int
    """
    answers that the plan allows in a month
    """
    share: float
    """
    the share that is reached, 0.8 or 1
    """


Verification: TypeAlias = Literal["standard", "hub", "token"]
"""
How a request shows that it is genuine.
"""


class VersionRefused(TypedDict):
    """
    The gate refused a version.
    """

    data: RefusedVersion
    timestamp: str
    """
    when it happened
    """
    type: Literal["version.refused"]
    """
    the type of the event
    """


class VersionReleased(TypedDict):
    """
    A version answers by default from now on.
    """

    data: Released
    timestamp: str
    """
    when it happened
    """
    type: Literal["version.released"]
    """
    the type of the event
    """


class WantedComparison(TypedDict):
    """
    The message to compare rewrites of: your own, or if you leave it out, a shipped one.
    """

    intensity: NotRequired[int | None]
    """
    with a message of your own: how far the rewrites go, 0 to 3
    """
    text: NotRequired[str | None]
    """
    your message; null: a shipped one
    """
    transform_type: NotRequired[TransformType | None]
    """
    with a message of your own: the purpose of the rewrites
    """
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
    """
    when it was made
    """
    created_by: str
    """
    the key or the account that requested it, as in the audit trail
    """
    description: str
    """
    your words for it
    """
    disabled_at: str | None
    """
    since when nothing is sent; null: it is enabled
    """
    disabled_because: str | None
    """
    `disabled_reason` in English
    """
    disabled_reason: Reason | None
    """
    why it was disabled by itself; null when a person did it
    """
    events: list[EventType]
    """
    the events that are sent
    """
    failing_since: str | None
    """
    when the first of the newest failed attempts was; null: the newest one arrived
    """
    failures: int
    """
    failed attempts since the last that arrived
    """
    former_secret_until: str | None
    """
    until when the former secret signs, too; null when it does not
    """
    id: str
    """
    the webhook
    """
    skipped: int
    """
    events that were not sent, as too many deliveries waited
    """
    url: str
    """
    where events are sent
    """
    waiting: int
    """
    deliveries that are not sent yet
    """


class WebhookChanges(TypedDict):
    """
    What to change. `enabled: false` stops the deliveries; `true` starts them again.
    """

    description: NotRequired[str | None]
    """
    other words for it
    """
    enabled: NotRequired[bool | None]
    """
    whether events are sent
    """
    events: NotRequired[list[EventType] | None]
    """
    other events
    """
    url: NotRequired[str | None]
    """
    another address
    """


class WebhookTest(TypedDict):
    """
    Somebody asked for it.
    """

    data: Nothing
    timestamp: str
    """
    when it happened
    """
    type: Literal["webhook.test"]
    """
    the type of the event
    """


class Answer(TypedDict):
    """
    One reply to one person.
    """

    answer_id: str
    """
    the answer
    """
    cache: Literal["l1", "l2", "miss"]
    """
    l1: from the gateway's memory, l2: from Redis, miss: written now
    """
    facts_missing: list[str]
    """
    names, numbers, dates and other facts of the message that the text lacks
    """
    fallback: bool
    """
    the champion answered, because the arm could not
    """
    receipt: str
    """
    the signed token that takes feedback
    """
    transformed_text: str
    """
    the rewrite
    """
    unchanged: Unchanged | None
    """
    why the text is the message itself; null when the model wrote it
    """
    variant: str
    """
    the arm of an experiment, or `champion` outside of one
    """
    version: str
    """
    the version that wrote the text
    """


class CarriedOut(TypedDict):
    """
    A decision, and what became of it.
    """

    action: str
    """
    what was decided
    """
    decided_by: str
    """
    the key or the account that requested it, as in the audit trail
    """
    decision_id: str
    """
    the decision
    """
    experiment_id: str | None
    """
    the experiment
    """
    failure: str | None
    """
    why it failed, in English
    """
    failure_reasons: list[Reason]
    """
    why it failed
    """
    outcome: str | None
    """
    what became of it
    """
    reason: str
    """
    `reasons` in English
    """
    reasons: list[Reason]
    """
    why, as codes and values
    """


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
    """
    where the two outputs come from; null: as the installation needs votes now
    """
    text: str
    """
    the message, at most 8,000 characters
    """
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
    """
    refused, unless the value asks for nothing
    """
    frequency_penalty: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    function_call: NotRequired[Literal["none", "auto"] | None]
    """
    refused, unless the value asks for nothing
    """
    functions: NotRequired[list[Any] | None]
    """
    refused, unless the value asks for nothing
    """
    logit_bias: NotRequired[dict[str, Any] | None]
    """
    refused, unless the value asks for nothing
    """
    logprobs: NotRequired[Literal[False] | None]
    """
    refused, unless the value asks for nothing
    """
    max_completion_tokens: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    max_tokens: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    messages: list[ChatMessage]
    """
    the turns, the oldest first
    """
    metadata: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    modalities: NotRequired[list[Literal["text"]] | None]
    """
    refused, unless the value asks for nothing
    """
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
    """
    refused, unless the value asks for nothing
    """
    n: NotRequired[Literal[1] | None]
    """
    refused, unless the value asks for nothing
    """
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
    """
    refused, unless the value asks for nothing
    """
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
    """
    refused, unless the value asks for nothing
    """
    store: NotRequired[Literal[False] | None]
    """
    refused, unless the value asks for nothing
    """
    stream: NotRequired[bool | None]
    """
    answer with server-sent events
    """
    stream_options: NotRequired[StreamOptions | None]
    """
    what a stream contains besides the answer
    """
    temperature: NotRequired[Any]
    """
    accepted, and changes nothing
    """
    tool_choice: NotRequired[Literal["none", "auto"] | None]
    """
    refused, unless the value asks for nothing
    """
    tools: NotRequired[list[Any] | None]
    """
    refused, unless the value asks for nothing
    """
    top_logprobs: NotRequired[Literal[0] | None]
    """
    refused, unless the value asks for nothing
    """
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
    """
    refused, unless the value asks for nothing
    """


class ConditionMet(TypedDict):
    """
    That a condition holds, and by which words.
    """

    kind: ConditionKind
    """
    the condition
    """
    probability: float | None
    """
    of a tone: that it is harsh, as `POST /api/v1/analyze` says
    """
    words: list[MatchedWords]
    """
    the words that show it, 20 at most; none for channel, recipient and hours
    """


class Details(TypedDict):
    """
    What an answer of `/api/v1/transform` has besides its text. The receipt takes feedback.
    """

    answer_id: str
    """
    the answer
    """
    cache: Literal["l1", "l2", "miss"]
    """
    l1: from the gateway's memory, l2: from Redis, miss: written now
    """
    facts_missing: list[str]
    """
    names, numbers, dates and other facts of the message that the text lacks
    """
    fallback: bool
    """
    the champion answered, because the arm could not
    """
    receipt: str
    """
    the signed token that takes feedback
    """
    unchanged: Unchanged | None
    """
    why the text is the message itself; null when the model wrote it
    """
    variant: str
    """
    the arm of an experiment, or `champion` outside of one
    """
    version: str
    """
    the version that wrote the text
    """


class DictionaryTerm(TypedDict):
    """
    A term of a dictionary.
    """

    created_at: str
    """
    when it was added
    """
    created_by: str | None
    """
    who added it; for admins, and null for others
    """
    id: str
    """
    its id
    """
    rule: TermRule
    """
    `keep`: never change the term; `explain`: explain it by the wording where terms are explained; `replace`: say the wording instead
    """
    scope: Scope
    """
    whose dictionary: the organisation's, or the person's own
    """
    term: str
    """
    the term
    """
    wording: str
    """
    the explanation, or what is said instead; empty for `keep`
    """


class DictionaryTermChanges(TypedDict):
    """
    What to change in a term; omitted fields stay as they are.
    """

    rule: NotRequired[TermRule | None]
    """
    another rule
    """
    term: NotRequired[str | None]
    """
    another spelling
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """
    wording: NotRequired[str | None]
    """
    another wording
    """


class DisabledWebhook(TypedDict):
    """
    A webhook that was disabled by itself.
    """

    disabled_at: str
    """
    since when nothing is sent
    """
    reason: str
    """
    `reasons` in English
    """
    reasons: list[Reason]
    """
    why, as codes and values
    """
    url: str
    """
    its address
    """
    webhook_id: str
    """
    the webhook
    """


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
    """
    the answer, if the status is 200
    """
    problem: NotRequired[dict[str, Any] | None]
    """
    the problem (RFC 9457) of any other status; it is absent for an answer
    """
    status: int
    """
    the status that the message alone would have
    """


class Erasure(TypedDict):
    """
    An erasure, and how far it is.
    """

    finished_at: str | None
    """
    from then on all is new; null before
    """
    id: str
    """
    its id
    """
    removed: ErasureCounts
    """
    what was removed so far
    """
    requested_at: str
    """
    from then on no vote is accepted, and no model learns from the person
    """
    state: Literal["waiting", "history_removed", "finished"]
    """
    `waiting`: nothing is removed yet; `history_removed`: the person's history is gone, and copies in training data are still to be removed; `finished`: nothing is left
    """
    versions_left: int
    """
    models that learned from the person and still have to be replaced or deleted
    """


class ExperimentDecided(TypedDict):
    """
    A decision on an experiment was carried out, failed, or waits for a person.
    """

    data: CarriedOut
    timestamp: str
    """
    when it happened
    """
    type: Literal["experiment.decided"]
    """
    the type of the event
    """


class FailedAttempt(TypedDict):
    """
    Why an attempt failed: `reasons`, and in English `reason`.
    """

    at: str
    """
    when it failed
    """
    attempt: int
    """
    number of the attempt, from 1
    """
    reason: str
    """
    `reasons` in English
    """
    reasons: list[Reason]
    """
    codes and values of the reason
    """


class FiredMessage(TypedDict):
    """
    A message for which the rule would have fired.
    """

    answer_id: str
    """
    the answer that the person got for it
    """
    because: list[ConditionMet]
    """
    why it fires: each condition, and by which words
    """
    message: str
    """
    the message
    """
    rewrite: Answer | None
    """
    what the rule would have proposed; null: not asked for, or not available
    """
    sent_at: str
    """
    when the person had it rewritten
    """


class FoundWords(TypedDict):
    """
    Words of the message, and what they do to its reader.
    """

    due_on: NotRequired[str | None]
    """
    of a deadline: its date, if the words tell it
    """
    end: int
    """
    where they end, exclusive, in characters
    """
    explanation: str
    """
    why, in a sentence: Japanese if `locale` is, otherwise English
    """
    kind: FindingKind
    """
    what the words do
    """
    reason: Reason
    """
    why, as a code and values, which render in the reader's language
    """
    start: int
    """
    where they start, in characters (code points)
    """
    text: str
    """
    the words
    """


class GraphQLRequest(TypedDict):
    """
    A document, or the id of a trusted one, with its variables.
    """

    documentId: NotRequired[str | None]
    """
    SHA-256 of a trusted document, in place of `query`
    """
    extensions: NotRequired[dict[str, JsonValue] | None]
    """
    not read
    """
    operationName: NotRequired[str | None]
    """
    the operation, if there are several
    """
    query: NotRequired[str | None]
    """
    the document
    """
    variables: NotRequired[dict[str, JsonValue] | None]
    """
    values of the variables, by name
    """


class HelpfulRewrite(TypedDict):
    """
    A rewrite that would help the reader of the message.
    """

    because: list[int]
    """
    the findings that show it, by their indices in `findings`
    """
    explanation: str
    """
    why, in a sentence: Japanese if `locale` is, otherwise English
    """
    probability: float
    """
    that a reader says so
    """
    reason: Reason
    """
    why, as a code and values, which render in the reader's language
    """
    transform_type: TransformType


class InboundWebhook(TypedDict):
    """
    An inbound webhook without its secrets. `waiting` messages are not delivered yet, and `dead` ones were
    given up: see `/api/v1/jobs`.
    """

    created_at: str
    """
    when it was made
    """
    created_by: str
    """
    the key or the account that requested it, as in the audit trail
    """
    dead: int
    """
    messages that were given up, of seven days
    """
    delivers_unchanged: bool
    """
    whether a message that stays as it is is sent, too
    """
    failures: int
    """
    failed attempts to deliver since the last that arrived
    """
    former_secret_until: str | None
    """
    until when the former secret is accepted, too; null when it is not
    """
    id: str
    """
    the inbound webhook
    """
    intensity: int
    """
    how strongly
    """
    key_id: str
    """
    the API key that rewrites for it
    """
    name: str
    """
    your name for it
    """
    path: str
    """
    where the tool sends its requests, at the address of the process `channels`
    """
    reply_form: ReplyForm
    """
    what is sent there
    """
    reply_url: str
    """
    where rewrites are sent
    """
    text_pointer: str
    """
    where the message is in the tool's JSON
    """
    transform_type: TransformType
    """
    how its messages are rewritten
    """
    verification: Verification
    """
    how its requests are verified
    """
    waiting: int
    """
    messages that are not delivered yet
    """


class InboundWebhookChanges(TypedDict):
    """
    What to change; messages that wait are rewritten as it was when they came. To verify in another way,
    make another inbound webhook.
    """

    delivers_unchanged: NotRequired[bool | None]
    """
    whether a message that stays as it is is sent, too
    """
    intensity: NotRequired[int | None]
    """
    another intensity
    """
    name: NotRequired[str | None]
    """
    another name
    """
    reply_form: NotRequired[ReplyForm | None]
    """
    another form of what is sent
    """
    reply_url: NotRequired[str | None]
    """
    another address for rewrites
    """
    text_pointer: NotRequired[str | None]
    """
    another place of the message
    """
    transform_type: NotRequired[TransformType | None]
    """
    another kind of rewrites
    """


class InvalidField(TypedDict):
    """
    What is wrong with one field of a request, and what it may be.
    """

    allowed: str
    """
    what the field may be, in English
    """
    allowed_reason: Reason
    """
    `allowed` as code and values
    """
    field: str
    """
    name of the field
    """
    message: str
    """
    what is wrong, in English
    """
    part: NotRequired[str | None]
    """
    the part of the field, as a line of a file; absent: the field itself
    """
    reason: Reason
    """
    `message` as code and values
    """


class ListedDecision(TypedDict):
    """
    A decision with its rendered reason, as the API returns it.
    """

    action: str
    """
    what was decided
    """
    claimed_at: str | None
    """
    when it began to be carried out; null before
    """
    created_at: str
    """
    when it was requested
    """
    done_at: str | None
    """
    when it was carried out, or failed; null before
    """
    failure: list[Reason]
    """
    why it failed; empty when it did not
    """
    id: str
    """
    the decision
    """
    outcome: str | None
    """
    what became of it; null before
    """
    parameters: dict[str, Any]
    """
    share, challenger, or what else the action needs
    """
    reason: str
    """
    `reasons` in English
    """
    reasons: list[Reason]
    """
    why, as codes and values
    """
    requested_by: str
    """
    the key or the account that requested it, as in the audit trail
    """


class ListedExperiment(TypedDict):
    """
    An experiment in a list. A draft has no baseline: the champion at its start becomes the baseline.
    `is_sample` marks an experiment with simulated data. `plan_faults` say why its plan is not valid.
    """

    created_at: str
    """
    when it was drafted
    """
    ended_at: str | None
    """
    when it ended; null before
    """
    hypothesis: str
    """
    what it is to show
    """
    id: str
    """
    the experiment
    """
    is_sample: bool
    """
    its data are simulated
    """
    name: str
    """
    its name
    """
    plan_faults: list[Reason]
    """
    why its plan is not valid any more; empty: it is
    """
    started_at: str | None
    """
    when it was started; null before
    """
    status: Status
    variants: list[ListedArm]
    """
    the arms: challengers, and once started the baseline
    """


class ListedJob(TypedDict):
    """
    A job without its payload. `available_at` is when it is tried next; while it runs, its lease's end.
    """

    attempts: int
    """
    attempts that have begun
    """
    available_at: str
    """
    when it is tried next; while it runs, when its worker loses it
    """
    batch_id: str | None
    """
    the batch of a message; null for other jobs
    """
    created_at: str
    """
    when it was requested
    """
    done_at: str | None
    """
    when it ended; null before
    """
    ended_by: str | None
    """
    who cancelled or replayed it; null for a job that ended by itself
    """
    errors: list[FailedAttempt]
    """
    the failed attempts, the oldest first
    """
    id: str
    """
    the job
    """
    kind: Kind
    place: int | None
    """
    place of a message in its batch, from 0; null for other jobs
    """
    replayed_from: str | None
    """
    the dead job that this one repeats; null for a first try
    """
    requested_by: str
    """
    the key or the account that requested it, as in the audit trail
    """
    state: State


class ListedMetrics(TypedDict):
    """
    The metrics and segments that the next draft gets. A running experiment keeps those of its plan.
    """

    metrics: list[ListedMetric]
    """
    what can be measured
    """
    own_segments: list[ListedSegment]
    """
    by what users can be divided
    """


Conditions: TypeAlias = (
    KeywordCondition
    | PatternCondition
    | ToneCondition
    | ChannelCondition
    | RecipientCondition
    | HoursCondition
)


class ListedRule(TypedDict):
    """
    A rule that is stored.
    """

    conditions: list[Conditions]
    """
    all must hold; one of each kind at most
    """
    created_at: str
    """
    when it was added
    """
    created_by: str | None
    """
    who added it; for admins, and null for others
    """
    enabled: NotRequired[bool]
    """
    false: kept, and proposes nothing
    """
    id: str
    """
    its id
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    name: str
    """
    what people read beside the proposal
    """
    priority: NotRequired[int]
    """
    1 is the first; of rules with the same priority a person's own comes first, then the older one
    """
    scope: Scope
    """
    whose rule: the organisation's, or the person's own
    """
    transform_type: TransformType


class NewAccount(TypedDict):
    """
    A person who may sign in.
    """

    email: str
    """
    the address to sign in with
    """
    name: NotRequired[str]
    """
    the person's name
    """
    password: str
    """
    a new password, of 12 to 200 characters
    """
    role: NotRequired[Role]
    """
    what the person may do: at most what you may
    """


class NewDictionaryTerm(TypedDict):
    """
    A term to add to a dictionary.
    """

    rule: TermRule
    """
    `keep`: never change the term; `explain`: explain it by the wording where terms are explained; `replace`: say the wording instead
    """
    scope: Scope
    """
    whose dictionary: the organisation's, or the person's own
    """
    term: str
    """
    the term, found in its regular plural, too; with a capital as written, else in any case
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """
    wording: NotRequired[str]
    """
    of `explain`: the explanation; of `replace`: what is said instead; of `keep`: empty
    """


class NewInboundWebhook(TypedDict):
    """
    Where another tool sends messages, and where the rewrites go.
    """

    delivers_unchanged: NotRequired[bool]
    """
    whether a message that stays as it is is sent, too
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    name: str
    """
    your name for it
    """
    reply_form: NotRequired[ReplyForm]
    """
    what is sent: `text` is `{"text": rewrite}`, which incoming webhooks of chat platforms take; `answer` is the answer of `POST /api/v1/transform` without its receipt
    """
    reply_url: str
    """
    where rewrites are sent: `https://...`, public; redirects are not followed
    """
    secret: NotRequired[str | None]
    """
    the secret, if the tool makes it; without it a random one is made
    """
    text_pointer: NotRequired[str]
    """
    where the message is in the tool's JSON: a JSON Pointer (RFC 6901)
    """
    transform_type: TransformType
    """
    how messages are rewritten
    """
    verification: Verification
    """
    how requests are verified: `standard` (Standard Webhooks), `hub` (X-Hub-Signature-256), or `token` for tools that cannot sign: the secret as a bearer token, in X-Gitlab-Token, or in the field `token` of the body
    """


class NewKey(TypedDict):
    """
    An API key to make.
    """

    browser: NotRequired[bool]
    """
    it will be in a web page, where everybody reads it: it may only rewrite and vote, from pages of its origins, and its role is member (docs/browsers.md)
    """
    name: str
    """
    your name for it
    """
    origins: NotRequired[list[Origin] | None]
    """
    of the web pages that may use it; empty: none; without: those of the organisation
    """
    rewrites_a_day: NotRequired[int | None]
    """
    the quota of a key for web pages; 1,000 without. Keys for programs have none
    """
    role: NotRequired[Role]
    """
    what it may do: at most what you may
    """


class NewPreferences(TypedDict):
    """
    All preferences of a person: those that are left out are removed.
    """

    intensity: NotRequired[int | None]
    """
    of a new rewrite, 0 to 3
    """
    language: NotRequired[Literal["en", "ja"] | None]
    """
    of pages and messages to the person
    """
    tour_closed: NotRequired[bool | None]
    """
    whether the person has closed the tour that the web app shows to new people
    """
    transform_type: NotRequired[TransformType | None]
    """
    of a new rewrite
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


class NewRole(TypedDict):
    """
    Another role for a person.
    """

    role: Role
    """
    what the person may do: at most what you may
    """


class NewRule(TypedDict):
    """
    A rule to add.
    """

    conditions: list[Conditions]
    """
    all must hold; one of each kind at most
    """
    enabled: NotRequired[bool]
    """
    false: kept, and proposes nothing
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    name: str
    """
    what people read beside the proposal
    """
    priority: NotRequired[int]
    """
    1 is the first; of rules with the same priority a person's own comes first, then the older one
    """
    scope: Scope
    """
    whose rule: the organisation's, or the person's own
    """
    transform_type: TransformType
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


class NewSigningKey(TypedDict):
    """
    A key to sign tokens with. A `kid` is your own, and stays taken when its key is revoked.
    """

    algorithm: Literal["HS256", "EdDSA"]
    """
    how tokens are signed
    """
    key: str
    """
    base64url: the secret of HS256 (`k` of its JWK), at least 32 bytes; or the Ed25519 public key of EdDSA (`x` of its JWK)
    """
    kid: str
    """
    your name for the signing key
    """
    role: NotRequired[Role]
    """
    what its tokens may do: at most what you may
    """


class NewTarget(TypedDict):
    """
    The messages of an experiment: those that match every field with values; all, if no field has any.
    """

    channels: NotRequired[list[Channel]]
    """
    where messages are sent; empty: anywhere
    """
    locales: NotRequired[list[Locale]]
    """
    language tags: `ja` matches `ja-JP`, too; empty: all
    """
    organisations: NotRequired[list[str]]
    """
    organisations; empty: all
    """
    transform_types: NotRequired[list[TransformType]]
    """
    purposes; empty: all
    """


class Outlook(TypedDict):
    """
    What a plan can show.
    """

    days_needed: float | None
    """
    days until then, with ramp, window and minimum_days; null: more than two years, or not known
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
    of the primary metric and the guardrails, by the metric's name
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
    users whose windows close within the plan's maximum_days; null: not known how many come
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
    """
    what the plan cannot do, or does badly
    """


class Preferences(TypedDict):
    """
    What a person prefers; null: no preference.
    """

    intensity: NotRequired[int | None]
    """
    of a new rewrite, 0 to 3
    """
    language: NotRequired[Literal["en", "ja"] | None]
    """
    of pages and messages to the person
    """
    tour_closed: NotRequired[bool | None]
    """
    whether the person has closed the tour that the web app shows to new people
    """
    transform_type: NotRequired[TransformType | None]
    """
    of a new rewrite
    """


class Problem(TypedDict):
    """
    Why a request was refused (RFC 9457). `reasons` has the codes and values of `detail`.
    """

    detail: str
    """
    what is wrong, and what to do, in English
    """
    errors: NotRequired[list[InvalidField]]
    """
    of a request that is not valid, by field
    """
    reasons: list[Reason]
    """
    the codes and values of `detail`, for programs
    """
    status: int
    """
    the status of the response
    """
    title: str
    """
    the kind of problem, in English
    """
    type: str
    """
    always `about:blank`
    """


class Proposal(TypedDict):
    """
    What the first rule that fires proposes. `POST /api/v1/transform` takes its type and intensity.
    """

    because: list[ConditionMet]
    """
    why it fires: each condition, and by which words
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    name: str
    """
    its name
    """
    rule_id: str
    """
    the rule
    """
    scope: Scope
    """
    whose rule: the organisation's, or the person's own
    """
    transform_type: TransformType


class QuotaNear(TypedDict):
    """
    80 % of the month's answers are used, or all.
    """

    data: UsedQuota
    timestamp: str
    """
    when it happened
    """
    type: Literal["quota.near"]
    """
    the type of the event
    """


class ReadLevel(TypedDict):
    """
    How an aspect of the message is likely to be read.
    """

    because: list[int]
    """
    the findings that show it, by their indices in `findings`
    """
    explanation: str
    """
    why, in a sentence: Japanese if `locale` is, otherwise English
    """
    level: str
    """
    the level. Of the tone: `harsh`, `curt`, `neutral`, `warm`; of the directness: `direct`, `softened`, `hidden`, `none`; of the clarity: `clear`, `hard`; of the priority: `urgent`, `normal`, `low`, `none`
    """
    probabilities: dict[str, float]
    """
    the probability of each level that a reader says so
    """
    reason: Reason
    """
    why, as a code and values, which render in the reader's language
    """


class Rule(TypedDict):
    """
    A rule: its conditions, and the rewrite that it proposes.
    """

    conditions: list[Conditions]
    """
    all must hold; one of each kind at most
    """
    enabled: NotRequired[bool]
    """
    false: kept, and proposes nothing
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    name: str
    """
    what people read beside the proposal
    """
    priority: NotRequired[int]
    """
    1 is the first; of rules with the same priority a person's own comes first, then the older one
    """
    transform_type: TransformType


class RuleChanges(TypedDict):
    """
    What to change in a rule; omitted fields stay as they are.
    """

    conditions: NotRequired[list[Conditions] | None]
    """
    conditions in place of all of its present ones
    """
    enabled: NotRequired[bool | None]
    """
    on or off
    """
    intensity: NotRequired[int | None]
    """
    another intensity
    """
    name: NotRequired[str | None]
    """
    another name
    """
    priority: NotRequired[int | None]
    """
    another priority
    """
    transform_type: NotRequired[TransformType | None]
    """
    another kind of rewrite
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


class RuleMatch(TypedDict):
    """
    The first rule that fires for a message.
    """

    proposal: Proposal | None
    """
    what it proposes; null: no rule fires
    """


class SentAnswer(TypedDict):
    """
    An answer that a person got. It has no receipt, since whoever has one can vote for the person.
    """

    answer_id: str
    """
    the answer
    """
    cache: Literal["l1", "l2", "miss"]
    """
    l1: from the gateway's memory, l2: from Redis, miss: written now
    """
    channel: str | None
    """
    channel of the request
    """
    epoch: int
    """
    the epoch of the routing
    """
    experiment_id: str | None
    """
    the experiment; null: outside of one
    """
    external_id: str | None
    """
    your name for the person; null: no request has named one
    """
    facts_missing: list[str]
    """
    names, numbers, dates and other facts of the message that the text lacks
    """
    fallback: bool
    """
    the champion answered, because the arm could not
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    key_id: str | None
    """
    the key whose name for the person this is; null for a token's
    """
    locale: str | None
    """
    language tag of the request
    """
    message: str
    """
    the message that was rewritten
    """
    output_id: str
    """
    the stored text; answers from a cache share one
    """
    transform_type: TransformType
    transformed_text: str
    """
    the rewrite
    """
    unchanged: Unchanged | None
    """
    why the text is the message itself; null when the model wrote it
    """
    user_id: str
    """
    the person
    """
    variant: str
    """
    the arm of an experiment, or `champion` outside of one
    """
    version: str
    """
    the version that wrote the text
    """


class SentVote(TypedDict):
    """
    A vote as it is when the event is sent.
    """

    comparison_id: str | None
    """
    the comparison
    """
    created_at: str
    """
    when the person first voted
    """
    epoch: int | None
    """
    the epoch of the answer
    """
    experiment_id: str | None
    """
    the experiment; null: outside of one
    """
    external_id: str | None
    """
    your name for the person; null: no request has named one
    """
    intensity: int
    """
    0 barely touches the message, 3 is strongest
    """
    key_id: str | None
    """
    the key whose name for the person this is; null for a token's
    """
    kind: Literal["thumb", "rating", "edit", "comparison", "comment"]
    """
    the kind of vote
    """
    message: str
    """
    the message that was rewritten
    """
    output_id: str
    """
    the text that the vote is on
    """
    preferred_output_id: str | None
    """
    the better text of a comparison; null: neither
    """
    rating: int | None
    """
    stars of a rating
    """
    reason: str | None
    """
    why, in a comparison
    """
    text: str | None
    """
    text of an edit or a comment
    """
    thumb_up: bool | None
    """
    of a thumb
    """
    transform_type: TransformType
    transformed_text: str
    """
    the rewrite
    """
    updated_at: str
    """
    when the person last changed the vote
    """
    user_id: str
    """
    the person
    """
    variant: str | None
    """
    the arm of the answer
    """
    version: str
    """
    the version that wrote the text
    """
    vote_id: str
    """
    the vote
    """


class ShownAnswer(TypedDict):
    """
    An answer that a person got, with its message and what the person said about it. Its receipt takes a
    vote, as the one that came with the answer.
    """

    answer_id: str
    """
    the answer
    """
    cache: Literal["l1", "l2", "miss"]
    """
    l1: from the gateway's memory, l2: from Redis, miss: written now
    """
    created_at: str
    """
    when the person got it
    """
    facts_missing: list[str]
    """
    names, numbers, dates and other facts of the message that the text lacks
    """
    fallback: bool
    """
    the champion answered, because the arm could not
    """
    feedback: OwnFeedback | None
    """
    what the person has said about the rewrite, in whichever answer they got it; null: nothing
    """
    intensity: int
    """
    how far, 0 to 3
    """
    message: str
    """
    what was rewritten
    """
    receipt: str
    """
    the signed token that takes feedback
    """
    transform_type: TransformType
    """
    how
    """
    transformed_text: str
    """
    the rewrite
    """
    unchanged: Unchanged | None
    """
    why the text is the message itself; null when the model wrote it
    """
    variant: str
    """
    the arm of an experiment, or `champion` outside of one
    """
    version: str
    """
    the version that wrote the text
    """


class Side(TypedDict):
    """
    One of the two outputs of a comparison.
    """

    facts_missing: list[str]
    """
    names, numbers, dates and other facts of the message that the text lacks
    """
    transformed_text: str
    """
    the rewrite
    """
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
    """
    the message, at most 8,000 characters
    """
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
    """
    the message, at most 8,000 characters
    """
    transform_type: TransformType
    user_id: NotRequired[str | None]
    """
    your name for the person, scoped to your key
    """


class WebhookDisabled(TypedDict):
    """
    Another webhook of yours was disabled by itself.
    """

    data: DisabledWebhook
    timestamp: str
    """
    when it happened
    """
    type: Literal["webhook.disabled"]
    """
    the type of the event
    """


class WholeExperiment(TypedDict):
    """
    An experiment, the share of users who are in it now (0 to 1), and its decisions, the newest first.
    """

    created_at: str
    """
    when it was drafted
    """
    decisions: list[ListedDecision]
    """
    its decisions, the newest first
    """
    ended_at: str | None
    """
    when it ended; null before
    """
    hypothesis: str
    """
    what it is to show
    """
    id: str
    """
    the experiment
    """
    is_sample: bool
    """
    its data are simulated
    """
    name: str
    """
    its name
    """
    plan: dict[str, Any]
    """
    the whole plan (configs/experiment.yaml), frozen when it was drafted
    """
    plan_faults: list[Reason]
    """
    why its plan is not valid any more; empty: it is
    """
    share: float
    """
    share of the users who are in it now, 0 to 1
    """
    started_at: str | None
    """
    when it was started; null before
    """
    status: Status
    target: dict[str, Any]
    """
    the messages that it is about, as in `NewTarget`
    """
    variants: list[ListedArm]
    """
    the arms: challengers, and once started the baseline
    """


class Answers(TypedDict):
    """
    Answers that people got.
    """

    answers: list[SentAnswer]
    """
    at most a hundred
    """


class BatchAnswer(TypedDict):
    """
    The entries, in the order of the messages.
    """

    items: list[Entry]
    """
    one for each message, in the order of the request
    """


class BatchRequest(TypedDict):
    """
    Messages to rewrite, each for itself.
    """

    items: list[TransformRequest]
    """
    the messages
    """


class Compared(TypedDict):
    """
    Two outputs for one message, in random order; the receipt takes the vote.
    """

    comparison_id: str
    """
    the comparison
    """
    first: Side
    policy: Literal["two_samples", "champion_against_challenger", "between_challengers"]
    """
    where the two outputs come from
    """
    receipt: str
    """
    the signed token that takes feedback
    """
    second: Side


class Completion(TypedDict):
    """
    A rewrite. `tonebridge` is no field of OpenAI's; in a stream, the chunk with `finish_reason` has it.
    """

    choices: list[CompletionChoice]
    """
    the one answer
    """
    created: int
    """
    when it was answered, in seconds since 1970
    """
    id: str
    """
    `chatcmpl-` and the id of the answer
    """
    model: str
    """
    the model of the request
    """
    object: NotRequired[Literal["chat.completion"]]
    """
    what this is
    """
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
    """
    attempts that have begun
    """
    available_at: str
    """
    when it is sent next
    """
    created_at: str
    """
    when the event happened, or the delivery was replayed
    """
    done_at: str | None
    """
    when it ended; null before
    """
    duration_ms: float | None
    """
    milliseconds until that answer; null before
    """
    errors: list[FailedAttempt]
    """
    the failed attempts, the oldest first
    """
    event_id: str
    """
    the event; all its deliveries have it as their header `webhook-id`
    """
    id: str
    """
    the delivery
    """
    replayed_from: str | None
    """
    the delivery that this one repeats; null for a first one
    """
    state: State
    status: int | None
    """
    HTTP status of the receiver's answer; null before
    """
    type: EventType


class DryRun(TypedDict):
    """
    A rule to try on recent messages: one that is stored, or a draft.
    """

    channel: NotRequired[str | None]
    """
    where the message is going, in your own words; conditions on the channel compare it
    """
    draft: NotRequired[Rule | None]
    """
    a rule that is not stored, in place of `rule_id`
    """
    limit: NotRequired[int]
    """
    the most messages to try
    """
    locale: NotRequired[str | None]
    """
    language tag of the person, `ja-JP`
    """
    recipient: NotRequired[str | None]
    """
    to whom the message is going, in your own words; conditions on the recipient compare it
    """
    rewrites: NotRequired[int]
    """
    for how many of those that fire to make the rewrite that it would have proposed; each counts as one of `POST /api/v1/transform`
    """
    rule_id: NotRequired[str | None]
    """
    a stored rule, on or off
    """
    user_id: NotRequired[str | None]
    """
    your name for the person; a token leaves it out
    """


class DryRunResult(TypedDict):
    """
    What a rule would have done. It was not asked for the channel and the recipient, unless you named them:
    they are stored with no message.
    """

    fired: int
    """
    for how many of them it would have fired
    """
    messages: list[FiredMessage]
    """
    those messages, the newest first
    """
    tried: int
    """
    different messages that were tried
    """
    unchecked: list[ConditionKind]
    """
    conditions that count as met, since nothing is known of them
    """


class EndedJob(TypedDict):
    """
    What ended: a batch, or another job.
    """

    batch: NotRequired[Batch | None]
    """
    the batch; absent for a job
    """
    job: NotRequired[ListedJob | None]
    """
    the job; absent for a batch
    """


class FeedbackGiven(TypedDict):
    """
    A person voted, or changed a vote.
    """

    data: SentVote
    timestamp: str
    """
    when it happened
    """
    type: Literal["feedback.given"]
    """
    the type of the event
    """


class JobDone(TypedDict):
    """
    The last message of a batch ended, or an export.
    """

    data: EndedJob
    timestamp: str
    """
    when it happened
    """
    type: Literal["job.done"]
    """
    the type of the event
    """


class MessageAnalysis(TypedDict):
    """
    What a message does to its reader. `docs/analysis.md` says how often it is right.
    """

    clarity: ReadLevel | None
    """
    whether an outsider understands it at once; null without a language
    """
    directness: ReadLevel | None
    """
    how openly it says what is wanted; null without a language
    """
    findings: list[FoundWords]
    """
    words that do something to the reader, by their places
    """
    language: Literal["en", "ja"] | None
    """
    of the message; null: neither, or too short to tell, so nothing is found
    """
    priority: ReadLevel | None
    """
    how soon somebody has to act; null without a language
    """
    suggestions: list[HelpfulRewrite]
    """
    rewrites that would help, the likeliest first, three at most; none: send it as it is
    """
    tone: ReadLevel | None
    """
    how harsh or warm it is; null without a language
    """


class Messages(TypedDict):
    """
    Messages to rewrite later, each for itself.
    """

    items: list[TransformRequest]
    """
    the messages
    """


class NewExperiment(TypedDict):
    """
    An experiment to draft: versions against the champion at the time of its start.
    """

    challengers: list[Challenger]
    """
    the versions to test
    """
    hypothesis: str
    """
    what it is to show
    """
    name: str
    """
    its name
    """
    plan: NotRequired[dict[str, JsonValue]]
    """
    fields that differ from configs/experiment.yaml
    """
    target: NotRequired[NewTarget]
    """
    the messages that it is about
    """


class NextComparison(TypedDict):
    """
    Two rewrites in random order, and their message. Vote with the receipt.
    """

    comparison_id: str
    """
    the comparison
    """
    first: Side
    intensity: int
    """
    how far the rewrites go, 0 to 3
    """
    message: str
    """
    the message that was rewritten
    """
    policy: Literal["two_samples", "champion_against_challenger", "between_challengers"]
    """
    where the two outputs come from
    """
    receipt: str
    """
    the signed token that takes feedback
    """
    second: Side
    transform_type: TransformType


class RecordedRuleChange(TypedDict):
    """
    A change of a rule.
    """

    changed_at: str
    """
    when
    """
    changed_by: str
    """
    who changed it; empty, if that person was erased
    """
    former: Rule | None
    """
    the rule before; null: it was added
    """
    id: str
    """
    the id of the change
    """
    present: Rule | None
    """
    the rule since then; null: it was deleted
    """
    rule_id: str
    """
    the rule, which may be deleted
    """


class AnswerCreated(TypedDict):
    """
    People got answers.
    """

    data: Answers
    timestamp: str
    """
    when it happened
    """
    type: Literal["answer.created"]
    """
    the type of the event
    """

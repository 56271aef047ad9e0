// The documents of the API. Made from openapi.json c5d9675679fac81bc0db531691b5a0a46a8e1b1f14102904b1a2c37f241484dc
// by `make sdk`. Do not change it here.

export type ClientOptions = {
    baseUrl: `${string}://${string}` | (string & {});
};

/**
 * A signing key that is in force now.
 */
export type AddedSigningKey = {
    kid: string;
};

/**
 * One reply to one person.
 */
export type Answer = {
    answer_id: string;
    cache: 'l1' | 'l2' | 'miss';
    facts_missing: Array<string>;
    fallback: boolean;
    receipt: string;
    transformed_text: string;
    /**
     * why the text is the message itself; null when the model wrote it
     */
    unchanged: Unchanged | null;
    variant: string;
    version: string;
};

/**
 * The rewrite.
 */
export type AssistantMessage = {
    content: string;
    refusal?: null;
    role?: 'assistant';
};

/**
 * Messages that one request gave to the queue, and how many of them are in each state.
 */
export type Batch = {
    cancelled: number;
    created_at: string;
    dead: number;
    done: number;
    id: string;
    messages: number;
    requested_by: string;
    running: number;
    waiting: number;
};

/**
 * The entries, in the order of the messages.
 */
export type BatchAnswer = {
    items: Array<Entry>;
};

/**
 * Messages to rewrite, each for itself.
 */
export type BatchRequest = {
    items: Array<TransformRequest>;
};

/**
 * How many messages will not be rewritten.
 */
export type Cancelled = {
    cancelled: number;
};

/**
 * A turn of a conversation.
 */
export type ChatMessage = {
    /**
     * of the last message: what to rewrite; the texts of several parts are its lines
     */
    content?: string | Array<{
        text: string;
        type: 'text';
    }>;
    role: 'user' | 'assistant';
    [key: string]: unknown;
};

/**
 * Which of two outputs is better; the receipt is the comparison's.
 */
export type Choice = {
    kind: 'comparison';
    preferred: 'first' | 'second' | 'neither';
    /**
     * why, for people to read: no model learns it
     */
    reason?: string | null;
    /**
     * the receipt that came with the answer
     */
    receipt: string;
};

/**
 * A comment in words.
 */
export type Comment = {
    kind: 'comment';
    /**
     * the receipt that came with the answer
     */
    receipt: string;
    text: string;
};

/**
 * A message to rewrite twice.
 */
export type CompareRequest = {
    /**
     * where the message is sent, `chat`; experiments may need it
     */
    channel?: string | null;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * language tag of the person, `ja-JP`; experiments may need it
     */
    locale?: string | null;
    policy?: 'two_samples' | 'champion_against_challenger' | 'between_challengers' | null;
    text: string;
    transform_type: TransformType;
    /**
     * your name for the person, scoped to your key
     */
    user_id?: string | null;
};

/**
 * Two outputs for one message, in random order; the receipt takes the vote.
 */
export type Compared = {
    comparison_id: string;
    first: Side;
    policy: 'two_samples' | 'champion_against_challenger' | 'between_challengers';
    receipt: string;
    second: Side;
};

/**
 * A rewrite. `tonebridge` is no field of OpenAI's; in a stream, the chunk with `finish_reason` has it.
 */
export type Completion = {
    choices: Array<CompletionChoice>;
    created: number;
    id: string;
    model: string;
    object?: 'chat.completion';
    /**
     * the version that wrote the text
     */
    system_fingerprint: string;
    tonebridge: Details;
    usage: Usage;
};

/**
 * The one answer.
 */
export type CompletionChoice = {
    finish_reason?: 'stop';
    index?: 0;
    logprobs?: null;
    message: AssistantMessage;
};

/**
 * A message to rewrite. The last of `messages` is the message, and has the role `user`; earlier turns
 * change nothing. A system message is refused, since ToneBridge follows no instructions.
 */
export type CompletionRequest = {
    audio?: null;
    /**
     * accepted, and changes nothing
     */
    frequency_penalty?: unknown;
    function_call?: 'none' | 'auto' | null;
    functions?: Array<unknown> | null;
    logit_bias?: {
        [key: string]: unknown;
    } | null;
    logprobs?: false | null;
    /**
     * accepted, and changes nothing
     */
    max_completion_tokens?: unknown;
    /**
     * accepted, and changes nothing
     */
    max_tokens?: unknown;
    messages: Array<ChatMessage>;
    /**
     * accepted, and changes nothing
     */
    metadata?: unknown;
    modalities?: Array<'text'> | null;
    /**
     * transform type and intensity
     */
    model: 'tonebridge/soften-0' | 'tonebridge/soften-1' | 'tonebridge/soften-2' | 'tonebridge/soften-3' | 'tonebridge/clarify-0' | 'tonebridge/clarify-1' | 'tonebridge/clarify-2' | 'tonebridge/clarify-3' | 'tonebridge/structure-0' | 'tonebridge/structure-1' | 'tonebridge/structure-2' | 'tonebridge/structure-3' | 'tonebridge/summarize-0' | 'tonebridge/summarize-1' | 'tonebridge/summarize-2' | 'tonebridge/summarize-3' | 'tonebridge/terminology-0' | 'tonebridge/terminology-1' | 'tonebridge/terminology-2' | 'tonebridge/terminology-3' | 'tonebridge/requirements-0' | 'tonebridge/requirements-1' | 'tonebridge/requirements-2' | 'tonebridge/requirements-3' | 'tonebridge/background-0' | 'tonebridge/background-1' | 'tonebridge/background-2' | 'tonebridge/background-3';
    moderation?: null;
    n?: 1 | null;
    /**
     * accepted, and changes nothing
     */
    parallel_tool_calls?: unknown;
    /**
     * accepted, and changes nothing
     */
    prediction?: unknown;
    /**
     * accepted, and changes nothing
     */
    presence_penalty?: unknown;
    /**
     * accepted, and changes nothing
     */
    prompt_cache_key?: unknown;
    /**
     * accepted, and changes nothing
     */
    prompt_cache_options?: unknown;
    /**
     * accepted, and changes nothing
     */
    prompt_cache_retention?: unknown;
    /**
     * accepted, and changes nothing
     */
    reasoning_effort?: unknown;
    response_format?: OnlyText | null;
    /**
     * accepted, and changes nothing
     */
    safety_identifier?: unknown;
    /**
     * accepted, and changes nothing
     */
    seed?: unknown;
    /**
     * accepted, and changes nothing
     */
    service_tier?: unknown;
    stop?: Array<unknown> | null;
    store?: false | null;
    /**
     * answer with server-sent events
     */
    stream?: boolean | null;
    stream_options?: StreamOptions | null;
    /**
     * accepted, and changes nothing
     */
    temperature?: unknown;
    tool_choice?: 'none' | 'auto' | null;
    tools?: Array<unknown> | null;
    top_logprobs?: 0 | null;
    /**
     * accepted, and changes nothing
     */
    top_p?: unknown;
    /**
     * your name for the person, scoped to your key
     */
    user?: string | null;
    /**
     * accepted, and changes nothing
     */
    verbosity?: unknown;
    web_search_options?: null;
};

/**
 * The consent in force for a person.
 */
export type Consent = {
    /**
     * organisation: the person has not chosen, so its default applies
     */
    said_by: 'person' | 'organisation';
    training: boolean;
};

/**
 * The address and password of an account.
 */
export type Credentials = {
    email: string;
    password: string;
};

/**
 * A delivery of an event to a webhook: the failed attempts, and the receiver's status and time when one
 * arrived. A done delivery without a status had nothing left to send: an erasure deleted it.
 */
export type Delivery = {
    attempts: number;
    available_at: string;
    created_at: string;
    done_at: string | null;
    duration_ms: number | null;
    errors: Array<FailedAttempt>;
    event_id: string;
    id: string;
    replayed_from: string | null;
    state: State;
    status: number | null;
    type: EventType;
};

/**
 * What an answer of `/api/v1/transform` has besides its text. The receipt takes feedback.
 */
export type Details = {
    answer_id: string;
    cache: 'l1' | 'l2' | 'miss';
    facts_missing: Array<string>;
    fallback: boolean;
    receipt: string;
    /**
     * why the text is the message itself; null when the model wrote it
     */
    unchanged: Unchanged | null;
    variant: string;
    version: string;
};

/**
 * A plan that is not drafted yet.
 */
export type DraftPlan = {
    /**
     * number of challengers
     */
    challengers?: number;
    /**
     * fields that differ from configs/experiment.yaml
     */
    plan?: {
        [key: string]: JsonValue;
    };
    /**
     * new users a day with the whole ramp; null: as in recent traffic
     */
    users_a_day?: number | null;
};

/**
 * The challenger to withdraw, and the reason.
 */
export type DroppedChallenger = {
    challenger: string;
    reason: string;
};

/**
 * The rewrite as the person prefers it.
 */
export type Edit = {
    kind: 'edit';
    /**
     * the receipt that came with the answer
     */
    receipt: string;
    text: string;
};

/**
 * The new deliveries, which a worker sends.
 */
export type EnqueuedDeliveries = {
    deliveries: Array<string>;
};

/**
 * The outcome of one message: its answer, or the problem (RFC 9457) that prevented one.
 */
export type Entry = {
    answer?: Answer | null;
    problem?: {
        [key: string]: unknown;
    } | null;
    status: number;
};

/**
 * What is wrong, and what to do. `code` is OpenAI's where clients know one, else that of the reason.
 */
export type ErrorDetails = {
    code: string;
    message: string;
    param: string | null;
    type: string;
};

/**
 * An error in OpenAI's shape.
 */
export type ErrorDocument = {
    error: ErrorDetails;
};

/**
 * What happened.
 */
export type EventType = 'answer.created' | 'feedback.given' | 'experiment.decided' | 'version.released' | 'version.refused' | 'snapshot.refused' | 'quota.near' | 'job.done' | 'webhook.disabled' | 'webhook.test';

/**
 * Why an attempt failed: `reasons`, and in English `reason`.
 */
export type FailedAttempt = {
    at: string;
    attempt: number;
    reason: string;
    reasons: Array<Reason>;
};

/**
 * Where a vote was stored; voting again keeps the id.
 */
export type FeedbackStored = {
    feedback_id: string;
};

/**
 * A document, or the id of a trusted one, with its variables.
 */
export type GraphQlRequest = {
    documentId?: string | null;
    /**
     * not read
     */
    extensions?: {
        [key: string]: JsonValue;
    } | null;
    operationName?: string | null;
    query?: string | null;
    variables?: {
        [key: string]: JsonValue;
    } | null;
};

/**
 * What is wrong with one field of a request, and what it may be.
 */
export type InvalidField = {
    allowed: string;
    allowed_reason: Reason;
    field: string;
    message: string;
    part?: string | null;
    reason: Reason;
};

export type JsonValue = unknown;

/**
 * The person who compares.
 */
export type Judge = {
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * What a job is about; the worker has a handler for each.
 */
export type Kind = 'rewrite' | 'export' | 'webhook';

/**
 * An account in the list for its organisation's administrators.
 */
export type ListedAccount = {
    created_at: string;
    email: string;
    id: string;
    name: string;
    role: string;
    signed_in_at: string | null;
};

/**
 * A variant, and the version that answers its users.
 */
export type ListedArm = {
    dropped_at: string | null;
    is_baseline: boolean;
    name: string;
    version: string;
};

/**
 * A decision with its rendered reason, as the API returns it.
 */
export type ListedDecision = {
    action: string;
    claimed_at: string | null;
    created_at: string;
    done_at: string | null;
    failure: Array<Reason>;
    id: string;
    outcome: string | null;
    parameters: {
        [key: string]: unknown;
    };
    reason: string;
    reasons: Array<Reason>;
    requested_by: string;
};

/**
 * An experiment in a list. A draft has no baseline: the champion at its start becomes the baseline.
 * `is_sample` marks an experiment with simulated data. `plan_faults` say why its plan is not valid.
 */
export type ListedExperiment = {
    created_at: string;
    ended_at: string | null;
    hypothesis: string;
    id: string;
    is_sample: boolean;
    name: string;
    plan_faults: Array<Reason>;
    started_at: string | null;
    status: Status;
    variants: Array<ListedArm>;
};

/**
 * A job without its payload. `available_at` is when it is tried next; while it runs, its lease's end.
 */
export type ListedJob = {
    attempts: number;
    available_at: string;
    batch_id: string | null;
    created_at: string;
    done_at: string | null;
    ended_by: string | null;
    errors: Array<FailedAttempt>;
    id: string;
    kind: Kind;
    place: number | null;
    replayed_from: string | null;
    requested_by: string;
    state: State;
};

/**
 * An API key in the list for its organisation, without the secret, which is not stored.
 */
export type ListedKey = {
    created_at: string;
    id: string;
    name: string;
    requires_signatures: boolean;
    revoked_at: string | null;
    role: string;
};

/**
 * A metric, and whether it comes from the installation's own file.
 */
export type ListedMetric = {
    better: 'higher' | 'lower';
    /**
     * upper limit of a user's quantity
     */
    cap?: number | null;
    /**
     * the cap is this percentile of users before the start (`caps`)
     */
    cap_percentile?: number | null;
    is_own: boolean;
    kind: 'proportion' | 'mean' | 'ratio' | 'quantile';
    name: string;
    of?: string | null;
    per?: string | null;
    q?: number | null;
    /**
     * description for people
     */
    says: string;
    /**
     * a user's value lies between 0 and 1: a value beyond counts as the nearer end
     */
    share?: boolean;
    /**
     * covariate of a mean for a user without a past
     */
    usual?: number;
};

/**
 * The metrics and segments that the next draft gets. A running experiment keeps those of its plan.
 */
export type ListedMetrics = {
    metrics: Array<ListedMetric>;
    own_segments: Array<ListedSegment>;
};

/**
 * A secret in the list of a key, without the secret itself. Its id is the `keyid` of signatures.
 */
export type ListedRequestSecret = {
    created_at: string;
    id: string;
    revoked_at: string | null;
};

/**
 * A kind of segment of the installation's own file, and the expression that gives a user's segment.
 */
export type ListedSegment = {
    expression: string;
    name: string;
};

/**
 * A new account.
 */
export type MadeAccount = {
    id: string;
};

/**
 * A new API key. No other response has it.
 */
export type MadeKey = {
    id: string;
    key: string;
};

/**
 * A new secret. No other response has it. The bytes of its text are the key of HMAC.
 */
export type MadeRequestSecret = {
    /**
     * the `keyid` of signatures
     */
    id: string;
    secret: string;
};

/**
 * A new webhook. No other response has its secret.
 */
export type MadeWebhook = {
    id: string;
    /**
     * whsec_..., with which libraries of Standard Webhooks verify
     */
    secret: string;
};

/**
 * How long it takes to exclude a loss of a metric's margin, if both versions are equally good.
 */
export type MarginOutlook = {
    /**
     * days until then, with the plan's power; None: more than two years
     */
    days: number | null;
    /**
     * how much users differ is not known: the worst case is assumed
     */
    is_assumed: boolean;
    margin: number;
    /**
     * smallest loss that can be excluded within the plan's maximum_days; None: none
     */
    smallest: number | null;
};

/**
 * The caller, and their role.
 */
export type Me = {
    /**
     * in the audit trail
     */
    name: string;
    organisation: string;
    organisation_id: string;
    role: string;
    /**
     * the organisation runs the installation: its people may see experiments
     */
    runs_this: boolean;
    /**
     * the person whose answers and votes are yours; null for an API key
     */
    user_id: string | null;
};

/**
 * Messages to rewrite later, each for itself.
 */
export type Messages = {
    items: Array<TransformRequest>;
};

/**
 * A transform type at an intensity.
 */
export type Model = {
    created?: number;
    id: string;
    object?: 'model';
    owned_by?: string;
};

/**
 * All models, by type and intensity.
 */
export type Models = {
    data: Array<Model>;
    object?: 'list';
};

/**
 * A person who may sign in.
 */
export type NewAccount = {
    email: string;
    name?: string;
    password: string;
    role?: Role;
};

/**
 * A person's choice.
 */
export type NewConsent = {
    /**
     * my feedback may train models
     */
    training: boolean;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * An experiment to draft: versions against the champion at the time of its start.
 */
export type NewExperiment = {
    challengers: Array<string>;
    hypothesis: string;
    name: string;
    /**
     * fields that differ from configs/experiment.yaml
     */
    plan?: {
        [key: string]: JsonValue;
    };
    target?: NewTarget;
};

/**
 * The votes to export: those from `since` on and before `until`; all without them.
 */
export type NewExport = {
    since?: string | null;
    until?: string | null;
};

/**
 * An API key to make.
 */
export type NewKey = {
    name: string;
    role?: Role;
};

/**
 * The current password, and the new one.
 */
export type NewPasswords = {
    new_password: string;
    password: string;
};

/**
 * Another role for a person.
 */
export type NewRole = {
    role: Role;
};

/**
 * The share of users to put into the experiment.
 */
export type NewShare = {
    reason?: string | null;
    share: number;
};

/**
 * A key to sign tokens with. A `kid` is your own, and stays taken when its key is revoked.
 */
export type NewSigningKey = {
    algorithm: 'HS256' | 'EdDSA';
    /**
     * base64url: the secret of HS256 (`k` of its JWK), at least 32 bytes; or the Ed25519 public key of EdDSA (`x` of its JWK)
     */
    key: string;
    kid: string;
    role?: Role;
};

/**
 * The messages of an experiment: those that match every field with values; all, if no field has any.
 */
export type NewTarget = {
    channels?: Array<string>;
    locales?: Array<string>;
    organisations?: Array<string>;
    transform_types?: Array<TransformType>;
};

/**
 * An owner's decisions; omitted fields stay as they are.
 */
export type NewTerms = {
    /**
     * your people's feedback may train other organisations' models
     */
    trains_across?: boolean | null;
    /**
     * people who have not chosen are taken to consent
     */
    trains_by_default?: boolean | null;
};

/**
 * An address that gets events by POST.
 */
export type NewWebhook = {
    description?: string;
    events: Array<EventType>;
    /**
     * https://..., public; redirects are not followed
     */
    url: string;
};

/**
 * The new secret of a webhook. The former one signs, too, for a day.
 */
export type NewWebhookSecret = {
    secret: string;
};

/**
 * Two rewrites in random order, and their message. Vote with the receipt.
 */
export type NextComparison = {
    comparison_id: string;
    first: Side;
    intensity: number;
    message: string;
    policy: 'two_samples' | 'champion_against_challenger' | 'between_challengers';
    receipt: string;
    second: Side;
    transform_type: TransformType;
};

/**
 * The one format of an answer.
 */
export type OnlyText = {
    type: 'text';
};

/**
 * The reason, which may be left out.
 */
export type OptionalReason = {
    reason?: string | null;
};

/**
 * What a plan can show.
 */
export type Outlook = {
    /**
     * with ramp, window and minimum_days; None: more than two years, or not known
     */
    days_needed: number | null;
    /**
     * smallest effect on the primary metric that the plan detects within its maximum_days
     */
    detectable: number | null;
    /**
     * how users differ in the primary metric is assumed: the worst case
     */
    is_assumed: boolean;
    /**
     * of the primary metric and the guardrails
     */
    margins: {
        [key: string]: MarginOutlook;
    };
    /**
     * the n_star with which the fewest users are needed
     */
    n_star: number | null;
    /**
     * metrics of the plan of which nothing is known yet
     */
    unknown: Array<string>;
    /**
     * users whose windows close within the plan's maximum_days; None: not known how many come
     */
    users_in_time: number | null;
    /**
     * users who detect the plan's smallest effect with its power; users without a value of the primary metric are included
     */
    users_needed: number | null;
    /**
     * the same in a test with one analysis at a time that is fixed in advance
     */
    users_needed_fixed: number | null;
    warnings: Array<Reason>;
};

/**
 * Why a request was refused (RFC 9457). `reasons` has the codes and values of `detail`.
 */
export type Problem = {
    detail: string;
    /**
     * of a request that is not valid
     */
    errors?: Array<InvalidField>;
    reasons: Array<Reason>;
    status: number;
    title: string;
    type: string;
    [key: string]: unknown;
};

/**
 * The number of comparisons that a person has judged.
 */
export type Progress = {
    /**
     * votes
     */
    all: number;
    skipped: number;
    /**
     * votes since midnight UTC
     */
    today: number;
    /**
     * pairs that others have judged, and this person has not
     */
    waiting_for_overlap: number;
};

/**
 * One to five stars.
 */
export type Rating = {
    kind: 'rating';
    /**
     * the receipt that came with the answer
     */
    receipt: string;
    stars: number;
};

/**
 * Whether this gateway can answer, and by which epoch.
 */
export type Ready = {
    detail: string;
    ready: boolean;
};

/**
 * One reason. A code that the catalogue lacks, as of a newer release, renders as code and values.
 */
export type Reason = {
    code: string;
    values?: {
        [key: string]: number | number | string | Array<string>;
    };
};

/**
 * Which dead jobs to try again: all of a kind.
 */
export type Replay = {
    kind: Kind;
};

/**
 * The new jobs that repeat the dead ones.
 */
export type Replayed = {
    jobs: Array<string>;
};

/**
 * The reason, for the audit trail.
 */
export type RequiredReason = {
    reason: string;
};

/**
 * What a person or a key may do. Each role includes the roles before it.
 */
export type Role = 'member' | 'viewer' | 'experimenter' | 'admin' | 'owner';

/**
 * The challenger to ship, which may be left out when there is only one, and the reason.
 */
export type ShippedChallenger = {
    challenger?: string | null;
    reason: string;
};

/**
 * One of the two outputs of a comparison.
 */
export type Side = {
    facts_missing: Array<string>;
    transformed_text: string;
    /**
     * why the text is the message itself; null when the model wrote it
     */
    unchanged: Unchanged | null;
};

/**
 * Whether a key accepts signed requests only.
 */
export type SignaturePolicy = {
    required: boolean;
};

/**
 * Where a job is in its life.
 */
export type State = 'waiting' | 'running' | 'done' | 'dead' | 'cancelled' | 'replayed';

/**
 * How an experiment stands, as the table `experiments` stores it.
 */
export type Status = 'draft' | 'running' | 'paused' | 'shipped' | 'rolled_back' | 'stopped' | 'discarded' | 'holdout';

/**
 * A stored decision, which is carried out within seconds; the experiment then has its outcome.
 */
export type StoredDecision = {
    decision_id: string;
    /**
     * the effect of the decision, in words
     */
    happens: string;
};

/**
 * What a stream contains besides the answer.
 */
export type StreamOptions = {
    /**
     * a last chunk has the tokens
     */
    include_usage?: boolean | null;
};

/**
 * A message to rewrite, and whether the answer is streamed.
 */
export type StreamableRequest = {
    /**
     * where the message is sent, `chat`; experiments may need it
     */
    channel?: string | null;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * language tag of the person, `ja-JP`; experiments may need it
     */
    locale?: string | null;
    /**
     * true: answer with server-sent events; when it is not given, `Accept` decides
     */
    stream?: boolean | null;
    text: string;
    transform_type: TransformType;
    /**
     * your name for the person, scoped to your key
     */
    user_id?: string | null;
};

/**
 * The decisions of an organisation.
 */
export type Terms = {
    trains_across: boolean;
    trains_by_default: boolean;
};

/**
 * Thumb up or down.
 */
export type Thumb = {
    kind: 'thumb';
    /**
     * the receipt that came with the answer
     */
    receipt: string;
    up: boolean;
};

/**
 * The newest refresh token of a session.
 */
export type ToRefresh = {
    refresh_token: string;
};

/**
 * A token that must not be accepted any more.
 */
export type TokenToRevoke = {
    token: string;
};

/**
 * The tokens of a session (RFC 6749, 5.1). A refresh token is used once: the next one comes with the next
 * access token.
 */
export type Tokens = {
    access_token: string;
    /**
     * seconds until the access token expires
     */
    expires_in?: number;
    refresh_token: string;
    token_type?: 'Bearer';
};

/**
 * A message to rewrite.
 */
export type TransformRequest = {
    /**
     * where the message is sent, `chat`; experiments may need it
     */
    channel?: string | null;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * language tag of the person, `ja-JP`; experiments may need it
     */
    locale?: string | null;
    text: string;
    transform_type: TransformType;
    /**
     * your name for the person, scoped to your key
     */
    user_id?: string | null;
};

/**
 * The purpose of a rewrite.
 */
export type TransformType = 'soften' | 'clarify' | 'structure' | 'summarize' | 'terminology' | 'requirements' | 'background';

/**
 * Why a text is the message itself: the reason's code, its values, and the sentence in English.
 */
export type Unchanged = {
    code: string;
    text: string;
    values: {
        [key: string]: number | number | string | Array<string>;
    };
};

/**
 * The tokens that a model read and wrote for this request: zero for a text that was written before.
 */
export type Usage = {
    completion_tokens: number;
    prompt_tokens: number;
    total_tokens: number;
};

/**
 * The message to compare rewrites of: your own, or if you leave it out, a shipped one.
 */
export type WantedComparison = {
    intensity?: number | null;
    text?: string | null;
    transform_type?: TransformType | null;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * A webhook without its secrets. It is `disabled_at` a time by a person, or by itself for a
 * `disabled_reason`, in English `disabled_because`. `skipped` events were not enqueued for it, since too
 * many deliveries waited.
 */
export type Webhook = {
    created_at: string;
    created_by: string;
    description: string;
    disabled_at: string | null;
    disabled_because: string | null;
    disabled_reason: Reason | null;
    events: Array<EventType>;
    failing_since: string | null;
    failures: number;
    former_secret_until: string | null;
    id: string;
    skipped: number;
    url: string;
    waiting: number;
};

/**
 * What to change. `enabled: false` stops the deliveries; `true` starts them again.
 */
export type WebhookChanges = {
    description?: string | null;
    enabled?: boolean | null;
    events?: Array<EventType> | null;
    url?: string | null;
};

/**
 * An experiment, the share of users who are in it now (0 to 1), and its decisions, the newest first.
 */
export type WholeExperiment = {
    created_at: string;
    decisions: Array<ListedDecision>;
    ended_at: string | null;
    hypothesis: string;
    id: string;
    is_sample: boolean;
    name: string;
    plan: {
        [key: string]: unknown;
    };
    plan_faults: Array<Reason>;
    share: number;
    started_at: string | null;
    status: Status;
    target: {
        [key: string]: unknown;
    };
    variants: Array<ListedArm>;
};

export type ListAccountsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/accounts';
};

export type ListAccountsErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListAccountsError = ListAccountsErrors[keyof ListAccountsErrors];

export type ListAccountsResponses = {
    /**
     * Successful Response
     */
    200: Array<ListedAccount>;
};

export type ListAccountsResponse = ListAccountsResponses[keyof ListAccountsResponses];

export type RemoveAccountData = {
    body?: never;
    path: {
        account_id: string;
    };
    query?: never;
    url: '/api/v1/accounts/{account_id}';
};

export type RemoveAccountErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type RemoveAccountError = RemoveAccountErrors[keyof RemoveAccountErrors];

export type RemoveAccountResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type RemoveAccountResponse = RemoveAccountResponses[keyof RemoveAccountResponses];

export type ChangeRoleData = {
    body: NewRole;
    path: {
        account_id: string;
    };
    query?: never;
    url: '/api/v1/accounts/{account_id}';
};

export type ChangeRoleErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ChangeRoleError = ChangeRoleErrors[keyof ChangeRoleErrors];

export type ChangeRoleResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type ChangeRoleResponse = ChangeRoleResponses[keyof ChangeRoleResponses];

export type LoginData = {
    body: Credentials;
    path?: never;
    query?: never;
    url: '/api/v1/auth/login';
};

export type LoginErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type LoginError = LoginErrors[keyof LoginErrors];

export type LoginResponses = {
    /**
     * Successful Response
     */
    200: Tokens;
};

export type LoginResponse = LoginResponses[keyof LoginResponses];

export type LogoutData = {
    body: ToRefresh;
    path?: never;
    query?: never;
    url: '/api/v1/auth/logout';
};

export type LogoutErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type LogoutError = LogoutErrors[keyof LogoutErrors];

export type LogoutResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type LogoutResponse = LogoutResponses[keyof LogoutResponses];

export type GetMeData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/auth/me';
};

export type GetMeErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetMeError = GetMeErrors[keyof GetMeErrors];

export type GetMeResponses = {
    /**
     * Successful Response
     */
    200: Me;
};

export type GetMeResponse = GetMeResponses[keyof GetMeResponses];

export type ChangePasswordData = {
    body: NewPasswords;
    path?: never;
    query?: never;
    url: '/api/v1/auth/password';
};

export type ChangePasswordErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ChangePasswordError = ChangePasswordErrors[keyof ChangePasswordErrors];

export type ChangePasswordResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type ChangePasswordResponse = ChangePasswordResponses[keyof ChangePasswordResponses];

export type RefreshSessionData = {
    body: ToRefresh;
    path?: never;
    query?: never;
    url: '/api/v1/auth/refresh';
};

export type RefreshSessionErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type RefreshSessionError = RefreshSessionErrors[keyof RefreshSessionErrors];

export type RefreshSessionResponses = {
    /**
     * Successful Response
     */
    200: Tokens;
};

export type RefreshSessionResponse = RefreshSessionResponses[keyof RefreshSessionResponses];

export type RegisterAccountData = {
    body: NewAccount;
    path?: never;
    query?: never;
    url: '/api/v1/auth/register';
};

export type RegisterAccountErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type RegisterAccountError = RegisterAccountErrors[keyof RegisterAccountErrors];

export type RegisterAccountResponses = {
    /**
     * Successful Response
     */
    201: MadeAccount;
};

export type RegisterAccountResponse = RegisterAccountResponses[keyof RegisterAccountResponses];

export type TransformManyData = {
    body: BatchRequest;
    headers?: {
        /**
         * makes sending the same request again harmless, for a day
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/batch';
};

export type TransformManyErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type TransformManyError = TransformManyErrors[keyof TransformManyErrors];

export type TransformManyResponses = {
    /**
     * Successful Response
     */
    200: BatchAnswer;
};

export type TransformManyResponse = TransformManyResponses[keyof TransformManyResponses];

export type CompareData = {
    body: CompareRequest;
    path?: never;
    query?: never;
    url: '/api/v1/compare';
};

export type CompareErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CompareError = CompareErrors[keyof CompareErrors];

export type CompareResponses = {
    /**
     * Successful Response
     */
    200: Compared;
};

export type CompareResponse = CompareResponses[keyof CompareResponses];

export type GetNextComparisonData = {
    body?: WantedComparison | null;
    path?: never;
    query?: never;
    url: '/api/v1/comparisons/next';
};

export type GetNextComparisonErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetNextComparisonError = GetNextComparisonErrors[keyof GetNextComparisonErrors];

export type GetNextComparisonResponses = {
    /**
     * Successful Response
     */
    200: NextComparison;
};

export type GetNextComparisonResponse = GetNextComparisonResponses[keyof GetNextComparisonResponses];

export type GetComparisonProgressData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * your name for the person
         */
        user_id?: string | null;
    };
    url: '/api/v1/comparisons/progress';
};

export type GetComparisonProgressErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetComparisonProgressError = GetComparisonProgressErrors[keyof GetComparisonProgressErrors];

export type GetComparisonProgressResponses = {
    /**
     * Successful Response
     */
    200: Progress;
};

export type GetComparisonProgressResponse = GetComparisonProgressResponses[keyof GetComparisonProgressResponses];

export type SkipComparisonData = {
    body?: Judge | null;
    path: {
        comparison_id: string;
    };
    query?: never;
    url: '/api/v1/comparisons/{comparison_id}/skip';
};

export type SkipComparisonErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type SkipComparisonError = SkipComparisonErrors[keyof SkipComparisonErrors];

export type SkipComparisonResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type SkipComparisonResponse = SkipComparisonResponses[keyof SkipComparisonResponses];

export type GetConsentData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/consent';
};

export type GetConsentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetConsentError = GetConsentErrors[keyof GetConsentErrors];

export type GetConsentResponses = {
    /**
     * Successful Response
     */
    200: Consent;
};

export type GetConsentResponse = GetConsentResponses[keyof GetConsentResponses];

export type PutConsentData = {
    body: NewConsent;
    path?: never;
    query?: never;
    url: '/api/v1/consent';
};

export type PutConsentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type PutConsentError = PutConsentErrors[keyof PutConsentErrors];

export type PutConsentResponses = {
    /**
     * Successful Response
     */
    200: Consent;
};

export type PutConsentResponse = PutConsentResponses[keyof PutConsentResponses];

export type ListExperimentsData = {
    body?: never;
    path?: never;
    query?: {
        limit?: number;
    };
    url: '/api/v1/experiments';
};

export type ListExperimentsErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListExperimentsError = ListExperimentsErrors[keyof ListExperimentsErrors];

export type ListExperimentsResponses = {
    /**
     * Successful Response
     */
    200: Array<ListedExperiment>;
};

export type ListExperimentsResponse = ListExperimentsResponses[keyof ListExperimentsResponses];

export type DraftExperimentData = {
    body: NewExperiment;
    headers: {
        /**
         * a key of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path?: never;
    query?: never;
    url: '/api/v1/experiments';
};

export type DraftExperimentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type DraftExperimentError = DraftExperimentErrors[keyof DraftExperimentErrors];

export type DraftExperimentResponses = {
    /**
     * Successful Response
     */
    201: WholeExperiment;
};

export type DraftExperimentResponse = DraftExperimentResponses[keyof DraftExperimentResponses];

export type ForecastExperimentData = {
    body: DraftPlan;
    path?: never;
    query?: never;
    url: '/api/v1/experiments/outlook';
};

export type ForecastExperimentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ForecastExperimentError = ForecastExperimentErrors[keyof ForecastExperimentErrors];

export type ForecastExperimentResponses = {
    /**
     * Successful Response
     */
    200: Outlook;
};

export type ForecastExperimentResponse = ForecastExperimentResponses[keyof ForecastExperimentResponses];

export type GetExperimentData = {
    body?: never;
    path: {
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}';
};

export type GetExperimentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetExperimentError = GetExperimentErrors[keyof GetExperimentErrors];

export type GetExperimentResponses = {
    /**
     * Successful Response
     */
    200: WholeExperiment;
};

export type GetExperimentResponse = GetExperimentResponses[keyof GetExperimentResponses];

export type DiscardExperimentData = {
    body?: OptionalReason | null;
    headers: {
        /**
         * a key of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/discard';
};

export type DiscardExperimentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type DiscardExperimentError = DiscardExperimentErrors[keyof DiscardExperimentErrors];

export type DiscardExperimentResponses = {
    /**
     * Successful Response
     */
    202: StoredDecision;
};

export type DiscardExperimentResponse = DiscardExperimentResponses[keyof DiscardExperimentResponses];

export type DropChallengerData = {
    body: DroppedChallenger;
    headers: {
        /**
         * a key of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/drop';
};

export type DropChallengerErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type DropChallengerError = DropChallengerErrors[keyof DropChallengerErrors];

export type DropChallengerResponses = {
    /**
     * Successful Response
     */
    202: StoredDecision;
};

export type DropChallengerResponse = DropChallengerResponses[keyof DropChallengerResponses];

export type PauseExperimentData = {
    body?: OptionalReason | null;
    headers: {
        /**
         * a key of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/pause';
};

export type PauseExperimentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type PauseExperimentError = PauseExperimentErrors[keyof PauseExperimentErrors];

export type PauseExperimentResponses = {
    /**
     * Successful Response
     */
    202: StoredDecision;
};

export type PauseExperimentResponse = PauseExperimentResponses[keyof PauseExperimentResponses];

export type RampExperimentData = {
    body: NewShare;
    headers: {
        /**
         * a key of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/ramp';
};

export type RampExperimentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type RampExperimentError = RampExperimentErrors[keyof RampExperimentErrors];

export type RampExperimentResponses = {
    /**
     * Successful Response
     */
    202: StoredDecision;
};

export type RampExperimentResponse = RampExperimentResponses[keyof RampExperimentResponses];

export type RollBackExperimentData = {
    body: RequiredReason;
    headers: {
        /**
         * a key of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/rollback';
};

export type RollBackExperimentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type RollBackExperimentError = RollBackExperimentErrors[keyof RollBackExperimentErrors];

export type RollBackExperimentResponses = {
    /**
     * Successful Response
     */
    202: StoredDecision;
};

export type RollBackExperimentResponse = RollBackExperimentResponses[keyof RollBackExperimentResponses];

export type ShipChallengerData = {
    body: ShippedChallenger;
    headers: {
        /**
         * a key of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/ship';
};

export type ShipChallengerErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ShipChallengerError = ShipChallengerErrors[keyof ShipChallengerErrors];

export type ShipChallengerResponses = {
    /**
     * Successful Response
     */
    202: StoredDecision;
};

export type ShipChallengerResponse = ShipChallengerResponses[keyof ShipChallengerResponses];

export type StartExperimentData = {
    body?: OptionalReason | null;
    headers: {
        /**
         * a key of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/start';
};

export type StartExperimentErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type StartExperimentError = StartExperimentErrors[keyof StartExperimentErrors];

export type StartExperimentResponses = {
    /**
     * Successful Response
     */
    202: StoredDecision;
};

export type StartExperimentResponse = StartExperimentResponses[keyof StartExperimentResponses];

export type GiveFeedbackData = {
    body: ({
        kind: 'thumb';
    } & Thumb) | ({
        kind: 'rating';
    } & Rating) | ({
        kind: 'edit';
    } & Edit) | ({
        kind: 'comparison';
    } & Choice) | ({
        kind: 'comment';
    } & Comment);
    headers?: {
        /**
         * makes sending the same request again harmless, for a day
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/feedback';
};

export type GiveFeedbackErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GiveFeedbackError = GiveFeedbackErrors[keyof GiveFeedbackErrors];

export type GiveFeedbackResponses = {
    /**
     * Successful Response
     */
    201: FeedbackStored;
};

export type GiveFeedbackResponse = GiveFeedbackResponses[keyof GiveFeedbackResponses];

export type ListJobsData = {
    body?: never;
    path?: never;
    query?: {
        state?: Array<State>;
        batch_id?: string | null;
        /**
         * the last id of the page before this one
         */
        before?: string | null;
        limit?: number;
    };
    url: '/api/v1/jobs';
};

export type ListJobsErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListJobsError = ListJobsErrors[keyof ListJobsErrors];

export type ListJobsResponses = {
    /**
     * Successful Response
     */
    200: Array<ListedJob>;
};

export type ListJobsResponse = ListJobsResponses[keyof ListJobsResponses];

export type ListBatchesData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * the last id of the page before this one
         */
        before?: string | null;
        limit?: number;
    };
    url: '/api/v1/jobs/batches';
};

export type ListBatchesErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListBatchesError = ListBatchesErrors[keyof ListBatchesErrors];

export type ListBatchesResponses = {
    /**
     * Successful Response
     */
    200: Array<Batch>;
};

export type ListBatchesResponse = ListBatchesResponses[keyof ListBatchesResponses];

export type CreateBatchData = {
    body: Messages;
    headers?: {
        'content-type'?: string;
        /**
         * makes sending the same batch again harmless, as long as the batch is kept
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: {
        /**
         * not before this time
         */
        run_at?: string | null;
    };
    url: '/api/v1/jobs/batches';
};

export type CreateBatchErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CreateBatchError = CreateBatchErrors[keyof CreateBatchErrors];

export type CreateBatchResponses = {
    /**
     * Successful Response
     */
    202: Batch;
};

export type CreateBatchResponse = CreateBatchResponses[keyof CreateBatchResponses];

export type GetBatchData = {
    body?: never;
    path: {
        batch_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/batches/{batch_id}';
};

export type GetBatchErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetBatchError = GetBatchErrors[keyof GetBatchErrors];

export type GetBatchResponses = {
    /**
     * Successful Response
     */
    200: Batch;
};

export type GetBatchResponse = GetBatchResponses[keyof GetBatchResponses];

export type CancelBatchData = {
    body?: never;
    path: {
        batch_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/batches/{batch_id}/cancel';
};

export type CancelBatchErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CancelBatchError = CancelBatchErrors[keyof CancelBatchErrors];

export type CancelBatchResponses = {
    /**
     * Successful Response
     */
    200: Cancelled;
};

export type CancelBatchResponse = CancelBatchResponses[keyof CancelBatchResponses];

export type GetBatchResultsData = {
    body?: never;
    path: {
        batch_id: string;
    };
    query?: {
        format?: 'jsonl' | 'csv';
    };
    url: '/api/v1/jobs/batches/{batch_id}/results';
};

export type GetBatchResultsErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetBatchResultsError = GetBatchResultsErrors[keyof GetBatchResultsErrors];

export type GetBatchResultsResponses = {
    /**
     * A line for each message, in the order of the batch
     */
    200: string;
};

export type GetBatchResultsResponse = GetBatchResultsResponses[keyof GetBatchResultsResponses];

export type CreateExportData = {
    body: NewExport;
    path?: never;
    query?: never;
    url: '/api/v1/jobs/exports';
};

export type CreateExportErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CreateExportError = CreateExportErrors[keyof CreateExportErrors];

export type CreateExportResponses = {
    /**
     * Successful Response
     */
    202: ListedJob;
};

export type CreateExportResponse = CreateExportResponses[keyof CreateExportResponses];

export type ReplayJobsData = {
    body: Replay;
    path?: never;
    query?: never;
    url: '/api/v1/jobs/replay';
};

export type ReplayJobsErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ReplayJobsError = ReplayJobsErrors[keyof ReplayJobsErrors];

export type ReplayJobsResponses = {
    /**
     * Successful Response
     */
    202: Replayed;
};

export type ReplayJobsResponse = ReplayJobsResponses[keyof ReplayJobsResponses];

export type GetJobData = {
    body?: never;
    path: {
        job_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/{job_id}';
};

export type GetJobErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetJobError = GetJobErrors[keyof GetJobErrors];

export type GetJobResponses = {
    /**
     * Successful Response
     */
    200: ListedJob;
};

export type GetJobResponse = GetJobResponses[keyof GetJobResponses];

export type GetExportFileData = {
    body?: never;
    path: {
        job_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/{job_id}/file';
};

export type GetExportFileErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetExportFileError = GetExportFileErrors[keyof GetExportFileErrors];

export type GetExportFileResponses = {
    /**
     * JSON Lines, compressed
     */
    200: Blob | File;
};

export type GetExportFileResponse = GetExportFileResponses[keyof GetExportFileResponses];

export type ReplayJobData = {
    body?: never;
    path: {
        job_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/{job_id}/replay';
};

export type ReplayJobErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ReplayJobError = ReplayJobErrors[keyof ReplayJobErrors];

export type ReplayJobResponses = {
    /**
     * Successful Response
     */
    202: Replayed;
};

export type ReplayJobResponse = ReplayJobResponses[keyof ReplayJobResponses];

export type ListKeysData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/keys';
};

export type ListKeysErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListKeysError = ListKeysErrors[keyof ListKeysErrors];

export type ListKeysResponses = {
    /**
     * Successful Response
     */
    200: Array<ListedKey>;
};

export type ListKeysResponse = ListKeysResponses[keyof ListKeysResponses];

export type CreateKeyData = {
    body: NewKey;
    path?: never;
    query?: never;
    url: '/api/v1/keys';
};

export type CreateKeyErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CreateKeyError = CreateKeyErrors[keyof CreateKeyErrors];

export type CreateKeyResponses = {
    /**
     * Successful Response
     */
    201: MadeKey;
};

export type CreateKeyResponse = CreateKeyResponses[keyof CreateKeyResponses];

export type DeleteKeyData = {
    body?: never;
    path: {
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}';
};

export type DeleteKeyErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type DeleteKeyError = DeleteKeyErrors[keyof DeleteKeyErrors];

export type DeleteKeyResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type DeleteKeyResponse = DeleteKeyResponses[keyof DeleteKeyResponses];

export type ListRequestSecretsData = {
    body?: never;
    path: {
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/secrets';
};

export type ListRequestSecretsErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListRequestSecretsError = ListRequestSecretsErrors[keyof ListRequestSecretsErrors];

export type ListRequestSecretsResponses = {
    /**
     * Successful Response
     */
    200: Array<ListedRequestSecret>;
};

export type ListRequestSecretsResponse = ListRequestSecretsResponses[keyof ListRequestSecretsResponses];

export type CreateRequestSecretData = {
    body?: never;
    path: {
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/secrets';
};

export type CreateRequestSecretErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CreateRequestSecretError = CreateRequestSecretErrors[keyof CreateRequestSecretErrors];

export type CreateRequestSecretResponses = {
    /**
     * Successful Response
     */
    201: MadeRequestSecret;
};

export type CreateRequestSecretResponse = CreateRequestSecretResponses[keyof CreateRequestSecretResponses];

export type DeleteRequestSecretData = {
    body?: never;
    path: {
        key_id: string;
        secret_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/secrets/{secret_id}';
};

export type DeleteRequestSecretErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type DeleteRequestSecretError = DeleteRequestSecretErrors[keyof DeleteRequestSecretErrors];

export type DeleteRequestSecretResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type DeleteRequestSecretResponse = DeleteRequestSecretResponses[keyof DeleteRequestSecretResponses];

export type RequireSignaturesData = {
    body: SignaturePolicy;
    path: {
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/signatures';
};

export type RequireSignaturesErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type RequireSignaturesError = RequireSignaturesErrors[keyof RequireSignaturesErrors];

export type RequireSignaturesResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type RequireSignaturesResponse = RequireSignaturesResponses[keyof RequireSignaturesResponses];

export type ListMetricsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/metrics';
};

export type ListMetricsErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListMetricsError = ListMetricsErrors[keyof ListMetricsErrors];

export type ListMetricsResponses = {
    /**
     * Successful Response
     */
    200: ListedMetrics;
};

export type ListMetricsResponse = ListMetricsResponses[keyof ListMetricsResponses];

export type GetOrganisationData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/organisation';
};

export type GetOrganisationErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetOrganisationError = GetOrganisationErrors[keyof GetOrganisationErrors];

export type GetOrganisationResponses = {
    /**
     * Successful Response
     */
    200: Terms;
};

export type GetOrganisationResponse = GetOrganisationResponses[keyof GetOrganisationResponses];

export type PutOrganisationData = {
    body: NewTerms;
    path?: never;
    query?: never;
    url: '/api/v1/organisation';
};

export type PutOrganisationErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type PutOrganisationError = PutOrganisationErrors[keyof PutOrganisationErrors];

export type PutOrganisationResponses = {
    /**
     * Successful Response
     */
    200: Terms;
};

export type PutOrganisationResponse = PutOrganisationResponses[keyof PutOrganisationResponses];

export type AddSigningKeyData = {
    body: NewSigningKey;
    path?: never;
    query?: never;
    url: '/api/v1/signing-keys';
};

export type AddSigningKeyErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type AddSigningKeyError = AddSigningKeyErrors[keyof AddSigningKeyErrors];

export type AddSigningKeyResponses = {
    /**
     * Successful Response
     */
    201: AddedSigningKey;
};

export type AddSigningKeyResponse = AddSigningKeyResponses[keyof AddSigningKeyResponses];

export type DeleteSigningKeyData = {
    body?: never;
    path: {
        kid: string;
    };
    query?: never;
    url: '/api/v1/signing-keys/{kid}';
};

export type DeleteSigningKeyErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type DeleteSigningKeyError = DeleteSigningKeyErrors[keyof DeleteSigningKeyErrors];

export type DeleteSigningKeyResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type DeleteSigningKeyResponse = DeleteSigningKeyResponses[keyof DeleteSigningKeyResponses];

export type RevokeTokenData = {
    body: TokenToRevoke;
    path?: never;
    query?: never;
    url: '/api/v1/tokens/revoke';
};

export type RevokeTokenErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type RevokeTokenError = RevokeTokenErrors[keyof RevokeTokenErrors];

export type RevokeTokenResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type RevokeTokenResponse = RevokeTokenResponses[keyof RevokeTokenResponses];

export type TransformData = {
    body: StreamableRequest;
    headers?: {
        /**
         * makes sending the same request again harmless, for a day
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/transform';
};

export type TransformErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type TransformError = TransformErrors[keyof TransformErrors];

export type TransformResponses = {
    /**
     * The answer, or the events of an answer while it is made
     */
    200: Answer;
};

export type TransformResponse = TransformResponses[keyof TransformResponses];

export type ListWebhooksData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/webhooks';
};

export type ListWebhooksErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListWebhooksError = ListWebhooksErrors[keyof ListWebhooksErrors];

export type ListWebhooksResponses = {
    /**
     * Successful Response
     */
    200: Array<Webhook>;
};

export type ListWebhooksResponse = ListWebhooksResponses[keyof ListWebhooksResponses];

export type CreateWebhookData = {
    body: NewWebhook;
    path?: never;
    query?: never;
    url: '/api/v1/webhooks';
};

export type CreateWebhookErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CreateWebhookError = CreateWebhookErrors[keyof CreateWebhookErrors];

export type CreateWebhookResponses = {
    /**
     * Successful Response
     */
    201: MadeWebhook;
};

export type CreateWebhookResponse = CreateWebhookResponses[keyof CreateWebhookResponses];

export type DeleteWebhookData = {
    body?: never;
    path: {
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}';
};

export type DeleteWebhookErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type DeleteWebhookError = DeleteWebhookErrors[keyof DeleteWebhookErrors];

export type DeleteWebhookResponses = {
    /**
     * Successful Response
     */
    204: void;
};

export type DeleteWebhookResponse = DeleteWebhookResponses[keyof DeleteWebhookResponses];

export type GetWebhookData = {
    body?: never;
    path: {
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}';
};

export type GetWebhookErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetWebhookError = GetWebhookErrors[keyof GetWebhookErrors];

export type GetWebhookResponses = {
    /**
     * Successful Response
     */
    200: Webhook;
};

export type GetWebhookResponse = GetWebhookResponses[keyof GetWebhookResponses];

export type ChangeWebhookData = {
    body: WebhookChanges;
    path: {
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}';
};

export type ChangeWebhookErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ChangeWebhookError = ChangeWebhookErrors[keyof ChangeWebhookErrors];

export type ChangeWebhookResponses = {
    /**
     * Successful Response
     */
    200: Webhook;
};

export type ChangeWebhookResponse = ChangeWebhookResponses[keyof ChangeWebhookResponses];

export type ListDeliveriesData = {
    body?: never;
    path: {
        webhook_id: string;
    };
    query?: {
        state?: Array<State>;
        /**
         * the last id of the page before this one
         */
        before?: string | null;
        limit?: number;
    };
    url: '/api/v1/webhooks/{webhook_id}/deliveries';
};

export type ListDeliveriesErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ListDeliveriesError = ListDeliveriesErrors[keyof ListDeliveriesErrors];

export type ListDeliveriesResponses = {
    /**
     * Successful Response
     */
    200: Array<Delivery>;
};

export type ListDeliveriesResponse = ListDeliveriesResponses[keyof ListDeliveriesResponses];

export type ReplayDeliveryData = {
    body?: never;
    path: {
        webhook_id: string;
        delivery_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay';
};

export type ReplayDeliveryErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ReplayDeliveryError = ReplayDeliveryErrors[keyof ReplayDeliveryErrors];

export type ReplayDeliveryResponses = {
    /**
     * Successful Response
     */
    202: EnqueuedDeliveries;
};

export type ReplayDeliveryResponse = ReplayDeliveryResponses[keyof ReplayDeliveryResponses];

export type ReplayDeadDeliveriesData = {
    body?: never;
    path: {
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}/replay';
};

export type ReplayDeadDeliveriesErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type ReplayDeadDeliveriesError = ReplayDeadDeliveriesErrors[keyof ReplayDeadDeliveriesErrors];

export type ReplayDeadDeliveriesResponses = {
    /**
     * Successful Response
     */
    202: EnqueuedDeliveries;
};

export type ReplayDeadDeliveriesResponse = ReplayDeadDeliveriesResponses[keyof ReplayDeadDeliveriesResponses];

export type RotateWebhookSecretData = {
    body?: never;
    path: {
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}/secret';
};

export type RotateWebhookSecretErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type RotateWebhookSecretError = RotateWebhookSecretErrors[keyof RotateWebhookSecretErrors];

export type RotateWebhookSecretResponses = {
    /**
     * Successful Response
     */
    200: NewWebhookSecret;
};

export type RotateWebhookSecretResponse = RotateWebhookSecretResponses[keyof RotateWebhookSecretResponses];

export type SendTestEventData = {
    body?: never;
    path: {
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}/test';
};

export type SendTestEventErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type SendTestEventError = SendTestEventErrors[keyof SendTestEventErrors];

export type SendTestEventResponses = {
    /**
     * Successful Response
     */
    202: EnqueuedDeliveries;
};

export type SendTestEventResponse = SendTestEventResponses[keyof SendTestEventResponses];

export type OpenSocketData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/ws';
};

export type OpenSocketErrors = {
    /**
     * This request opens no WebSocket
     */
    426: unknown;
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type OpenSocketError = OpenSocketErrors[keyof OpenSocketErrors];

export type OpenSocketResponses = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type OpenSocketResponse = OpenSocketResponses[keyof OpenSocketResponses];

export type GraphqlData = {
    body: GraphQlRequest;
    path?: never;
    query?: never;
    url: '/graphql';
};

export type GraphqlErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GraphqlError = GraphqlErrors[keyof GraphqlErrors];

export type GraphqlResponses = {
    /**
     * `data`, and `errors` with the problem of each as its `extensions`
     */
    200: unknown;
};

export type CheckLiveData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/livez';
};

export type CheckLiveErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CheckLiveError = CheckLiveErrors[keyof CheckLiveErrors];

export type CheckLiveResponses = {
    /**
     * Successful Response
     */
    200: {
        [key: string]: string;
    };
};

export type CheckLiveResponse = CheckLiveResponses[keyof CheckLiveResponses];

export type GetGatewayMetricsData = {
    body?: never;
    headers?: {
        /**
         * Bearer and the token
         */
        authorization?: string;
    };
    path?: never;
    query?: never;
    url: '/metrics';
};

export type GetGatewayMetricsErrors = {
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type GetGatewayMetricsError = GetGatewayMetricsErrors[keyof GetGatewayMetricsErrors];

export type GetGatewayMetricsResponses = {
    /**
     * Successful Response
     */
    200: string;
};

export type GetGatewayMetricsResponse = GetGatewayMetricsResponses[keyof GetGatewayMetricsResponses];

export type CheckReadyData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/readyz';
};

export type CheckReadyErrors = {
    /**
     * Service Unavailable
     */
    503: Ready;
    /**
     * A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`
     */
    default: Problem;
};

export type CheckReadyError = CheckReadyErrors[keyof CheckReadyErrors];

export type CheckReadyResponses = {
    /**
     * Successful Response
     */
    200: Ready;
};

export type CheckReadyResponse = CheckReadyResponses[keyof CheckReadyResponses];

export type CreateChatCompletionData = {
    body: CompletionRequest;
    headers?: {
        /**
         * makes sending the same request again harmless, for a day
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/v1/chat/completions';
};

export type CreateChatCompletionErrors = {
    /**
     * What is wrong with the request, or the plan's limits
     */
    '4XX': ErrorDocument;
    /**
     * A part is unavailable; try again
     */
    '5XX': ErrorDocument;
};

export type CreateChatCompletionError = CreateChatCompletionErrors[keyof CreateChatCompletionErrors];

export type CreateChatCompletionResponses = {
    /**
     * The rewrite, or a stream that ends with it
     */
    200: Completion;
};

export type CreateChatCompletionResponse = CreateChatCompletionResponses[keyof CreateChatCompletionResponses];

export type ListModelsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/v1/models';
};

export type ListModelsErrors = {
    /**
     * What is wrong with the request, or the plan's limits
     */
    '4XX': ErrorDocument;
    /**
     * A part is unavailable; try again
     */
    '5XX': ErrorDocument;
};

export type ListModelsError = ListModelsErrors[keyof ListModelsErrors];

export type ListModelsResponses = {
    /**
     * Successful Response
     */
    200: Models;
};

export type ListModelsResponse = ListModelsResponses[keyof ListModelsResponses];

export type GetModelData = {
    body?: never;
    path: {
        model: 'tonebridge/soften-0' | 'tonebridge/soften-1' | 'tonebridge/soften-2' | 'tonebridge/soften-3' | 'tonebridge/clarify-0' | 'tonebridge/clarify-1' | 'tonebridge/clarify-2' | 'tonebridge/clarify-3' | 'tonebridge/structure-0' | 'tonebridge/structure-1' | 'tonebridge/structure-2' | 'tonebridge/structure-3' | 'tonebridge/summarize-0' | 'tonebridge/summarize-1' | 'tonebridge/summarize-2' | 'tonebridge/summarize-3' | 'tonebridge/terminology-0' | 'tonebridge/terminology-1' | 'tonebridge/terminology-2' | 'tonebridge/terminology-3' | 'tonebridge/requirements-0' | 'tonebridge/requirements-1' | 'tonebridge/requirements-2' | 'tonebridge/requirements-3' | 'tonebridge/background-0' | 'tonebridge/background-1' | 'tonebridge/background-2' | 'tonebridge/background-3';
    };
    query?: never;
    url: '/v1/models/{model}';
};

export type GetModelErrors = {
    /**
     * What is wrong with the request, or the plan's limits
     */
    '4XX': ErrorDocument;
    /**
     * A part is unavailable; try again
     */
    '5XX': ErrorDocument;
};

export type GetModelError = GetModelErrors[keyof GetModelErrors];

export type GetModelResponses = {
    /**
     * Successful Response
     */
    200: Model;
};

export type GetModelResponse = GetModelResponses[keyof GetModelResponses];

// The documents of the API. Made from openapi.json 0d3c352076dfc096daecc5617ae6db51a939bdc69f4bce48b22163ab3dc2bba6
// by `make sdk`. Do not change it here.

export type ClientOptions = {
    baseUrl: `${string}://${string}` | 'http://localhost:8080' | (string & {});
};

export type Webhooks = OnAnswerCreatedanswerCreatedPostWebhookRequest | OnExperimentDecidedexperimentDecidedPostWebhookRequest | OnFeedbackGivenfeedbackGivenPostWebhookRequest | OnJobDonejobDonePostWebhookRequest | OnQuotaNearquotaNearPostWebhookRequest | OnSnapshotRefusedsnapshotRefusedPostWebhookRequest | OnVersionRefusedversionRefusedPostWebhookRequest | OnVersionReleasedversionReleasedPostWebhookRequest | OnWebhookDisabledwebhookDisabledPostWebhookRequest | OnWebhookTestwebhookTestPostWebhookRequest;

/**
 * What it is about.
 */
export type About = 'idea' | 'problem' | 'praise';

/**
 * A signing key that is in force now.
 */
export type AddedSigningKey = {
    /**
     * your name for the signing key
     */
    kid: string;
};

/**
 * That the process runs.
 */
export type Alive = {
    /**
     * always `alive`
     */
    status?: 'alive';
};

/**
 * A message to analyse.
 */
export type AnalyzeRequest = {
    /**
     * language tag of the reader of the analysis, `ja-JP`: explanations are Japanese for Japanese, otherwise English
     */
    locale?: string | null;
    /**
     * the sender's day, by which `tomorrow` has a date; today in UTC if it is not given
     */
    sent_on?: string | null;
    /**
     * the message, at most 8,000 characters
     */
    text: string;
};

/**
 * One reply to one person.
 */
export type Answer = {
    /**
     * the answer
     */
    answer_id: string;
    /**
     * l1: from the gateway's memory, l2: from Redis, miss: written now
     */
    cache: 'l1' | 'l2' | 'miss';
    /**
     * names, numbers, dates and other facts of the message that the text lacks
     */
    facts_missing: Array<string>;
    /**
     * the champion answered, because the arm could not
     */
    fallback: boolean;
    /**
     * the signed token that takes feedback
     */
    receipt: string;
    /**
     * the rewrite
     */
    transformed_text: string;
    /**
     * why the text is the message itself; null when the model wrote it
     */
    unchanged: Unchanged | null;
    /**
     * the arm of an experiment, or `champion` outside of one
     */
    variant: string;
    /**
     * the version that wrote the text
     */
    version: string;
};

/**
 * People got answers.
 */
export type AnswerCreated = {
    data: Answers;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'answer.created';
    [key: string]: unknown;
};

/**
 * Answers that people got.
 */
export type Answers = {
    /**
     * at most a hundred
     */
    answers: Array<SentAnswer>;
    [key: string]: unknown;
};

/**
 * What a person said about the app.
 */
export type AppFeedback = {
    /**
     * what it is about
     */
    about: About;
    /**
     * the person's address or name; null unless `may_answer`, and when the account is gone
     */
    author: string | null;
    /**
     * in the person's words, at most 2,000 characters; nothing else is stored with it
     */
    comment: string;
    /**
     * when it was sent
     */
    created_at: string;
    /**
     * its id
     */
    id: string;
    /**
     * whether the admins see who wrote it, and may answer
     */
    may_answer: boolean;
};

/**
 * The rewrite.
 */
export type AssistantMessage = {
    /**
     * the rewrite
     */
    content: string;
    /**
     * always null
     */
    refusal?: null;
    /**
     * who wrote it
     */
    role?: 'assistant';
};

/**
 * Messages that one request gave to the queue, and how many of them are in each state.
 */
export type Batch = {
    /**
     * messages that will not be rewritten
     */
    cancelled: number;
    /**
     * when it was accepted
     */
    created_at: string;
    /**
     * messages that were given up after all attempts
     */
    dead: number;
    /**
     * messages that are rewritten
     */
    done: number;
    /**
     * the batch
     */
    id: string;
    /**
     * number of messages in the request
     */
    messages: number;
    /**
     * the key or the account that requested it, as in the audit trail
     */
    requested_by: string;
    /**
     * messages that a worker rewrites now
     */
    running: number;
    /**
     * messages that wait for a worker
     */
    waiting: number;
    [key: string]: unknown;
};

/**
 * The entries, in the order of the messages.
 */
export type BatchAnswer = {
    /**
     * one for each message, in the order of the request
     */
    items: Array<Entry>;
};

/**
 * Messages to rewrite, each for itself.
 */
export type BatchRequest = {
    /**
     * the messages
     */
    items: Array<TransformRequest>;
};

/**
 * How many messages will not be rewritten.
 */
export type Cancelled = {
    /**
     * number of messages
     */
    cancelled: number;
};

/**
 * A decision, and what became of it.
 */
export type CarriedOut = {
    /**
     * what was decided
     */
    action: string;
    /**
     * the key or the account that requested it, as in the audit trail
     */
    decided_by: string;
    /**
     * the decision
     */
    decision_id: string;
    /**
     * the experiment
     */
    experiment_id: string | null;
    /**
     * why it failed, in English
     */
    failure: string | null;
    /**
     * why it failed
     */
    failure_reasons: Array<Reason>;
    /**
     * what became of it
     */
    outcome: string | null;
    /**
     * `reasons` in English
     */
    reason: string;
    /**
     * why, as codes and values
     */
    reasons: Array<Reason>;
    [key: string]: unknown;
};

/**
 * The message is for one of these channels.
 */
export type ChannelCondition = {
    /**
     * what the condition is about
     */
    kind: 'channel';
    /**
     * or begins with one of these, in any case
     */
    prefixes?: Array<string>;
    /**
     * exactly one of these, in any case
     */
    values?: Array<string>;
};

/**
 * A turn of a conversation.
 */
export type ChatMessage = {
    /**
     * of the last message: what to rewrite; the texts of several parts are its lines
     */
    content?: string | Array<{
        /**
         * the message, at most 8,000 characters
         */
        text: string;
        type: 'text';
    }>;
    /**
     * who wrote the turn
     */
    role: 'user' | 'assistant';
    [key: string]: unknown;
};

/**
 * Which of two outputs is better; the receipt is the comparison's.
 */
export type Choice = {
    /**
     * the kind of vote
     */
    kind: 'comparison';
    /**
     * the better one
     */
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
    /**
     * the kind of vote
     */
    kind: 'comment';
    /**
     * the receipt that came with the answer
     */
    receipt: string;
    /**
     * the comment
     */
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
    /**
     * where the two outputs come from; null: as the installation needs votes now
     */
    policy?: 'two_samples' | 'champion_against_challenger' | 'between_challengers' | null;
    /**
     * the message, at most 8,000 characters
     */
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
    /**
     * the comparison
     */
    comparison_id: string;
    first: Side;
    /**
     * where the two outputs come from
     */
    policy: 'two_samples' | 'champion_against_challenger' | 'between_challengers';
    /**
     * the signed token that takes feedback
     */
    receipt: string;
    second: Side;
};

/**
 * A rewrite. `tonebridge` is no field of OpenAI's; in a stream, the chunk with `finish_reason` has it.
 */
export type Completion = {
    /**
     * the one answer
     */
    choices: Array<CompletionChoice>;
    /**
     * when it was answered, in seconds since 1970
     */
    created: number;
    /**
     * `chatcmpl-` and the id of the answer
     */
    id: string;
    /**
     * the model of the request
     */
    model: string;
    /**
     * what this is
     */
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
    /**
     * the text is complete
     */
    finish_reason?: 'stop';
    /**
     * there is one choice
     */
    index?: 0;
    /**
     * always null
     */
    logprobs?: null;
    message: AssistantMessage;
};

/**
 * A message to rewrite. The last of `messages` is the message, and has the role `user`; earlier turns
 * change nothing. A system message is refused, since ToneBridge follows no instructions.
 */
export type CompletionRequest = {
    /**
     * refused, unless the value asks for nothing
     */
    audio?: null;
    /**
     * accepted, and changes nothing
     */
    frequency_penalty?: unknown;
    /**
     * refused, unless the value asks for nothing
     */
    function_call?: 'none' | 'auto' | null;
    /**
     * refused, unless the value asks for nothing
     */
    functions?: Array<unknown> | null;
    /**
     * refused, unless the value asks for nothing
     */
    logit_bias?: {
        [key: string]: unknown;
    } | null;
    /**
     * refused, unless the value asks for nothing
     */
    logprobs?: false | null;
    /**
     * accepted, and changes nothing
     */
    max_completion_tokens?: unknown;
    /**
     * accepted, and changes nothing
     */
    max_tokens?: unknown;
    /**
     * the turns, the oldest first
     */
    messages: Array<ChatMessage>;
    /**
     * accepted, and changes nothing
     */
    metadata?: unknown;
    /**
     * refused, unless the value asks for nothing
     */
    modalities?: Array<'text'> | null;
    /**
     * transform type and intensity
     */
    model: 'tonebridge/soften-0' | 'tonebridge/soften-1' | 'tonebridge/soften-2' | 'tonebridge/soften-3' | 'tonebridge/clarify-0' | 'tonebridge/clarify-1' | 'tonebridge/clarify-2' | 'tonebridge/clarify-3' | 'tonebridge/structure-0' | 'tonebridge/structure-1' | 'tonebridge/structure-2' | 'tonebridge/structure-3' | 'tonebridge/summarize-0' | 'tonebridge/summarize-1' | 'tonebridge/summarize-2' | 'tonebridge/summarize-3' | 'tonebridge/terminology-0' | 'tonebridge/terminology-1' | 'tonebridge/terminology-2' | 'tonebridge/terminology-3' | 'tonebridge/requirements-0' | 'tonebridge/requirements-1' | 'tonebridge/requirements-2' | 'tonebridge/requirements-3' | 'tonebridge/background-0' | 'tonebridge/background-1' | 'tonebridge/background-2' | 'tonebridge/background-3';
    /**
     * refused, unless the value asks for nothing
     */
    moderation?: null;
    /**
     * refused, unless the value asks for nothing
     */
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
    /**
     * refused, unless the value asks for nothing
     */
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
    /**
     * refused, unless the value asks for nothing
     */
    stop?: Array<unknown> | null;
    /**
     * refused, unless the value asks for nothing
     */
    store?: false | null;
    /**
     * answer with server-sent events
     */
    stream?: boolean | null;
    /**
     * what a stream contains besides the answer
     */
    stream_options?: StreamOptions | null;
    /**
     * accepted, and changes nothing
     */
    temperature?: unknown;
    /**
     * refused, unless the value asks for nothing
     */
    tool_choice?: 'none' | 'auto' | null;
    /**
     * refused, unless the value asks for nothing
     */
    tools?: Array<unknown> | null;
    /**
     * refused, unless the value asks for nothing
     */
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
    /**
     * refused, unless the value asks for nothing
     */
    web_search_options?: null;
};

/**
 * What a condition is about, in the order in which conditions are checked: the cheapest first.
 */
export type ConditionKind = 'hours' | 'channel' | 'recipient' | 'keyword' | 'pattern' | 'tone';

/**
 * That a condition holds, and by which words.
 */
export type ConditionMet = {
    /**
     * the condition
     */
    kind: ConditionKind;
    /**
     * of a tone: that it is harsh, as `POST /api/v1/analyze` says
     */
    probability: number | null;
    /**
     * the words that show it, 20 at most; none for channel, recipient and hours
     */
    words: Array<MatchedWords>;
};

/**
 * The consent in force for a person.
 */
export type Consent = {
    /**
     * organisation: the person has not chosen, so its default applies
     */
    said_by: 'person' | 'organisation';
    /**
     * the person's feedback may train models
     */
    training: boolean;
};

/**
 * The address and password of an account, and where the person signs in.
 */
export type Credentials = {
    /**
     * the device, coarsely: by it the person recognises the session in the list of theirs
     */
    device?: string | null;
    /**
     * the address to sign in with
     */
    email: string;
    /**
     * the present password
     */
    password: string;
};

/**
 * A day of the week.
 */
export type Day = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun';

/**
 * A delivery of an event to a webhook: the failed attempts, and the receiver's status and time when one
 * arrived. A done delivery without a status had nothing left to send: an erasure deleted it.
 */
export type Delivery = {
    /**
     * attempts that have begun
     */
    attempts: number;
    /**
     * when it is sent next
     */
    available_at: string;
    /**
     * when the event happened, or the delivery was replayed
     */
    created_at: string;
    /**
     * when it ended; null before
     */
    done_at: string | null;
    /**
     * milliseconds until that answer; null before
     */
    duration_ms: number | null;
    /**
     * the failed attempts, the oldest first
     */
    errors: Array<FailedAttempt>;
    /**
     * the event; all its deliveries have it as their header `webhook-id`
     */
    event_id: string;
    /**
     * the delivery
     */
    id: string;
    /**
     * the delivery that this one repeats; null for a first one
     */
    replayed_from: string | null;
    state: State;
    /**
     * HTTP status of the receiver's answer; null before
     */
    status: number | null;
    type: EventType;
};

/**
 * What an answer of `/api/v1/transform` has besides its text. The receipt takes feedback.
 */
export type Details = {
    /**
     * the answer
     */
    answer_id: string;
    /**
     * l1: from the gateway's memory, l2: from Redis, miss: written now
     */
    cache: 'l1' | 'l2' | 'miss';
    /**
     * names, numbers, dates and other facts of the message that the text lacks
     */
    facts_missing: Array<string>;
    /**
     * the champion answered, because the arm could not
     */
    fallback: boolean;
    /**
     * the signed token that takes feedback
     */
    receipt: string;
    /**
     * why the text is the message itself; null when the model wrote it
     */
    unchanged: Unchanged | null;
    /**
     * the arm of an experiment, or `champion` outside of one
     */
    variant: string;
    /**
     * the version that wrote the text
     */
    version: string;
};

/**
 * A term of a dictionary.
 */
export type DictionaryTerm = {
    /**
     * when it was added
     */
    created_at: string;
    /**
     * who added it; for admins, and null for others
     */
    created_by: string | null;
    /**
     * its id
     */
    id: string;
    /**
     * `keep`: never change the term; `explain`: explain it by the wording where terms are explained; `replace`: say the wording instead
     */
    rule: TermRule;
    /**
     * whose dictionary: the organisation's, or the person's own
     */
    scope: Scope;
    /**
     * the term
     */
    term: string;
    /**
     * the explanation, or what is said instead; empty for `keep`
     */
    wording: string;
};

/**
 * What to change in a term; omitted fields stay as they are.
 */
export type DictionaryTermChanges = {
    /**
     * another rule
     */
    rule?: TermRule | null;
    /**
     * another spelling
     */
    term?: string | null;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
    /**
     * another wording
     */
    wording?: string | null;
};

/**
 * A webhook that was disabled by itself.
 */
export type DisabledWebhook = {
    /**
     * since when nothing is sent
     */
    disabled_at: string;
    /**
     * `reasons` in English
     */
    reason: string;
    /**
     * why, as codes and values
     */
    reasons: Array<Reason>;
    /**
     * its address
     */
    url: string;
    /**
     * the webhook
     */
    webhook_id: string;
    [key: string]: unknown;
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
    /**
     * the challenger to withdraw
     */
    challenger: string;
    /**
     * why
     */
    reason: string;
};

/**
 * A rule to try on recent messages: one that is stored, or a draft.
 */
export type DryRun = {
    /**
     * where the message is going, in your own words; conditions on the channel compare it
     */
    channel?: string | null;
    /**
     * a rule that is not stored, in place of `rule_id`
     */
    draft?: Rule | null;
    /**
     * the most messages to try
     */
    limit?: number;
    /**
     * language tag of the person, `ja-JP`
     */
    locale?: string | null;
    /**
     * to whom the message is going, in your own words; conditions on the recipient compare it
     */
    recipient?: string | null;
    /**
     * for how many of those that fire to make the rewrite that it would have proposed; each counts as one of `POST /api/v1/transform`
     */
    rewrites?: number;
    /**
     * a stored rule, on or off
     */
    rule_id?: string | null;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * What a rule would have done. It was not asked for the channel and the recipient, unless you named them:
 * they are stored with no message.
 */
export type DryRunResult = {
    /**
     * for how many of them it would have fired
     */
    fired: number;
    /**
     * those messages, the newest first
     */
    messages: Array<FiredMessage>;
    /**
     * different messages that were tried
     */
    tried: number;
    /**
     * conditions that count as met, since nothing is known of them
     */
    unchecked: Array<ConditionKind>;
};

/**
 * The rewrite as the person prefers it.
 */
export type Edit = {
    /**
     * the kind of vote
     */
    kind: 'edit';
    /**
     * the receipt that came with the answer
     */
    receipt: string;
    /**
     * the whole text as it should be
     */
    text: string;
};

/**
 * What ended: a batch, or another job.
 */
export type EndedJob = {
    /**
     * the batch; absent for a job
     */
    batch?: Batch | null;
    /**
     * the job; absent for a batch
     */
    job?: ListedJob | null;
    [key: string]: unknown;
};

/**
 * What has ended.
 */
export type EndedSessions = {
    /**
     * how many sessions this request has ended
     */
    ended: number;
};

/**
 * The new deliveries, which a worker sends.
 */
export type EnqueuedDeliveries = {
    /**
     * the new deliveries, the oldest event first
     */
    deliveries: Array<string>;
};

/**
 * The outcome of one message: its answer, or the problem (RFC 9457) that prevented one.
 */
export type Entry = {
    /**
     * the answer, if the status is 200
     */
    answer?: Answer | null;
    /**
     * the problem (RFC 9457) of any other status; it is absent for an answer
     */
    problem?: {
        [key: string]: unknown;
    } | null;
    /**
     * the status that the message alone would have
     */
    status: number;
};

/**
 * An erasure, and how far it is.
 */
export type Erasure = {
    /**
     * from then on all is new; null before
     */
    finished_at: string | null;
    /**
     * its id
     */
    id: string;
    /**
     * what was removed so far
     */
    removed: ErasureCounts;
    /**
     * from then on no vote is accepted, and no model learns from the person
     */
    requested_at: string;
    /**
     * `waiting`: nothing is removed yet; `history_removed`: the person's history is gone, and copies in training data are still to be removed; `finished`: nothing is left
     */
    state: 'waiting' | 'history_removed' | 'finished';
    /**
     * models that learned from the person and still have to be replaced or deleted
     */
    versions_left: number;
};

/**
 * What an erasure has removed so far.
 */
export type ErasureCounts = {
    /**
     * rewrites that the person got, in their history
     */
    answers: number;
    /**
     * pairs of rewrites that were shown to the person
     */
    comparisons: number;
    /**
     * messages of batches
     */
    jobs: number;
    /**
     * sets of training data that the person was in
     */
    snapshots: number;
    /**
     * terms of the person's own dictionary
     */
    terms: number;
    /**
     * messages with their rewrites that nobody else got
     */
    texts: number;
    /**
     * votes, edits and comments
     */
    votes: number;
};

/**
 * What is wrong, and what to do. `code` is OpenAI's where clients know one, else that of the reason.
 */
export type ErrorDetails = {
    /**
     * a code for programs
     */
    code: string;
    /**
     * what is wrong, and what to do
     */
    message: string;
    /**
     * the parameter that is wrong; null: none is
     */
    param: string | null;
    /**
     * `invalid_request_error`, `requests`, `insufficient_quota` or `server_error`
     */
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
 * A decision on an experiment was carried out, failed, or waits for a person.
 */
export type ExperimentDecided = {
    data: CarriedOut;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'experiment.decided';
    [key: string]: unknown;
};

/**
 * Why an attempt failed: `reasons`, and in English `reason`.
 */
export type FailedAttempt = {
    /**
     * when it failed
     */
    at: string;
    /**
     * number of the attempt, from 1
     */
    attempt: number;
    /**
     * `reasons` in English
     */
    reason: string;
    /**
     * codes and values of the reason
     */
    reasons: Array<Reason>;
    [key: string]: unknown;
};

/**
 * A person voted, or changed a vote.
 */
export type FeedbackGiven = {
    data: SentVote;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'feedback.given';
    [key: string]: unknown;
};

/**
 * Where a vote was stored; voting again keeps the id.
 */
export type FeedbackStored = {
    /**
     * the vote
     */
    feedback_id: string;
};

/**
 * What words do to a reader.
 */
export type FindingKind = 'hurts' | 'order' | 'courtesy' | 'hedge' | 'passive' | 'long_sentence' | 'term' | 'vague_time' | 'vague_amount' | 'vague_person' | 'vague_thing' | 'urgent' | 'no_rush' | 'deadline';

/**
 * A message for which the rule would have fired.
 */
export type FiredMessage = {
    /**
     * the answer that the person got for it
     */
    answer_id: string;
    /**
     * why it fires: each condition, and by which words
     */
    because: Array<ConditionMet>;
    /**
     * the message
     */
    message: string;
    /**
     * what the rule would have proposed; null: not asked for, or not available
     */
    rewrite: Answer | null;
    /**
     * when the person had it rewritten
     */
    sent_at: string;
};

/**
 * Words of the message, and what they do to its reader.
 */
export type FoundWords = {
    /**
     * of a deadline: its date, if the words tell it
     */
    due_on?: string | null;
    /**
     * where they end, exclusive, in characters
     */
    end: number;
    /**
     * why, in a sentence: Japanese if `locale` is, otherwise English
     */
    explanation: string;
    /**
     * what the words do
     */
    kind: FindingKind;
    /**
     * why, as a code and values, which render in the reader's language
     */
    reason: Reason;
    /**
     * where they start, in characters (code points)
     */
    start: number;
    /**
     * the words
     */
    text: string;
};

/**
 * A document, or the id of a trusted one, with its variables.
 */
export type GraphQlRequest = {
    /**
     * SHA-256 of a trusted document, in place of `query`
     */
    documentId?: string | null;
    /**
     * not read
     */
    extensions?: {
        [key: string]: JsonValue;
    } | null;
    /**
     * the operation, if there are several
     */
    operationName?: string | null;
    /**
     * the document
     */
    query?: string | null;
    /**
     * values of the variables, by name
     */
    variables?: {
        [key: string]: JsonValue;
    } | null;
};

/**
 * A rewrite that would help the reader of the message.
 */
export type HelpfulRewrite = {
    /**
     * the findings that show it, by their indices in `findings`
     */
    because: Array<number>;
    /**
     * why, in a sentence: Japanese if `locale` is, otherwise English
     */
    explanation: string;
    /**
     * that a reader says so
     */
    probability: number;
    /**
     * why, as a code and values, which render in the reader's language
     */
    reason: Reason;
    transform_type: TransformType;
};

/**
 * The message is sent at these hours, by the clock of a time zone.
 */
export type HoursCondition = {
    /**
     * the days on which the hours start; those over midnight end on the next day
     */
    days: Array<Day>;
    /**
     * before this time; one that is earlier than `starts` is of the next day, and the same one makes the whole day
     */
    ends: string;
    /**
     * what the condition is about
     */
    kind: 'hours';
    /**
     * from this time on
     */
    starts: string;
    /**
     * a name of IANA's database of time zones
     */
    time_zone: string;
};

/**
 * The secret that the tool has made.
 */
export type InboundSecret = {
    /**
     * the secret, if the tool makes it; without it a random one is made
     */
    secret?: string | null;
};

/**
 * An inbound webhook without its secrets. `waiting` messages are not delivered yet, and `dead` ones were
 * given up: see `/api/v1/jobs`.
 */
export type InboundWebhook = {
    /**
     * when it was made
     */
    created_at: string;
    /**
     * the key or the account that requested it, as in the audit trail
     */
    created_by: string;
    /**
     * messages that were given up, of seven days
     */
    dead: number;
    /**
     * whether a message that stays as it is is sent, too
     */
    delivers_unchanged: boolean;
    /**
     * failed attempts to deliver since the last that arrived
     */
    failures: number;
    /**
     * until when the former secret is accepted, too; null when it is not
     */
    former_secret_until: string | null;
    /**
     * the inbound webhook
     */
    id: string;
    /**
     * how strongly
     */
    intensity: number;
    /**
     * the API key that rewrites for it
     */
    key_id: string;
    /**
     * your name for it
     */
    name: string;
    /**
     * where the tool sends its requests, at the address of the process `channels`
     */
    path: string;
    /**
     * what is sent there
     */
    reply_form: ReplyForm;
    /**
     * where rewrites are sent
     */
    reply_url: string;
    /**
     * where the message is in the tool's JSON
     */
    text_pointer: string;
    /**
     * how its messages are rewritten
     */
    transform_type: TransformType;
    /**
     * how its requests are verified
     */
    verification: Verification;
    /**
     * messages that are not delivered yet
     */
    waiting: number;
};

/**
 * What to change; messages that wait are rewritten as it was when they came. To verify in another way,
 * make another inbound webhook.
 */
export type InboundWebhookChanges = {
    /**
     * whether a message that stays as it is is sent, too
     */
    delivers_unchanged?: boolean | null;
    /**
     * another intensity
     */
    intensity?: number | null;
    /**
     * another name
     */
    name?: string | null;
    /**
     * another form of what is sent
     */
    reply_form?: ReplyForm | null;
    /**
     * another address for rewrites
     */
    reply_url?: string | null;
    /**
     * another place of the message
     */
    text_pointer?: string | null;
    /**
     * another kind of rewrites
     */
    transform_type?: TransformType | null;
};

/**
 * What is wrong with one field of a request, and what it may be.
 */
export type InvalidField = {
    /**
     * what the field may be, in English
     */
    allowed: string;
    /**
     * `allowed` as code and values
     */
    allowed_reason: Reason;
    /**
     * name of the field
     */
    field: string;
    /**
     * what is wrong, in English
     */
    message: string;
    /**
     * the part of the field, as a line of a file; absent: the field itself
     */
    part?: string | null;
    /**
     * `message` as code and values
     */
    reason: Reason;
};

/**
 * The last message of a batch ended, or an export.
 */
export type JobDone = {
    data: EndedJob;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'job.done';
    [key: string]: unknown;
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
 * What was done.
 */
export type KeyAction = 'key_created' | 'key_revoked' | 'key_origins_changed' | 'key_quota_changed' | 'origins_changed' | 'secret_created' | 'secret_revoked' | 'signatures_required' | 'signatures_not_required' | 'signing_key_added' | 'signing_key_revoked' | 'token_revoked';

/**
 * A change of a key, of a secret, of a signing key, of a list of origins, or of a token.
 */
export type KeyChange = {
    action: KeyAction;
    /**
     * when
     */
    changed_at: string;
    /**
     * who did it; empty, if that person was erased
     */
    changed_by: string;
    /**
     * the id of the change
     */
    id: string;
    /**
     * the token: its `jti`, or a digest of one without it
     */
    jti: string | null;
    /**
     * the API key; null where it is about none
     */
    key_id: string | null;
    /**
     * the signing key, or that of the token
     */
    kid: string | null;
    /**
     * the new list of origins; null: a key has that of its organisation from now on
     */
    origins: Array<string> | null;
    /**
     * the new quota of a key for web pages; null: not set
     */
    rewrites_a_day: number | null;
    /**
     * the secret of the API key, made or revoked
     */
    secret_id: string | null;
};

/**
 * The pages that may use a key.
 */
export type KeyOrigins = {
    /**
     * the entries that hold for the key: of its list, or of the organisation's
     */
    in_force: Array<string>;
    /**
     * a list of the key's own; null: it has that of the organisation
     */
    origins: Array<string> | null;
};

/**
 * What a key for web pages may use up.
 */
export type KeyQuota = {
    /**
     * rewrites that a key for web pages may ask for in a day (UTC)
     */
    rewrites_a_day: number;
};

/**
 * The message has one of these words, each found as a term of a dictionary is: as a whole word, in its
 * plural, too, and in Japanese.
 */
export type KeywordCondition = {
    /**
     * what the condition is about
     */
    kind: 'keyword';
    /**
     * words or phrases; one with a capital is found as written, another one in any case
     */
    words: Array<string>;
};

/**
 * What a job is about. The worker and the process `channels` have a handler for each.
 */
export type Kind = 'rewrite' | 'export' | 'webhook' | 'channel_reply' | 'inbound';

/**
 * An account in the list for its organisation's administrators.
 */
export type ListedAccount = {
    /**
     * when it was made
     */
    created_at: string;
    /**
     * the address to sign in with
     */
    email: string;
    /**
     * the account
     */
    id: string;
    /**
     * the person's name
     */
    name: string;
    /**
     * what the person may do, one of `Role`
     */
    role: string;
    /**
     * when the person last signed in; null: never
     */
    signed_in_at: string | null;
};

/**
 * A variant, and the version that answers its users.
 */
export type ListedArm = {
    /**
     * when the challenger was withdrawn while the experiment went on; null: it was not
     */
    dropped_at: string | null;
    /**
     * it is what the challengers are compared with
     */
    is_baseline: boolean;
    /**
     * name of the variant
     */
    name: string;
    /**
     * the version that answers its users
     */
    version: string;
};

/**
 * A decision with its rendered reason, as the API returns it.
 */
export type ListedDecision = {
    /**
     * what was decided
     */
    action: string;
    /**
     * when it began to be carried out; null before
     */
    claimed_at: string | null;
    /**
     * when it was requested
     */
    created_at: string;
    /**
     * when it was carried out, or failed; null before
     */
    done_at: string | null;
    /**
     * why it failed; empty when it did not
     */
    failure: Array<Reason>;
    /**
     * the decision
     */
    id: string;
    /**
     * what became of it; null before
     */
    outcome: string | null;
    /**
     * share, challenger, or what else the action needs
     */
    parameters: {
        [key: string]: unknown;
    };
    /**
     * `reasons` in English
     */
    reason: string;
    /**
     * why, as codes and values
     */
    reasons: Array<Reason>;
    /**
     * the key or the account that requested it, as in the audit trail
     */
    requested_by: string;
};

/**
 * An experiment in a list. A draft has no baseline: the champion at its start becomes the baseline.
 * `is_sample` marks an experiment with simulated data. `plan_faults` say why its plan is not valid.
 */
export type ListedExperiment = {
    /**
     * when it was drafted
     */
    created_at: string;
    /**
     * when it ended; null before
     */
    ended_at: string | null;
    /**
     * what it is to show
     */
    hypothesis: string;
    /**
     * the experiment
     */
    id: string;
    /**
     * its data are simulated
     */
    is_sample: boolean;
    /**
     * its name
     */
    name: string;
    /**
     * why its plan is not valid any more; empty: it is
     */
    plan_faults: Array<Reason>;
    /**
     * when it was started; null before
     */
    started_at: string | null;
    status: Status;
    /**
     * the arms: challengers, and once started the baseline
     */
    variants: Array<ListedArm>;
};

/**
 * A job without its payload. `available_at` is when it is tried next; while it runs, its lease's end.
 */
export type ListedJob = {
    /**
     * attempts that have begun
     */
    attempts: number;
    /**
     * when it is tried next; while it runs, when its worker loses it
     */
    available_at: string;
    /**
     * the batch of a message; null for other jobs
     */
    batch_id: string | null;
    /**
     * when it was requested
     */
    created_at: string;
    /**
     * when it ended; null before
     */
    done_at: string | null;
    /**
     * who cancelled or replayed it; null for a job that ended by itself
     */
    ended_by: string | null;
    /**
     * the failed attempts, the oldest first
     */
    errors: Array<FailedAttempt>;
    /**
     * the job
     */
    id: string;
    kind: Kind;
    /**
     * place of a message in its batch, from 0; null for other jobs
     */
    place: number | null;
    /**
     * the dead job that this one repeats; null for a first try
     */
    replayed_from: string | null;
    /**
     * the key or the account that requested it, as in the audit trail
     */
    requested_by: string;
    state: State;
    [key: string]: unknown;
};

/**
 * An API key in the list for its organisation, without the secret, which is not stored.
 */
export type ListedKey = {
    /**
     * it is in web pages: it may only rewrite and vote
     */
    browser: boolean;
    /**
     * when it was made
     */
    created_at: string;
    /**
     * the key's id, a part of the key itself
     */
    id: string;
    /**
     * your name for it
     */
    name: string;
    /**
     * of the pages that may use it; null: those of the organisation
     */
    origins: Array<string> | null;
    /**
     * it accepts signed requests only
     */
    requires_signatures: boolean;
    /**
     * since when it is refused; null while it is valid
     */
    revoked_at: string | null;
    /**
     * rewrites a day (UTC) that a key for web pages may ask for; null: no such quota
     */
    rewrites_a_day: number | null;
    /**
     * what it may do, one of `Role`
     */
    role: string;
};

/**
 * A metric, and whether it comes from the installation's own file.
 */
export type ListedMetric = {
    /**
     * which values are better
     */
    better: 'higher' | 'lower';
    /**
     * upper limit of a user's quantity
     */
    cap?: number | null;
    /**
     * the cap is this percentile of users before the start (`caps`)
     */
    cap_percentile?: number | null;
    /**
     * it comes from the installation's own file
     */
    is_own: boolean;
    /**
     * how it is computed
     */
    kind: 'proportion' | 'mean' | 'ratio' | 'quantile';
    /**
     * its name in plans
     */
    name: string;
    /**
     * the quantity, or an expression over quantities; of a ratio, the numerator
     */
    of?: string | null;
    /**
     * denominator of a ratio; null for other kinds
     */
    per?: string | null;
    /**
     * the quantile, 0 to 1; null for other kinds
     */
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
    /**
     * what can be measured
     */
    metrics: Array<ListedMetric>;
    /**
     * by what users can be divided
     */
    own_segments: Array<ListedSegment>;
};

/**
 * A secret in the list of a key, without the secret itself. Its id is the `keyid` of signatures.
 */
export type ListedRequestSecret = {
    /**
     * when it was made
     */
    created_at: string;
    /**
     * the `keyid` of signatures
     */
    id: string;
    /**
     * since when it is refused; null while it is valid
     */
    revoked_at: string | null;
};

/**
 * A rule that is stored.
 */
export type ListedRule = {
    /**
     * all must hold; one of each kind at most
     */
    conditions: Array<({
        kind: 'keyword';
    } & KeywordCondition) | ({
        kind: 'pattern';
    } & PatternCondition) | ({
        kind: 'tone';
    } & ToneCondition) | ({
        kind: 'channel';
    } & ChannelCondition) | ({
        kind: 'recipient';
    } & RecipientCondition) | ({
        kind: 'hours';
    } & HoursCondition)>;
    /**
     * when it was added
     */
    created_at: string;
    /**
     * who added it; for admins, and null for others
     */
    created_by: string | null;
    /**
     * false: kept, and proposes nothing
     */
    enabled?: boolean;
    /**
     * its id
     */
    id: string;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * what people read beside the proposal
     */
    name: string;
    /**
     * 1 is the first; of rules with the same priority a person's own comes first, then the older one
     */
    priority?: number;
    /**
     * whose rule: the organisation's, or the person's own
     */
    scope: Scope;
    transform_type: TransformType;
};

/**
 * A kind of segment of the installation's own file, and the expression that gives a user's segment.
 */
export type ListedSegment = {
    /**
     * gives a user's segment
     */
    expression: string;
    /**
     * its name
     */
    name: string;
};

/**
 * An open session, in the list for its person.
 */
export type ListedSession = {
    /**
     * the device, as the client described it at sign-in; null: it did not
     */
    device: string | null;
    /**
     * the session
     */
    id: string;
    /**
     * it is the session of this request
     */
    is_current: boolean;
    /**
     * when its tokens were last renewed: in use, every ten minutes at least
     */
    last_used_at: string;
    /**
     * when the person signed in
     */
    signed_in_at: string;
};

/**
 * A signing key in the list for its organisation, without the key.
 */
export type ListedSigningKey = {
    /**
     * how it signs
     */
    algorithm: 'HS256' | 'EdDSA';
    /**
     * when it was added
     */
    created_at: string;
    /**
     * its id, in the tokens that it signs
     */
    kid: string;
    /**
     * when it was revoked; null while it is in force
     */
    revoked_at: string | null;
    /**
     * the role of every token that it signs
     */
    role: string;
};

/**
 * A new account.
 */
export type MadeAccount = {
    /**
     * the account
     */
    id: string;
};

/**
 * A new inbound webhook. No other response has its secret.
 */
export type MadeInboundWebhook = {
    /**
     * the inbound webhook
     */
    id: string;
    /**
     * where the tool sends its requests, at the address of the process `channels`
     */
    path: string;
    /**
     * the new secret; null if you gave it. No other response has it
     */
    secret: string | null;
};

/**
 * A new API key. No other response has it.
 */
export type MadeKey = {
    /**
     * the key's id
     */
    id: string;
    /**
     * the key, for the header `X-API-Key`
     */
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
    /**
     * what signs requests
     */
    secret: string;
};

/**
 * A new webhook. No other response has its secret.
 */
export type MadeWebhook = {
    /**
     * the webhook
     */
    id: string;
    /**
     * `whsec_...`, with which libraries of Standard Webhooks verify
     */
    secret: string;
};

/**
 * How long it takes to exclude a loss of a metric's margin, if both versions are equally good.
 */
export type MarginOutlook = {
    /**
     * days until then, with the plan's power; null: more than two years
     */
    days: number | null;
    /**
     * how much users differ is not known: the worst case is assumed
     */
    is_assumed: boolean;
    /**
     * loss that must be excluded, in the metric's unit
     */
    margin: number;
    /**
     * smallest loss that can be excluded within the plan's maximum_days; null: none
     */
    smallest: number | null;
};

/**
 * Words of the message.
 */
export type MatchedWords = {
    /**
     * where they end, exclusive, in characters
     */
    end: number;
    /**
     * where they start, in characters (code points)
     */
    start: number;
    /**
     * the words
     */
    text: string;
};

/**
 * The caller, and their role.
 */
export type Me = {
    /**
     * your name in the audit trail
     */
    name: string;
    /**
     * name of your organisation
     */
    organisation: string;
    /**
     * your organisation
     */
    organisation_id: string;
    /**
     * what you may do, one of `Role`
     */
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
 * What a message does to its reader. `docs/analysis.md` says how often it is right.
 */
export type MessageAnalysis = {
    /**
     * whether an outsider understands it at once; null without a language
     */
    clarity: ReadLevel | null;
    /**
     * how openly it says what is wanted; null without a language
     */
    directness: ReadLevel | null;
    /**
     * words that do something to the reader, by their places
     */
    findings: Array<FoundWords>;
    /**
     * of the message; null: neither, or too short to tell, so nothing is found
     */
    language: 'en' | 'ja' | null;
    /**
     * how soon somebody has to act; null without a language
     */
    priority: ReadLevel | null;
    /**
     * rewrites that would help, the likeliest first, three at most; none: send it as it is
     */
    suggestions: Array<HelpfulRewrite>;
    /**
     * how harsh or warm it is; null without a language
     */
    tone: ReadLevel | null;
};

/**
 * A message that is about to be sent. None of it is stored.
 */
export type MessageToMatch = {
    /**
     * where the message is going, in your own words; conditions on the channel compare it
     */
    channel?: string | null;
    /**
     * to whom the message is going, in your own words; conditions on the recipient compare it
     */
    recipient?: string | null;
    /**
     * when; now, if it is not given
     */
    sent_at?: string | null;
    /**
     * the message, at most 8,000 characters
     */
    text: string;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * Messages to rewrite later, each for itself.
 */
export type Messages = {
    /**
     * the messages
     */
    items: Array<TransformRequest>;
};

/**
 * A transform type at an intensity.
 */
export type Model = {
    /**
     * since when it has this name, in seconds since 1970
     */
    created?: number;
    /**
     * name of the model
     */
    id: string;
    /**
     * what this is
     */
    object?: 'model';
    /**
     * always `tonebridge`
     */
    owned_by?: string;
};

/**
 * All models, by type and intensity.
 */
export type Models = {
    /**
     * the 28 models
     */
    data: Array<Model>;
    /**
     * what this is
     */
    object?: 'list';
};

/**
 * A person who may sign in.
 */
export type NewAccount = {
    /**
     * the address to sign in with
     */
    email: string;
    /**
     * the person's name
     */
    name?: string;
    /**
     * a new password, of 12 to 200 characters
     */
    password: string;
    /**
     * what the person may do: at most what you may
     */
    role?: Role;
};

/**
 * What a person says about the app.
 */
export type NewAppFeedback = {
    /**
     * what it is about
     */
    about: About;
    /**
     * in the person's words, at most 2,000 characters; nothing else is stored with it
     */
    comment: string;
    /**
     * whether the admins see who wrote it, and may answer
     */
    may_answer?: boolean;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
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
 * A term to add to a dictionary.
 */
export type NewDictionaryTerm = {
    /**
     * `keep`: never change the term; `explain`: explain it by the wording where terms are explained; `replace`: say the wording instead
     */
    rule: TermRule;
    /**
     * whose dictionary: the organisation's, or the person's own
     */
    scope: Scope;
    /**
     * the term, found in its regular plural, too; with a capital as written, else in any case
     */
    term: string;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
    /**
     * of `explain`: the explanation; of `replace`: what is said instead; of `keep`: empty
     */
    wording?: string;
};

/**
 * A person's request to be forgotten.
 */
export type NewErasure = {
    /**
     * always `everything`, so that no request erases by accident
     */
    erase: 'everything';
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * An experiment to draft: versions against the champion at the time of its start.
 */
export type NewExperiment = {
    /**
     * the versions to test
     */
    challengers: Array<string>;
    /**
     * what it is to show
     */
    hypothesis: string;
    /**
     * its name
     */
    name: string;
    /**
     * fields that differ from configs/experiment.yaml
     */
    plan?: {
        [key: string]: JsonValue;
    };
    /**
     * the messages that it is about
     */
    target?: NewTarget;
};

/**
 * The votes to export: those from `since` on and before `until`; all without them.
 */
export type NewExport = {
    /**
     * votes from this time on; null: from the first
     */
    since?: string | null;
    /**
     * votes before this time; null: to the last
     */
    until?: string | null;
};

/**
 * The new secret of an inbound webhook. The former one is accepted, too, for a day.
 */
export type NewInboundSecret = {
    /**
     * the new secret; null if you gave it. No other response has it
     */
    secret: string | null;
};

/**
 * Where another tool sends messages, and where the rewrites go.
 */
export type NewInboundWebhook = {
    /**
     * whether a message that stays as it is is sent, too
     */
    delivers_unchanged?: boolean;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * your name for it
     */
    name: string;
    /**
     * what is sent: `text` is `{"text": rewrite}`, which incoming webhooks of chat platforms take; `answer` is the answer of `POST /api/v1/transform` without its receipt
     */
    reply_form?: ReplyForm;
    /**
     * where rewrites are sent: `https://...`, public; redirects are not followed
     */
    reply_url: string;
    /**
     * the secret, if the tool makes it; without it a random one is made
     */
    secret?: string | null;
    /**
     * where the message is in the tool's JSON: a JSON Pointer (RFC 6901)
     */
    text_pointer?: string;
    /**
     * how messages are rewritten
     */
    transform_type: TransformType;
    /**
     * how requests are verified: `standard` (Standard Webhooks), `hub` (X-Hub-Signature-256), or `token` for tools that cannot sign: the secret as a bearer token, in X-Gitlab-Token, or in the field `token` of the body
     */
    verification: Verification;
};

/**
 * An API key to make.
 */
export type NewKey = {
    /**
     * it will be in a web page, where everybody reads it: it may only rewrite and vote, from pages of its origins, and its role is member (docs/browsers.md)
     */
    browser?: boolean;
    /**
     * your name for it
     */
    name: string;
    /**
     * of the web pages that may use it; empty: none; without: those of the organisation
     */
    origins?: Array<string> | null;
    /**
     * the quota of a key for web pages; 1,000 without. Keys for programs have none
     */
    rewrites_a_day?: number | null;
    /**
     * what it may do: at most what you may
     */
    role?: Role;
};

/**
 * The pages that may use a key.
 */
export type NewKeyOrigins = {
    /**
     * a list of the key's own; empty: no page; null: the list of the organisation
     */
    origins: Array<string> | null;
};

/**
 * The current password, and the new one.
 */
export type NewPasswords = {
    /**
     * a new password, of 12 to 200 characters
     */
    new_password: string;
    /**
     * the present password
     */
    password: string;
};

/**
 * All preferences of a person: those that are left out are removed.
 */
export type NewPreferences = {
    /**
     * of a new rewrite, 0 to 3
     */
    intensity?: number | null;
    /**
     * of pages and messages to the person
     */
    language?: 'en' | 'ja' | null;
    /**
     * whether the person has closed the tour that the web app shows to new people
     */
    tour_closed?: boolean | null;
    /**
     * of a new rewrite
     */
    transform_type?: TransformType | null;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * Another role for a person.
 */
export type NewRole = {
    /**
     * what the person may do: at most what you may
     */
    role: Role;
};

/**
 * A rule to add.
 */
export type NewRule = {
    /**
     * all must hold; one of each kind at most
     */
    conditions: Array<({
        kind: 'keyword';
    } & KeywordCondition) | ({
        kind: 'pattern';
    } & PatternCondition) | ({
        kind: 'tone';
    } & ToneCondition) | ({
        kind: 'channel';
    } & ChannelCondition) | ({
        kind: 'recipient';
    } & RecipientCondition) | ({
        kind: 'hours';
    } & HoursCondition)>;
    /**
     * false: kept, and proposes nothing
     */
    enabled?: boolean;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * what people read beside the proposal
     */
    name: string;
    /**
     * 1 is the first; of rules with the same priority a person's own comes first, then the older one
     */
    priority?: number;
    /**
     * whose rule: the organisation's, or the person's own
     */
    scope: Scope;
    transform_type: TransformType;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * The share of users to put into the experiment.
 */
export type NewShare = {
    /**
     * why, for the audit trail
     */
    reason?: string | null;
    /**
     * share of the users, up to 1; at least what it is now
     */
    share: number;
};

/**
 * A key to sign tokens with. A `kid` is your own, and stays taken when its key is revoked.
 */
export type NewSigningKey = {
    /**
     * how tokens are signed
     */
    algorithm: 'HS256' | 'EdDSA';
    /**
     * base64url: the secret of HS256 (`k` of its JWK), at least 32 bytes; or the Ed25519 public key of EdDSA (`x` of its JWK)
     */
    key: string;
    /**
     * your name for the signing key
     */
    kid: string;
    /**
     * what its tokens may do: at most what you may
     */
    role?: Role;
};

/**
 * The messages of an experiment: those that match every field with values; all, if no field has any.
 */
export type NewTarget = {
    /**
     * where messages are sent; empty: anywhere
     */
    channels?: Array<string>;
    /**
     * language tags: `ja` matches `ja-JP`, too; empty: all
     */
    locales?: Array<string>;
    /**
     * organisations; empty: all
     */
    organisations?: Array<string>;
    /**
     * purposes; empty: all
     */
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
    /**
     * your words for it
     */
    description?: string;
    /**
     * the events to send; `webhook.test` comes without being named
     */
    events: Array<EventType>;
    /**
     * `https://...`, public; redirects are not followed
     */
    url: string;
};

/**
 * The new secret of a webhook. The former one signs, too, for a day.
 */
export type NewWebhookSecret = {
    /**
     * `whsec_...`, with which libraries of Standard Webhooks verify
     */
    secret: string;
};

/**
 * Two rewrites in random order, and their message. Vote with the receipt.
 */
export type NextComparison = {
    /**
     * the comparison
     */
    comparison_id: string;
    first: Side;
    /**
     * how far the rewrites go, 0 to 3
     */
    intensity: number;
    /**
     * the message that was rewritten
     */
    message: string;
    /**
     * where the two outputs come from
     */
    policy: 'two_samples' | 'champion_against_challenger' | 'between_challengers';
    /**
     * the signed token that takes feedback
     */
    receipt: string;
    second: Side;
    transform_type: TransformType;
};

/**
 * No data.
 */
export type Nothing = {
    [key: string]: unknown;
};

/**
 * The one format of an answer.
 */
export type OnlyText = {
    /**
     * a plain text
     */
    type: 'text';
};

/**
 * The reason, which may be left out.
 */
export type OptionalReason = {
    /**
     * why, for the audit trail
     */
    reason?: string | null;
};

/**
 * The pages that may use the organisation's tokens, and its keys without a list of their own.
 */
export type Origins = {
    /**
     * at most 50; empty: pages cannot use them
     */
    origins: Array<string>;
};

/**
 * What a plan can show.
 */
export type Outlook = {
    /**
     * days until then, with ramp, window and minimum_days; null: more than two years, or not known
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
     * of the primary metric and the guardrails, by the metric's name
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
     * users whose windows close within the plan's maximum_days; null: not known how many come
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
    /**
     * what the plan cannot do, or does badly
     */
    warnings: Array<Reason>;
};

/**
 * What a person has said about a rewrite: their newest vote of each kind, null where there is none.
 */
export type OwnFeedback = {
    /**
     * a comment in words
     */
    comment: string | null;
    /**
     * the whole text as it should be
     */
    edit: string | null;
    /**
     * stars, 1 to 5: 1 is the worst, 5 the best
     */
    rating: number | null;
    /**
     * true: thumb up; false: thumb down
     */
    thumb_up: boolean | null;
};

/**
 * The message has a place that a regular expression (RE2) matches.
 */
export type PatternCondition = {
    /**
     * whether capitals make no difference
     */
    ignores_case?: boolean;
    /**
     * what the condition is about
     */
    kind: 'pattern';
    /**
     * in RE2's syntax, without look-around and back-references; `\b` and `\w` are ASCII
     */
    pattern: string;
};

/**
 * What a person prefers; null: no preference.
 */
export type Preferences = {
    /**
     * of a new rewrite, 0 to 3
     */
    intensity?: number | null;
    /**
     * of pages and messages to the person
     */
    language?: 'en' | 'ja' | null;
    /**
     * whether the person has closed the tour that the web app shows to new people
     */
    tour_closed?: boolean | null;
    /**
     * of a new rewrite
     */
    transform_type?: TransformType | null;
};

/**
 * Why a request was refused (RFC 9457). `reasons` has the codes and values of `detail`.
 */
export type Problem = {
    /**
     * what is wrong, and what to do, in English
     */
    detail: string;
    /**
     * of a request that is not valid, by field
     */
    errors?: Array<InvalidField>;
    /**
     * the codes and values of `detail`, for programs
     */
    reasons: Array<Reason>;
    /**
     * the status of the response
     */
    status: number;
    /**
     * the kind of problem, in English
     */
    title: string;
    /**
     * always `about:blank`
     */
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
    /**
     * comparisons that the person skipped
     */
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
 * What the first rule that fires proposes. `POST /api/v1/transform` takes its type and intensity.
 */
export type Proposal = {
    /**
     * why it fires: each condition, and by which words
     */
    because: Array<ConditionMet>;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * its name
     */
    name: string;
    /**
     * the rule
     */
    rule_id: string;
    /**
     * whose rule: the organisation's, or the person's own
     */
    scope: Scope;
    transform_type: TransformType;
};

/**
 * 80 % of the month's answers are used, or all.
 */
export type QuotaNear = {
    data: UsedQuota;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'quota.near';
    [key: string]: unknown;
};

/**
 * One to five stars.
 */
export type Rating = {
    /**
     * the kind of vote
     */
    kind: 'rating';
    /**
     * the receipt that came with the answer
     */
    receipt: string;
    /**
     * 1 is the worst, 5 the best
     */
    stars: number;
};

/**
 * How an aspect of the message is likely to be read.
 */
export type ReadLevel = {
    /**
     * the findings that show it, by their indices in `findings`
     */
    because: Array<number>;
    /**
     * why, in a sentence: Japanese if `locale` is, otherwise English
     */
    explanation: string;
    /**
     * the level. Of the tone: `harsh`, `curt`, `neutral`, `warm`; of the directness: `direct`, `softened`, `hidden`, `none`; of the clarity: `clear`, `hard`; of the priority: `urgent`, `normal`, `low`, `none`
     */
    level: string;
    /**
     * the probability of each level that a reader says so
     */
    probabilities: {
        [key: string]: number;
    };
    /**
     * why, as a code and values, which render in the reader's language
     */
    reason: Reason;
};

/**
 * Whether this gateway can answer, and by which epoch.
 */
export type Ready = {
    /**
     * the epoch, or why it is not ready
     */
    detail: string;
    /**
     * a load balancer may send requests here
     */
    ready: boolean;
};

/**
 * One reason. A code that the catalogue lacks, as of a newer release, renders as code and values.
 */
export type Reason = {
    /**
     * code in the catalogue
     */
    code: string;
    /**
     * what the sentence is about, by name
     */
    values?: {
        [key: string]: number | number | string | Array<string>;
    };
};

/**
 * The message is for one of these people.
 */
export type RecipientCondition = {
    /**
     * what the condition is about
     */
    kind: 'recipient';
    /**
     * or begins with one of these, in any case
     */
    prefixes?: Array<string>;
    /**
     * exactly one of these, in any case
     */
    values?: Array<string>;
};

/**
 * A change of a rule.
 */
export type RecordedRuleChange = {
    /**
     * when
     */
    changed_at: string;
    /**
     * who changed it; empty, if that person was erased
     */
    changed_by: string;
    /**
     * the rule before; null: it was added
     */
    former: Rule | null;
    /**
     * the id of the change
     */
    id: string;
    /**
     * the rule since then; null: it was deleted
     */
    present: Rule | null;
    /**
     * the rule, which may be deleted
     */
    rule_id: string;
};

/**
 * A data set that may not be trained on.
 */
export type RefusedSnapshot = {
    /**
     * what it contains, by kind
     */
    counts: {
        [key: string]: unknown;
    };
    /**
     * `reasons` in English
     */
    reason: string;
    /**
     * why, as codes and values
     */
    reasons: Array<Reason>;
    /**
     * digest of the snapshot
     */
    snapshot: string;
    [key: string]: unknown;
};

/**
 * A version that the gate refused.
 */
export type RefusedVersion = {
    /**
     * how it was trained
     */
    method: string;
    /**
     * `reasons` in English
     */
    reason: string;
    /**
     * why, as codes and values
     */
    reasons: Array<Reason>;
    /**
     * the version
     */
    version: string;
    [key: string]: unknown;
};

/**
 * The version that answers by default from now on.
 */
export type Released = {
    /**
     * the epoch that begins with it
     */
    epoch: number;
    /**
     * `reasons` in English
     */
    reason: string;
    /**
     * why, as codes and values
     */
    reasons: Array<Reason>;
    /**
     * the version before; null: the first
     */
    replaced: string | null;
    /**
     * the new champion
     */
    version: string;
    [key: string]: unknown;
};

/**
 * Which dead jobs to try again: all of a kind.
 */
export type Replay = {
    /**
     * the kind of the jobs
     */
    kind: Kind;
};

/**
 * The new jobs that repeat the dead ones.
 */
export type Replayed = {
    /**
     * the new jobs, in the order of the dead ones
     */
    jobs: Array<string>;
};

/**
 * What is delivered.
 */
export type ReplyForm = 'text' | 'answer';

/**
 * The reason, for the audit trail.
 */
export type RequiredReason = {
    /**
     * why
     */
    reason: string;
};

/**
 * What a person or a key may do. Each role includes the roles before it.
 */
export type Role = 'member' | 'viewer' | 'experimenter' | 'admin' | 'owner';

/**
 * A rule: its conditions, and the rewrite that it proposes.
 */
export type Rule = {
    /**
     * all must hold; one of each kind at most
     */
    conditions: Array<({
        kind: 'keyword';
    } & KeywordCondition) | ({
        kind: 'pattern';
    } & PatternCondition) | ({
        kind: 'tone';
    } & ToneCondition) | ({
        kind: 'channel';
    } & ChannelCondition) | ({
        kind: 'recipient';
    } & RecipientCondition) | ({
        kind: 'hours';
    } & HoursCondition)>;
    /**
     * false: kept, and proposes nothing
     */
    enabled?: boolean;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * what people read beside the proposal
     */
    name: string;
    /**
     * 1 is the first; of rules with the same priority a person's own comes first, then the older one
     */
    priority?: number;
    transform_type: TransformType;
};

/**
 * What to change in a rule; omitted fields stay as they are.
 */
export type RuleChanges = {
    /**
     * conditions in place of all of its present ones
     */
    conditions?: Array<({
        kind: 'keyword';
    } & KeywordCondition) | ({
        kind: 'pattern';
    } & PatternCondition) | ({
        kind: 'tone';
    } & ToneCondition) | ({
        kind: 'channel';
    } & ChannelCondition) | ({
        kind: 'recipient';
    } & RecipientCondition) | ({
        kind: 'hours';
    } & HoursCondition)> | null;
    /**
     * on or off
     */
    enabled?: boolean | null;
    /**
     * another intensity
     */
    intensity?: number | null;
    /**
     * another name
     */
    name?: string | null;
    /**
     * another priority
     */
    priority?: number | null;
    /**
     * another kind of rewrite
     */
    transform_type?: TransformType | null;
    /**
     * your name for the person; a token leaves it out
     */
    user_id?: string | null;
};

/**
 * The first rule that fires for a message.
 */
export type RuleMatch = {
    /**
     * what it proposes; null: no rule fires
     */
    proposal: Proposal | null;
};

/**
 * Whose: a person's own, or the organisation's.
 */
export type Scope = 'own' | 'organisation';

/**
 * An answer that a person got. It has no receipt, since whoever has one can vote for the person.
 */
export type SentAnswer = {
    /**
     * the answer
     */
    answer_id: string;
    /**
     * l1: from the gateway's memory, l2: from Redis, miss: written now
     */
    cache: 'l1' | 'l2' | 'miss';
    /**
     * channel of the request
     */
    channel: string | null;
    /**
     * the epoch of the routing
     */
    epoch: number;
    /**
     * the experiment; null: outside of one
     */
    experiment_id: string | null;
    /**
     * your name for the person; null: no request has named one
     */
    external_id: string | null;
    /**
     * names, numbers, dates and other facts of the message that the text lacks
     */
    facts_missing: Array<string>;
    /**
     * the champion answered, because the arm could not
     */
    fallback: boolean;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * the key whose name for the person this is; null for a token's
     */
    key_id: string | null;
    /**
     * language tag of the request
     */
    locale: string | null;
    /**
     * the message that was rewritten
     */
    message: string;
    /**
     * the stored text; answers from a cache share one
     */
    output_id: string;
    transform_type: TransformType;
    /**
     * the rewrite
     */
    transformed_text: string;
    /**
     * why the text is the message itself; null when the model wrote it
     */
    unchanged: Unchanged | null;
    /**
     * the person
     */
    user_id: string;
    /**
     * the arm of an experiment, or `champion` outside of one
     */
    variant: string;
    /**
     * the version that wrote the text
     */
    version: string;
    [key: string]: unknown;
};

/**
 * A vote as it is when the event is sent.
 */
export type SentVote = {
    /**
     * the comparison
     */
    comparison_id: string | null;
    /**
     * when the person first voted
     */
    created_at: string;
    /**
     * the epoch of the answer
     */
    epoch: number | null;
    /**
     * the experiment; null: outside of one
     */
    experiment_id: string | null;
    /**
     * your name for the person; null: no request has named one
     */
    external_id: string | null;
    /**
     * 0 barely touches the message, 3 is strongest
     */
    intensity: number;
    /**
     * the key whose name for the person this is; null for a token's
     */
    key_id: string | null;
    /**
     * the kind of vote
     */
    kind: 'thumb' | 'rating' | 'edit' | 'comparison' | 'comment';
    /**
     * the message that was rewritten
     */
    message: string;
    /**
     * the text that the vote is on
     */
    output_id: string;
    /**
     * the better text of a comparison; null: neither
     */
    preferred_output_id: string | null;
    /**
     * stars of a rating
     */
    rating: number | null;
    /**
     * why, in a comparison
     */
    reason: string | null;
    /**
     * text of an edit or a comment
     */
    text: string | null;
    /**
     * of a thumb
     */
    thumb_up: boolean | null;
    transform_type: TransformType;
    /**
     * the rewrite
     */
    transformed_text: string;
    /**
     * when the person last changed the vote
     */
    updated_at: string;
    /**
     * the person
     */
    user_id: string;
    /**
     * the arm of the answer
     */
    variant: string | null;
    /**
     * the version that wrote the text
     */
    version: string;
    /**
     * the vote
     */
    vote_id: string;
    [key: string]: unknown;
};

/**
 * The challenger to ship, which may be left out when there is only one, and the reason.
 */
export type ShippedChallenger = {
    /**
     * the challenger to ship; null: the only one
     */
    challenger?: string | null;
    /**
     * why
     */
    reason: string;
};

/**
 * An answer that a person got, with its message and what the person said about it. Its receipt takes a
 * vote, as the one that came with the answer.
 */
export type ShownAnswer = {
    /**
     * the answer
     */
    answer_id: string;
    /**
     * l1: from the gateway's memory, l2: from Redis, miss: written now
     */
    cache: 'l1' | 'l2' | 'miss';
    /**
     * when the person got it
     */
    created_at: string;
    /**
     * names, numbers, dates and other facts of the message that the text lacks
     */
    facts_missing: Array<string>;
    /**
     * the champion answered, because the arm could not
     */
    fallback: boolean;
    /**
     * what the person has said about the rewrite, in whichever answer they got it; null: nothing
     */
    feedback: OwnFeedback | null;
    /**
     * how far, 0 to 3
     */
    intensity: number;
    /**
     * what was rewritten
     */
    message: string;
    /**
     * the signed token that takes feedback
     */
    receipt: string;
    /**
     * how
     */
    transform_type: TransformType;
    /**
     * the rewrite
     */
    transformed_text: string;
    /**
     * why the text is the message itself; null when the model wrote it
     */
    unchanged: Unchanged | null;
    /**
     * the arm of an experiment, or `champion` outside of one
     */
    variant: string;
    /**
     * the version that wrote the text
     */
    version: string;
};

/**
 * One of the two outputs of a comparison.
 */
export type Side = {
    /**
     * names, numbers, dates and other facts of the message that the text lacks
     */
    facts_missing: Array<string>;
    /**
     * the rewrite
     */
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
    /**
     * true: unsigned requests are refused; the key needs a secret
     */
    required: boolean;
};

/**
 * A data set may not be trained on.
 */
export type SnapshotRefused = {
    data: RefusedSnapshot;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'snapshot.refused';
    [key: string]: unknown;
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
    /**
     * the decision, in `decisions` of the experiment
     */
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
    /**
     * the message, at most 8,000 characters
     */
    text: string;
    transform_type: TransformType;
    /**
     * your name for the person, scoped to your key
     */
    user_id?: string | null;
};

/**
 * What rewrites do with a term of a dictionary.
 */
export type TermRule = 'keep' | 'explain' | 'replace';

/**
 * The decisions of an organisation.
 */
export type Terms = {
    /**
     * your people's feedback may train other organisations' models
     */
    trains_across: boolean;
    /**
     * people who have not chosen are taken to consent
     */
    trains_by_default: boolean;
};

/**
 * Thumb up or down.
 */
export type Thumb = {
    /**
     * the kind of vote
     */
    kind: 'thumb';
    /**
     * the receipt that came with the answer
     */
    receipt: string;
    /**
     * true: thumb up; false: thumb down
     */
    up: boolean;
};

/**
 * The newest refresh token of a session.
 */
export type ToRefresh = {
    /**
     * the newest refresh token of the session
     */
    refresh_token: string;
};

/**
 * A token that must not be accepted any more.
 */
export type TokenToRevoke = {
    /**
     * the token
     */
    token: string;
};

/**
 * The tokens of a session (RFC 6749, 5.1). A refresh token is used once: the next one comes with the next
 * access token.
 */
export type Tokens = {
    /**
     * a JWT for the header `Authorization: Bearer`
     */
    access_token: string;
    /**
     * seconds until the access token expires
     */
    expires_in?: number;
    /**
     * the newest refresh token of the session
     */
    refresh_token: string;
    /**
     * how it is sent
     */
    token_type?: 'Bearer';
};

/**
 * The message is likely to be read as harsh: the analysis gives that level a greater probability.
 */
export type ToneCondition = {
    /**
     * the probability of `harsh`, as `POST /api/v1/analyze` says it; never holds for a message in another language than English and Japanese
     */
    harsh_above: number;
    /**
     * what the condition is about
     */
    kind: 'tone';
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
    /**
     * the message, at most 8,000 characters
     */
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
    /**
     * code in the catalogue
     */
    code: string;
    /**
     * the reason in English
     */
    text: string;
    /**
     * what the sentence is about, by name
     */
    values: {
        [key: string]: number | number | string | Array<string>;
    };
};

/**
 * The tokens that a model read and wrote for this request: zero for a text that was written before.
 */
export type Usage = {
    /**
     * tokens that a model wrote
     */
    completion_tokens: number;
    /**
     * tokens that a model read
     */
    prompt_tokens: number;
    /**
     * the sum of both
     */
    total_tokens: number;
};

/**
 * How much of the month's answers is used.
 */
export type UsedQuota = {
    /**
     * answers in this month
     */
    answers: number;
    /**
     * year and month in UTC
     */
    month: string;
    /**
     * answers that the plan allows in a month
     */
    quota: number;
    /**
     * the share that is reached, 0.8 or 1
     */
    share: number;
    [key: string]: unknown;
};

/**
 * How a request shows that it is genuine.
 */
export type Verification = 'standard' | 'hub' | 'token';

/**
 * The gate refused a version.
 */
export type VersionRefused = {
    data: RefusedVersion;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'version.refused';
    [key: string]: unknown;
};

/**
 * A version answers by default from now on.
 */
export type VersionReleased = {
    data: Released;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'version.released';
    [key: string]: unknown;
};

/**
 * The message to compare rewrites of: your own, or if you leave it out, a shipped one.
 */
export type WantedComparison = {
    /**
     * with a message of your own: how far the rewrites go, 0 to 3
     */
    intensity?: number | null;
    /**
     * your message; null: a shipped one
     */
    text?: string | null;
    /**
     * with a message of your own: the purpose of the rewrites
     */
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
    /**
     * when it was made
     */
    created_at: string;
    /**
     * the key or the account that requested it, as in the audit trail
     */
    created_by: string;
    /**
     * your words for it
     */
    description: string;
    /**
     * since when nothing is sent; null: it is enabled
     */
    disabled_at: string | null;
    /**
     * `disabled_reason` in English
     */
    disabled_because: string | null;
    /**
     * why it was disabled by itself; null when a person did it
     */
    disabled_reason: Reason | null;
    /**
     * the events that are sent
     */
    events: Array<EventType>;
    /**
     * when the first of the newest failed attempts was; null: the newest one arrived
     */
    failing_since: string | null;
    /**
     * failed attempts since the last that arrived
     */
    failures: number;
    /**
     * until when the former secret signs, too; null when it does not
     */
    former_secret_until: string | null;
    /**
     * the webhook
     */
    id: string;
    /**
     * events that were not sent, as too many deliveries waited
     */
    skipped: number;
    /**
     * where events are sent
     */
    url: string;
    /**
     * deliveries that are not sent yet
     */
    waiting: number;
};

/**
 * What to change. `enabled: false` stops the deliveries; `true` starts them again.
 */
export type WebhookChanges = {
    /**
     * other words for it
     */
    description?: string | null;
    /**
     * whether events are sent
     */
    enabled?: boolean | null;
    /**
     * other events
     */
    events?: Array<EventType> | null;
    /**
     * another address
     */
    url?: string | null;
};

/**
 * Another webhook of yours was disabled by itself.
 */
export type WebhookDisabled = {
    data: DisabledWebhook;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'webhook.disabled';
    [key: string]: unknown;
};

/**
 * Somebody asked for it.
 */
export type WebhookTest = {
    data: Nothing;
    /**
     * when it happened
     */
    timestamp: string;
    /**
     * the type of the event
     */
    type: 'webhook.test';
    [key: string]: unknown;
};

/**
 * An experiment, the share of users who are in it now (0 to 1), and its decisions, the newest first.
 */
export type WholeExperiment = {
    /**
     * when it was drafted
     */
    created_at: string;
    /**
     * its decisions, the newest first
     */
    decisions: Array<ListedDecision>;
    /**
     * when it ended; null before
     */
    ended_at: string | null;
    /**
     * what it is to show
     */
    hypothesis: string;
    /**
     * the experiment
     */
    id: string;
    /**
     * its data are simulated
     */
    is_sample: boolean;
    /**
     * its name
     */
    name: string;
    /**
     * the whole plan (configs/experiment.yaml), frozen when it was drafted
     */
    plan: {
        [key: string]: unknown;
    };
    /**
     * why its plan is not valid any more; empty: it is
     */
    plan_faults: Array<Reason>;
    /**
     * share of the users who are in it now, 0 to 1
     */
    share: number;
    /**
     * when it was started; null before
     */
    started_at: string | null;
    status: Status;
    /**
     * the messages that it is about, as in `NewTarget`
     */
    target: {
        [key: string]: unknown;
    };
    /**
     * the arms: challengers, and once started the baseline
     */
    variants: Array<ListedArm>;
};

export type ListAccountsData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * with these roles; with any without it
         */
        role?: Array<Role>;
        /**
         * a part of the address or the name, in upper or lower case
         */
        q?: string;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/accounts';
};

export type ListAccountsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListAccountsError = ListAccountsErrors[keyof ListAccountsErrors];

export type ListAccountsResponses = {
    /**
     * Done
     */
    200: Array<ListedAccount>;
};

export type ListAccountsResponse = ListAccountsResponses[keyof ListAccountsResponses];

export type RemoveAccountData = {
    body?: never;
    path: {
        /**
         * the account
         */
        account_id: string;
    };
    query?: never;
    url: '/api/v1/accounts/{account_id}';
};

export type RemoveAccountErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no account has this id, among those that you may change or remove
     */
    404: Problem;
    /**
     * Not as things stand: this account is the only owner of the organisation; make another account an owner first
     */
    409: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RemoveAccountError = RemoveAccountErrors[keyof RemoveAccountErrors];

export type RemoveAccountResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type RemoveAccountResponse = RemoveAccountResponses[keyof RemoveAccountResponses];

export type ChangeRoleData = {
    body: NewRole;
    path: {
        /**
         * the account
         */
        account_id: string;
    };
    query?: never;
    url: '/api/v1/accounts/{account_id}';
};

export type ChangeRoleErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no account has this id, among those that you may change or remove
     */
    404: Problem;
    /**
     * Not as things stand: this account is the only owner of the organisation; make another account an owner first
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ChangeRoleError = ChangeRoleErrors[keyof ChangeRoleErrors];

export type ChangeRoleResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type ChangeRoleResponse = ChangeRoleResponses[keyof ChangeRoleResponses];

export type AnalyzeData = {
    body: AnalyzeRequest;
    path?: never;
    query?: never;
    url: '/api/v1/analyze';
};

export type AnalyzeErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type AnalyzeError = AnalyzeErrors[keyof AnalyzeErrors];

export type AnalyzeResponses = {
    /**
     * Done
     */
    200: MessageAnalysis;
};

export type AnalyzeResponse = AnalyzeResponses[keyof AnalyzeResponses];

export type ListAnswersData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * of these types; of all without it
         */
        transform_type?: Array<TransformType>;
        /**
         * from this time on
         */
        since?: string | null;
        /**
         * before this time
         */
        until?: string | null;
        /**
         * a part of the message or of the rewrite, in any case and without wildcards
         */
        q?: string | null;
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/answers';
};

export type ListAnswersErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListAnswersError = ListAnswersErrors[keyof ListAnswersErrors];

export type ListAnswersResponses = {
    /**
     * Done
     */
    200: Array<ShownAnswer>;
};

export type ListAnswersResponse = ListAnswersResponses[keyof ListAnswersResponses];

export type DeleteAnswerData = {
    body?: never;
    path: {
        /**
         * the id of the answer
         */
        answer_id: string;
    };
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/answers/{answer_id}';
};

export type DeleteAnswerErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: this person has no answer with this id; the newest ones are stored within a second
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteAnswerError = DeleteAnswerErrors[keyof DeleteAnswerErrors];

export type DeleteAnswerResponses = {
    /**
     * Accepted: it is done later
     */
    202: unknown;
};

export type GetAnswerData = {
    body?: never;
    path: {
        /**
         * the id of the answer
         */
        answer_id: string;
    };
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/answers/{answer_id}';
};

export type GetAnswerErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: this person has no answer with this id; the newest ones are stored within a second
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetAnswerError = GetAnswerErrors[keyof GetAnswerErrors];

export type GetAnswerResponses = {
    /**
     * Done
     */
    200: ShownAnswer;
};

export type GetAnswerResponse = GetAnswerResponses[keyof GetAnswerResponses];

export type ListAppFeedbackData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/app-feedback';
};

export type ListAppFeedbackErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListAppFeedbackError = ListAppFeedbackErrors[keyof ListAppFeedbackErrors];

export type ListAppFeedbackResponses = {
    /**
     * Done
     */
    200: Array<AppFeedback>;
};

export type ListAppFeedbackResponse = ListAppFeedbackResponses[keyof ListAppFeedbackResponses];

export type GiveAppFeedbackData = {
    body: NewAppFeedback;
    path?: never;
    query?: never;
    url: '/api/v1/app-feedback';
};

export type GiveAppFeedbackErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * - Too many requests: the plan free has 5 requests a second and at most 20 at once
     * - Too many requests: a person may send one feedback on the app a minute, and 20 a day
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GiveAppFeedbackError = GiveAppFeedbackErrors[keyof GiveAppFeedbackErrors];

export type GiveAppFeedbackResponses = {
    /**
     * Made
     */
    201: AppFeedback;
};

export type GiveAppFeedbackResponse = GiveAppFeedbackResponses[keyof GiveAppFeedbackResponses];

export type DeleteAppFeedbackData = {
    body?: never;
    path: {
        /**
         * the id of a feedback on the app
         */
        feedback_id: string;
    };
    query?: never;
    url: '/api/v1/app-feedback/{feedback_id}';
};

export type DeleteAppFeedbackErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no feedback on the app with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteAppFeedbackError = DeleteAppFeedbackErrors[keyof DeleteAppFeedbackErrors];

export type DeleteAppFeedbackResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type DeleteAppFeedbackResponse = DeleteAppFeedbackResponses[keyof DeleteAppFeedbackResponses];

export type LoginData = {
    body: Credentials;
    path?: never;
    query?: never;
    url: '/api/v1/auth/login';
};

export type LoginErrors = {
    /**
     * Unknown credentials: there is no account with this address and password
     */
    401: Problem;
    /**
     * Not allowed: pages of https://evil.example cannot sign people in here, since any site could let its visitors guess passwords: sign in from your server, or sign tokens with a key of your organisation
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 16,384 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: this was tried too often; wait a little before the next try
     */
    429: Problem;
    /**
     * Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type LoginError = LoginErrors[keyof LoginErrors];

export type LoginResponses = {
    /**
     * Done
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
     * Unknown credentials: this is no refresh token; sign in again
     */
    401: Problem;
    /**
     * Not allowed: pages of https://evil.example cannot sign people in here, since any site could let its visitors guess passwords: sign in from your server, or sign tokens with a key of your organisation
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 16,384 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type LogoutError = LogoutErrors[keyof LogoutErrors];

export type LogoutResponses = {
    /**
     * Done; the response has no body
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetMeError = GetMeErrors[keyof GetMeErrors];

export type GetMeResponses = {
    /**
     * Done
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: a key or token has no password; sign in to change yours
     * - Not allowed: this is not your password
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 16,384 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ChangePasswordError = ChangePasswordErrors[keyof ChangePasswordErrors];

export type ChangePasswordResponses = {
    /**
     * Done; the response has no body
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
     * Unknown credentials: this refresh token was used before, or its session has ended; sign in again
     */
    401: Problem;
    /**
     * Not allowed: pages of https://evil.example cannot sign people in here, since any site could let its visitors guess passwords: sign in from your server, or sign tokens with a key of your organisation
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 16,384 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RefreshSessionError = RefreshSessionErrors[keyof RefreshSessionErrors];

export type RefreshSessionResponses = {
    /**
     * Done
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not as things stand: this address has an account already; sign in with it
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 16,384 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RegisterAccountError = RegisterAccountErrors[keyof RegisterAccountErrors];

export type RegisterAccountResponses = {
    /**
     * Made
     */
    201: MadeAccount;
};

export type RegisterAccountResponse = RegisterAccountResponses[keyof RegisterAccountResponses];

export type EndOtherSessionsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/auth/sessions';
};

export type EndOtherSessionsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a key or token has no sessions; sign in to see yours
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type EndOtherSessionsError = EndOtherSessionsErrors[keyof EndOtherSessionsErrors];

export type EndOtherSessionsResponses = {
    /**
     * Done
     */
    200: EndedSessions;
};

export type EndOtherSessionsResponse = EndOtherSessionsResponses[keyof EndOtherSessionsResponses];

export type ListSessionsData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/auth/sessions';
};

export type ListSessionsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a key or token has no sessions; sign in to see yours
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListSessionsError = ListSessionsErrors[keyof ListSessionsErrors];

export type ListSessionsResponses = {
    /**
     * Done
     */
    200: Array<ListedSession>;
};

export type ListSessionsResponse = ListSessionsResponses[keyof ListSessionsResponses];

export type EndSessionData = {
    body?: never;
    path: {
        /**
         * the session
         */
        session_id: string;
    };
    query?: never;
    url: '/api/v1/auth/sessions/{session_id}';
};

export type EndSessionErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a key or token has no sessions; sign in to see yours
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: you have no open session with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type EndSessionError = EndSessionErrors[keyof EndSessionErrors];

export type EndSessionResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type EndSessionResponse = EndSessionResponses[keyof EndSessionResponses];

export type TransformManyData = {
    body: BatchRequest;
    headers?: {
        /**
         * 1 to 200 characters of your choice, which make sending the same request again harmless, for a day
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/batch';
};

export type TransformManyErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Still being answered: the first request with this Idempotency-Key is still being answered
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type TransformManyError = TransformManyErrors[keyof TransformManyErrors];

export type TransformManyResponses = {
    /**
     * Done
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages and works only there: browsers name the page in the header Origin, and this request has none. Programs need another key
     */
    403: Problem;
    /**
     * No challenger: there is no challenger at the moment; use two_samples
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CompareError = CompareErrors[keyof CompareErrors];

export type CompareResponses = {
    /**
     * Done
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * - Nothing to compare: both rewrites of your message are the same, so there is nothing to choose; change it, or ask for more intensity
     * - Too many open comparisons: 50 comparisons of your own messages wait for your choice; choose or skip some first: a request for the next comparison without a message returns them
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetNextComparisonError = GetNextComparisonErrors[keyof GetNextComparisonErrors];

export type GetNextComparisonResponses = {
    /**
     * Done
     */
    200: NextComparison;
};

export type GetNextComparisonResponse = GetNextComparisonResponses[keyof GetNextComparisonResponses];

export type GetComparisonProgressData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/comparisons/progress';
};

export type GetComparisonProgressErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetComparisonProgressError = GetComparisonProgressErrors[keyof GetComparisonProgressErrors];

export type GetComparisonProgressResponses = {
    /**
     * Done
     */
    200: Progress;
};

export type GetComparisonProgressResponse = GetComparisonProgressResponses[keyof GetComparisonProgressResponses];

export type SkipComparisonData = {
    body?: Judge | null;
    path: {
        /**
         * the comparison
         */
        comparison_id: string;
    };
    query?: never;
    url: '/api/v1/comparisons/{comparison_id}/skip';
};

export type SkipComparisonErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown comparison: you were shown no comparison 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * Not as things stand: you have voted on this comparison; a vote can be changed, not skipped
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type SkipComparisonError = SkipComparisonErrors[keyof SkipComparisonErrors];

export type SkipComparisonResponses = {
    /**
     * Done; the response has no body
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetConsentError = GetConsentErrors[keyof GetConsentErrors];

export type GetConsentResponses = {
    /**
     * Done
     */
    200: Consent;
};

export type GetConsentResponse = GetConsentResponses[keyof GetConsentResponses];

export type PutConsentData = {
    body: NewConsent;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/consent';
};

export type PutConsentErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type PutConsentError = PutConsentErrors[keyof PutConsentErrors];

export type PutConsentResponses = {
    /**
     * Done
     */
    200: Consent;
};

export type PutConsentResponse = PutConsentResponses[keyof PutConsentResponses];

export type ListDictionaryTermsData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * whose dictionary: the organisation's, or the person's own
         */
        scope?: Scope;
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/dictionary';
};

export type ListDictionaryTermsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListDictionaryTermsError = ListDictionaryTermsErrors[keyof ListDictionaryTermsErrors];

export type ListDictionaryTermsResponses = {
    /**
     * Done
     */
    200: Array<DictionaryTerm>;
};

export type ListDictionaryTermsResponse = ListDictionaryTermsResponses[keyof ListDictionaryTermsResponses];

export type AddDictionaryTermData = {
    body: NewDictionaryTerm;
    path?: never;
    query?: never;
    url: '/api/v1/dictionary';
};

export type AddDictionaryTermErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * - Not as things stand: the dictionary has “SLO” already; change or delete that entry
     * - Not as things stand: this dictionary may have 100 terms; delete one first
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type AddDictionaryTermError = AddDictionaryTermErrors[keyof AddDictionaryTermErrors];

export type AddDictionaryTermResponses = {
    /**
     * Made
     */
    201: DictionaryTerm;
};

export type AddDictionaryTermResponse = AddDictionaryTermResponses[keyof AddDictionaryTermResponses];

export type DeleteDictionaryTermData = {
    body?: never;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the id of a term
         */
        term_id: string;
    };
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/dictionary/{term_id}';
};

export type DeleteDictionaryTermErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * Not Found: there is no term with this id in the dictionaries that you may see
     */
    404: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteDictionaryTermError = DeleteDictionaryTermErrors[keyof DeleteDictionaryTermErrors];

export type DeleteDictionaryTermResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type DeleteDictionaryTermResponse = DeleteDictionaryTermResponses[keyof DeleteDictionaryTermResponses];

export type GetDictionaryTermData = {
    body?: never;
    path: {
        /**
         * the id of a term
         */
        term_id: string;
    };
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/dictionary/{term_id}';
};

export type GetDictionaryTermErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: there is no term with this id in the dictionaries that you may see
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetDictionaryTermError = GetDictionaryTermErrors[keyof GetDictionaryTermErrors];

export type GetDictionaryTermResponses = {
    /**
     * Done
     */
    200: DictionaryTerm;
};

export type GetDictionaryTermResponse = GetDictionaryTermResponses[keyof GetDictionaryTermResponses];

export type ChangeDictionaryTermData = {
    body: DictionaryTermChanges;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the id of a term
         */
        term_id: string;
    };
    query?: never;
    url: '/api/v1/dictionary/{term_id}';
};

export type ChangeDictionaryTermErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * Not Found: there is no term with this id in the dictionaries that you may see
     */
    404: Problem;
    /**
     * Not as things stand: the dictionary has “SLO” already; change or delete that entry
     */
    409: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ChangeDictionaryTermError = ChangeDictionaryTermErrors[keyof ChangeDictionaryTermErrors];

export type ChangeDictionaryTermResponses = {
    /**
     * Done
     */
    200: DictionaryTerm;
};

export type ChangeDictionaryTermResponse = ChangeDictionaryTermResponses[keyof ChangeDictionaryTermResponses];

export type ListErasuresData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/erasures';
};

export type ListErasuresErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListErasuresError = ListErasuresErrors[keyof ListErasuresErrors];

export type ListErasuresResponses = {
    /**
     * Done
     */
    200: Array<Erasure>;
};

export type ListErasuresResponse = ListErasuresResponses[keyof ListErasuresResponses];

export type RequestErasureData = {
    body: NewErasure;
    path?: never;
    query?: never;
    url: '/api/v1/erasures';
};

export type RequestErasureErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RequestErasureError = RequestErasureErrors[keyof RequestErasureErrors];

export type RequestErasureResponses = {
    /**
     * Accepted: it is done later
     */
    202: Erasure;
};

export type RequestErasureResponse = RequestErasureResponses[keyof RequestErasureResponses];

export type ListExperimentsData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * with these statuses; with any without it
         */
        status?: Array<Status>;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/experiments';
};

export type ListExperimentsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a member may not see experiments; that takes the role viewer or above
     * - Not allowed: only the organisation that runs this installation may see experiments
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListExperimentsError = ListExperimentsErrors[keyof ListExperimentsErrors];

export type ListExperimentsResponses = {
    /**
     * Done
     */
    200: Array<ListedExperiment>;
};

export type ListExperimentsResponse = ListExperimentsResponses[keyof ListExperimentsResponses];

export type DraftExperimentData = {
    body: NewExperiment;
    headers: {
        /**
         * 1 to 200 characters of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path?: never;
    query?: never;
    url: '/api/v1/experiments';
};

export type DraftExperimentErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a viewer may not draft experiments and decide on them; that takes the role experimenter or above
     * - Not allowed: only the organisation that runs this installation may draft experiments and decide on them
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Not as things stand: v2 did not pass the gate, so it may not go live; its page says why
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DraftExperimentError = DraftExperimentErrors[keyof DraftExperimentErrors];

export type DraftExperimentResponses = {
    /**
     * Made
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a member may not see experiments; that takes the role viewer or above
     * - Not allowed: only the organisation that runs this installation may see experiments
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * Not installed here: this gateway cannot forecast, since SciPy is not installed: install tonebridge-server[forecasts] beside it, or look at the form of a new experiment on the dashboard
     */
    501: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ForecastExperimentError = ForecastExperimentErrors[keyof ForecastExperimentErrors];

export type ForecastExperimentResponses = {
    /**
     * Done
     */
    200: Outlook;
};

export type ForecastExperimentResponse = ForecastExperimentResponses[keyof ForecastExperimentResponses];

export type GetExperimentData = {
    body?: never;
    path: {
        /**
         * the experiment
         */
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}';
};

export type GetExperimentErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a member may not see experiments; that takes the role viewer or above
     * - Not allowed: only the organisation that runs this installation may see experiments
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown experiment: there is no experiment 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetExperimentError = GetExperimentErrors[keyof GetExperimentErrors];

export type GetExperimentResponses = {
    /**
     * Done
     */
    200: WholeExperiment;
};

export type GetExperimentResponse = GetExperimentResponses[keyof GetExperimentResponses];

export type DiscardExperimentData = {
    body?: OptionalReason | null;
    headers: {
        /**
         * 1 to 200 characters of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        /**
         * the experiment
         */
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/discard';
};

export type DiscardExperimentErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a viewer may not draft experiments and decide on them; that takes the role experimenter or above
     * - Not allowed: only the organisation that runs this installation may draft experiments and decide on them
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown experiment: there is no experiment 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Not as things stand: decision 01a22303-92fd-74fc-b4f4-074280c0308c already asks for the same, and has not been carried out yet
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DiscardExperimentError = DiscardExperimentErrors[keyof DiscardExperimentErrors];

export type DiscardExperimentResponses = {
    /**
     * Accepted: it is done later
     */
    202: StoredDecision;
};

export type DiscardExperimentResponse = DiscardExperimentResponses[keyof DiscardExperimentResponses];

export type DropChallengerData = {
    body: DroppedChallenger;
    headers: {
        /**
         * 1 to 200 characters of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        /**
         * the experiment
         */
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/drop';
};

export type DropChallengerErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a viewer may not draft experiments and decide on them; that takes the role experimenter or above
     * - Not allowed: only the organisation that runs this installation may draft experiments and decide on them
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown experiment: there is no experiment 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Not as things stand: decision 01a22303-92fd-74fc-b4f4-074280c0308c already asks for the same, and has not been carried out yet
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DropChallengerError = DropChallengerErrors[keyof DropChallengerErrors];

export type DropChallengerResponses = {
    /**
     * Accepted: it is done later
     */
    202: StoredDecision;
};

export type DropChallengerResponse = DropChallengerResponses[keyof DropChallengerResponses];

export type PauseExperimentData = {
    body?: OptionalReason | null;
    headers: {
        /**
         * 1 to 200 characters of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        /**
         * the experiment
         */
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/pause';
};

export type PauseExperimentErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a viewer may not draft experiments and decide on them; that takes the role experimenter or above
     * - Not allowed: only the organisation that runs this installation may draft experiments and decide on them
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown experiment: there is no experiment 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Not as things stand: decision 01a22303-92fd-74fc-b4f4-074280c0308c already asks for the same, and has not been carried out yet
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type PauseExperimentError = PauseExperimentErrors[keyof PauseExperimentErrors];

export type PauseExperimentResponses = {
    /**
     * Accepted: it is done later
     */
    202: StoredDecision;
};

export type PauseExperimentResponse = PauseExperimentResponses[keyof PauseExperimentResponses];

export type RampExperimentData = {
    body: NewShare;
    headers: {
        /**
         * 1 to 200 characters of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        /**
         * the experiment
         */
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/ramp';
};

export type RampExperimentErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a viewer may not draft experiments and decide on them; that takes the role experimenter or above
     * - Not allowed: only the organisation that runs this installation may draft experiments and decide on them
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown experiment: there is no experiment 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Not as things stand: decision 01a22303-92fd-74fc-b4f4-074280c0308c already asks for the same, and has not been carried out yet
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RampExperimentError = RampExperimentErrors[keyof RampExperimentErrors];

export type RampExperimentResponses = {
    /**
     * Accepted: it is done later
     */
    202: StoredDecision;
};

export type RampExperimentResponse = RampExperimentResponses[keyof RampExperimentResponses];

export type RollBackExperimentData = {
    body: RequiredReason;
    headers: {
        /**
         * 1 to 200 characters of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        /**
         * the experiment
         */
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/rollback';
};

export type RollBackExperimentErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a viewer may not draft experiments and decide on them; that takes the role experimenter or above
     * - Not allowed: only the organisation that runs this installation may draft experiments and decide on them
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown experiment: there is no experiment 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Not as things stand: decision 01a22303-92fd-74fc-b4f4-074280c0308c already asks for the same, and has not been carried out yet
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RollBackExperimentError = RollBackExperimentErrors[keyof RollBackExperimentErrors];

export type RollBackExperimentResponses = {
    /**
     * Accepted: it is done later
     */
    202: StoredDecision;
};

export type RollBackExperimentResponse = RollBackExperimentResponses[keyof RollBackExperimentResponses];

export type ShipChallengerData = {
    body: ShippedChallenger;
    headers: {
        /**
         * 1 to 200 characters of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        /**
         * the experiment
         */
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/ship';
};

export type ShipChallengerErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a viewer may not draft experiments and decide on them; that takes the role experimenter or above
     * - Not allowed: only the organisation that runs this installation may draft experiments and decide on them
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown experiment: there is no experiment 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Not as things stand: decision 01a22303-92fd-74fc-b4f4-074280c0308c already asks for the same, and has not been carried out yet
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ShipChallengerError = ShipChallengerErrors[keyof ShipChallengerErrors];

export type ShipChallengerResponses = {
    /**
     * Accepted: it is done later
     */
    202: StoredDecision;
};

export type ShipChallengerResponse = ShipChallengerResponses[keyof ShipChallengerResponses];

export type StartExperimentData = {
    body?: OptionalReason | null;
    headers: {
        /**
         * 1 to 200 characters of your choice for this decision: sent again, it is stored once
         */
        'Idempotency-Key': string;
    };
    path: {
        /**
         * the experiment
         */
        experiment_id: string;
    };
    query?: never;
    url: '/api/v1/experiments/{experiment_id}/start';
};

export type StartExperimentErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a viewer may not draft experiments and decide on them; that takes the role experimenter or above
     * - Not allowed: only the organisation that runs this installation may draft experiments and decide on them
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Unknown experiment: there is no experiment 01a22303-92fd-74fc-b4f4-074280c0308c
     */
    404: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Not as things stand: decision 01a22303-92fd-74fc-b4f4-074280c0308c already asks for the same, and has not been carried out yet
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type StartExperimentError = StartExperimentErrors[keyof StartExperimentErrors];

export type StartExperimentResponses = {
    /**
     * Accepted: it is done later
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
         * 1 to 200 characters of your choice, which make sending the same request again harmless, for a day
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/feedback';
};

export type GiveFeedbackErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages and works only there: browsers name the page in the header Origin, and this request has none. Programs need another key
     * - Not our receipt: this is no receipt; send the one that came with the answer
     * - Not your receipt: the receipt was issued to another organisation
     */
    403: Problem;
    /**
     * - Still being answered: the first request with this Idempotency-Key is still being answered
     * - Receipt and vote do not fit: a vote of kind thumb needs the receipt of a single answer
     */
    409: Problem;
    /**
     * Erased: the output of this receipt or its person was erased, so votes on it are no longer accepted
     */
    410: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GiveFeedbackError = GiveFeedbackErrors[keyof GiveFeedbackErrors];

export type GiveFeedbackResponses = {
    /**
     * Made
     */
    201: FeedbackStored;
};

export type GiveFeedbackResponse = GiveFeedbackResponses[keyof GiveFeedbackResponses];

export type ListInboundWebhooksData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/inbound-webhooks';
};

export type ListInboundWebhooksErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListInboundWebhooksError = ListInboundWebhooksErrors[keyof ListInboundWebhooksErrors];

export type ListInboundWebhooksResponses = {
    /**
     * Done
     */
    200: Array<InboundWebhook>;
};

export type ListInboundWebhooksResponse = ListInboundWebhooksResponses[keyof ListInboundWebhooksResponses];

export type CreateInboundWebhookData = {
    body: NewInboundWebhook;
    path?: never;
    query?: never;
    url: '/api/v1/inbound-webhooks';
};

export type CreateInboundWebhookErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * - Not as things stand: an organisation may have 20 inbound webhooks; delete one first
     * - Not as things stand: an organisation has at most 100 API keys; delete an unused one
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     * - Try again shortly: TONEBRIDGE_INBOUND_SECRET is not set; whoever runs this installation gives it to the gateway and to channels
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CreateInboundWebhookError = CreateInboundWebhookErrors[keyof CreateInboundWebhookErrors];

export type CreateInboundWebhookResponses = {
    /**
     * Made
     */
    201: MadeInboundWebhook;
};

export type CreateInboundWebhookResponse = CreateInboundWebhookResponses[keyof CreateInboundWebhookResponses];

export type DeleteInboundWebhookData = {
    body?: never;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the inbound webhook
         */
        inbound_webhook_id: string;
    };
    query?: never;
    url: '/api/v1/inbound-webhooks/{inbound_webhook_id}';
};

export type DeleteInboundWebhookErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no inbound webhook with this id
     */
    404: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteInboundWebhookError = DeleteInboundWebhookErrors[keyof DeleteInboundWebhookErrors];

export type DeleteInboundWebhookResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type DeleteInboundWebhookResponse = DeleteInboundWebhookResponses[keyof DeleteInboundWebhookResponses];

export type GetInboundWebhookData = {
    body?: never;
    path: {
        /**
         * the inbound webhook
         */
        inbound_webhook_id: string;
    };
    query?: never;
    url: '/api/v1/inbound-webhooks/{inbound_webhook_id}';
};

export type GetInboundWebhookErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no inbound webhook with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetInboundWebhookError = GetInboundWebhookErrors[keyof GetInboundWebhookErrors];

export type GetInboundWebhookResponses = {
    /**
     * Done
     */
    200: InboundWebhook;
};

export type GetInboundWebhookResponse = GetInboundWebhookResponses[keyof GetInboundWebhookResponses];

export type ChangeInboundWebhookData = {
    body: InboundWebhookChanges;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the inbound webhook
         */
        inbound_webhook_id: string;
    };
    query?: never;
    url: '/api/v1/inbound-webhooks/{inbound_webhook_id}';
};

export type ChangeInboundWebhookErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no inbound webhook with this id
     */
    404: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ChangeInboundWebhookError = ChangeInboundWebhookErrors[keyof ChangeInboundWebhookErrors];

export type ChangeInboundWebhookResponses = {
    /**
     * Done
     */
    200: InboundWebhook;
};

export type ChangeInboundWebhookResponse = ChangeInboundWebhookResponses[keyof ChangeInboundWebhookResponses];

export type RotateInboundWebhookSecretData = {
    body?: InboundSecret | null;
    path: {
        /**
         * the inbound webhook
         */
        inbound_webhook_id: string;
    };
    query?: never;
    url: '/api/v1/inbound-webhooks/{inbound_webhook_id}/secret';
};

export type RotateInboundWebhookSecretErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no inbound webhook with this id
     */
    404: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     * - Try again shortly: TONEBRIDGE_INBOUND_SECRET is not set; whoever runs this installation gives it to the gateway and to channels
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RotateInboundWebhookSecretError = RotateInboundWebhookSecretErrors[keyof RotateInboundWebhookSecretErrors];

export type RotateInboundWebhookSecretResponses = {
    /**
     * Done
     */
    200: NewInboundSecret;
};

export type RotateInboundWebhookSecretResponse = RotateInboundWebhookSecretResponses[keyof RotateInboundWebhookSecretResponses];

export type ListJobsData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * in these states; in any without it
         */
        state?: Array<State>;
        /**
         * of these kinds; of all without it
         */
        kind?: Array<Kind>;
        /**
         * of this batch
         */
        batch_id?: string | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/jobs';
};

export type ListJobsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListJobsError = ListJobsErrors[keyof ListJobsErrors];

export type ListJobsResponses = {
    /**
     * Done
     */
    200: Array<ListedJob>;
};

export type ListJobsResponse = ListJobsResponses[keyof ListJobsResponses];

export type ListBatchesData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * with a message in one of these states; all without it
         */
        state?: Array<State>;
        /**
         * accepted from this time on
         */
        since?: string | null;
        /**
         * accepted before this time
         */
        until?: string | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/jobs/batches';
};

export type ListBatchesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListBatchesError = ListBatchesErrors[keyof ListBatchesErrors];

export type ListBatchesResponses = {
    /**
     * Done
     */
    200: Array<Batch>;
};

export type ListBatchesResponse = ListBatchesResponses[keyof ListBatchesResponses];

export type CreateBatchData = {
    body: Messages;
    headers?: {
        /**
         * 1 to 200 characters of your choice, which make sending the same batch again harmless, as long as the batch is kept
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: {
        /**
         * not before this time, at most 30 days from now; null: now
         */
        run_at?: string | null;
    };
    url: '/api/v1/jobs/batches';
};

export type CreateBatchErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CreateBatchError = CreateBatchErrors[keyof CreateBatchErrors];

export type CreateBatchResponses = {
    /**
     * Accepted: it is done later
     */
    202: Batch;
};

export type CreateBatchResponse = CreateBatchResponses[keyof CreateBatchResponses];

export type GetBatchData = {
    body?: never;
    path: {
        /**
         * the batch
         */
        batch_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/batches/{batch_id}';
};

export type GetBatchErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: you have no batch with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetBatchError = GetBatchErrors[keyof GetBatchErrors];

export type GetBatchResponses = {
    /**
     * Done
     */
    200: Batch;
};

export type GetBatchResponse = GetBatchResponses[keyof GetBatchResponses];

export type CancelBatchData = {
    body?: never;
    path: {
        /**
         * the batch
         */
        batch_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/batches/{batch_id}/cancel';
};

export type CancelBatchErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: you have no batch with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CancelBatchError = CancelBatchErrors[keyof CancelBatchErrors];

export type CancelBatchResponses = {
    /**
     * Done
     */
    200: Cancelled;
};

export type CancelBatchResponse = CancelBatchResponses[keyof CancelBatchResponses];

export type GetBatchResultsData = {
    body?: never;
    path: {
        /**
         * the batch
         */
        batch_id: string;
    };
    query?: {
        /**
         * JSON Lines, or a table for spreadsheets
         */
        format?: 'jsonl' | 'csv';
    };
    url: '/api/v1/jobs/batches/{batch_id}/results';
};

export type GetBatchResultsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: you have no batch with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CreateExportError = CreateExportErrors[keyof CreateExportErrors];

export type CreateExportResponses = {
    /**
     * Accepted: it is done later
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ReplayJobsError = ReplayJobsErrors[keyof ReplayJobsErrors];

export type ReplayJobsResponses = {
    /**
     * Accepted: it is done later
     */
    202: Replayed;
};

export type ReplayJobsResponse = ReplayJobsResponses[keyof ReplayJobsResponses];

export type GetJobData = {
    body?: never;
    path: {
        /**
         * the job
         */
        job_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/{job_id}';
};

export type GetJobErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: you have no job with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetJobError = GetJobErrors[keyof GetJobErrors];

export type GetJobResponses = {
    /**
     * Done
     */
    200: ListedJob;
};

export type GetJobResponse = GetJobResponses[keyof GetJobResponses];

export type GetExportFileData = {
    body?: never;
    path: {
        /**
         * the job
         */
        job_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/{job_id}/file';
};

export type GetExportFileErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * - Not Found: you have no job with this id
     * - Not Found: this job has no file; it is not done, it makes none, or an erasure has deleted it since. You can export again
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
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
        /**
         * the job
         */
        job_id: string;
    };
    query?: never;
    url: '/api/v1/jobs/{job_id}/replay';
};

export type ReplayJobErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * - Not Found: you have no job with this id
     * - Not Found: this job is not dead, so there is nothing to try again
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ReplayJobError = ReplayJobErrors[keyof ReplayJobErrors];

export type ReplayJobResponses = {
    /**
     * Accepted: it is done later
     */
    202: Replayed;
};

export type ReplayJobResponse = ReplayJobResponses[keyof ReplayJobResponses];

export type ListKeysData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * with these roles; with any without it
         */
        role?: Array<Role>;
        /**
         * only revoked ones, or only those in force
         */
        revoked?: boolean | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/keys';
};

export type ListKeysErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListKeysError = ListKeysErrors[keyof ListKeysErrors];

export type ListKeysResponses = {
    /**
     * Done
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * - Not as things stand: an organisation has at most 100 API keys; delete an unused one
     * - Not as things stand: no page could use this key: give it origins, or add origins to the organisation first
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CreateKeyError = CreateKeyErrors[keyof CreateKeyErrors];

export type CreateKeyResponses = {
    /**
     * Made
     */
    201: MadeKey;
};

export type CreateKeyResponse = CreateKeyResponses[keyof CreateKeyResponses];

export type ListKeyChangesData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * of these kinds; of all without it
         */
        action?: Array<KeyAction>;
        /**
         * of this API key
         */
        key_id?: string | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/keys/changes';
};

export type ListKeyChangesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListKeyChangesError = ListKeyChangesErrors[keyof ListKeyChangesErrors];

export type ListKeyChangesResponses = {
    /**
     * Done
     */
    200: Array<KeyChange>;
};

export type ListKeyChangesResponse = ListKeyChangesResponses[keyof ListKeyChangesResponses];

export type DeleteKeyData = {
    body?: never;
    path: {
        /**
         * the id of the key
         */
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}';
};

export type DeleteKeyErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no API key in force has this id, among those that you may change
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteKeyError = DeleteKeyErrors[keyof DeleteKeyErrors];

export type DeleteKeyResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type DeleteKeyResponse = DeleteKeyResponses[keyof DeleteKeyResponses];

export type GetKeyOriginsData = {
    body?: never;
    path: {
        /**
         * the id of the key
         */
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/origins';
};

export type GetKeyOriginsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no API key in force has this id, among those that you may change
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetKeyOriginsError = GetKeyOriginsErrors[keyof GetKeyOriginsErrors];

export type GetKeyOriginsResponses = {
    /**
     * Done
     */
    200: KeyOrigins;
};

export type GetKeyOriginsResponse = GetKeyOriginsResponses[keyof GetKeyOriginsResponses];

export type PutKeyOriginsData = {
    body: NewKeyOrigins;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the id of the key
         */
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/origins';
};

export type PutKeyOriginsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no API key in force has this id, among those that you may change
     */
    404: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type PutKeyOriginsError = PutKeyOriginsErrors[keyof PutKeyOriginsErrors];

export type PutKeyOriginsResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type PutKeyOriginsResponse = PutKeyOriginsResponses[keyof PutKeyOriginsResponses];

export type PutKeyQuotaData = {
    body: KeyQuota;
    path: {
        /**
         * the id of the key
         */
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/quota';
};

export type PutKeyQuotaErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no API key in force has this id, among those that you may change
     */
    404: Problem;
    /**
     * Not as things stand: only a key for web pages has a quota of its own, and this key is for programs
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type PutKeyQuotaError = PutKeyQuotaErrors[keyof PutKeyQuotaErrors];

export type PutKeyQuotaResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type PutKeyQuotaResponse = PutKeyQuotaResponses[keyof PutKeyQuotaResponses];

export type ListRequestSecretsData = {
    body?: never;
    path: {
        /**
         * the id of the key
         */
        key_id: string;
    };
    query?: {
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/keys/{key_id}/secrets';
};

export type ListRequestSecretsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no API key in force has this id, among those that you may change
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListRequestSecretsError = ListRequestSecretsErrors[keyof ListRequestSecretsErrors];

export type ListRequestSecretsResponses = {
    /**
     * Done
     */
    200: Array<ListedRequestSecret>;
};

export type ListRequestSecretsResponse = ListRequestSecretsResponses[keyof ListRequestSecretsResponses];

export type CreateRequestSecretData = {
    body?: never;
    path: {
        /**
         * the id of the key
         */
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/secrets';
};

export type CreateRequestSecretErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no API key in force has this id, among those that you may change
     */
    404: Problem;
    /**
     * - Not as things stand: an API key has at most 2 secrets in force; revoke the one that is not used any more
     * - Not as things stand: this API key is for web pages, where everybody could read its secret too: signatures would prove nothing
     */
    409: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CreateRequestSecretError = CreateRequestSecretErrors[keyof CreateRequestSecretErrors];

export type CreateRequestSecretResponses = {
    /**
     * Made
     */
    201: MadeRequestSecret;
};

export type CreateRequestSecretResponse = CreateRequestSecretResponses[keyof CreateRequestSecretResponses];

export type DeleteRequestSecretData = {
    body?: never;
    path: {
        /**
         * the id of the key
         */
        key_id: string;
        /**
         * the id of the secret, the `keyid` of signatures
         */
        secret_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/secrets/{secret_id}';
};

export type DeleteRequestSecretErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no secret in force of this API key has this id, among those that you may revoke
     */
    404: Problem;
    /**
     * Not as things stand: this is the last secret of an API key that requires signatures: make another secret first, or let the key accept unsigned requests
     */
    409: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteRequestSecretError = DeleteRequestSecretErrors[keyof DeleteRequestSecretErrors];

export type DeleteRequestSecretResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type DeleteRequestSecretResponse = DeleteRequestSecretResponses[keyof DeleteRequestSecretResponses];

export type RequireSignaturesData = {
    body: SignaturePolicy;
    path: {
        /**
         * the id of the key
         */
        key_id: string;
    };
    query?: never;
    url: '/api/v1/keys/{key_id}/signatures';
};

export type RequireSignaturesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no API key in force has this id, among those that you may change
     */
    404: Problem;
    /**
     * - Not as things stand: this API key has no secret to sign with, so all its requests would be refused: make a secret first
     * - Not as things stand: this API key is for web pages, where everybody could read its secret too: signatures would prove nothing
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RequireSignaturesError = RequireSignaturesErrors[keyof RequireSignaturesErrors];

export type RequireSignaturesResponses = {
    /**
     * Done; the response has no body
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: a member may not see experiments; that takes the role viewer or above
     * - Not allowed: only the organisation that runs this installation may see experiments
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListMetricsError = ListMetricsErrors[keyof ListMetricsErrors];

export type ListMetricsResponses = {
    /**
     * Done
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner may see and change what the organisation decides
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetOrganisationError = GetOrganisationErrors[keyof GetOrganisationErrors];

export type GetOrganisationResponses = {
    /**
     * Done
     */
    200: Terms;
};

export type GetOrganisationResponse = GetOrganisationResponses[keyof GetOrganisationResponses];

export type PutOrganisationData = {
    body: NewTerms;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/organisation';
};

export type PutOrganisationErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner may see and change what the organisation decides
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type PutOrganisationError = PutOrganisationErrors[keyof PutOrganisationErrors];

export type PutOrganisationResponses = {
    /**
     * Done
     */
    200: Terms;
};

export type PutOrganisationResponse = PutOrganisationResponses[keyof PutOrganisationResponses];

export type GetOriginsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/api/v1/origins';
};

export type GetOriginsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetOriginsError = GetOriginsErrors[keyof GetOriginsErrors];

export type GetOriginsResponses = {
    /**
     * Done
     */
    200: Origins;
};

export type GetOriginsResponse = GetOriginsResponses[keyof GetOriginsResponses];

export type PutOriginsData = {
    body: Origins;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/origins';
};

export type PutOriginsErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type PutOriginsError = PutOriginsErrors[keyof PutOriginsErrors];

export type PutOriginsResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type PutOriginsResponse = PutOriginsResponses[keyof PutOriginsResponses];

export type GetPreferencesData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/preferences';
};

export type GetPreferencesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetPreferencesError = GetPreferencesErrors[keyof GetPreferencesErrors];

export type GetPreferencesResponses = {
    /**
     * Done
     */
    200: Preferences;
};

export type GetPreferencesResponse = GetPreferencesResponses[keyof GetPreferencesResponses];

export type PutPreferencesData = {
    body: NewPreferences;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/preferences';
};

export type PutPreferencesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type PutPreferencesError = PutPreferencesErrors[keyof PutPreferencesErrors];

export type PutPreferencesResponses = {
    /**
     * Done
     */
    200: Preferences;
};

export type PutPreferencesResponse = PutPreferencesResponses[keyof PutPreferencesResponses];

export type ListRulesData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * whose rules: the organisation's, or the person's own
         */
        scope?: Scope;
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/rules';
};

export type ListRulesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListRulesError = ListRulesErrors[keyof ListRulesErrors];

export type ListRulesResponses = {
    /**
     * Done
     */
    200: Array<ListedRule>;
};

export type ListRulesResponse = ListRulesResponses[keyof ListRulesResponses];

export type AddRuleData = {
    body: NewRule;
    path?: never;
    query?: never;
    url: '/api/v1/rules';
};

export type AddRuleErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * Not as things stand: there may be 20 of these rules; delete one first
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type AddRuleError = AddRuleErrors[keyof AddRuleErrors];

export type AddRuleResponses = {
    /**
     * Made
     */
    201: ListedRule;
};

export type AddRuleResponse = AddRuleResponses[keyof AddRuleResponses];

export type ListRuleChangesData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * whose rules: the organisation's, or the person's own
         */
        scope?: Scope;
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/rules/changes';
};

export type ListRuleChangesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListRuleChangesError = ListRuleChangesErrors[keyof ListRuleChangesErrors];

export type ListRuleChangesResponses = {
    /**
     * Done
     */
    200: Array<RecordedRuleChange>;
};

export type ListRuleChangesResponse = ListRuleChangesResponses[keyof ListRuleChangesResponses];

export type DryRunRuleData = {
    body: DryRun;
    path?: never;
    query?: never;
    url: '/api/v1/rules/dry-run';
};

export type DryRunRuleErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: there is no rule with this id among those that you may see
     */
    404: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DryRunRuleError = DryRunRuleErrors[keyof DryRunRuleErrors];

export type DryRunRuleResponses = {
    /**
     * Done
     */
    200: DryRunResult;
};

export type DryRunRuleResponse = DryRunRuleResponses[keyof DryRunRuleResponses];

export type MatchRulesData = {
    body: MessageToMatch;
    path?: never;
    query?: never;
    url: '/api/v1/rules/match';
};

export type MatchRulesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type MatchRulesError = MatchRulesErrors[keyof MatchRulesErrors];

export type MatchRulesResponses = {
    /**
     * Done
     */
    200: RuleMatch;
};

export type MatchRulesResponse = MatchRulesResponses[keyof MatchRulesResponses];

export type DeleteRuleData = {
    body?: never;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the id of a rule
         */
        rule_id: string;
    };
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/rules/{rule_id}';
};

export type DeleteRuleErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * Not Found: there is no rule with this id among those that you may see
     */
    404: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteRuleError = DeleteRuleErrors[keyof DeleteRuleErrors];

export type DeleteRuleResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type DeleteRuleResponse = DeleteRuleResponses[keyof DeleteRuleResponses];

export type GetRuleData = {
    body?: never;
    path: {
        /**
         * the id of a rule
         */
        rule_id: string;
    };
    query?: {
        /**
         * your name for the person; a token leaves it out
         */
        user_id?: string | null;
    };
    url: '/api/v1/rules/{rule_id}';
};

export type GetRuleErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: there is no rule with this id among those that you may see
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetRuleError = GetRuleErrors[keyof GetRuleErrors];

export type GetRuleResponses = {
    /**
     * Done
     */
    200: ListedRule;
};

export type GetRuleResponse = GetRuleResponses[keyof GetRuleResponses];

export type ChangeRuleData = {
    body: RuleChanges;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the id of a rule
         */
        rule_id: string;
    };
    query?: never;
    url: '/api/v1/rules/{rule_id}';
};

export type ChangeRuleErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     */
    403: Problem;
    /**
     * Not Found: there is no rule with this id among those that you may see
     */
    404: Problem;
    /**
     * Not as things stand: there may be 20 of these rules; delete one first
     */
    409: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ChangeRuleError = ChangeRuleErrors[keyof ChangeRuleErrors];

export type ChangeRuleResponses = {
    /**
     * Done
     */
    200: ListedRule;
};

export type ChangeRuleResponse = ChangeRuleResponses[keyof ChangeRuleResponses];

export type ListSigningKeysData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * with these roles; with any without it
         */
        role?: Array<Role>;
        /**
         * only revoked ones, or only those in force
         */
        revoked?: boolean | null;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/signing-keys';
};

export type ListSigningKeysErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListSigningKeysError = ListSigningKeysErrors[keyof ListSigningKeysErrors];

export type ListSigningKeysResponses = {
    /**
     * Done
     */
    200: Array<ListedSigningKey>;
};

export type ListSigningKeysResponse = ListSigningKeysResponses[keyof ListSigningKeysResponses];

export type AddSigningKeyData = {
    body: NewSigningKey;
    path?: never;
    query?: never;
    url: '/api/v1/signing-keys';
};

export type AddSigningKeyErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not as things stand: the kid 2026-11 is taken: by a key of yours (it may be revoked), by the same key of another organisation, or by 8 other organisations. Choose another kid; or, if you have 100 valid signing keys, revoke an unused one
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type AddSigningKeyError = AddSigningKeyErrors[keyof AddSigningKeyErrors];

export type AddSigningKeyResponses = {
    /**
     * Made
     */
    201: AddedSigningKey;
};

export type AddSigningKeyResponse = AddSigningKeyResponses[keyof AddSigningKeyResponses];

export type DeleteSigningKeyData = {
    body?: never;
    path: {
        /**
         * your name for the signing key
         */
        kid: string;
    };
    query?: never;
    url: '/api/v1/signing-keys/{kid}';
};

export type DeleteSigningKeyErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: no signing key in force has this kid, among those that you may revoke
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteSigningKeyError = DeleteSigningKeyErrors[keyof DeleteSigningKeyErrors];

export type DeleteSigningKeyResponses = {
    /**
     * Done; the response has no body
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RevokeTokenError = RevokeTokenErrors[keyof RevokeTokenErrors];

export type RevokeTokenResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type RevokeTokenResponse = RevokeTokenResponses[keyof RevokeTokenResponses];

export type TransformData = {
    body: StreamableRequest;
    headers?: {
        /**
         * 1 to 200 characters of your choice, which make sending the same request again harmless, for a day
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/api/v1/transform';
};

export type TransformErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages and works only there: browsers name the page in the header Origin, and this request has none. Programs need another key
     */
    403: Problem;
    /**
     * Still being answered: the first request with this Idempotency-Key is still being answered
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 131,072 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
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
    query?: {
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/webhooks';
};

export type ListWebhooksErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListWebhooksError = ListWebhooksErrors[keyof ListWebhooksErrors];

export type ListWebhooksResponses = {
    /**
     * Done
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not as things stand: an organisation may have 20 webhooks; delete one first
     */
    409: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CreateWebhookError = CreateWebhookErrors[keyof CreateWebhookErrors];

export type CreateWebhookResponses = {
    /**
     * Made
     */
    201: MadeWebhook;
};

export type CreateWebhookResponse = CreateWebhookResponses[keyof CreateWebhookResponses];

export type DeleteWebhookData = {
    body?: never;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the webhook
         */
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}';
};

export type DeleteWebhookErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no webhook with this id
     */
    404: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type DeleteWebhookError = DeleteWebhookErrors[keyof DeleteWebhookErrors];

export type DeleteWebhookResponses = {
    /**
     * Done; the response has no body
     */
    204: void;
};

export type DeleteWebhookResponse = DeleteWebhookResponses[keyof DeleteWebhookResponses];

export type GetWebhookData = {
    body?: never;
    path: {
        /**
         * the webhook
         */
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}';
};

export type GetWebhookErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no webhook with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetWebhookError = GetWebhookErrors[keyof GetWebhookErrors];

export type GetWebhookResponses = {
    /**
     * Done
     */
    200: Webhook;
};

export type GetWebhookResponse = GetWebhookResponses[keyof GetWebhookResponses];

export type ChangeWebhookData = {
    body: WebhookChanges;
    headers?: {
        /**
         * the `ETag` of the state that you have read: the change is made only while that is the present state; `*` for any state
         */
        'If-Match'?: string | null;
    };
    path: {
        /**
         * the webhook
         */
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}';
};

export type ChangeWebhookErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no webhook with this id
     */
    404: Problem;
    /**
     * It is not in the state that you have read: it has changed since you read it, so nothing was done; read it again, and send your change with the new ETag in If-Match
     */
    412: Problem;
    /**
     * The request is too large: the body is longer than 12,582,912 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ChangeWebhookError = ChangeWebhookErrors[keyof ChangeWebhookErrors];

export type ChangeWebhookResponses = {
    /**
     * Done
     */
    200: Webhook;
};

export type ChangeWebhookResponse = ChangeWebhookResponses[keyof ChangeWebhookResponses];

export type ListDeliveriesData = {
    body?: never;
    path: {
        /**
         * the webhook
         */
        webhook_id: string;
    };
    query?: {
        /**
         * in these states; in any without it
         */
        state?: Array<State>;
        /**
         * of events of these types; of all without it
         */
        event?: Array<EventType>;
        /**
         * the id of the last row of the page before this one; `Link` has it
         */
        before?: string | null;
        /**
         * the most rows to show
         */
        limit?: number;
    };
    url: '/api/v1/webhooks/{webhook_id}/deliveries';
};

export type ListDeliveriesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no webhook with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListDeliveriesError = ListDeliveriesErrors[keyof ListDeliveriesErrors];

export type ListDeliveriesResponses = {
    /**
     * Done
     */
    200: Array<Delivery>;
};

export type ListDeliveriesResponse = ListDeliveriesResponses[keyof ListDeliveriesResponses];

export type ReplayDeliveryData = {
    body?: never;
    path: {
        /**
         * the webhook
         */
        webhook_id: string;
        /**
         * the delivery
         */
        delivery_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay';
};

export type ReplayDeliveryErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * - Not Found: your organisation has no webhook with this id
     * - Not Found: this webhook has no delivery with this id that arrived or is dead, so there is nothing to send again
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * - Too many requests: the plan free has 5 requests a second and at most 20 at once
     * - Too many requests: 1000 deliveries of this webhook wait already; its log shows why they do not arrive
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ReplayDeliveryError = ReplayDeliveryErrors[keyof ReplayDeliveryErrors];

export type ReplayDeliveryResponses = {
    /**
     * Accepted: it is done later
     */
    202: EnqueuedDeliveries;
};

export type ReplayDeliveryResponse = ReplayDeliveryResponses[keyof ReplayDeliveryResponses];

export type ReplayDeadDeliveriesData = {
    body?: never;
    path: {
        /**
         * the webhook
         */
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}/replay';
};

export type ReplayDeadDeliveriesErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no webhook with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ReplayDeadDeliveriesError = ReplayDeadDeliveriesErrors[keyof ReplayDeadDeliveriesErrors];

export type ReplayDeadDeliveriesResponses = {
    /**
     * Accepted: it is done later
     */
    202: EnqueuedDeliveries;
};

export type ReplayDeadDeliveriesResponse = ReplayDeadDeliveriesResponses[keyof ReplayDeadDeliveriesResponses];

export type RotateWebhookSecretData = {
    body?: never;
    path: {
        /**
         * the webhook
         */
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}/secret';
};

export type RotateWebhookSecretErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no webhook with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type RotateWebhookSecretError = RotateWebhookSecretErrors[keyof RotateWebhookSecretErrors];

export type RotateWebhookSecretResponses = {
    /**
     * Done
     */
    200: NewWebhookSecret;
};

export type RotateWebhookSecretResponse = RotateWebhookSecretResponses[keyof RotateWebhookSecretResponses];

export type SendTestEventData = {
    body?: never;
    path: {
        /**
         * the webhook
         */
        webhook_id: string;
    };
    query?: never;
    url: '/api/v1/webhooks/{webhook_id}/test';
};

export type SendTestEventErrors = {
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: only an owner or an admin may see and change keys and tokens
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: Problem;
    /**
     * Not Found: your organisation has no webhook with this id
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * - Too many requests: the plan free has 5 requests a second and at most 20 at once
     * - Too many requests: 1000 deliveries of this webhook wait already; its log shows why they do not arrive
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type SendTestEventError = SendTestEventErrors[keyof SendTestEventErrors];

export type SendTestEventResponses = {
    /**
     * Accepted: it is done later
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
     * WebSocket needed: this address is for WebSockets; open one with a WebSocket client
     */
    426: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type OpenSocketError = OpenSocketErrors[keyof OpenSocketErrors];

export type OpenSocketResponses = {
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
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
     * The document was not executed, and the client accepts the newer media type
     */
    400: {
        [key: string]: unknown;
    };
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: Problem;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     * - Not allowed: this installation takes trusted GraphQL documents only; send the documentId of one
     */
    403: Problem;
    /**
     * Not Found: no trusted GraphQL document has this id
     */
    404: Problem;
    /**
     * The request is too large: the body is longer than 131,072 bytes
     */
    413: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: Problem;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GraphqlError = GraphqlErrors[keyof GraphqlErrors];

export type GraphqlResponses = {
    /**
     * `data`, and `errors` with the problem of each as its `extensions`
     */
    200: {
        [key: string]: unknown;
    };
};

export type GraphqlResponse = GraphqlResponses[keyof GraphqlResponses];

export type CheckLiveData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/livez';
};

export type CheckLiveErrors = {
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CheckLiveError = CheckLiveErrors[keyof CheckLiveErrors];

export type CheckLiveResponses = {
    /**
     * Done
     */
    200: Alive;
};

export type CheckLiveResponse = CheckLiveResponses[keyof CheckLiveResponses];

export type GetGatewayMetricsData = {
    body?: never;
    headers?: {
        /**
         * `Bearer` and the token
         */
        authorization?: string;
    };
    path?: never;
    query?: never;
    url: '/metrics';
};

export type GetGatewayMetricsErrors = {
    /**
     * Unknown credentials: send the value of TONEBRIDGE_METRICS_TOKEN as Authorization: Bearer ...
     */
    401: Problem;
    /**
     * Not Found: the metrics are off; set TONEBRIDGE_METRICS_TOKEN, and send it to read them
     */
    404: Problem;
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    422: Problem;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetGatewayMetricsError = GetGatewayMetricsErrors[keyof GetGatewayMetricsErrors];

export type GetGatewayMetricsResponses = {
    /**
     * The metrics
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
     * It cannot answer, and why
     */
    503: Ready;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type CheckReadyError = CheckReadyErrors[keyof CheckReadyErrors];

export type CheckReadyResponses = {
    /**
     * Done
     */
    200: Ready;
};

export type CheckReadyResponse = CheckReadyResponses[keyof CheckReadyResponses];

export type CreateChatCompletionData = {
    body: CompletionRequest;
    headers?: {
        /**
         * 1 to 200 characters of your choice, which make sending the same request again harmless, for a day
         */
        'idempotency-key'?: string | null;
    };
    path?: never;
    query?: never;
    url: '/v1/chat/completions';
};

export type CreateChatCompletionErrors = {
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    400: ErrorDocument;
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: ErrorDocument;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages and works only there: browsers name the page in the header Origin, and this request has none. Programs need another key
     */
    403: ErrorDocument;
    /**
     * Not Found: there is no model “gpt-6”. A model is tonebridge/, a transform type, a hyphen and an intensity from 0 to 3, such as tonebridge/soften-2. The transform types are soften, clarify, structure, summarize, terminology, requirements, background; /v1/models lists all models
     */
    404: ErrorDocument;
    /**
     * Still being answered: the first request with this Idempotency-Key is still being answered
     */
    409: ErrorDocument;
    /**
     * The request is too large: the body is longer than 1,048,576 bytes
     */
    413: ErrorDocument;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: ErrorDocument;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: ErrorDocument;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
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
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: ErrorDocument;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: ErrorDocument;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: ErrorDocument;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: ErrorDocument;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type ListModelsError = ListModelsErrors[keyof ListModelsErrors];

export type ListModelsResponses = {
    /**
     * Done
     */
    200: Models;
};

export type ListModelsResponse = ListModelsResponses[keyof ListModelsResponses];

export type GetModelData = {
    body?: never;
    path: {
        /**
         * transform type and intensity
         */
        model: 'tonebridge/soften-0' | 'tonebridge/soften-1' | 'tonebridge/soften-2' | 'tonebridge/soften-3' | 'tonebridge/clarify-0' | 'tonebridge/clarify-1' | 'tonebridge/clarify-2' | 'tonebridge/clarify-3' | 'tonebridge/structure-0' | 'tonebridge/structure-1' | 'tonebridge/structure-2' | 'tonebridge/structure-3' | 'tonebridge/summarize-0' | 'tonebridge/summarize-1' | 'tonebridge/summarize-2' | 'tonebridge/summarize-3' | 'tonebridge/terminology-0' | 'tonebridge/terminology-1' | 'tonebridge/terminology-2' | 'tonebridge/terminology-3' | 'tonebridge/requirements-0' | 'tonebridge/requirements-1' | 'tonebridge/requirements-2' | 'tonebridge/requirements-3' | 'tonebridge/background-0' | 'tonebridge/background-1' | 'tonebridge/background-2' | 'tonebridge/background-3';
    };
    query?: never;
    url: '/v1/models/{model}';
};

export type GetModelErrors = {
    /**
     * The request does not fit: text: Field required (allowed: 1 to 8,000 characters, not only white space, no NUL)
     */
    400: ErrorDocument;
    /**
     * - Unknown credentials: send an API key in X-API-Key, or a key or token in Authorization: Bearer ...
     * - The request's signature is not accepted: this API key accepts signed requests only: sign the request (of a WebSocket, its handshake) by RFC 9421, with a secret of the key
     */
    401: ErrorDocument;
    /**
     * - Not allowed: pages of https://evil.example may not use this key or token: an owner or admin can add this origin to those of the organisation, or of the key
     * - Not allowed: this API key is for web pages, where everybody can read it, so it may only rewrite and vote (/api/v1/transform, /v1/chat/completions, /api/v1/feedback, /api/v1/compare): use another key on a server
     */
    403: ErrorDocument;
    /**
     * Not Found: there is no model “gpt-6”. A model is tonebridge/, a transform type, a hyphen and an intensity from 0 to 3, such as tonebridge/soften-2. The transform types are soften, clarify, structure, summarize, terminology, requirements, background; /v1/models lists all models
     */
    404: ErrorDocument;
    /**
     * Too many requests: the plan free has 5 requests a second and at most 20 at once
     */
    429: ErrorDocument;
    /**
     * - Try again shortly: keys cannot be checked at the moment
     * - Try again shortly: a part of the service is unavailable
     */
    503: ErrorDocument;
    /**
     * Any other problem: what the server refuses before a whole request has arrived (400, 408, 413, 431, 503), or a mistake of ours (500)
     */
    default: Problem;
};

export type GetModelError = GetModelErrors[keyof GetModelErrors];

export type GetModelResponses = {
    /**
     * Done
     */
    200: Model;
};

export type GetModelResponse = GetModelResponses[keyof GetModelResponses];

export type OnAnswerCreatedanswerCreatedPostWebhookPayload = AnswerCreated;

export type OnAnswerCreatedanswerCreatedPostWebhookRequest = {
    body: OnAnswerCreatedanswerCreatedPostWebhookPayload;
    key: 'answer.created';
    path?: never;
    query?: never;
};

export type OnExperimentDecidedexperimentDecidedPostWebhookPayload = ExperimentDecided;

export type OnExperimentDecidedexperimentDecidedPostWebhookRequest = {
    body: OnExperimentDecidedexperimentDecidedPostWebhookPayload;
    key: 'experiment.decided';
    path?: never;
    query?: never;
};

export type OnFeedbackGivenfeedbackGivenPostWebhookPayload = FeedbackGiven;

export type OnFeedbackGivenfeedbackGivenPostWebhookRequest = {
    body: OnFeedbackGivenfeedbackGivenPostWebhookPayload;
    key: 'feedback.given';
    path?: never;
    query?: never;
};

export type OnJobDonejobDonePostWebhookPayload = JobDone;

export type OnJobDonejobDonePostWebhookRequest = {
    body: OnJobDonejobDonePostWebhookPayload;
    key: 'job.done';
    path?: never;
    query?: never;
};

export type OnQuotaNearquotaNearPostWebhookPayload = QuotaNear;

export type OnQuotaNearquotaNearPostWebhookRequest = {
    body: OnQuotaNearquotaNearPostWebhookPayload;
    key: 'quota.near';
    path?: never;
    query?: never;
};

export type OnSnapshotRefusedsnapshotRefusedPostWebhookPayload = SnapshotRefused;

export type OnSnapshotRefusedsnapshotRefusedPostWebhookRequest = {
    body: OnSnapshotRefusedsnapshotRefusedPostWebhookPayload;
    key: 'snapshot.refused';
    path?: never;
    query?: never;
};

export type OnVersionRefusedversionRefusedPostWebhookPayload = VersionRefused;

export type OnVersionRefusedversionRefusedPostWebhookRequest = {
    body: OnVersionRefusedversionRefusedPostWebhookPayload;
    key: 'version.refused';
    path?: never;
    query?: never;
};

export type OnVersionReleasedversionReleasedPostWebhookPayload = VersionReleased;

export type OnVersionReleasedversionReleasedPostWebhookRequest = {
    body: OnVersionReleasedversionReleasedPostWebhookPayload;
    key: 'version.released';
    path?: never;
    query?: never;
};

export type OnWebhookDisabledwebhookDisabledPostWebhookPayload = WebhookDisabled;

export type OnWebhookDisabledwebhookDisabledPostWebhookRequest = {
    body: OnWebhookDisabledwebhookDisabledPostWebhookPayload;
    key: 'webhook.disabled';
    path?: never;
    query?: never;
};

export type OnWebhookTestwebhookTestPostWebhookPayload = WebhookTest;

export type OnWebhookTestwebhookTestPostWebhookRequest = {
    body: OnWebhookTestwebhookTestPostWebhookPayload;
    key: 'webhook.test';
    path?: never;
    query?: never;
};

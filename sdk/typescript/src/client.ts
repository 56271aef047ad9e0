/** The client: a method for each operation of the gateway, named as in its description (`/docs`). */

import { makeId } from "./bytes.js";
import { ToneBridgeError, UnavailableError, UnreachableError } from "./errors.js";
import { Draft, readEvents, readLines, type StreamEvent } from "./events.js";
import type {
  AddedSigningKey,
  AnalyzeRequest,
  Answer,
  AppFeedback,
  Batch,
  BatchAnswer,
  Cancelled,
  Choice,
  Comment,
  CompareRequest,
  Compared,
  Completion,
  CompletionRequest,
  Consent,
  Credentials as SignIn,
  Delivery,
  DictionaryTerm,
  DictionaryTermChanges,
  DraftPlan,
  DroppedChallenger,
  DryRun,
  DryRunResult,
  Edit,
  EndedSessions,
  EnqueuedDeliveries,
  Erasure,
  EventType,
  FeedbackStored,
  GraphQlRequest,
  InboundSecret,
  InboundWebhook,
  InboundWebhookChanges,
  KeyAction,
  KeyChange,
  KeyOrigins,
  Kind,
  ListedAccount,
  ListedExperiment,
  ListedJob,
  ListedKey,
  ListedMetrics,
  ListedRequestSecret,
  ListedRule,
  ListedSession,
  ListedSigningKey,
  MadeAccount,
  MadeInboundWebhook,
  MadeKey,
  MadeRequestSecret,
  MadeWebhook,
  Me,
  MessageAnalysis,
  MessageToMatch,
  Model,
  Models,
  NewAccount,
  NewAppFeedback,
  NewConsent,
  NewDictionaryTerm,
  NewExperiment,
  NewExport,
  NewInboundSecret,
  NewInboundWebhook,
  NewKey,
  NewPasswords,
  NewPreferences,
  NewRule,
  NewShare,
  NewSigningKey,
  NewTerms,
  NewWebhook,
  NewWebhookSecret,
  NextComparison,
  OptionalReason,
  Origins,
  Outlook,
  Preferences,
  Progress,
  Rating,
  Ready,
  RecordedRuleChange,
  Replayed,
  RequiredReason,
  Role,
  RuleChanges,
  RuleMatch,
  Scope,
  ShippedChallenger,
  ShownAnswer,
  State,
  Status,
  StoredDecision,
  Terms,
  Thumb,
  Tokens,
  TransformRequest,
  TransformType,
  WantedComparison,
  Webhook,
  WebhookChanges,
  WholeExperiment,
} from "./generated/types.gen.js";
import { RECONNECTS, RETRIES, type Retries, sleep } from "./retries.js";
import type { Signing } from "./signing.js";
import { type OpenWebSocket, Socket } from "./socket.js";
import { type Credentials, json, query, type Request, Transport } from "./transport.js";

const PAGE = 200; // rows, the most of one request
const ENDED: readonly State[] = ["done", "dead", "cancelled", "replayed"];
const EVENTS = "text/event-stream";

export interface Options {
  /** The gateway's address. */
  url: string;
  /** An API key; or `token`, the token of a person. */
  apiKey?: string | undefined;
  token?: string | undefined;
  /** The keyid and the secret that sign each request. */
  signing?: Signing | undefined;
  retries?: Partial<Retries> | undefined;
  /** How long a connection may say nothing. */
  timeoutMs?: number | undefined;
  fetch?: typeof globalThis.fetch | undefined;
  /** Opens WebSockets where there is no global `WebSocket`, as in Node 20, or where they are signed. */
  openWebSocket?: OpenWebSocket | undefined;
}

/** What may be said about any call. */
export interface Call {
  signal?: AbortSignal | undefined;
}

/** What may be said about a call that has one effect, however often it is sent. */
export interface Once extends Call {
  /** Of your own, where the call itself may be repeated; otherwise one is made for each call. */
  idempotencyKey?: string | undefined;
}

/** What may be said about a call that changes what can be read. */
export interface Conditional extends Call {
  /** `tagOf` the document: the change is made only while that is as it was read, and throws ChangedError otherwise. */
  ifMatch?: string | undefined;
}

/** How to wait for what takes long. */
export interface Wait extends Call {
  timeoutMs?: number | undefined;
  pollMs?: number | undefined;
}

/** The outcome of one message of a batch: the answer when it is done; a reason when it failed. */
export interface BatchResult {
  place: number;
  state: State;
  answer: Answer | null;
  reason: string | null;
}

/**
 * A client of one gateway, for one caller.
 *
 * Calls throw ToneBridgeError. What can be tried again safely is tried again: reads, and writes that have an
 * Idempotency-Key, which is made for each call and kept while it is repeated.
 */
export class ToneBridge {
  readonly #transport: Transport;
  readonly #openWebSocket: OpenWebSocket;

  constructor(options: Options) {
    const { url, apiKey, token, signing, timeoutMs = 60_000 } = options;
    if (!/^https?:\/\//.test(url)) {
      throw new TypeError(`give the gateway's address, such as https://tone.example.com, not ${url}`);
    }
    if (apiKey !== undefined && token !== undefined) throw new TypeError("give an API key or a token, not both");
    if (token !== undefined && signing !== undefined) {
      throw new TypeError("a token has no secret to sign with: give the API key of the secret");
    }
    const credentials: Credentials = { apiKey, token, signing };
    const fetch = options.fetch ?? globalThis.fetch;
    const retries = { ...RETRIES, ...options.retries };
    this.#transport = new Transport(url.replace(/\/+$/, ""), credentials, retries, timeoutMs, fetch);
    this.#openWebSocket = options.openWebSocket ?? openGlobalWebSocket;
  }

  // Rewrites

  /** Rewrite a message. `intensity` is 0 to 3; `user_id` is your name for the person. */
  transform(body: TransformRequest, options: Once = {}): Promise<Answer> {
    return this.#json({ ...once("/api/v1/transform", body, options), accept: "application/json" });
  }

  /** Rewrite a message, and show it as it is written. It is tried again only before its first event. */
  async *stream(body: TransformRequest, options: Once = {}): AsyncGenerator<StreamEvent, void> {
    const request = { ...once("/api/v1/transform", body, options), accept: EVENTS };
    const attempts = this.#transport.begin(request);
    for (;;) {
      const draft = new Draft();
      try {
        for await (const [kind, data] of readEvents(this.#transport.attempt(request))) {
          const event = draft.take(kind, data);
          yield event;
          if (event.kind === "answer") return;
        }
        throw new UnreachableError("the stream ended without an answer", true);
      } catch (error) {
        if (!(error instanceof ToneBridgeError) || draft.hasBegun) throw error;
        await sleep(attempts.waitMs(error));
      }
    }
  }

  /** Rewrite up to a hundred messages at once, each for itself: one may fail, another succeed. */
  transformMany(items: TransformRequest[], options: Once = {}): Promise<BatchAnswer> {
    return this.#json(once("/api/v1/batch", { items }, options));
  }

  /** Rewrite a message twice, for a person to choose. */
  compare(body: CompareRequest, options: Call = {}): Promise<Compared> {
    return this.#json(post("/api/v1/compare", body, options));
  }

  /**
   * Say how a message will be read, by which of its words, and which rewrites would help. Nothing is stored. Places
   * count characters (code points), as `[...text]` does.
   */
  analyze(body: AnalyzeRequest, options: Call = {}): Promise<MessageAnalysis> {
    return this.#json({ ...post("/api/v1/analyze", body, options), isRepeatable: true });
  }

  /** Say what a rewrite is worth, by the receipt of its answer. A second vote of a kind replaces the first. */
  giveFeedback(vote: Thumb | Rating | Edit | Choice | Comment, options: Once = {}): Promise<FeedbackStored> {
    return this.#json(once("/api/v1/feedback", vote, options));
  }

  /** A person's own answers with their messages, the newest first; those before the one with the id `before`. */
  listAnswers({ before, limit, signal, ...filter }: AnswerFilter & Page & Call = {}): Promise<ShownAnswer[]> {
    return this.#json(get(`/api/v1/answers${query({ ...selectAnswers(filter), before, limit })}`, { signal }));
  }

  /**
   * All of a person's own answers, the newest first, page by page. With `q` it ends where 10,000 answers in a row do
   * not have it; `until` goes on from there.
   */
  iterateAnswers(filter: AnswerFilter & Call = {}): AsyncGenerator<ShownAnswer, void> {
    return readPages((before) => this.listAnswers({ ...filter, before, limit: PAGE }), ({ answer_id: id }) => id);
  }

  /** One of a person's own answers, with its message; it is there within a second. */
  getAnswer(answerId: string, userId?: string, options: Call = {}): Promise<ShownAnswer> {
    return this.#json(get(`/api/v1/answers/${quote(answerId)}${query({ user_id: userId })}`, options));
  }

  /**
   * Delete one of a person's own rewrites: its message, its text, and what the person said about it. It cannot be
   * undone. It is not listed from then on, and gone from all stores within seconds.
   */
  deleteAnswer(answerId: string, { user_id, ...options }: { user_id?: string | undefined } & Call = {}): Promise<void> {
    const path = `/api/v1/answers/${quote(answerId)}${query({ user_id })}`;
    return this.#nothing({ method: "DELETE", path, ...options });
  }

  // Comparisons

  /** Two rewrites that a person has not judged yet: of a shipped message, or of one of their own. */
  getNextComparison(body: WantedComparison = {}, options: Call = {}): Promise<NextComparison> {
    const isRepeatable = body.text === undefined;
    return this.#json({ ...post("/api/v1/comparisons/next", body, options), isRepeatable });
  }

  /** Choose nothing: the person is not offered this comparison again. */
  skipComparison(comparisonId: string, userId?: string, options: Call = {}): Promise<void> {
    const path = `/api/v1/comparisons/${quote(comparisonId)}/skip`;
    return this.#nothing({ ...post(path, { user_id: userId }, options), isRepeatable: true });
  }

  /** The number of comparisons that a person has judged. */
  getComparisonProgress(userId?: string, options: Call = {}): Promise<Progress> {
    return this.#json(get(`/api/v1/comparisons/progress${query({ user_id: userId })}`, options));
  }

  // Batches, jobs and exports

  /**
   * Have up to 10,000 messages rewritten later: those of a list, or of a file's text, with its type: `text/csv` or
   * `application/x-ndjson`. `runAt` is when to begin.
   */
  createBatch(
    messages: TransformRequest[] | { text: string; type: "text/csv" | "application/x-ndjson" | "application/json" },
    { runAt, idempotencyKey = makeId(), signal }: Once & { runAt?: Date | undefined } = {},
  ): Promise<Batch> {
    const body = Array.isArray(messages)
      ? json({ items: messages })
      : { content: new TextEncoder().encode(messages.text), contentType: messages.type };
    const path = `/api/v1/jobs/batches${query({ run_at: runAt?.toISOString() })}`;
    return this.#json({ method: "POST", path, ...body, idempotencyKey, signal });
  }

  /** Batches, the newest first; those before the one with the id `before`. */
  listBatches({ state, since, until, before, limit, ...options }: BatchFilter & Page & Call = {}): Promise<Batch[]> {
    const asked = { state, since: since?.toISOString(), until: until?.toISOString(), before, limit };
    return this.#json(get(`/api/v1/jobs/batches${query(asked)}`, options));
  }

  /** All batches, the newest first, page by page. */
  iterateBatches(options: BatchFilter & Call = {}): AsyncGenerator<Batch, void> {
    return readPages((before) => this.listBatches({ before, limit: PAGE, ...options }), idOf);
  }

  /** The progress of a batch. */
  getBatch(batchId: string, options: Call = {}): Promise<Batch> {
    return this.#json(get(`/api/v1/jobs/batches/${quote(batchId)}`, options));
  }

  /** Wait until no message of a batch waits or runs. `onProgress` gets each state. */
  waitForBatch(
    batchId: string,
    { onProgress, ...wait }: Wait & { onProgress?: ((batch: Batch) => void) | undefined } = {},
  ): Promise<Batch> {
    const isEnded = (batch: Batch): boolean => {
      onProgress?.(batch);
      return batch.waiting === 0 && batch.running === 0;
    };
    return poll(() => this.getBatch(batchId, { signal: wait.signal }), isEnded, wait);
  }

  /** Cancel the messages of a batch that are not rewritten yet. */
  cancelBatch(batchId: string, options: Call = {}): Promise<Cancelled> {
    const request = post(`/api/v1/jobs/batches/${quote(batchId)}/cancel`, undefined, options);
    return this.#json({ ...request, isRepeatable: true });
  }

  /** The results of a batch so far, in the order of its messages. */
  async *getBatchResults(batchId: string, options: Call = {}): AsyncGenerator<BatchResult, void> {
    for await (const line of readLines(this.downloadBatchResults(batchId, "jsonl", options))) yield JSON.parse(line);
  }

  /** The pieces of a file with the results of a batch so far. */
  downloadBatchResults(batchId: string, format: "jsonl" | "csv", options: Call = {}): AsyncGenerator<Uint8Array, void> {
    return this.#transport.open(get(`/api/v1/jobs/batches/${quote(batchId)}/results${query({ format })}`, options));
  }

  /** Jobs in these states and of these kinds, the newest first; those before the one with the id `before`. */
  listJobs({ state, kind, batchId, before, limit, ...options }: JobFilter & Page & Call = {}): Promise<ListedJob[]> {
    return this.#json(get(`/api/v1/jobs${query({ state, kind, batch_id: batchId, before, limit })}`, options));
  }

  /** All jobs in these states and of these kinds, the newest first, page by page. */
  iterateJobs(filter: JobFilter & Call = {}): AsyncGenerator<ListedJob, void> {
    return readPages((before) => this.listJobs({ ...filter, before, limit: PAGE }), idOf);
  }

  /** A job, with the reason of every failed attempt. */
  getJob(jobId: string, options: Call = {}): Promise<ListedJob> {
    return this.#json(get(`/api/v1/jobs/${quote(jobId)}`, options));
  }

  /** Wait until a job, such as an export, has ended. */
  waitForJob(jobId: string, wait: Wait = {}): Promise<ListedJob> {
    return poll(() => this.getJob(jobId, { signal: wait.signal }), (job) => ENDED.includes(job.state), wait);
  }

  /** Try a dead job again. */
  replayJob(jobId: string, options: Call = {}): Promise<Replayed> {
    return this.#json(post(`/api/v1/jobs/${quote(jobId)}/replay`, undefined, options));
  }

  /** Try all dead jobs of a kind again; for admins. */
  replayJobs(kind: Kind, options: Call = {}): Promise<Replayed> {
    return this.#json(post("/api/v1/jobs/replay", { kind }, options));
  }

  /** Have the votes of the organisation written into a file; for admins. */
  createExport(body: NewExport = {}, options: Call = {}): Promise<ListedJob> {
    return this.#json(post("/api/v1/jobs/exports", body, options));
  }

  /** The pieces of the file of an export: JSON Lines, compressed by gzip. */
  getExportFile(jobId: string, options: Call = {}): AsyncGenerator<Uint8Array, void> {
    return this.#transport.open(get(`/api/v1/jobs/${quote(jobId)}/file`, options));
  }

  // Webhooks, for admins; `verifyWebhook` verifies what a receiver gets

  /** Send events to an address from now on. The secret is shown only once. */
  createWebhook(body: NewWebhook, options: Call = {}): Promise<MadeWebhook> {
    return this.#json(post("/api/v1/webhooks", body, options));
  }

  /** Webhooks, the newest first, without their secrets; those before the one with the id `before`. */
  listWebhooks({ before, limit, ...options }: Page & Call = {}): Promise<Webhook[]> {
    return this.#json(get(`/api/v1/webhooks${query({ before, limit })}`, options));
  }

  /** All webhooks, the newest first, page by page. */
  iterateWebhooks(options: Call = {}): AsyncGenerator<Webhook, void> {
    return readPages((before) => this.listWebhooks({ before, limit: PAGE, ...options }), idOf);
  }

  /** A webhook, without its secret. */
  getWebhook(webhookId: string, options: Call = {}): Promise<Webhook> {
    return this.#json(get(`/api/v1/webhooks/${quote(webhookId)}`, options));
  }

  /** Change a webhook. `enabled` stops its deliveries, or starts them again. */
  changeWebhook(webhookId: string, changes: WebhookChanges, options: Conditional = {}): Promise<Webhook> {
    return this.#json({ method: "PATCH", path: `/api/v1/webhooks/${quote(webhookId)}`, ...json(changes), ...options });
  }

  /** Delete a webhook and the log of its deliveries. */
  deleteWebhook(webhookId: string, options: Conditional = {}): Promise<void> {
    return this.#nothing({ method: "DELETE", path: `/api/v1/webhooks/${quote(webhookId)}`, ...options });
  }

  /**
   * Make a new secret. For a day deliveries are signed by both. It is not tried again: a third secret would end the
   * first at once.
   */
  rotateWebhookSecret(webhookId: string, options: Call = {}): Promise<NewWebhookSecret> {
    return this.#json(post(`/api/v1/webhooks/${quote(webhookId)}/secret`, undefined, options));
  }

  /** Send an event of type `webhook.test`. */
  sendTestEvent(webhookId: string, options: Call = {}): Promise<EnqueuedDeliveries> {
    return this.#json(post(`/api/v1/webhooks/${quote(webhookId)}/test`, undefined, options));
  }

  /** The log of a webhook, the newest first; those before the one with the id `before`. */
  listDeliveries(
    webhookId: string,
    { state, event, before, limit, ...options }: DeliveryFilter & Page & Call = {},
  ): Promise<Delivery[]> {
    return this.#json(
      get(`/api/v1/webhooks/${quote(webhookId)}/deliveries${query({ state, event, before, limit })}`, options),
    );
  }

  /** The whole log of a webhook, the newest first, page by page. */
  iterateDeliveries(webhookId: string, filter: DeliveryFilter & Call = {}): AsyncGenerator<Delivery, void> {
    return readPages((before) => this.listDeliveries(webhookId, { ...filter, before, limit: PAGE }), idOf);
  }

  /** Send a delivery again that arrived or is dead, under the same `webhook-id`. */
  replayDelivery(webhookId: string, deliveryId: string, options: Call = {}): Promise<EnqueuedDeliveries> {
    const path = `/api/v1/webhooks/${quote(webhookId)}/deliveries/${quote(deliveryId)}/replay`;
    return this.#json(post(path, undefined, options));
  }

  /** Send all dead deliveries of a webhook again, at most 10,000 in one call. */
  replayDeadDeliveries(webhookId: string, options: Call = {}): Promise<EnqueuedDeliveries> {
    return this.#json(post(`/api/v1/webhooks/${quote(webhookId)}/replay`, undefined, options));
  }

  // Inbound webhooks, for admins: other tools send messages, and the rewrites go to an address of yours

  /** Have another tool's messages rewritten from now on. The secret is shown only once. */
  createInboundWebhook(body: NewInboundWebhook, options: Call = {}): Promise<MadeInboundWebhook> {
    return this.#json(post("/api/v1/inbound-webhooks", body, options));
  }

  /** Inbound webhooks, the newest first, without their secrets; those before the one with the id `before`. */
  listInboundWebhooks({ before, limit, ...options }: Page & Call = {}): Promise<InboundWebhook[]> {
    return this.#json(get(`/api/v1/inbound-webhooks${query({ before, limit })}`, options));
  }

  /** All inbound webhooks, the newest first, page by page. */
  iterateInboundWebhooks(options: Call = {}): AsyncGenerator<InboundWebhook, void> {
    return readPages((before) => this.listInboundWebhooks({ before, limit: PAGE, ...options }), idOf);
  }

  /** An inbound webhook, without its secret. */
  getInboundWebhook(inboundWebhookId: string, options: Call = {}): Promise<InboundWebhook> {
    return this.#json(get(`/api/v1/inbound-webhooks/${quote(inboundWebhookId)}`, options));
  }

  /** Change an inbound webhook; what is left out stays. */
  changeInboundWebhook(
    inboundWebhookId: string,
    changes: InboundWebhookChanges,
    options: Conditional = {},
  ): Promise<InboundWebhook> {
    const path = `/api/v1/inbound-webhooks/${quote(inboundWebhookId)}`;
    return this.#json({ method: "PATCH", path, ...json(changes), ...options });
  }

  /** Delete an inbound webhook and revoke its key; what waits is not delivered. */
  deleteInboundWebhook(inboundWebhookId: string, options: Conditional = {}): Promise<void> {
    const path = `/api/v1/inbound-webhooks/${quote(inboundWebhookId)}`;
    return this.#nothing({ method: "DELETE", path, ...options });
  }

  /**
   * Make a new secret, or take the one that the tool has made. For a day both are accepted. It is not tried again: a
   * third secret would end the first at once.
   */
  rotateInboundWebhookSecret(
    inboundWebhookId: string,
    body: InboundSecret = {},
    options: Call = {},
  ): Promise<NewInboundSecret> {
    return this.#json(post(`/api/v1/inbound-webhooks/${quote(inboundWebhookId)}/secret`, body, options));
  }

  // Dictionaries

  /** The terms of the organisation, or of a person, the newest first; those before the one with the id `before`. */
  listDictionaryTerms({
    scope,
    user_id,
    before,
    limit,
    ...options
  }: { scope?: Scope | undefined; user_id?: string | undefined } & Page & Call = {}): Promise<DictionaryTerm[]> {
    return this.#json(get(`/api/v1/dictionary${query({ scope, user_id, before, limit })}`, options));
  }

  /** All terms of the organisation, or of a person, the newest first, page by page. */
  iterateDictionaryTerms(
    filter: { scope?: Scope | undefined; user_id?: string | undefined } & Call = {},
  ): AsyncGenerator<DictionaryTerm, void> {
    return readPages((before) => this.listDictionaryTerms({ ...filter, before, limit: PAGE }), idOf);
  }

  /** Add a term, in effect at once; to the organisation's dictionary for admins. */
  addDictionaryTerm(body: NewDictionaryTerm, options: Call = {}): Promise<DictionaryTerm> {
    return this.#json(post("/api/v1/dictionary", body, options));
  }

  /** A term of the organisation, or of a person. */
  getDictionaryTerm(
    termId: string,
    { user_id, ...options }: { user_id?: string | undefined } & Call = {},
  ): Promise<DictionaryTerm> {
    return this.#json(get(`/api/v1/dictionary/${quote(termId)}${query({ user_id })}`, options));
  }

  /** Change a term, in effect at once. */
  changeDictionaryTerm(
    termId: string,
    changes: DictionaryTermChanges,
    options: Conditional = {},
  ): Promise<DictionaryTerm> {
    return this.#json({ method: "PATCH", path: `/api/v1/dictionary/${quote(termId)}`, ...json(changes), ...options });
  }

  /** Delete a term, in effect at once. */
  deleteDictionaryTerm(
    termId: string,
    { user_id, ...options }: { user_id?: string | undefined } & Conditional = {},
  ): Promise<void> {
    const path = `/api/v1/dictionary/${quote(termId)}${query({ user_id })}`;
    return this.#nothing({ method: "DELETE", path, ...options });
  }

  // Rules

  /** The rules of the organisation, or of a person, the newest first; those before the one with the id `before`. */
  listRules({
    scope,
    user_id,
    before,
    limit,
    ...options
  }: { scope?: Scope | undefined; user_id?: string | undefined } & Page & Call = {}): Promise<ListedRule[]> {
    return this.#json(get(`/api/v1/rules${query({ scope, user_id, before, limit })}`, options));
  }

  /** All rules of the organisation, or of a person, the newest first, page by page. */
  iterateRules(
    filter: { scope?: Scope | undefined; user_id?: string | undefined } & Call = {},
  ): AsyncGenerator<ListedRule, void> {
    return readPages((before) => this.listRules({ ...filter, before, limit: PAGE }), idOf);
  }

  /** Add a rule, in effect at once; to the organisation's rules for admins. */
  addRule(body: NewRule, options: Call = {}): Promise<ListedRule> {
    return this.#json(post("/api/v1/rules", body, options));
  }

  /** A rule of the organisation, or of a person. */
  getRule(ruleId: string, { user_id, ...options }: { user_id?: string | undefined } & Call = {}): Promise<ListedRule> {
    return this.#json(get(`/api/v1/rules/${quote(ruleId)}${query({ user_id })}`, options));
  }

  /** Change a rule, or turn it on or off; what is left out stays. */
  changeRule(ruleId: string, changes: RuleChanges, options: Conditional = {}): Promise<ListedRule> {
    return this.#json({ method: "PATCH", path: `/api/v1/rules/${quote(ruleId)}`, ...json(changes), ...options });
  }

  /** Delete a rule, in effect at once. */
  deleteRule(ruleId: string, { user_id, ...options }: { user_id?: string | undefined } & Conditional = {}): Promise<void> {
    const path = `/api/v1/rules/${quote(ruleId)}${query({ user_id })}`;
    return this.#nothing({ method: "DELETE", path, ...options });
  }

  /** The first rule that fires for a message, what it proposes, and why. Nothing is stored. */
  matchRules(message: MessageToMatch, options: Call = {}): Promise<RuleMatch> {
    return this.#json({ ...post("/api/v1/rules/match", message, options), isRepeatable: true });
  }

  /** Try a rule, stored or a draft, on the messages that a person had rewritten last. */
  dryRunRule(dryRun: DryRun, options: Call = {}): Promise<DryRunResult> {
    return this.#json(post("/api/v1/rules/dry-run", dryRun, options));
  }

  /** Who changed which rule and how, the newest first; those before the one with the id `before`. */
  listRuleChanges({
    scope,
    user_id,
    before,
    limit,
    ...options
  }: { scope?: Scope | undefined; user_id?: string | undefined } & Page & Call = {}): Promise<RecordedRuleChange[]> {
    return this.#json(get(`/api/v1/rules/changes${query({ scope, user_id, before, limit })}`, options));
  }

  /** All changes of rules, the newest first, page by page. */
  iterateRuleChanges(
    filter: { scope?: Scope | undefined; user_id?: string | undefined } & Call = {},
  ): AsyncGenerator<RecordedRuleChange, void> {
    return readPages((before) => this.listRuleChanges({ ...filter, before, limit: PAGE }), idOf);
  }

  // Experiments

  /** Experiments with these statuses, the newest first; those before the one with the id `before`. */
  listExperiments({ status, before, limit, ...options }: ExperimentFilter & Page & Call = {}): Promise<
    ListedExperiment[]
  > {
    return this.#json(get(`/api/v1/experiments${query({ status, before, limit })}`, options));
  }

  /** All experiments with these statuses, the newest first, page by page. */
  iterateExperiments(filter: ExperimentFilter & Call = {}): AsyncGenerator<ListedExperiment, void> {
    return readPages((before) => this.listExperiments({ ...filter, before, limit: PAGE }), idOf);
  }

  /** An experiment with its plan and its decisions. */
  getExperiment(experimentId: string, options: Call = {}): Promise<WholeExperiment> {
    return this.#json(get(`/api/v1/experiments/${quote(experimentId)}`, options));
  }

  /** The metrics that a plan may name. */
  listMetrics(options: Call = {}): Promise<ListedMetrics> {
    return this.#json(get("/api/v1/metrics", options));
  }

  /** What a plan can show, by recent traffic. Nothing is stored. */
  forecastExperiment(body: DraftPlan, options: Call = {}): Promise<Outlook> {
    return this.#json({ ...post("/api/v1/experiments/outlook", body, options), isRepeatable: true });
  }

  /** Draft an experiment of versions against the champion. */
  draftExperiment(body: NewExperiment, options: Once = {}): Promise<WholeExperiment> {
    return this.#json(once("/api/v1/experiments", body, options));
  }

  /** Start a draft, or continue after a pause. */
  startExperiment(experimentId: string, body: OptionalReason = {}, options: Once = {}): Promise<StoredDecision> {
    return this.#decide(experimentId, "start", body, options);
  }

  /** Raise the share of users in an experiment, or continue after a pause. */
  rampExperiment(experimentId: string, body: NewShare, options: Once = {}): Promise<StoredDecision> {
    return this.#decide(experimentId, "ramp", body, options);
  }

  /** Pause an experiment: the champion answers everybody. */
  pauseExperiment(experimentId: string, body: OptionalReason = {}, options: Once = {}): Promise<StoredDecision> {
    return this.#decide(experimentId, "pause", body, options);
  }

  /** Withdraw one of several challengers; the experiment goes on with the others. */
  dropChallenger(experimentId: string, body: DroppedChallenger, options: Once = {}): Promise<StoredDecision> {
    return this.#decide(experimentId, "drop", body, options);
  }

  /** Make a challenger the champion; `challenger` says which, where there are several. */
  shipChallenger(experimentId: string, body: ShippedChallenger, options: Once = {}): Promise<StoredDecision> {
    return this.#decide(experimentId, "ship", body, options);
  }

  /** Withdraw all challengers; the experiment ends. */
  rollBackExperiment(experimentId: string, body: RequiredReason, options: Once = {}): Promise<StoredDecision> {
    return this.#decide(experimentId, "rollback", body, options);
  }

  /** Discard a draft, which ends without having started. */
  discardExperiment(experimentId: string, body: OptionalReason = {}, options: Once = {}): Promise<StoredDecision> {
    return this.#decide(experimentId, "discard", body, options);
  }

  // People, keys and consent

  /**
   * Sign in: the tokens of a new session. Give the access token to a client of its own (`token`). By `device`, such as
   * "Firefox on Linux", the person recognises the session in their list.
   */
  login(body: SignIn, options: Call = {}): Promise<Tokens> {
    return this.#json(post("/api/v1/auth/login", body, options));
  }

  /** The next tokens of a session. It is not tried again: a refresh token that is used twice ends the session. */
  refreshSession(refreshToken: string, options: Call = {}): Promise<Tokens> {
    return this.#json(post("/api/v1/auth/refresh", { refresh_token: refreshToken }, options));
  }

  /** End a session. */
  logout(refreshToken: string, options: Call = {}): Promise<void> {
    const request = post("/api/v1/auth/logout", { refresh_token: refreshToken }, options);
    return this.#nothing({ ...request, isRepeatable: true });
  }

  /** Where you are signed in, the newest first; for people with a session, as all of these three are. */
  listSessions({ before, limit, ...options }: Page & Call = {}): Promise<ListedSession[]> {
    return this.#json(get(`/api/v1/auth/sessions${query({ before, limit })}`, options));
  }

  /** All of your sessions, page by page. */
  iterateSessions(options: Call = {}): AsyncGenerator<ListedSession, void> {
    return readPages((before) => this.listSessions({ before, limit: PAGE, ...options }), idOf);
  }

  /** End one of your sessions. */
  endSession(sessionId: string, options: Call = {}): Promise<void> {
    return this.#nothing({ method: "DELETE", path: `/api/v1/auth/sessions/${quote(sessionId)}`, ...options });
  }

  /** End all of your sessions but the one of this client, and say how many those were. */
  endOtherSessions(options: Call = {}): Promise<EndedSessions> {
    return this.#json({ method: "DELETE", path: "/api/v1/auth/sessions", ...options });
  }

  /** The caller: name, organisation and role. */
  getMe(options: Call = {}): Promise<Me> {
    return this.#json(get("/api/v1/auth/me", options));
  }

  /** Change your password. All your sessions end. It is not tried again: the old one may not hold. */
  changePassword(body: NewPasswords, options: Call = {}): Promise<void> {
    return this.#nothing({ ...put("/api/v1/auth/password", body, options), isRepeatable: false });
  }

  /** Make an account for a person of your organisation; for admins. */
  registerAccount(body: NewAccount, options: Call = {}): Promise<MadeAccount> {
    return this.#json(post("/api/v1/auth/register", body, options));
  }

  /** Accounts of your organisation, the newest first; those before the one with the id `before`; for admins. */
  listAccounts({ role, q, before, limit, ...options }: AccountFilter & Page & Call = {}): Promise<ListedAccount[]> {
    return this.#json(get(`/api/v1/accounts${query({ role, q, before, limit })}`, options));
  }

  /** All accounts of your organisation, the newest first, page by page; for admins. */
  iterateAccounts(filter: AccountFilter & Call = {}): AsyncGenerator<ListedAccount, void> {
    return readPages((before) => this.listAccounts({ ...filter, before, limit: PAGE }), idOf);
  }

  /** Give a person another role; for admins. */
  changeRole(accountId: string, role: Role, options: Call = {}): Promise<void> {
    const path = `/api/v1/accounts/${quote(accountId)}`;
    return this.#nothing({ method: "PATCH", path, ...json({ role }), ...options });
  }

  /** Remove an account; for admins. */
  removeAccount(accountId: string, options: Call = {}): Promise<void> {
    return this.#nothing({ method: "DELETE", path: `/api/v1/accounts/${quote(accountId)}`, ...options });
  }

  /** Make an API key, which is shown only once; for admins. */
  createKey(body: NewKey, options: Call = {}): Promise<MadeKey> {
    return this.#json(post("/api/v1/keys", body, options));
  }

  /** API keys, the newest first, without their secrets; those before the one with the id `before`; for admins. */
  listKeys({ role, revoked, before, limit, ...options }: KeyFilter & Page & Call = {}): Promise<ListedKey[]> {
    return this.#json(get(`/api/v1/keys${query({ role, revoked, before, limit })}`, options));
  }

  /** All API keys, the newest first, page by page; for admins. */
  iterateKeys(filter: KeyFilter & Call = {}): AsyncGenerator<ListedKey, void> {
    return readPages((before) => this.listKeys({ ...filter, before, limit: PAGE }), idOf);
  }

  /** Revoke an API key; for admins. */
  deleteKey(keyId: string, options: Call = {}): Promise<void> {
    return this.#nothing({ method: "DELETE", path: `/api/v1/keys/${quote(keyId)}`, ...options });
  }

  /**
   * Who made, changed and revoked keys, secrets and tokens, the newest first; those before the one with the id
   * `before`; for admins.
   */
  listKeyChanges({ action, keyId, before, limit, ...options }: KeyChangeFilter & Page & Call = {}): Promise<KeyChange[]> {
    return this.#json(get(`/api/v1/keys/changes${query({ action, key_id: keyId, before, limit })}`, options));
  }

  /** All changes of keys, secrets and tokens, the newest first, page by page; for admins. */
  iterateKeyChanges(options: KeyChangeFilter & Call = {}): AsyncGenerator<KeyChange, void> {
    return readPages((before) => this.listKeyChanges({ before, limit: PAGE, ...options }), idOf);
  }

  /** The origins of the web pages that may use your organisation's tokens and keys; for admins. */
  async getOrigins(options: Call = {}): Promise<string[]> {
    const document = await this.#json<Origins>(get("/api/v1/origins", options));
    TAGS.set(document.origins, tagOf(document));
    return document.origins;
  }

  /** Replace the origins of your organisation; for admins. */
  putOrigins(origins: string[], options: Conditional = {}): Promise<void> {
    return this.#nothing(put("/api/v1/origins", { origins }, options));
  }

  /** The origins of the web pages that may use a key; for admins. */
  getKeyOrigins(keyId: string, options: Call = {}): Promise<KeyOrigins> {
    return this.#json(get(`/api/v1/keys/${quote(keyId)}/origins`, options));
  }

  /** Give a key a list of origins of its own, or with null that of the organisation; for admins. */
  putKeyOrigins(keyId: string, origins: string[] | null, options: Conditional = {}): Promise<void> {
    return this.#nothing(put(`/api/v1/keys/${quote(keyId)}/origins`, { origins }, options));
  }

  /** Change the quota of a key for web pages, in rewrites a day (UTC); for admins. */
  putKeyQuota(keyId: string, rewritesADay: number, options: Call = {}): Promise<void> {
    return this.#nothing(put(`/api/v1/keys/${quote(keyId)}/quota`, { rewrites_a_day: rewritesADay }, options));
  }

  /** Make a secret that signs requests with a key, which is shown only once; for admins. A key has two at most. */
  createRequestSecret(keyId: string, options: Call = {}): Promise<MadeRequestSecret> {
    return this.#json(post(`/api/v1/keys/${quote(keyId)}/secrets`, undefined, options));
  }

  /** The secrets that sign requests with a key, the newest first, without what they sign with; for admins. */
  listRequestSecrets(
    keyId: string,
    { before, limit, ...options }: Page & Call = {},
  ): Promise<ListedRequestSecret[]> {
    return this.#json(get(`/api/v1/keys/${quote(keyId)}/secrets${query({ before, limit })}`, options));
  }

  /** All secrets that sign requests with a key, page by page; for admins. */
  iterateRequestSecrets(keyId: string, options: Call = {}): AsyncGenerator<ListedRequestSecret, void> {
    return readPages((before) => this.listRequestSecrets(keyId, { before, limit: PAGE, ...options }), idOf);
  }

  /** Revoke a secret that signs requests; for admins. */
  deleteRequestSecret(keyId: string, secretId: string, options: Call = {}): Promise<void> {
    const path = `/api/v1/keys/${quote(keyId)}/secrets/${quote(secretId)}`;
    return this.#nothing({ method: "DELETE", path, ...options });
  }

  /** Let a key accept signed requests only, or unsigned ones, too; for admins. */
  requireSignatures(keyId: string, required: boolean, options: Call = {}): Promise<void> {
    return this.#nothing(put(`/api/v1/keys/${quote(keyId)}/signatures`, { required }, options));
  }

  /** Accept tokens that are signed with a key; for admins. */
  addSigningKey(body: NewSigningKey, options: Call = {}): Promise<AddedSigningKey> {
    return this.#json(post("/api/v1/signing-keys", body, options));
  }

  /** Signing keys, the newest first, without what they sign with; those before the one `before`; for admins. */
  listSigningKeys({ role, revoked, before, limit, ...options }: KeyFilter & Page & Call = {}): Promise<
    ListedSigningKey[]
  > {
    return this.#json(get(`/api/v1/signing-keys${query({ role, revoked, before, limit })}`, options));
  }

  /** All signing keys, the newest first, page by page; for admins. */
  iterateSigningKeys(filter: KeyFilter & Call = {}): AsyncGenerator<ListedSigningKey, void> {
    return readPages((before) => this.listSigningKeys({ ...filter, before, limit: PAGE }), ({ kid }) => kid);
  }

  /** Revoke a signing key; for admins. */
  deleteSigningKey(kid: string, options: Call = {}): Promise<void> {
    return this.#nothing({ method: "DELETE", path: `/api/v1/signing-keys/${quote(kid)}`, ...options });
  }

  /** Revoke one token of the organisation; for admins. */
  revokeToken(token: string, options: Call = {}): Promise<void> {
    return this.#nothing({ ...post("/api/v1/tokens/revoke", { token }, options), isRepeatable: true });
  }

  /** Whether a person's feedback may train models. */
  getConsent(userId?: string, options: Call = {}): Promise<Consent> {
    return this.#json(get(`/api/v1/consent${query({ user_id: userId })}`, options));
  }

  /** Set whether a person's feedback may train models. */
  putConsent(body: NewConsent, options: Conditional = {}): Promise<Consent> {
    return this.#json(put("/api/v1/consent", body, options));
  }

  /**
   * Erase everything that a person wrote, got and voted. It cannot be undone. While an erasure of the person is not
   * finished, this gives that one.
   */
  requestErasure(userId?: string, options: Call = {}): Promise<Erasure> {
    return this.#json(post("/api/v1/erasures", { erase: "everything", user_id: userId }, options));
  }

  /** A person's own erasures, the newest first: how far each is, and what it has removed. */
  listErasures({ userId, before, limit, ...options }: { userId?: string } & Page & Call = {}): Promise<Erasure[]> {
    return this.#json(get(`/api/v1/erasures${query({ user_id: userId, before, limit })}`, options));
  }

  /** All of a person's own erasures, page by page. */
  iterateErasures(filter: { userId?: string } & Call = {}): AsyncGenerator<Erasure, void> {
    return readPages((before) => this.listErasures({ ...filter, before, limit: PAGE }), idOf);
  }

  /** What a person prefers, for your program to preselect. */
  getPreferences(userId?: string, options: Call = {}): Promise<Preferences> {
    return this.#json(get(`/api/v1/preferences${query({ user_id: userId })}`, options));
  }

  /** Replace what a person prefers: what is left out is no preference from now on. */
  putPreferences(body: NewPreferences, options: Conditional = {}): Promise<Preferences> {
    return this.#json(put("/api/v1/preferences", body, options));
  }

  // Feedback on the app itself

  /** Say something about the app to the admins of the organisation; one a minute for each person. */
  giveAppFeedback(body: NewAppFeedback, options: Call = {}): Promise<AppFeedback> {
    return this.#json(post("/api/v1/app-feedback", body, options));
  }

  /** What people said about the app, the newest first; that before the one with the id `before`. For admins. */
  listAppFeedback({ before, limit, ...options }: Page & Call = {}): Promise<AppFeedback[]> {
    return this.#json(get(`/api/v1/app-feedback${query({ before, limit })}`, options));
  }

  /** All that people said about the app, the newest first, page by page. */
  iterateAppFeedback(options: Call = {}): AsyncGenerator<AppFeedback, void> {
    return readPages((before) => this.listAppFeedback({ ...options, before, limit: PAGE }), idOf);
  }

  /** Delete what a person said about the app. */
  deleteAppFeedback(feedbackId: string, options: Call = {}): Promise<void> {
    return this.#nothing({ method: "DELETE", path: `/api/v1/app-feedback/${quote(feedbackId)}`, ...options });
  }

  // The organisation

  /** Your organisation's decisions about training; for owners. */
  getOrganisation(options: Call = {}): Promise<Terms> {
    return this.#json(get("/api/v1/organisation", options));
  }

  /** Change your organisation's decisions about training; for owners. */
  putOrganisation(body: NewTerms, options: Conditional = {}): Promise<Terms> {
    return this.#json(put("/api/v1/organisation", body, options));
  }

  // Other forms of the API

  /** A WebSocket: what changes, as it happens, and rewrites. `reconnects` says for how long it tries again. */
  openSocket(reconnects: Partial<Retries> = {}): Promise<Socket> {
    const { url, credentials, retries, timeoutMs } = this.#transport;
    const patience = { ...RECONNECTS, ...reconnects };
    const address = `${url}/api/v1/ws`;
    return new Socket(address, credentials, retries, patience, this.#openWebSocket, timeoutMs).open();
  }

  /** Execute a GraphQL document: `data` and `errors`. With `isRepeatable`, as a query is, it is tried again. */
  graphql(
    body: GraphQlRequest,
    { isRepeatable = false, ...options }: Call & { isRepeatable?: boolean } = {},
  ): Promise<{ data?: unknown; errors?: unknown[] }> {
    return this.#json({ ...post("/graphql", body, options), isRepeatable });
  }

  /** Rewrite the last message in the form of OpenAI's API; `model` is such as `tonebridge/soften-2`. */
  createChatCompletion(
    body: Pick<CompletionRequest, "model" | "messages" | "user">,
    options: Once = {},
  ): Promise<Completion> {
    return this.#json(once("/v1/chat/completions", body, options));
  }

  /** The models, in the form of OpenAI's API. */
  listModels(options: Call = {}): Promise<Models> {
    return this.#json(get("/v1/models", options));
  }

  /** A model, in the form of OpenAI's API. */
  getModel(model: string, options: Call = {}): Promise<Model> {
    return this.#json(get(`/v1/models/${model.split("/").map(quote).join("/")}`, options));
  }

  // The gateway itself

  /** Whether the process runs. */
  checkLive(options: Call = {}): Promise<Record<string, string>> {
    return this.#json(get("/livez", options));
  }

  /** Whether this gateway can answer, and if not, why; it is not tried again. */
  async checkReady(options: Call = {}): Promise<Ready> {
    try {
      return await this.#json({ ...get("/readyz", options), isRepeatable: false });
    } catch (error) {
      if (!(error instanceof UnavailableError) || !("ready" in error.problem)) throw error;
      return { ready: false, detail: error.problem.detail ?? "" };
    }
  }

  /** All metrics of this gateway, for Prometheus, with the token TONEBRIDGE_METRICS_TOKEN. */
  getGatewayMetrics(metricsToken: string, options: Call = {}): Promise<string> {
    return this.#transport.send({ ...get("/metrics", options), bearer: metricsToken });
  }

  async #json<T>(request: Request): Promise<T> {
    let tag: string | undefined;
    const text = await this.#transport.send({ ...request, onTag: (read) => (tag = read) });
    const document = JSON.parse(text) as T;
    if (tag !== undefined && typeof document === "object" && document !== null) TAGS.set(document, tag);
    return document;
  }

  async #nothing(request: Request): Promise<void> {
    await this.#transport.send(request);
  }

  #decide(experimentId: string, action: string, body: object, options: Once): Promise<StoredDecision> {
    return this.#json(once(`/api/v1/experiments/${quote(experimentId)}/${action}`, body, options));
  }
}

/** Which part of a list. */
export interface Page {
  before?: string | undefined;
  limit?: number | undefined;
}

/** Which batches: with a message in one of these states, accepted from `since` on and before `until`. */
export interface BatchFilter {
  state?: readonly State[] | undefined;
  since?: Date | undefined;
  until?: Date | undefined;
}

/** Which jobs. */
export interface JobFilter {
  state?: readonly State[] | undefined;
  kind?: readonly Kind[] | undefined;
  batchId?: string | undefined;
}

/** Which deliveries of a webhook. */
export interface DeliveryFilter {
  state?: readonly State[] | undefined;
  event?: readonly EventType[] | undefined;
}

/** Which experiments. */
export interface ExperimentFilter {
  status?: readonly Status[] | undefined;
}

/** Which accounts; `q` is a part of their address or name. */
export interface AccountFilter {
  role?: readonly Role[] | undefined;
  q?: string | undefined;
}

/** Which API keys or signing keys. */
export interface KeyFilter {
  role?: readonly Role[] | undefined;
  revoked?: boolean | undefined;
}

/** Which changes of keys: of these kinds, of an API key. */
export interface KeyChangeFilter {
  action?: readonly KeyAction[] | undefined;
  keyId?: string | undefined;
}

/** Which answers: of whom, of which types, from `since` on and before `until`. */
export interface AnswerFilter {
  userId?: string | undefined;
  transformType?: readonly TransformType[] | undefined;
  since?: Date | undefined;
  until?: Date | undefined;
  /** A part of the message or of the rewrite, in any case. */
  q?: string | undefined;
}

const quote = encodeURIComponent;
const TAGS = new WeakMap<object, string>(); // of the documents that were read

/**
 * The tag (`ETag`) of the state of a document that a method has read, for `ifMatch` of the method that changes it. It
 * throws for what was not read by itself: the answer of a change has no tag.
 */
export function tagOf(document: object): string {
  const tag = TAGS.get(document);
  if (tag === undefined) throw new TypeError("this has no tag: read it by the method that gets it, such as getRule");
  return tag;
}

function get(path: string, { signal }: Call): Request {
  return { method: "GET", path, signal };
}

function put(path: string, body: object, { signal, ifMatch }: Conditional): Request {
  return { method: "PUT", path, ...json(body), signal, ifMatch };
}

/** A request that does something, without a key that would make it safe to repeat. */
function post(path: string, body: object | undefined, { signal }: Call): Request {
  return { method: "POST", path, ...(body && json(body)), signal };
}

/** A request that does something once, however often it is sent: by its Idempotency-Key. */
function once(path: string, body: object, { idempotencyKey = makeId(), signal }: Once): Request {
  return { method: "POST", path, ...json(body), idempotencyKey, signal };
}

function selectAnswers({ userId, transformType, since, until, q }: AnswerFilter): Parameters<typeof query>[0] {
  return {
    user_id: userId,
    transform_type: transformType,
    since: since?.toISOString(),
    until: until?.toISOString(),
    q,
  };
}

const idOf = ({ id }: { id: string }): string => id;

async function* readPages<T>(
  read: (before: string | undefined) => Promise<T[]>,
  identify: (row: T) => string,
): AsyncGenerator<T, void> {
  let before: string | undefined;
  for (;;) {
    const page = await read(before);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    before = identify(last);
  }
}

async function poll<T>(
  read: () => Promise<T>,
  isEnded: (state: T) => boolean,
  { timeoutMs, pollMs = 1000 }: Wait,
): Promise<T> {
  const beganAt = Date.now();
  for (;;) {
    const state = await read();
    if (isEnded(state)) return state;
    if (timeoutMs !== undefined && Date.now() - beganAt + pollMs > timeoutMs) {
      throw new DOMException(`not done after ${timeoutMs} ms; it goes on, so wait again`, "TimeoutError");
    }
    await sleep(pollMs);
  }
}

function openGlobalWebSocket(url: string, headers: Record<string, string>): WebSocket {
  if (typeof globalThis.WebSocket === "undefined") {
    throw new TypeError("there is no WebSocket here: take Node 22, or give `openWebSocket` one of the package ws");
  }
  if (Object.keys(headers).length > 0) {
    throw new TypeError("this WebSocket cannot be signed: give `openWebSocket` one of the package ws");
  }
  return new WebSocket(url);
}

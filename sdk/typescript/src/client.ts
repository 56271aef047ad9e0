/** The client: a method for each operation of the gateway, named as in its description (`/docs`). */

import { makeId } from "./bytes.js";
import { ToneBridgeError, UnavailableError, UnreachableError } from "./errors.js";
import { Draft, readEvents, readLines, type StreamEvent } from "./events.js";
import type {
  AddedSigningKey,
  Answer,
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
  DraftPlan,
  DroppedChallenger,
  Edit,
  EnqueuedDeliveries,
  FeedbackStored,
  GraphQlRequest,
  Kind,
  ListedAccount,
  ListedExperiment,
  ListedJob,
  ListedKey,
  ListedMetrics,
  ListedRequestSecret,
  MadeAccount,
  MadeKey,
  MadeRequestSecret,
  MadeWebhook,
  Me,
  Model,
  Models,
  NewAccount,
  NewConsent,
  NewExperiment,
  NewExport,
  NewKey,
  NewPasswords,
  NewShare,
  NewSigningKey,
  NewTerms,
  NewWebhook,
  NewWebhookSecret,
  NextComparison,
  OptionalReason,
  Outlook,
  Progress,
  Rating,
  Ready,
  Replayed,
  RequiredReason,
  Role,
  ShippedChallenger,
  State,
  StoredDecision,
  Terms,
  Thumb,
  Tokens,
  TransformRequest,
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

  /** Say what a rewrite is worth, by the receipt of its answer. A second vote of a kind replaces the first. */
  giveFeedback(vote: Thumb | Rating | Edit | Choice | Comment, options: Once = {}): Promise<FeedbackStored> {
    return this.#json(once("/api/v1/feedback", vote, options));
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
  listBatches({ before, limit, ...options }: Page & Call = {}): Promise<Batch[]> {
    return this.#json(get(`/api/v1/jobs/batches${query({ before, limit })}`, options));
  }

  /** All batches, the newest first, page by page. */
  iterateBatches(options: Call = {}): AsyncGenerator<Batch, void> {
    return readPages((before) => this.listBatches({ before, limit: PAGE, ...options }));
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

  /** Jobs in these states, the newest first; those before the one with the id `before`. */
  listJobs({ state, batchId, before, limit, ...options }: JobFilter & Page & Call = {}): Promise<ListedJob[]> {
    return this.#json(get(`/api/v1/jobs${query({ state, batch_id: batchId, before, limit })}`, options));
  }

  /** All jobs in these states, the newest first, page by page. */
  iterateJobs(filter: JobFilter & Call = {}): AsyncGenerator<ListedJob, void> {
    return readPages((before) => this.listJobs({ ...filter, before, limit: PAGE }));
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

  /** All webhooks, the oldest first, without their secrets. */
  listWebhooks(options: Call = {}): Promise<Webhook[]> {
    return this.#json(get("/api/v1/webhooks", options));
  }

  /** A webhook, without its secret. */
  getWebhook(webhookId: string, options: Call = {}): Promise<Webhook> {
    return this.#json(get(`/api/v1/webhooks/${quote(webhookId)}`, options));
  }

  /** Change a webhook. `enabled` stops its deliveries, or starts them again. */
  changeWebhook(webhookId: string, changes: WebhookChanges, options: Call = {}): Promise<Webhook> {
    return this.#json({ method: "PATCH", path: `/api/v1/webhooks/${quote(webhookId)}`, ...json(changes), ...options });
  }

  /** Delete a webhook and the log of its deliveries. */
  deleteWebhook(webhookId: string, options: Call = {}): Promise<void> {
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
    { state, before, limit, ...options }: { state?: readonly State[] | undefined } & Page & Call = {},
  ): Promise<Delivery[]> {
    return this.#json(
      get(`/api/v1/webhooks/${quote(webhookId)}/deliveries${query({ state, before, limit })}`, options),
    );
  }

  /** The whole log of a webhook, the newest first, page by page. */
  iterateDeliveries(
    webhookId: string,
    filter: { state?: readonly State[] | undefined } & Call = {},
  ): AsyncGenerator<Delivery, void> {
    return readPages((before) => this.listDeliveries(webhookId, { ...filter, before, limit: PAGE }));
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

  // Experiments

  /** The newest experiments, the newest first. */
  listExperiments({ limit, ...options }: { limit?: number } & Call = {}): Promise<ListedExperiment[]> {
    return this.#json(get(`/api/v1/experiments${query({ limit })}`, options));
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

  /** Sign in: the tokens of a new session. Give the access token to a client of its own (`token`). */
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

  /** All accounts of your organisation; for admins. */
  listAccounts(options: Call = {}): Promise<ListedAccount[]> {
    return this.#json(get("/api/v1/accounts", options));
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

  /** All API keys, the newest first, without their secrets; for admins. */
  listKeys(options: Call = {}): Promise<ListedKey[]> {
    return this.#json(get("/api/v1/keys", options));
  }

  /** Revoke an API key; for admins. */
  deleteKey(keyId: string, options: Call = {}): Promise<void> {
    return this.#nothing({ method: "DELETE", path: `/api/v1/keys/${quote(keyId)}`, ...options });
  }

  /** Make a secret that signs requests with a key, which is shown only once; for admins. A key has two at most. */
  createRequestSecret(keyId: string, options: Call = {}): Promise<MadeRequestSecret> {
    return this.#json(post(`/api/v1/keys/${quote(keyId)}/secrets`, undefined, options));
  }

  /** The secrets that sign requests with a key, without what they sign with; for admins. */
  listRequestSecrets(keyId: string, options: Call = {}): Promise<ListedRequestSecret[]> {
    return this.#json(get(`/api/v1/keys/${quote(keyId)}/secrets`, options));
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
  putConsent(body: NewConsent, options: Call = {}): Promise<Consent> {
    return this.#json(put("/api/v1/consent", body, options));
  }

  /** Your organisation's decisions about training; for owners. */
  getOrganisation(options: Call = {}): Promise<Terms> {
    return this.#json(get("/api/v1/organisation", options));
  }

  /** Change your organisation's decisions about training; for owners. */
  putOrganisation(body: NewTerms, options: Call = {}): Promise<Terms> {
    return this.#json(put("/api/v1/organisation", body, options));
  }

  // Other forms of the API

  /** A WebSocket: what changes, as it happens, and rewrites. `reconnects` says for how long it tries again. */
  openSocket(reconnects: Partial<Retries> = {}): Promise<Socket> {
    const { url, credentials, retries } = this.#transport;
    const patience = { ...RECONNECTS, ...reconnects };
    return new Socket(`${url}/api/v1/ws`, credentials, retries, patience, this.#openWebSocket).open();
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
    return JSON.parse(await this.#transport.send(request)) as T;
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

/** Which jobs. */
export interface JobFilter {
  state?: readonly State[] | undefined;
  batchId?: string | undefined;
}

const quote = encodeURIComponent;

function get(path: string, { signal }: Call): Request {
  return { method: "GET", path, signal };
}

function put(path: string, body: object, { signal }: Call): Request {
  return { method: "PUT", path, ...json(body), signal };
}

/** A request that does something, without a key that would make it safe to repeat. */
function post(path: string, body: object | undefined, { signal }: Call): Request {
  return { method: "POST", path, ...(body && json(body)), signal };
}

/** A request that does something once, however often it is sent: by its Idempotency-Key. */
function once(path: string, body: object, { idempotencyKey = makeId(), signal }: Once): Request {
  return { method: "POST", path, ...json(body), idempotencyKey, signal };
}

async function* readPages<T extends { id: string }>(
  read: (before: string | undefined) => Promise<T[]>,
): AsyncGenerator<T, void> {
  let before: string | undefined;
  for (;;) {
    const page = await read(before);
    yield* page;
    before = page.at(-1)?.id;
    if (before === undefined) return;
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

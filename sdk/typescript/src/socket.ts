/** The WebSocket: events as they happen, and rewrites on the same connection. */

import { makeId } from "./bytes.js";
import {
  ForbiddenError,
  fromProblem,
  ToneBridgeError,
  TooManyRequestsError,
  UnauthorizedError,
  UnavailableError,
  UnreachableError,
} from "./errors.js";
import { Draft, type StreamEvent } from "./events.js";
import type { Answer, Problem, TransformRequest } from "./generated/types.gen.js";
import { Attempts, type Retries, sleep } from "./retries.js";
import { sign } from "./signing.js";
import type { Credentials } from "./transport.js";

export type Channel = "jobs" | "answers" | "experiments" | "releases";

/**
 * Something has changed; `data` is as it is now. `cursor` is its place in the subscription, which is of a person
 * (`userId`), of an experiment, or of neither, as you have subscribed.
 */
export interface Change {
  kind: "change";
  channel: Channel;
  experimentId?: string | undefined;
  userId?: string | undefined;
  cursor: string;
  data: Record<string, unknown>;
}

/** Changes of this subscription may be missing: read the state by the other methods. */
export interface Reset {
  kind: "reset";
  channel: Channel;
  experimentId?: string | undefined;
  userId?: string | undefined;
  cursor: string;
}

/** What the socket needs of a WebSocket, whichever library it is from. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
}

/** Opens a WebSocket; `headers` are those of a signature, if requests are signed. */
export type OpenWebSocket = (url: string, headers: Record<string, string>) => WebSocketLike;

/** Which things of a channel. */
export interface Selection {
  experimentId?: string | undefined;
  userId?: string | undefined;
}

interface Message {
  type: string;
  id?: string;
  channel?: Channel;
  experiment_id?: string;
  user_id?: string;
  subscription?: string;
  cursor?: string;
  data?: unknown;
  retry_after_s?: number;
  ping_every_s?: number;
}

interface Subscription {
  channel: Channel;
  experiment_id?: string | undefined;
  user_id?: string | undefined;
}

const LOST: Message = { type: "lost" }; // in place of a reply that will not come: the connection broke
const UNAUTHENTICATED = 4401;
const FORBIDDEN = 4403;
const TOO_MANY = 4429;

/** Things that somebody waits for. */
class Mailbox<T> {
  #items: T[] = [];
  #waiting: { resolve: (item: T) => void; reject: (error: unknown) => void }[] = [];
  #failure: unknown;

  put(item: T): void {
    const first = this.#waiting.shift();
    if (first) first.resolve(item);
    else this.#items.push(item);
  }

  /** Let all who wait, now or later, get an error once the items are taken. */
  fail(error: unknown): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  take(): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift() as T);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  clear(): void {
    this.#items = [];
  }
}

/**
 * One connection, whose messages are read one by one. When it dies without a word, a browser says so only once TCP has
 * noticed, and cannot send a ping. So a silent connection gets a message that is answered.
 */
class Wire {
  readonly #messages = new Mailbox<Message>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silence = 0; // turns of the timer since the last message

  private constructor(private readonly raw: WebSocketLike) {
    raw.addEventListener("message", ({ data }) => {
      this.#silence = 0;
      const message = JSON.parse(String(data)) as Message;
      if (message.type !== "pong") this.#messages.put(message);
    });
    raw.addEventListener("close", ({ code, reason }) => this.#end(explain(code, reason)));
  }

  /** Open it; within `timeoutMs` it has to be open, and `watch` has to be called. */
  static open(raw: WebSocketLike, url: string, timeoutMs: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const wire = new Wire(raw);
      raw.addEventListener("open", () => resolve(wire));
      const refuse = (): void => reject(new UnreachableError(`no WebSocket at ${url}`, false));
      raw.addEventListener("error", refuse);
      raw.addEventListener("close", refuse);
      wire.#timer = setTimeout(() => {
        refuse();
        wire.#lose();
      }, timeoutMs);
    });
  }

  /**
   * Send a ping when no message has come for `everyMs`, and end the connection when none comes for as long again. A
   * gateway that answers no pings names no time.
   */
  watch(everyMs: number | undefined): void {
    clearTimeout(this.#timer);
    if (everyMs === undefined) return;
    this.#timer = setInterval(() => {
      this.#silence += 1;
      if (this.#silence > 2) this.#lose();
      else if (this.#silence === 2) this.send({ type: "ping" });
    }, everyMs);
  }

  #lose(): void {
    this.#end(new UnreachableError("nothing comes on the connection", false));
    this.raw.close();
  }

  #end(error: ToneBridgeError): void {
    clearInterval(this.#timer);
    this.#messages.fail(error);
  }

  receive(): Promise<Message> {
    return this.#messages.take();
  }

  send(message: object): void {
    this.raw.send(JSON.stringify(message));
  }

  close(): void {
    clearInterval(this.#timer);
    this.raw.close(1000);
  }
}

/**
 * A WebSocket of one caller. It connects again when the connection breaks, subscribes to the same channels where it
 * stopped, and sends rewrites again that are not answered. Iterate over it for what happens in the subscribed channels.
 */
export class Socket implements AsyncIterable<Change | Reset> {
  readonly #signedUrl: string;
  readonly #url: string;
  #wire: Wire | undefined;
  #failure: ToneBridgeError | undefined; // after which it does not connect again
  #isClosed = false;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #byId = new Map<string, Subscription>(); // the gateway names them in what it sends
  readonly #cursors = new Map<string, string>();
  readonly #changes = new Mailbox<Change | Reset>();
  readonly #replies = new Map<string, Mailbox<Message>>(); // by the id of a rewrite
  readonly #confirmations = new Mailbox<Message>();
  #commands: Promise<unknown> = Promise.resolve(); // one at a time: what confirms one does not say which

  constructor(
    url: string,
    private readonly credentials: Credentials,
    private readonly retries: Retries,
    private readonly reconnects: Retries,
    private readonly openWebSocket: OpenWebSocket,
    private readonly timeoutMs: number,
  ) {
    this.#signedUrl = url; // a handshake is an HTTP request
    this.#url = url.replace(/^http/, "ws");
  }

  /** Connect. */
  async open(): Promise<this> {
    await this.#connect(new Attempts(this.retries, true));
    void this.#deliverAll();
    return this;
  }

  /** The newest cursor of a subscription, from which another connection can go on with the same one (`after`). */
  getCursor(channel: Channel, selection: Selection = {}): string | undefined {
    return this.#cursors.get(toKey(toSubscription(channel, selection)));
  }

  /** Close the connection. Whoever iterates over it comes to the end. */
  close(): void {
    this.#isClosed = true;
    this.#fail(new UnreachableError("this socket was closed", false));
    this.#wire?.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Change | Reset, void> {
    for (;;) {
      let change: Change | Reset;
      try {
        change = await this.#changes.take();
      } catch (error) {
        if (this.#isClosed) return;
        throw error;
      }
      yield change;
    }
  }

  /** Get what happens in a channel from now on; with the cursor `after`, since then. */
  async subscribe(channel: Channel, { after, ...selection }: Selection & { after?: string } = {}): Promise<void> {
    const subscription = toSubscription(channel, selection);
    const confirmed = await this.#command({ type: "subscribe", ...subscription, after });
    const key = toKey(subscription);
    this.#subscriptions.set(key, subscription);
    if (!this.#cursors.has(key)) this.#cursors.set(key, confirmed.cursor as string);
  }

  /** Get what happens in a channel no longer. */
  async unsubscribe(channel: Channel, selection: Selection = {}): Promise<void> {
    const subscription = toSubscription(channel, selection);
    await this.#command({ type: "unsubscribe", ...subscription });
    this.#subscriptions.delete(toKey(subscription));
    this.#cursors.delete(toKey(subscription));
  }

  /** Go on with a new token of the same caller, before the one in use expires. */
  async renew(token: string): Promise<void> {
    await this.#command({ type: "auth", token });
    if (this.credentials.token !== undefined) this.credentials.token = token;
  }

  /** Rewrite a message. */
  async transform(body: TransformRequest, { idempotencyKey = makeId() } = {}): Promise<Answer> {
    for await (const event of this.#rewrite(body, idempotencyKey, false)) {
      if (event.kind === "answer") return event.answer;
    }
    throw new Error("the last event is the answer");
  }

  /** Rewrite a message, and show it as it is written. It is tried again only before its first event. */
  stream(body: TransformRequest, { idempotencyKey = makeId() } = {}): AsyncGenerator<StreamEvent, void> {
    return this.#rewrite(body, idempotencyKey, true);
  }

  async *#rewrite(body: TransformRequest, key: string, showsDrafts: boolean): AsyncGenerator<StreamEvent, void> {
    const attempts = new Attempts(this.retries, true);
    for (;;) {
      const id = makeId();
      const draft = new Draft();
      const replies = new Mailbox<Message>();
      let isAnswered = false;
      this.#replies.set(id, replies);
      try {
        this.#send({ type: "transform", id, body, idempotency_key: key });
        while (!isAnswered) {
          const message = await replies.take();
          if (message === LOST) throw new UnreachableError("the connection broke during the rewrite", true);
          isAnswered = message.type === "answer" || message.type === "error";
          const { retry_after_s: seconds } = message;
          yield draft.take(message.type, message.data, seconds === undefined ? undefined : seconds * 1000);
        }
        return;
      } catch (error) {
        const isOver = this.#failure !== undefined || (showsDrafts && draft.hasBegun);
        if (isOver || !(error instanceof ToneBridgeError)) throw error;
        isAnswered = true; // there is nothing to give up
        await sleep(attempts.waitMs(error));
      } finally {
        this.#replies.delete(id);
        if (!isAnswered && this.#failure === undefined) this.#send({ type: "cancel", id });
      }
    }
  }

  /** Send a message, and wait for its confirmation. */
  #command(message: object): Promise<Message> {
    const done = this.#commands.then(async () => {
      for (;;) {
        this.#confirmations.clear();
        this.#send(message);
        const confirmed = await this.#confirmations.take();
        if (confirmed !== LOST) return check(confirmed);
      }
    });
    this.#commands = done.catch(() => undefined);
    return done;
  }

  #send(message: object): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#wire?.send(message);
    } catch {
      // It has closed: whoever waits for a reply gets LOST as soon as there is another connection.
    }
  }

  async #deliverAll(): Promise<void> {
    while (this.#failure === undefined) {
      try {
        this.#deliver(await (this.#wire as Wire).receive());
      } catch (closed) {
        if (this.#isClosed) return;
        try {
          await this.#connect(new Attempts(this.reconnects, true), closed as ToneBridgeError);
        } catch (error) {
          this.#fail(error as ToneBridgeError);
        }
      }
    }
  }

  #deliver(message: Message): void {
    const { type, cursor, id } = message;
    const subscription = this.#byId.get(message.subscription ?? "");
    if ((type === "event" || type === "reset") && subscription !== undefined && cursor !== undefined) {
      this.#cursors.set(toKey(subscription), cursor);
      const { channel, experiment_id: experimentId, user_id: userId } = subscription;
      const of = { channel, experimentId, userId, cursor };
      const data = message.data as Record<string, unknown>;
      this.#changes.put(type === "event" ? { kind: "change", ...of, data } : { kind: "reset", ...of });
    } else if (id !== undefined) {
      this.#replies.get(id)?.put(message);
    } else {
      this.#note(message);
      this.#confirmations.put(message);
    }
  }

  /** Note how the gateway names a subscription that it confirms: its events may follow at once. */
  #note({ type, subscription, channel, experiment_id, user_id }: Message): void {
    if (type !== "subscribed" || subscription === undefined || channel === undefined) return;
    this.#byId.set(subscription, { channel, experiment_id, user_id });
  }

  #fail(error: ToneBridgeError): void {
    this.#failure = error;
    for (const waiting of [this.#changes, this.#confirmations, ...this.#replies.values()]) waiting.fail(error);
  }

  /** Open a connection, with the subscriptions of the one before it. */
  async #connect(attempts: Attempts, closed?: ToneBridgeError): Promise<void> {
    let failed = closed;
    for (;;) {
      if (failed !== undefined) await sleep(attempts.waitMs(failed));
      if (this.#failure !== undefined) throw this.#failure; // it was closed meanwhile
      try {
        const wire = await this.#openWire();
        if (this.#isClosed) wire.close();
        this.#wire = wire;
        break;
      } catch (error) {
        const isForNow = [UnreachableError, TooManyRequestsError, UnavailableError].some((kind) => error instanceof kind);
        if (!isForNow) throw error;
        failed = error as ToneBridgeError;
      }
    }
    for (const replies of [...this.#replies.values(), this.#confirmations]) replies.put(LOST);
  }

  async #openWire(): Promise<Wire> {
    const { apiKey, token, signing } = this.credentials;
    const headers = signing ? await sign("GET", this.#signedUrl, new Uint8Array(), signing) : {};
    const wire = await Wire.open(this.openWebSocket(this.#url, headers), this.#url, this.timeoutMs);
    try {
      const { ping_every_s: seconds } = await this.#ask(wire, { type: "auth", token: apiKey ?? token });
      wire.watch(seconds === undefined ? undefined : seconds * 1000);
      for (const subscription of this.#subscriptions.values()) {
        const after = this.#cursors.get(toKey(subscription));
        await this.#ask(wire, { type: "subscribe", ...subscription, after });
      }
    } catch (error) {
      wire.close();
      throw error;
    }
    return wire;
  }

  /** Send a message on a connection that nobody else reads yet, and read until it is confirmed. */
  async #ask(wire: Wire, message: object): Promise<Message> {
    wire.send(message);
    for (;;) {
      const received = await wire.receive();
      if (received.type !== "event" && received.type !== "reset") {
        this.#note(check(received));
        return received;
      }
      this.#deliver(received);
    }
  }
}

function toSubscription(channel: Channel, { experimentId, userId }: Selection): Subscription {
  return { channel, experiment_id: experimentId, user_id: userId };
}

function toKey({ channel, experiment_id, user_id }: Subscription): string {
  return JSON.stringify([channel, experiment_id, user_id]);
}

function check(confirmed: Message): Message {
  if (confirmed.type !== "error") return confirmed;
  const { retry_after_s: seconds } = confirmed;
  throw fromProblem(confirmed.data as Problem, { retryAfterMs: seconds === undefined ? undefined : seconds * 1000 });
}

function explain(code: number, reason: string): ToneBridgeError {
  if (code === UNAUTHENTICATED) return new UnauthorizedError(`${code}: ${reason || "sign in again"}`, { status: 401 });
  if (code === FORBIDDEN) {
    return new ForbiddenError(`${code}: ${reason || "this key or token may not"}`, { status: 403 });
  }
  if (code === TOO_MANY) {
    return new TooManyRequestsError(`${code}: ${reason || "wait before you connect again"}`, { status: 429 });
  }
  return new UnreachableError(`the connection ended (${code} ${reason})`, false);
}

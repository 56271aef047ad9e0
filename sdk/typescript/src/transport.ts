/** Sends requests by HTTP, again where that is safe. */

import { encodeText, makeId } from "./bytes.js";
import { fromResponse, NotFoundError, ToneBridgeError, UnreachableError } from "./errors.js";
import { Attempts, type Retries, sleep } from "./retries.js";
import { type Signing, sign } from "./signing.js";

/** A request to send, once or several times. */
export interface Request {
  method: string;
  /** With its query. */
  path: string;
  content?: Uint8Array<ArrayBuffer> | undefined;
  contentType?: string | undefined;
  accept?: string | undefined;
  idempotencyKey?: string | undefined;
  /** The tag of the only state in which it is done. */
  ifMatch?: string | undefined;
  /** Gets the tag of the document that is read. */
  onTag?: ((tag: string) => void) | undefined;
  /** A token in place of the caller's. */
  bearer?: string | undefined;
  /** Sent twice, it has one effect; reads, and what has a key. */
  isRepeatable?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Who calls: an API key, or a token of a person; and what signs requests. */
export interface Credentials {
  apiKey?: string | undefined;
  token?: string | undefined;
  signing?: Signing | undefined;
}

// Codes of errors of Node's `fetch` before anything was sent. A browser does not say why a request failed.
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);
const NOTHING = new Uint8Array();

export class Transport {
  constructor(
    readonly url: string,
    readonly credentials: Credentials,
    readonly retries: Retries,
    readonly timeoutMs: number,
    private readonly fetch: typeof globalThis.fetch,
  ) {}

  /** The body of the answer to a request. */
  async send(request: Request): Promise<string> {
    const attempts = this.begin(request);
    const id = makeId();
    for (;;) {
      try {
        const pieces: Uint8Array[] = [];
        for await (const piece of this.attempt(request, id)) pieces.push(piece);
        return join(pieces);
      } catch (error) {
        if (!(error instanceof ToneBridgeError)) throw error;
        // An attempt before this one has removed it, and its answer was lost.
        if (error instanceof NotFoundError && request.method === "DELETE" && attempts.mayBeDone) return "";
        await sleep(attempts.waitMs(error));
      }
    }
  }

  /** The pieces of the answer to a request as they come. It is tried again before the first one. */
  async *open(request: Request): AsyncGenerator<Uint8Array, void> {
    const attempts = this.begin(request);
    const id = makeId();
    let hasBegun = false;
    for (;;) {
      try {
        for await (const piece of this.attempt(request, id)) {
          hasBegun = true;
          yield piece;
        }
        return;
      } catch (error) {
        if (!(error instanceof ToneBridgeError) || hasBegun) throw error;
        await sleep(attempts.waitMs(error));
      }
    }
  }

  begin(request: Request): Attempts {
    // Done once, what it is about has another tag.
    const isRepeatable =
      request.ifMatch === undefined && (request.idempotencyKey !== undefined || request.method !== "POST");
    return new Attempts(this.retries, request.isRepeatable ?? isRepeatable);
  }

  /** The pieces of the answer to a request that is sent once. */
  async *attempt(request: Request, id = makeId()): AsyncGenerator<Uint8Array, void> {
    const url = new URL(this.url + request.path).href;
    const content = request.content ?? NOTHING;
    const controller = new AbortController();
    const abort = (): void => controller.abort(request.signal?.reason);
    request.signal?.addEventListener("abort", abort);
    if (request.signal?.aborted) abort();
    const patience = new Patience(this.timeoutMs, controller);
    let wasAnswered = false;
    try {
      const { fetch } = this; // called by itself: a browser's refuses to be another object's method
      const response = await fetch(url, {
        method: request.method,
        headers: { ...(await this.#show(request, url, content)), "X-Request-Id": id },
        body: request.content ?? null,
        signal: controller.signal,
      });
      wasAnswered = true;
      if (!response.ok) throw fromResponse(response, await response.text(), id);
      const tag = response.headers.get("etag");
      if (tag !== null) request.onTag?.(tag);
      const reader = response.body?.getReader();
      while (reader !== undefined) {
        patience.renew();
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } catch (error) {
      if (error instanceof ToneBridgeError || request.signal?.aborted) throw error;
      throw this.#explain(error, wasAnswered, patience.isOver, id);
    } finally {
      patience.end();
      request.signal?.removeEventListener("abort", abort);
      controller.abort(); // of a stream that is left early
    }
  }

  async #show(request: Request, url: string, content: Uint8Array<ArrayBuffer>): Promise<Record<string, string>> {
    const { apiKey, token, signing } = this.credentials;
    const bearer = request.bearer ?? token;
    return {
      ...(signing && (await sign(request.method, url, content, signing))),
      ...(apiKey !== undefined && { "X-API-Key": apiKey }),
      ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
      ...(request.contentType !== undefined && { "Content-Type": request.contentType }),
      ...(request.idempotencyKey !== undefined && { "Idempotency-Key": request.idempotencyKey }),
      ...(request.ifMatch !== undefined && { "If-Match": request.ifMatch }),
      Accept: request.accept ?? "*/*",
    };
  }

  #explain(error: unknown, wasAnswered: boolean, isLate: boolean, requestId: string): UnreachableError {
    const details = { requestId, cause: error };
    if (isLate) return new UnreachableError(`nothing came for ${this.timeoutMs} ms`, true, details);
    if (wasAnswered) {
      return new UnreachableError("the connection broke before the answer was complete", true, details);
    }
    const { code = "", message = "" } = ((error as Error).cause ?? error) as { code?: string; message?: string };
    const text = `no answer from ${this.url} (${code || message}); check that it runs there`;
    return new UnreachableError(text, !NOT_SENT.has(code), details);
  }
}

/** Aborts a request when nothing comes for a while. */
class Patience {
  isOver = false;
  #timer: ReturnType<typeof setTimeout>;

  constructor(
    private readonly timeoutMs: number,
    private readonly controller: AbortController,
  ) {
    this.#timer = this.#start();
  }

  renew(): void {
    this.end();
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.isOver = true;
      this.controller.abort();
    }, this.timeoutMs);
  }
}

function join(pieces: Uint8Array[]): string {
  const decoder = new TextDecoder();
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
}

/** A body of JSON. */
export function json(document: unknown): Pick<Request, "content" | "contentType"> {
  return { content: encodeText(JSON.stringify(document)), contentType: "application/json" };
}

/** A query; what is undefined is left out, and of a list each value is given. */
export function query(fields: Record<string, string | number | boolean | readonly string[] | undefined>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    for (const each of typeof value === "object" ? value : [String(value)]) parameters.append(name, each);
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

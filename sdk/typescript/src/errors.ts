/** What a call may throw. The message of an error says what is wrong and what to do. */

import type { InvalidField, Problem, Reason } from "./generated/types.gen.js";

export interface ErrorDetails {
  /** Undefined when there was no answer. */
  status?: number | undefined;
  /** The document (RFC 9457) of an answer. */
  problem?: Partial<Problem> | undefined;
  requestId?: string | undefined;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/** A call that failed. */
export class ToneBridgeError extends Error {
  readonly status: number | undefined;
  readonly problem: Partial<Problem>;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.name = new.target.name;
    this.status = details.status;
    this.problem = details.problem ?? {};
    this.requestId = details.requestId;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** Codes and values of what the message says, for programs. */
  get reasons(): Reason[] {
    return this.problem.reasons ?? [];
  }
}

/** 401: no key, token or password was sent, or it is not in force. */
export class UnauthorizedError extends ToneBridgeError {}

/** 403: the caller may not do this. */
export class ForbiddenError extends ToneBridgeError {}

/** 404: there is no such thing, or not for this caller. */
export class NotFoundError extends ToneBridgeError {}

/** 409: this is not possible now. */
export class ConflictError extends ToneBridgeError {}

/** 412: what a call would change is no longer in the state that `ifMatch` names; nothing was done. */
export class ChangedError extends ToneBridgeError {}

/** 422: the request is not valid; `fields` says which of its fields. */
export class InvalidRequestError extends ToneBridgeError {
  /** What is wrong, by the name of the field. */
  get fields(): Record<string, string> {
    const faults: InvalidField[] = this.problem.errors ?? [];
    return Object.fromEntries(faults.map((fault) => [fault.field, fault.message]));
  }
}

/** 429: more requests than the plan allows. `retryAfterMs` says when to try again. */
export class TooManyRequestsError extends ToneBridgeError {}

/** 502, 503 or 504: a part of ToneBridge is unavailable. `retryAfterMs` says when to try again. */
export class UnavailableError extends ToneBridgeError {}

/** No answer came: the connection could not be opened, or it broke. */
export class UnreachableError extends ToneBridgeError {
  /** Whether the request may have been received, and done. */
  readonly wasSent: boolean;

  constructor(message: string, wasSent: boolean, details: ErrorDetails = {}) {
    super(message, details);
    this.wasSent = wasSent;
  }
}

/** A webhook that is not to be trusted. */
export class WebhookError extends Error {
  override readonly name = "WebhookError";
}

const BY_STATUS: Record<number, typeof ToneBridgeError> = {
  401: UnauthorizedError,
  403: ForbiddenError,
  404: NotFoundError,
  409: ConflictError,
  412: ChangedError,
  422: InvalidRequestError,
  429: TooManyRequestsError,
  502: UnavailableError,
  503: UnavailableError,
  504: UnavailableError,
};

/** The error of a problem document, or of an error in the shape of OpenAI's. */
export function fromProblem(problem: object, details: ErrorDetails = {}): ToneBridgeError {
  const { detail, title, error, status = 500 } = problem as Partial<Problem> & { error?: { message?: string } };
  const message = `${status}: ${error?.message ?? detail ?? title ?? "the answer says no more"}`;
  const Kind = BY_STATUS[status] ?? ToneBridgeError;
  return new Kind(message, { ...details, status, problem });
}

/** The error of an answer; a proxy's has no problem document. */
export function fromResponse(response: Response, body: string, requestId: string): ToneBridgeError {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    document = null;
  }
  const problem = typeof document === "object" && document !== null ? document : {};
  return fromProblem(
    { ...problem, status: response.status },
    {
      requestId: response.headers.get("x-request-id") ?? requestId,
      retryAfterMs: readRetryAfter(response.headers.get("retry-after")),
    },
  );
}

/** Milliseconds of a Retry-After (RFC 9110, 10.2.3): seconds, which proxies may also give as a date. */
export function readRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const until = Date.parse(header);
  return Number.isNaN(until) ? undefined : Math.max(0, until - Date.now());
}

/** When a call is tried again, and after how long. */

import {
  ConflictError,
  type ToneBridgeError,
  TooManyRequestsError,
  UnavailableError,
  UnreachableError,
} from "./errors.js";

/**
 * How often and how long a call is tried. The waits are random and at most double each time ("full jitter"), so
 * that many clients do not come back at the same moment; Retry-After is obeyed.
 */
export interface Retries {
  attempts: number;
  /** After which no attempt begins. */
  totalMs: number;
  baseMs: number;
  capMs: number;
}

export const RETRIES: Retries = { attempts: 5, totalMs: 60_000, baseMs: 500, capMs: 10_000 };
export const RECONNECTS: Retries = { attempts: 200, totalMs: 900_000, baseMs: 500, capMs: 15_000 };

/** The attempts of one call so far. */
export class Attempts {
  #failed = 0;
  readonly #beganAt: number;
  /** Whether an attempt failed that may have had its effect. */
  mayBeDone = false;

  /** `isRepeatable`: sent twice, it has one effect. */
  constructor(
    private readonly retries: Retries,
    private readonly isRepeatable: boolean,
    private readonly clock: () => number = Date.now,
  ) {
    this.#beganAt = clock();
  }

  /** Milliseconds to wait before the next attempt, after one that failed; throws `error` if there is none. */
  waitMs(error: ToneBridgeError): number {
    this.#failed += 1;
    if (error instanceof UnavailableError || (error instanceof UnreachableError && error.wasSent)) {
      this.mayBeDone = true;
    }
    if (!this.#mayTryAgain(error)) throw error;
    const longestMs = Math.min(this.retries.capMs, this.retries.baseMs * 2 ** (this.#failed - 1));
    const waitMs = Math.random() * longestMs + (error.retryAfterMs ?? 0);
    const isLate = this.clock() + waitMs - this.#beganAt > this.retries.totalMs;
    if (this.#failed >= this.retries.attempts || isLate) throw error;
    return waitMs;
  }

  #mayTryAgain(error: ToneBridgeError): boolean {
    if (error instanceof TooManyRequestsError) return true; // it was refused before it did anything
    if (error instanceof UnreachableError) return this.isRepeatable || !error.wasSent;
    if (error instanceof UnavailableError) return this.isRepeatable;
    // The first request with this Idempotency-Key is still being answered.
    return error instanceof ConflictError && this.isRepeatable && error.retryAfterMs !== undefined;
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

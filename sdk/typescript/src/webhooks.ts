/** Verifies webhooks by Standard Webhooks (standardwebhooks.com): ToneBridge has sent them, and lately. */

import { encodeText, fromBase64, hmac } from "./bytes.js";
import { WebhookError } from "./errors.js";

const PREFIX = "whsec_";

/**
 * The document of a webhook; throws WebhookError when it is not to be trusted.
 *
 * `body` is the body as it came, byte by byte. While a secret is replaced, give both. A webhook may come twice: its
 * `webhook-id` is the same then.
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: Headers | Record<string, string | string[] | undefined>,
  secret: string | string[],
  { toleranceMs = 300_000, now = Date.now() }: { toleranceMs?: number; now?: number } = {},
): Promise<unknown> {
  const id = find(headers, "webhook-id");
  const sentAt = find(headers, "webhook-timestamp");
  const signatures = find(headers, "webhook-signature");
  if (!/^\d+$/.test(sentAt)) {
    throw new WebhookError("webhook-timestamp is no number of seconds: do not trust it");
  }
  const ageMs = now - Number(sentAt) * 1000;
  if (Math.abs(ageMs) > toleranceMs) {
    throw new WebhookError(
      `this webhook was sent ${Math.round(ageMs / 1000)} s ago, and ${toleranceMs / 1000} s are the most: it may be` +
        " a copy of an old one; if they all are, set this machine's clock",
    );
  }
  const bytes = typeof body === "string" ? encodeText(body) : body;
  const content = new Uint8Array([...encodeText(`${id}.${sentAt}.`), ...bytes]);
  const given = signatures
    .split(" ")
    .filter((signature) => signature.startsWith("v1,"))
    .map((signature) => fromBase64(signature.slice(3)) ?? new Uint8Array());
  for (const key of readKeys(secret)) {
    const expected = await hmac(key, content);
    if (given.some((signature) => areEqual(expected, signature))) {
      return JSON.parse(new TextDecoder().decode(bytes));
    }
  }
  throw new WebhookError("no signature of this webhook fits the secret: do not trust it, or correct the secret");
}

function find(headers: Headers | Record<string, string | string[] | undefined>, name: string): string {
  const pairs = headers instanceof Headers ? [...headers] : Object.entries(headers);
  const value = pairs.find(([key]) => key.toLowerCase() === name)?.[1];
  if (typeof value !== "string") throw new WebhookError(`this webhook has no header ${name}: do not trust it`);
  return value;
}

function readKeys(secret: string | string[]): Uint8Array<ArrayBuffer>[] {
  const texts = typeof secret === "string" ? [secret] : secret;
  const keys = texts.map((text) => fromBase64(text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text));
  const usable = keys.filter((key) => key !== undefined && key.length > 0) as Uint8Array<ArrayBuffer>[];
  if (usable.length === 0 || usable.length < keys.length) {
    throw new TypeError(`a secret of webhooks is ${PREFIX} and base64, as it was shown when it was made`);
  }
  return usable;
}

/** In a time that does not tell how much of a guess is right. */
function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let place = 0; place < one.length; place += 1) difference |= (one[place] ?? 0) ^ (other[place] ?? 0);
  return difference === 0;
}

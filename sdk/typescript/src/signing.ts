/**
 * Signs requests by HTTP Message Signatures (RFC 9421), in the one profile that the gateway accepts: method, address
 * and body (Content-Digest, RFC 9530), by HMAC-SHA256, with a time and a nonce of its own.
 */

import { encodeText, hmac, makeId, toBase64 } from "./bytes.js";

export interface Signing {
  keyid: string;
  /** A text is its UTF-8 bytes. */
  secret: string | Uint8Array<ArrayBuffer>;
}

const COMPONENTS = '("@method" "@target-uri" "content-digest")';

/**
 * The headers that sign a request. `url` is what the client calls, query included. Each attempt needs a signature of
 * its own: a nonce is accepted once.
 */
export async function sign(
  method: string,
  url: string,
  body: Uint8Array<ArrayBuffer>,
  { keyid, secret }: Signing,
  { created = Math.floor(Date.now() / 1000), nonce = makeId() }: { created?: number; nonce?: string } = {},
): Promise<Record<string, string>> {
  const digest = `sha-256=:${toBase64(await crypto.subtle.digest("SHA-256", body))}:`;
  const parameters = `${COMPONENTS};created=${created};keyid="${keyid}";alg="hmac-sha256";nonce="${nonce}"`;
  const base = [
    `"@method": ${method.toUpperCase()}`,
    `"@target-uri": ${url}`,
    `"content-digest": ${digest}`,
    `"@signature-params": ${parameters}`,
  ].join("\n");
  const key = typeof secret === "string" ? encodeText(secret) : secret;
  const signature = toBase64(await hmac(key, encodeText(base)));
  return {
    "Content-Digest": digest,
    "Signature-Input": `sig1=${parameters}`,
    Signature: `sig1=:${signature}:`,
  };
}

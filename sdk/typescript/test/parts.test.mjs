// The parts that need no gateway: signatures, webhooks, events, retries.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { sign, ToneBridgeError, TooManyRequestsError, UnavailableError, UnreachableError, verifyWebhook, WebhookError } from "tonebridge";
import { fromResponse, readRetryAfter } from "../dist/errors.js";
import { Draft, readEvents } from "../dist/events.js";
import { Attempts, RETRIES } from "../dist/retries.js";
import { message, read } from "./installation.mjs";

test("a signature is that of the client in Python", async () => {
  const url = "https://tone.example.com/api/v1/transform";
  const body = new TextEncoder().encode("{}");
  const headers = await sign("post", url, body, { keyid: "k1", secret: "secret" }, { created: 1795900000, nonce: "n1" });
  assert.deepEqual(headers, {
    "Content-Digest": "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:",
    "Signature-Input":
      'sig1=("@method" "@target-uri" "content-digest");created=1795900000;keyid="k1";alg="hmac-sha256";nonce="n1"',
    Signature: "sig1=:ipkcXyw//tyaMtPyGBN2EH3WXZjf+aYbYwy8aUYIgRQ=:",
  });
  const [one, other] = [1, 2].map(() => sign("GET", url, body, { keyid: "k", secret: new Uint8Array([1]) }));
  assert.notEqual((await one)["Signature-Input"], (await other)["Signature-Input"]);
});

const [SECRET, OTHER] = [1, 2].map((byte) => `whsec_${Buffer.alloc(24, byte).toString("base64")}`);
const NOW = 1_795_900_000_000;
const BODY = JSON.stringify({ type: "batch.done", text: "修正しました" });

function sent({ body = BODY, secret = SECRET, at = NOW / 1000 } = {}) {
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signature = createHmac("sha256", key).update(`msg_1.${at}.${body}`).digest("base64");
  return { "Webhook-Id": "msg_1", "Webhook-Timestamp": String(at), "Webhook-Signature": `v1,${signature}` };
}

test("a webhook is trusted that was signed with a secret", async () => {
  assert.deepEqual(await verifyWebhook(BODY, sent(), SECRET, { now: NOW }), JSON.parse(BODY));
  const bytes = new TextEncoder().encode(BODY);
  assert.ok(await verifyWebhook(bytes, new Headers(sent()), [OTHER, SECRET], { now: NOW }));
  const both = { ...sent(), "Webhook-Signature": `v1a,x ${sent({ secret: OTHER })["Webhook-Signature"]} ${sent()["Webhook-Signature"]}` };
  assert.ok(await verifyWebhook(BODY, both, SECRET, { now: NOW }));
});

for (const [body, changes, says] of [
  [`${BODY} `, {}, /no signature/],
  [BODY, { "Webhook-Id": "msg_2" }, /no signature/],
  [BODY, sent({ secret: OTHER }), /no signature/],
  [BODY, { "Webhook-Signature": "nonsense v1 v1, v1,ä" }, /no signature/],
  [BODY, { "Webhook-Timestamp": "soon" }, /no number of seconds/],
  [BODY, { "Webhook-Timestamp": undefined }, /no header webhook-timestamp/],
  [BODY, sent({ at: NOW / 1000 - 301 }), /was sent 301 s ago/],
  [BODY, sent({ at: NOW / 1000 + 301 }), /was sent -301 s ago/],
]) {
  test(`a webhook is refused: ${says} ${JSON.stringify(changes)}`, async () => {
    const refused = verifyWebhook(body, { ...sent(), ...changes }, SECRET, { now: NOW });
    await assert.rejects(refused, (error) => error instanceof WebhookError && says.test(error.message));
  });
}

test("a secret that is none is a mistake of the receiver", async () => {
  for (const secret of ["", "whsec_", "whsec_ä", []]) {
    await assert.rejects(verifyWebhook(BODY, sent(), secret, { now: NOW }), /a secret of webhooks is whsec_/);
  }
});

test("events are read however they are cut", async () => {
  const texts = ["Please\u2028wait.\u0085", "お待ちください。", "data: x\n\nevent: y"];
  const events = texts.map((text) => `event: delta\ndata: ${JSON.stringify({ text })}\n\n`).join(": heartbeat\n\n");
  for (const whole of [events, events.replaceAll("\n", "\r\n")]) {
    const bytes = new TextEncoder().encode(whole);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.slice(n * size, (n + 1) * size));
      const found = await read(readEvents((async function* () { yield* pieces; })()));
      assert.deepEqual(found, texts.map((text) => ["delta", { text }]));
    }
  }
});

test("a draft is what a person sees", () => {
  const draft = new Draft();
  const steps = [["delta", "Fix"], ["delta", " it"], ["unknown", "x"], ["replace", "Please"], ["delta", " fix it"]];
  const seen = steps.map(([kind, text]) => draft.take(kind, { text }).draft);
  assert.deepEqual(seen, ["Fix", "Fix it", "Fix it", "Please", "Please fix it"]);
  assert.throws(() => draft.take("error", { status: 503, detail: "later" }), UnavailableError);
});

test("retries are random, bounded, and only of what is safe", () => {
  const [sentOnce, unsent] = [new UnreachableError("x", true), new UnreachableError("x", false)];
  const waits = Array.from({ length: 200 }, () => new Attempts({ ...RETRIES, baseMs: 1000 }, true).waitMs(unsent));
  assert.ok(Math.min(...waits) < 200 && Math.max(...waits) > 800 && Math.max(...waits) <= 1000);
  const later = new TooManyRequestsError("x", { retryAfterMs: 1000 });
  assert.ok(new Attempts({ ...RETRIES, baseMs: 1 }, false).waitMs(later) >= 1000);
  for (const error of [sentOnce, new UnavailableError("x"), new ToneBridgeError("x")]) {
    assert.throws(() => new Attempts(RETRIES, false).waitMs(error), error);
  }
  const attempts = new Attempts({ ...RETRIES, attempts: 3, baseMs: 0 }, true);
  attempts.waitMs(sentOnce);
  attempts.waitMs(sentOnce);
  assert.throws(() => attempts.waitMs(sentOnce), sentOnce);
  const late = new Attempts({ ...RETRIES, totalMs: 500 }, true);
  assert.throws(() => late.waitMs(later), later);
});

test("a proxy answers without a problem", () => {
  assert.ok(fromResponse(new Response("<html>", { status: 502 }), "<html>", "ours") instanceof UnavailableError);
  assert.equal(readRetryAfter("3"), 3000);
  assert.equal(readRetryAfter("soon"), undefined);
  assert.ok(readRetryAfter(new Date(Date.now() + 60_000).toUTCString()) > 50_000);
  assert.ok(message());
});

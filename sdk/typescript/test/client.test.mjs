// The client against a live gateway: every operation, and what happens when answers are lost.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import {
  ForbiddenError,
  InvalidRequestError,
  NotFoundError,
  ToneBridge,
  ToneBridgeError,
  UnauthorizedError,
  UnavailableError,
  UnreachableError,
} from "tonebridge";
import { connect, control, message, METRICS_TOKEN, read, until } from "./installation.mjs";

const client = connect();
const soften = (text = message(), more = {}) => ({ text, transform_type: "soften", intensity: 2, ...more });

// tests/test_sdks.py compares what these tests have called with the operations of the API.

test("rewrites and votes", async () => {
  const answer = await client.transform(soften(message(), { user_id: "ann", locale: "en-GB", channel: "chat" }));
  assert.match(answer.transformed_text, /^Please wait\./);
  const { receipt } = answer;
  const stored = await client.giveFeedback({ receipt, kind: "thumb", up: true });
  assert.deepEqual(await client.giveFeedback({ receipt, kind: "thumb", up: false }), stored);
  const { items } = await client.transformMany([soften(), soften()]);
  assert.deepEqual(items.map((entry) => entry.status), [200, 200]);
});

test("comparisons", async () => {
  const compared = await client.compare(soften(message(), { policy: "two_samples" }));
  await client.giveFeedback({ receipt: compared.receipt, kind: "comparison", preferred: "first" });
  const person = message();
  const { comparison_id: id } = await client.getNextComparison({ user_id: person });
  assert.equal((await client.getNextComparison({ user_id: person })).comparison_id, id);
  await client.skipComparison(id, person);
  assert.equal((await client.getComparisonProgress(person)).skipped, 1);
  assert.equal((await client.getNextComparison(soften(person, { user_id: person }))).message, person);
});

test("batches, jobs and exports", async () => {
  const texts = [message(), message(), message()];
  const batch = await client.createBatch(texts.map((text) => soften(text)));
  const seen = [];
  const ended = await client.waitForBatch(batch.id, { onProgress: (now) => seen.push(now), pollMs: 50, timeoutMs: 60_000 });
  assert.deepEqual([ended.done, seen.at(-1)], [3, ended]);
  const results = await read(client.getBatchResults(batch.id));
  assert.deepEqual(results.map(({ place, state }) => [place, state]), [[0, "done"], [1, "done"], [2, "done"]]);
  const table = Buffer.concat(await read(client.downloadBatchResults(batch.id, "csv"))).toString();
  assert.ok(table.includes(results[0].answer.transformed_text));

  const runAt = new Date(Date.now() + 86_400_000);
  const lines = texts.map((text) => JSON.stringify(soften(text))).join("\n");
  const later = await client.createBatch({ text: lines, type: "application/x-ndjson" }, { runAt });
  assert.deepEqual(await client.cancelBatch(later.id), { cancelled: 3 });
  const killed = await client.createBatch(texts.map((text) => soften(text)), { runAt });
  await control("kill", killed.id);
  const dead = await client.listJobs({ state: ["dead"], batchId: killed.id, limit: 2 });
  assert.deepEqual(dead.map((job) => job.state), ["dead", "dead"]);
  const { jobs } = await client.replayJob(dead[0].id);
  assert.equal((await client.getJob(jobs[0])).replayed_from, dead[0].id);
  assert.ok((await client.replayJobs("rewrite")).jobs.length >= 2);

  assert.deepEqual((await client.listBatches({ limit: 2 })).map(({ id }) => id), [killed.id, later.id]);
  assert.equal((await client.getBatch(later.id)).cancelled, 3);
  const everything = await read(client.iterateBatches());
  assert.deepEqual(everything.slice(0, 2).map(({ id }) => id), [killed.id, later.id]);
  assert.equal((await read(client.iterateJobs({ batchId: batch.id }))).length, 3);

  const answer = await client.transform(soften());
  await client.giveFeedback({ receipt: answer.receipt, kind: "thumb", up: true });
  const job = await client.createExport({ since: new Date(0).toISOString() });
  assert.equal((await client.waitForJob(job.id, { pollMs: 50, timeoutMs: 60_000 })).state, "done");
  const votes = gunzipSync(Buffer.concat(await read(client.getExportFile(job.id)))).toString();
  assert.ok(votes.includes('"thumb"'));
});

test("experiments", async () => {
  assert.ok(await client.forecastExperiment({ users_a_day: 100, challengers: 2 }));
  assert.ok((await client.listMetrics()).metrics.length > 0);
  async function draft(status) {
    const name = message();
    const made = await client.draftExperiment({ name, hypothesis: "People prefer it.", challengers: ["v2", "v3"] });
    await control("set_status", made.id, status);
    const found = await client.getExperiment(made.id);
    assert.deepEqual([found.name, found.status], [name, status]);
    return made.id;
  }
  const reason = "It is so.";
  const decisions = [
    await client.startExperiment(await draft("draft")),
    await client.rampExperiment(await draft("running"), { share: 0.5, reason }),
    await client.pauseExperiment(await draft("running")),
    await client.dropChallenger(await draft("running"), { challenger: "v3", reason }),
    await client.shipChallenger(await draft("running"), { challenger: "v2", reason }),
    await client.rollBackExperiment(await draft("running"), { reason }),
    await client.discardExperiment(await draft("draft"), { reason }),
  ];
  assert.ok(decisions.every((decision) => decision.happens));
  assert.equal((await client.listExperiments({ limit: 7 })).length, 7);
});

test("people", async () => {
  const [email, password] = [`${randomUUID()}@example.com`, "correct horse battery"];
  const account = await client.registerAccount({ email, password, name: "Ann", role: "viewer" });
  await client.changeRole(account.id, "experimenter");
  const listed = await client.listAccounts();
  assert.equal(listed.find(({ id }) => id === account.id).role, "experimenter");
  let tokens = await client.login({ email, password });
  tokens = await client.refreshSession(tokens.refresh_token);
  const person = connect({ token: tokens.access_token });
  assert.equal((await person.getMe()).role, "experimenter");
  await person.changePassword({ password, new_password: `${password} staple` });
  tokens = await client.login({ email, password: `${password} staple` });
  await client.logout(tokens.refresh_token);
  await client.removeAccount(account.id);
});

test("keys and tokens", async () => {
  const made = await client.createKey({ name: "for a test", role: "viewer" });
  assert.ok((await client.listKeys()).some(({ id }) => id === made.id));
  await client.deleteKey(made.id);
  const [kid, secret] = [`kid-${randomUUID()}`, "a secret of these tests, 32 bytes long"];
  const encode = (text) => Buffer.from(text).toString("base64url");
  assert.deepEqual(await client.addSigningKey({ kid, algorithm: "HS256", key: encode(secret) }), { kid });
  const claims = { sub: "ann", exp: Math.floor(Date.now() / 1000) + 60 };
  const signed = [{ alg: "HS256", typ: "JWT", kid }, claims].map((part) => encode(JSON.stringify(part))).join(".");
  const token = `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  // The gateway has read the new key by its next heartbeat.
  await until(() => client.revokeToken(token).then(() => true, () => false));
  await client.deleteSigningKey(kid);
});

test("signed requests", async () => {
  const made = await client.createKey({ name: "signs", role: "viewer" });
  const { id: keyid, secret } = await client.createRequestSecret(made.id);
  await client.requireSignatures(made.id, true);
  await assert.rejects(connect({ apiKey: made.key }).getMe(), UnauthorizedError);
  const signer = connect({ apiKey: made.key, signing: { keyid, secret } });
  assert.equal((await signer.getMe()).role, "viewer");
  assert.ok((await signer.transform(soften(message(), { user_id: "ann" }))).receipt);
  await client.requireSignatures(made.id, false);
  await client.deleteRequestSecret(made.id, keyid);
  const [listed] = await client.listRequestSecrets(made.id);
  assert.deepEqual([listed.id, listed.revoked_at === null], [keyid, false]);
});

// The address is one that the worker refuses, so its deliveries are dead at once.
test("webhooks", async () => {
  const url = "https://127.0.0.1/";
  const { id, secret } = await client.createWebhook({ url, events: ["job.done"], description: "a test" });
  assert.match(secret, /^whsec_/);
  assert.ok((await client.listWebhooks()).some((webhook) => webhook.id === id));
  assert.notEqual((await client.rotateWebhookSecret(id)).secret, secret);
  const changed = await client.changeWebhook(id, { events: ["quota.near"] });
  assert.deepEqual([changed.url, changed.events], [url, ["quota.near"]]);
  const untilDead = () =>
    until(async () => {
      const dead = await client.listDeliveries(id, { state: ["dead"] });
      return (await client.getWebhook(id)).waiting === 0 && dead.length === 1;
    });
  const [first] = (await client.sendTestEvent(id)).deliveries;
  await untilDead();
  const [second] = (await client.replayDelivery(id, first)).deliveries;
  await untilDead();
  assert.equal((await client.replayDeadDeliveries(id)).deliveries.length, 1);
  await untilDead();
  const log = await read(client.iterateDeliveries(id));
  assert.deepEqual(log.slice(1).map((delivery) => delivery.id), [second, first]);
  assert.match(log[0].errors[0].reason, /^the address leads to 127\.0\.0\.1/);
  await client.deleteWebhook(id);
});

test("consent", async () => {
  const person = message();
  assert.equal((await client.getConsent(person)).said_by, "organisation");
  assert.deepEqual(await client.putConsent({ training: true, user_id: person }), { training: true, said_by: "person" });
  const terms = await client.getOrganisation();
  assert.deepEqual(await client.putOrganisation({ trains_across: terms.trains_across }), terms);
});

test("other forms of the API, and the gateway itself", async () => {
  assert.deepEqual((await client.graphql({ query: "{ me { role } }" })).data, { me: { role: "OWNER" } });
  assert.equal((await client.listModels()).data.length, 28);
  assert.equal((await client.getModel("tonebridge/soften-2")).id, "tonebridge/soften-2");
  const messages = [{ role: "user", content: message() }];
  const completion = await client.createChatCompletion({ model: "tonebridge/soften-2", messages, user: "ann" });
  assert.match(completion.choices[0].message.content, /^Please wait\./);
  assert.deepEqual(await client.checkLive(), { status: "alive" });
  assert.ok((await client.checkReady()).ready);
  assert.match(await client.getGatewayMetrics(METRICS_TOKEN), /tonebridge_/);
  const socket = await client.openSocket();
  await socket.subscribe("jobs");
  socket.close();
});

test("each operation has a method of its name", () => {
  const names = new Set(Object.getOwnPropertyNames(ToneBridge.prototype));
  for (const id of JSON.parse(process.env.OPERATIONS)) {
    const name = id.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    assert.ok(names.has(name), name);
  }
});

test("a stream shows each draft and ends with the answer", async () => {
  const events = await read(client.stream(soften()));
  const last = events.pop();
  assert.ok(events.length > 0 && events.every((event) => event.kind === "delta"));
  assert.equal(events.map((event) => event.text).join(""), "Please wait.");
  assert.equal(events.at(-1).draft, "Please wait.");
  assert.deepEqual([last.kind, last.draft], ["answer", "Please wait."]);
  assert.ok(last.answer.receipt);
});

for (const fault of ["drop", "unavailable"]) {
  test(`a rewrite whose answer is lost is repeated with one effect: ${fault}`, async () => {
    const text = message();
    const keys = await control("count_keys");
    await control("fail", fault);
    assert.match((await client.transform(soften(text))).transformed_text, /^Please wait\./);
    assert.deepEqual(await control("list_faults"), []);
    assert.equal(await control("count_outputs", text), 1);
    assert.equal(await control("count_keys"), keys + 1);
  });

  test(`a vote whose answer is lost is repeated with one effect: ${fault}`, async () => {
    const { receipt } = await client.transform(soften());
    const keys = await control("count_keys");
    await control("fail", fault);
    assert.ok((await client.giveFeedback({ receipt, kind: "rating", stars: 4 })).feedback_id);
    assert.deepEqual(await control("list_faults"), []);
    assert.equal(await control("count_keys"), keys + 1);
  });
}

test("a stream is repeated before its first event and not after it", async () => {
  await control("fail", "drop");
  assert.equal((await read(client.stream(soften()))).at(-1).kind, "answer");
  assert.deepEqual(await control("list_faults"), []);
  await control("fail", "cut");
  await assert.rejects(read(client.stream(soften())), UnreachableError);
});

test("what has no key is not repeated once it may be done", async () => {
  const name = message();
  await control("fail", "drop");
  await assert.rejects(client.createKey({ name }), (error) => error instanceof UnreachableError && error.wasSent);
  assert.equal((await client.listKeys()).filter((key) => key.name === name).length, 1);
  await control("fail", "unavailable");
  await assert.rejects(client.createKey({ name }), UnavailableError);
});

test("what is removed already by a lost attempt is removed", async () => {
  const made = await client.createKey({ name: message() });
  await control("fail", "drop");
  await client.deleteKey(made.id);
  await assert.rejects(client.deleteKey(made.id), NotFoundError);
});

test("a gateway that does not run is named", async () => {
  const nobody = connect({ url: "http://127.0.0.1:1", retries: { attempts: 2, baseMs: 0 } });
  await assert.rejects(nobody.compare(soften()), (error) => {
    assert.ok(error instanceof UnreachableError);
    assert.match(error.message, /no answer from http:\/\/127\.0\.0\.1:1 \(/);
    return true;
  });
});

test("errors say what is wrong", async () => {
  await assert.rejects(client.transform(soften("Fix it.", { intensity: 7 })), (error) => {
    assert.ok(error instanceof InvalidRequestError);
    assert.match(error.message, /^422: intensity: /);
    assert.deepEqual(Object.keys(error.fields), ["intensity"]);
    assert.ok(error.reasons[0].code && error.requestId);
    return true;
  });
  await assert.rejects(read(client.stream(soften("Fix it.", { intensity: 7 }))), InvalidRequestError);
  await assert.rejects(client.getJob(randomUUID()), NotFoundError);
  const stranger = connect({ apiKey: "wrong" });
  await assert.rejects(stranger.getMe(), UnauthorizedError);
  const messages = [{ role: "user", content: "x" }];
  await assert.rejects(stranger.createChatCompletion({ model: "tonebridge/soften-2", messages }), ToneBridgeError);
  const member = await client.createKey({ name: "a member" });
  await assert.rejects(connect({ apiKey: member.key }).listKeys(), ForbiddenError);
});

test("a caller may give up", async () => {
  await assert.rejects(client.getMe({ signal: AbortSignal.abort(new Error("enough")) }), /enough|abort/);
});

test("a client needs an address and one caller", () => {
  assert.throws(() => new ToneBridge({ url: "localhost" }), /give the gateway's address/);
  assert.throws(() => new ToneBridge({ url: "http://x", apiKey: "k", token: "t" }), /not both/);
  const signing = { keyid: "id", secret: "secret" };
  assert.throws(() => new ToneBridge({ url: "http://x", token: "t", signing }), /no secret to sign with/);
});

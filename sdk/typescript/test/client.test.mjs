// The client against a live gateway: every operation, and what happens when answers are lost.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import {
  ChangedError,
  ForbiddenError,
  InvalidRequestError,
  NotFoundError,
  tagOf,
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

test("a person's own answers", async () => {
  const person = message();
  const { answer_id: first } = await client.transform(soften(message(), { user_id: person }));
  const { answer_id: second } = await client.transform(soften(message(), { user_id: person }));
  await until(async () => (await client.listAnswers({ userId: person })).length === 2);
  const listed = await client.listAnswers({ userId: person, transformType: ["soften"], since: new Date(0) });
  assert.deepEqual(listed.map(({ answer_id: id }) => id), [second, first]);
  assert.deepEqual(await client.getAnswer(first, person), listed[1]);
  assert.deepEqual(await read(client.iterateAnswers({ userId: person })), listed);
  assert.deepEqual(await client.listAnswers({ userId: person, before: second, limit: 1 }), listed.slice(1));
  assert.deepEqual(await read(client.iterateAnswers({ userId: person, until: new Date(0) })), []);
  const found = await read(client.iterateAnswers({ userId: person, q: listed[1].message.toUpperCase() }));
  assert.deepEqual(found, listed.slice(1));
  await client.deleteAnswer(first, { user_id: person });
  assert.deepEqual(await client.listAnswers({ userId: person }), listed.slice(0, 1));
  await assert.rejects(client.deleteAnswer(first, { user_id: person }), ({ status }) => status === 404);
});

test("an analysis", async () => {
  const text = "Fix it today. Are you blind?";
  const analysis = await client.analyze({ text, locale: "ja-JP", sent_on: "2026-11-30" });
  const due = analysis.findings.find(({ kind }) => kind === "deadline");
  assert.deepEqual([due.text, due.due_on], ["today", "2026-11-30"]);
  assert.equal([...text].slice(due.start, due.end).join(""), "today");
  assert.match(analysis.tone.explanation, /読み手/);
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
  assert.deepEqual((await client.listBatches({ state: ["cancelled"], limit: 1 })).map(({ id }) => id), [later.id]);
  assert.ok((await read(client.iterateBatches({ state: ["done"] }))).some(({ id }) => id === batch.id));
  assert.deepEqual(await client.listBatches({ since: new Date(Date.now() + 60_000) }), []);
  assert.deepEqual(await read(client.iterateBatches({ until: new Date(0) })), []);
  assert.equal((await read(client.iterateJobs({ batchId: batch.id }))).length, 3);
  assert.deepEqual(await client.listJobs({ kind: ["export"], batchId: batch.id }), []);

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
  const newest = await client.listExperiments({ limit: 7 });
  assert.equal(newest.length, 7);
  assert.deepEqual(await client.listExperiments({ before: newest[0].id, limit: 6 }), newest.slice(1));
  const drafts = await read(client.iterateExperiments({ status: ["draft"] }));
  assert.ok(drafts.every(({ status }) => status === "draft"));
});

test("people", async () => {
  const [email, password] = [`${randomUUID()}@example.com`, "correct horse battery"];
  const account = await client.registerAccount({ email, password, name: "Ann", role: "viewer" });
  await client.changeRole(account.id, "experimenter");
  const listed = await client.listAccounts();
  assert.equal(listed.find(({ id }) => id === account.id).role, "experimenter");
  const found = await read(client.iterateAccounts({ q: email, role: ["experimenter"] }));
  assert.deepEqual(found.map(({ id }) => id), [account.id]);
  for (const device of ["phone 0", "phone 1"]) await client.login({ email, password, device });
  let tokens = await client.login({ email, password });
  tokens = await client.refreshSession(tokens.refresh_token);
  const person = connect({ token: tokens.access_token });
  assert.equal((await person.getMe()).role, "experimenter");
  const [current, ...others] = await person.listSessions();
  assert.ok(current.is_current);
  assert.deepEqual(others.map(({ device }) => device), ["phone 1", "phone 0"]);
  assert.deepEqual(await person.listSessions({ before: current.id, limit: 1 }), others.slice(0, 1));
  await person.endSession(others[0].id);
  assert.deepEqual((await read(person.iterateSessions())).map(({ id }) => id), [current.id, others[1].id]);
  assert.deepEqual(await person.endOtherSessions(), { ended: 1 });
  await person.changePassword({ password, new_password: `${password} staple` });
  tokens = await client.login({ email, password: `${password} staple` });
  await client.logout(tokens.refresh_token);
  await client.removeAccount(account.id);
});

test("keys and tokens", async () => {
  const made = await client.createKey({ name: "for a test", role: "viewer" });
  assert.ok((await client.listKeys()).some(({ id }) => id === made.id));
  await client.deleteKey(made.id);
  assert.ok((await read(client.iterateKeys({ revoked: true }))).some(({ id }) => id === made.id));
  const changes = await client.listKeyChanges({ keyId: made.id });
  assert.deepEqual(changes.map(({ action }) => action), ["key_revoked", "key_created"]);
  const created = await read(client.iterateKeyChanges({ keyId: made.id, action: ["key_created"] }));
  assert.deepEqual(created, changes.slice(1));
  assert.ok((await client.listKeys({ revoked: false, role: ["viewer"] })).every(({ id }) => id !== made.id));
  const [kid, secret] = [`kid-${randomUUID()}`, "a secret of these tests, 32 bytes long"];
  const encode = (text) => Buffer.from(text).toString("base64url");
  assert.deepEqual(await client.addSigningKey({ kid, algorithm: "HS256", key: encode(secret) }), { kid });
  const claims = { sub: "ann", exp: Math.floor(Date.now() / 1000) + 60 };
  const signed = [{ alg: "HS256", typ: "JWT", kid }, claims].map((part) => encode(JSON.stringify(part))).join(".");
  const token = `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  // The gateway has read the new key by its next heartbeat.
  await until(() => client.revokeToken(token).then(() => true, () => false));
  assert.ok((await client.listSigningKeys({ revoked: false })).some((key) => key.kid === kid));
  await client.deleteSigningKey(kid);
  assert.ok((await read(client.iterateSigningKeys({ role: ["member"] }))).some((key) => key.kid === kid));
});

test("web pages", async () => {
  await client.putOrigins(["https://app.example.org"]);
  assert.deepEqual(await client.getOrigins(), ["https://app.example.org"]);
  const { id, key } = await client.createKey({ name: "page", browser: true, rewrites_a_day: 500 });
  await client.putKeyQuota(id, 50);
  assert.equal((await client.listKeys({ limit: 1 }))[0].rewrites_a_day, 50);
  assert.deepEqual(await client.getKeyOrigins(id), { origins: null, in_force: ["https://app.example.org"] });
  await client.putKeyOrigins(id, []);
  assert.deepEqual(await client.getKeyOrigins(id), { origins: [], in_force: [] });
  await assert.rejects(connect({ apiKey: key }).transform(soften(message())), ForbiddenError);
  await client.putKeyOrigins(id, null);
  await client.putOrigins([]);
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
  assert.deepEqual(await read(client.iterateRequestSecrets(made.id)), [listed]);
});

// The address is one that the worker refuses, so its deliveries are dead at once.
test("webhooks", async () => {
  const url = "https://127.0.0.1/";
  const { id, secret } = await client.createWebhook({ url, events: ["job.done"], description: "a test" });
  assert.match(secret, /^whsec_/);
  assert.ok((await client.listWebhooks()).some((webhook) => webhook.id === id));
  assert.ok((await read(client.iterateWebhooks())).some((webhook) => webhook.id === id));
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
  assert.deepEqual(await read(client.iterateDeliveries(id, { event: ["job.done"] })), []);
  assert.match(log[0].errors[0].reason, /^the address leads to 127\.0\.0\.1/);
  await client.deleteWebhook(id);
});

test("inbound webhooks", async () => {
  const made = await client.createInboundWebhook({
    name: "a tracker",
    verification: "hub",
    transform_type: "soften",
    intensity: 2,
    reply_url: "https://chat.example.org/hooks/x",
  });
  assert.equal(made.path, `/inbound/${made.id}`);
  assert.ok((await client.listInboundWebhooks()).some((webhook) => webhook.id === made.id));
  assert.ok((await read(client.iterateInboundWebhooks())).some((webhook) => webhook.id === made.id));
  assert.notEqual((await client.rotateInboundWebhookSecret(made.id)).secret, made.secret);
  const given = await client.rotateInboundWebhookSecret(made.id, { secret: "a-secret-of-the-tool" });
  assert.equal(given.secret, null);
  const changed = await client.changeInboundWebhook(made.id, { text_pointer: "/comment/body" });
  assert.deepEqual([changed.name, changed.text_pointer], ["a tracker", "/comment/body"]);
  assert.equal((await client.getInboundWebhook(made.id)).waiting, 0);
  await client.deleteInboundWebhook(made.id);
});

test("consent", async () => {
  const person = message();
  assert.equal((await client.getConsent(person)).said_by, "organisation");
  assert.deepEqual(await client.putConsent({ training: true, user_id: person }), { training: true, said_by: "person" });
  const erasure = await client.requestErasure(person);
  assert.deepEqual([erasure.state, erasure.removed.answers], ["waiting", 0]);
  assert.deepEqual(await client.requestErasure(person), erasure);
  assert.deepEqual(await client.listErasures({ userId: person, limit: 1 }), [erasure]);
  assert.deepEqual(await read(client.iterateErasures({ userId: person })), [erasure]);
  assert.deepEqual(await client.listErasures({ userId: person, before: erasure.id }), []);
  assert.deepEqual(await client.getConsent(person), { training: false, said_by: "person" });
  const preferred = { language: "ja", transform_type: null, intensity: 0, tour_closed: true };
  const chosen = { language: "ja", intensity: 0, tour_closed: true };
  assert.deepEqual(await client.putPreferences({ ...chosen, user_id: person }), preferred);
  assert.deepEqual(await client.getPreferences(person), preferred);
  const terms = await client.getOrganisation();
  assert.deepEqual(await client.putOrganisation({ trains_across: terms.trains_across }), terms);
});

test("dictionaries", async () => {
  const user_id = message();
  const body = { scope: "own", term: "SLO", rule: "explain", wording: "our promise", user_id };
  const { id } = await client.addDictionaryTerm(body);
  const kept = await client.changeDictionaryTerm(id, { rule: "keep", user_id });
  assert.deepEqual([kept.rule, kept.wording], ["keep", ""]);
  const [own] = await read(client.iterateDictionaryTerms({ scope: "own", user_id }));
  assert.equal(own.id, id);
  await client.deleteDictionaryTerm(id, { user_id });
  assert.deepEqual(await client.listDictionaryTerms({ scope: "own", user_id }), []);
});

test("rules", async () => {
  const user_id = message();
  const draft = {
    name: "Kinder",
    conditions: [{ kind: "keyword", words: ["asap"] }],
    transform_type: "soften",
    intensity: 2,
  };
  const { id } = await client.addRule({ ...draft, scope: "own", user_id });
  const { proposal } = await client.matchRules({ text: "Fix it asap.", user_id });
  assert.deepEqual([proposal.rule_id, proposal.because[0].words[0].text], [id, "asap"]);
  assert.equal((await client.changeRule(id, { enabled: false, user_id })).enabled, false);
  assert.equal((await client.getRule(id, { user_id })).enabled, false);
  const [own] = await read(client.iterateRules({ scope: "own", user_id }));
  assert.equal(own.id, id);
  assert.equal((await client.dryRunRule({ draft, user_id })).tried, 0);
  await client.deleteRule(id, { user_id });
  assert.deepEqual(await client.listRules({ scope: "own", user_id }), []);
  const changes = await read(client.iterateRuleChanges({ scope: "own", user_id }));
  assert.deepEqual(changes.map(({ present }) => present?.enabled), [undefined, false, true]);
});

test("changes of what was read", async () => {
  const user_id = message();
  const { id } = await client.addDictionaryTerm({ scope: "own", term: "SLO", rule: "keep", user_id });
  const { id: rule } = await client.addRule({
    name: "Kinder",
    conditions: [{ kind: "keyword", words: ["asap"] }],
    transform_type: "soften",
    intensity: 2,
    scope: "own",
    user_id,
  });
  const { id: webhook } = await client.createWebhook({ url: "https://hooks.example.org/", events: ["job.done"] });
  const { id: inbound } = await client.createInboundWebhook({
    name: "a tracker",
    verification: "hub",
    transform_type: "soften",
    intensity: 2,
    reply_url: "https://chat.example.org/hooks/x",
  });
  const { id: key } = await client.createKey({ name: "a page" });
  const origins = ["https://app.example.org"];
  const own = { user_id };
  const steps = [
    [() => client.getRule(rule, own), (with_) => client.changeRule(rule, { enabled: false, user_id }, with_)],
    [() => client.getRule(rule, own), (with_) => client.deleteRule(rule, { ...own, ...with_ })],
    [() => client.getDictionaryTerm(id, own), (with_) => client.changeDictionaryTerm(id, { term: "SLA", user_id }, with_)],
    [() => client.getDictionaryTerm(id, own), (with_) => client.deleteDictionaryTerm(id, { ...own, ...with_ })],
    [() => client.getWebhook(webhook), (with_) => client.changeWebhook(webhook, { description: "x" }, with_)],
    [() => client.getWebhook(webhook), (with_) => client.deleteWebhook(webhook, with_)],
    [() => client.getInboundWebhook(inbound), (with_) => client.changeInboundWebhook(inbound, { name: "x" }, with_)],
    [() => client.getInboundWebhook(inbound), (with_) => client.deleteInboundWebhook(inbound, with_)],
    [() => client.getOrigins(), (with_) => client.putOrigins(origins, with_)],
    [() => client.getOrigins(), (with_) => client.putOrigins([], with_)],
    [() => client.getKeyOrigins(key), (with_) => client.putKeyOrigins(key, origins, with_)],
    [() => client.getConsent(user_id), (with_) => client.putConsent({ training: true, user_id }, with_)],
    [() => client.getPreferences(user_id), (with_) => client.putPreferences({ intensity: 1, user_id }, with_)],
    [() => client.getOrganisation(), (with_) => client.putOrganisation({ trains_across: true }, with_)],
    [() => client.getOrganisation(), (with_) => client.putOrganisation({ trains_across: false }, with_)],
  ];
  for (const [readIt, change] of steps) {
    await assert.rejects(change({ ifMatch: '"another"' }), ChangedError);
    await change({ ifMatch: tagOf(await readIt()) });
  }
  await client.deleteKey(key);
  const consent = await client.putConsent({ training: true, user_id });
  assert.throws(() => tagOf(consent), TypeError);
  const tag = tagOf(await client.getConsent(user_id));
  await control("fail", "drop");
  await assert.rejects(client.putConsent({ training: false, user_id }, { ifMatch: tag }), UnreachableError);
  assert.equal((await client.getConsent(user_id)).training, false);
});

test("feedback on the app itself", async () => {
  const comment = message();
  const body = { about: "idea", comment, may_answer: true, user_id: comment };
  const given = await client.giveAppFeedback(body);
  assert.deepEqual([given.comment, given.author], [comment, comment]);
  assert.ok((await client.listAppFeedback()).some(({ id }) => id === given.id));
  const all = await read(client.iterateAppFeedback());
  assert.ok(all.some(({ id }) => id === given.id));
  await client.deleteAppFeedback(given.id);
  assert.ok(!(await client.listAppFeedback()).some(({ id }) => id === given.id));
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

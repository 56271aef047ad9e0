// The WebSocket against a live gateway whose connections break.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { InvalidRequestError, UnauthorizedError, UnreachableError } from "tonebridge";
import { API_KEY, connect, control, message, openWebSocket, read, until, URL_OF_GATEWAY } from "./installation.mjs";

const client = connect({ url: URL_OF_GATEWAY }); // its connections do not break
const opened = [];
after(() => opened.forEach((socket) => socket.close()));

const soften = (text = message()) => ({ text, transform_type: "soften", intensity: 2 });

async function open(options = {}) {
  const { reconnects = { baseMs: 1 }, ...others } = options;
  const socket = await connect(others).openSocket(reconnects);
  opened.push(socket);
  return socket;
}

async function makeBatch() {
  return (await client.createBatch([soften()])).id;
}

/** Changes until a batch is done. */
async function readUntilDone(changes, batchId) {
  const seen = [];
  for (;;) {
    const { value: change, done } = await changes.next();
    assert.ok(!done, "the socket has ended");
    seen.push(change);
    if (change.data?.id === batchId && change.data.done === change.data.messages) return seen;
  }
}

test("changes of a channel come as they happen", async () => {
  const socket = await open();
  await socket.subscribe("jobs");
  const last = (await readUntilDone(socket[Symbol.asyncIterator](), await makeBatch())).at(-1);
  assert.deepEqual([last.channel, socket.getCursor("jobs")], ["jobs", last.cursor]);
  await socket.unsubscribe("jobs");
  assert.equal(socket.getCursor("jobs"), undefined);
});

test("what happens while the connection is broken is not missed", async () => {
  const socket = await open();
  const changes = socket[Symbol.asyncIterator]();
  await socket.subscribe("jobs");
  const read = new Set((await readUntilDone(changes, await makeBatch())).map((change) => change.cursor));
  await control("go", true);
  const missed = await makeBatch();
  await client.waitForBatch(missed, { pollMs: 20, timeoutMs: 60_000 });
  await control("go", false);
  const seen = await readUntilDone(changes, missed);
  assert.ok(!seen.some((change) => read.has(change.cursor)), "what was read is not read again");
});

test("a connection that died without a word is noticed, and nothing is missed", async () => {
  await control("ping_every", 1);
  const socket = await open();
  const changes = socket[Symbol.asyncIterator]();
  await socket.subscribe("jobs");
  await readUntilDone(changes, await makeBatch());
  await control("swallow", false);
  await readUntilDone(changes, await makeBatch());
  await control("break_connections"); // the one that has died is open still
  await control("ping_every", 25);
});

test("a silent connection that is alive is kept", async () => {
  await control("ping_every", 0.2);
  let opens = 0;
  const counted = (url, headers) => {
    opens += 1;
    return openWebSocket(url, headers);
  };
  const socket = await open({ openWebSocket: counted });
  await control("ping_every", 25);
  await socket.subscribe("releases");
  await new Promise((resolve) => setTimeout(resolve, 2000)); // ten times as long
  await socket.transform(soften());
  assert.equal(opens, 1);
});

test("a connection on which nothing ever comes is given up", async () => {
  await control("swallow", true);
  await assert.rejects(open({ timeoutMs: 300, retries: { attempts: 2, baseMs: 1 } }), UnreachableError);
  await control("swallow", false);
  await control("break_connections");
});

test("a cursor that is too old is handed to the caller", async () => {
  const socket = await open();
  await socket.subscribe("jobs", { after: "1-0" });
  const { value: change } = await socket[Symbol.asyncIterator]().next();
  assert.equal(change.kind, "reset");
  assert.equal(socket.getCursor("jobs"), change.cursor);
});

test("a cursor of another connection goes on", async () => {
  const socket = await open();
  await socket.subscribe("jobs");
  const before = socket.getCursor("jobs");
  const batchId = await makeBatch();
  await readUntilDone(socket[Symbol.asyncIterator](), batchId);
  const other = await open();
  await other.subscribe("jobs", { after: before });
  await readUntilDone(other[Symbol.asyncIterator](), batchId);
});

test("no answer of several people is missed when the connection breaks", async () => {
  const socket = await open();
  const changes = socket[Symbol.asyncIterator]();
  const people = [message(), message(), message()];
  for (const userId of people) await socket.subscribe("answers", { userId });
  const expected = new Set();
  await control("go", true);
  for (const user_id of people) expected.add(`${user_id} ${(await client.transform({ ...soften(), user_id })).answer_id}`);
  await control("go", false);
  await control("break_connections"); // in the middle of what is sent again
  while (expected.size > 0) {
    const { value: change } = await changes.next();
    expected.delete(`${change.userId} ${change.data.answer_id}`);
    assert.equal(typeof socket.getCursor("answers", { userId: change.userId }), "string");
  }
});

test("a cursor of another subscription is refused", async () => {
  const socket = await open();
  await socket.subscribe("answers", { userId: "ann" });
  const after = socket.getCursor("answers", { userId: "ann" });
  await assert.rejects(socket.subscribe("answers", { userId: "bob", after }), InvalidRequestError);
  await assert.rejects(socket.subscribe("jobs", { after }), InvalidRequestError);
  await socket.subscribe("answers", { userId: "ann", after });
});

test("rewrites and changes share a connection", async () => {
  const socket = await open();
  const userId = message();
  await socket.subscribe("answers", { userId });
  const answers = await Promise.all([1, 2, 3].map(() => socket.transform({ ...soften(), user_id: userId })));
  const { value: change } = await socket[Symbol.asyncIterator]().next();
  assert.ok(answers.some((answer) => answer.answer_id === change.data.answer_id));
});

test("a stream shows drafts", async () => {
  const events = await read((await open()).stream(soften()));
  assert.equal(events.at(-1).kind, "answer");
  assert.ok(events.length > 1);
});

test("a rewrite is sent again when the connection breaks", async () => {
  const socket = await open();
  const text = message();
  const answer = await socket.transform(soften(text), { idempotencyKey: text });
  await control("break_connections");
  const again = await socket.transform(soften(text), { idempotencyKey: text });
  assert.equal(again.answer_id, answer.answer_id);
  assert.equal(await control("count_outputs", text), 1);
});

test("many breaks lose no rewrite", async () => {
  const retries = { attempts: 50, baseMs: 10, totalMs: 60_000 };
  const socket = await open({ retries, reconnects: retries });
  const texts = Array.from({ length: 10 }, message);
  const rewriting = Promise.all(texts.map((text) => socket.transform(soften(text))));
  for (let time = 0; time < 6; time += 1) {
    await control("break_connections");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await rewriting;
  for (const text of texts) await until(async () => (await control("count_answers", text)) === 1);
});

test("errors of a message are thrown", async () => {
  const socket = await open();
  await assert.rejects(socket.transform({ ...soften(), intensity: 9 }), InvalidRequestError);
  await assert.rejects(socket.subscribe("nonsense"), InvalidRequestError);
  await socket.subscribe("jobs"); // the connection goes on
});

test("a key that is not in force opens nothing", async () => {
  await assert.rejects(open({ apiKey: "wrong" }), UnauthorizedError);
});

test("a key that ends ends the socket", async () => {
  const made = await client.createKey({ name: "short", role: "viewer" });
  const socket = await open({ apiKey: made.key });
  await socket.subscribe("jobs");
  await client.deleteKey(made.id);
  await assert.rejects(socket[Symbol.asyncIterator]().next(), UnauthorizedError);
  await assert.rejects(socket.transform(soften()), UnauthorizedError);
});

test("a gateway that is gone is tried for a while", async () => {
  await assert.rejects(open({ url: "http://127.0.0.1:1" }), UnreachableError);
});

test("closing ends the loop of a reader", async () => {
  const socket = await open();
  const reading = read(socket);
  await socket.transform(soften());
  socket.close();
  assert.deepEqual(await reading, []);
  await assert.rejects(socket.transform(soften()), /this socket was closed/);
});

test("a token is renewed", async () => {
  const socket = await open();
  await socket.renew(API_KEY); // as for a token: the same caller
  await socket.subscribe("releases");
});

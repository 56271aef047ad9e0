// The installation that the tests use: tests/sdks.py starts it.
import WebSocket from "ws";
import { ToneBridge } from "tonebridge";

export const { URL_OF_GATEWAY, URL_OF_PROXY, URL_OF_CONTROL, API_KEY, METRICS_TOKEN } = process.env;
if (!URL_OF_PROXY) throw new Error("run these tests by `make test-slow`: they need an installation");

export const retries = { baseMs: 1, totalMs: 30_000 }; // Retry-After still holds
export const openWebSocket = (url, headers) => new WebSocket(url, { headers });

export function connect(options = {}) {
  const credentials = options.token === undefined ? { apiKey: API_KEY } : {};
  return new ToneBridge({ url: URL_OF_PROXY, ...credentials, retries, openWebSocket, ...options });
}

/** Call a function of the installation. */
export async function control(name, ...values) {
  const response = await fetch(`${URL_OF_CONTROL}/${name}`, { method: "POST", body: JSON.stringify(values) });
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response.json();
}

let number = 0;
export const message = () => `Fix it. ${process.pid} ${performance.now()} ${(number += 1)}`;

export async function read(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Wait for what happens elsewhere. */
export async function until(claim) {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (await claim()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not happen within 30 s");
}

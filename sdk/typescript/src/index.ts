/**
 * A client of ToneBridge, which rewrites workplace messages and learns from feedback.
 *
 * - `client`: a method for each operation of the API; `generated`: the types of its documents.
 * - `errors`: what they throw; `retries`: when a call is tried again; `transport`: what is sent.
 * - `events`: an answer while it is made; `socket`: the WebSocket.
 * - `signing` signs requests; `webhooks` verifies webhooks; `bytes`: what both need.
 */

export * from "./client.js";
export * from "./errors.js";
export type { StreamEvent } from "./events.js";
export type * as types from "./generated/types.gen.js";
export type { Retries } from "./retries.js";
export { type Signing, sign } from "./signing.js";
export type { Change, Channel, OpenWebSocket, Reset, Selection, Socket, WebSocketLike } from "./socket.js";
export { verifyWebhook } from "./webhooks.js";

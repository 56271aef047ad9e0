/** The events of an answer while it is made, and how they come: as server-sent events, or by WebSocket. */

import { fromProblem } from "./errors.js";
import type { Answer } from "./generated/types.gen.js";

/**
 * A step of an answer. `draft` is the text to show now: `text` has made it longer (`delta`) or replaced it
 * (`replace`). The last event, `answer`, has the whole answer; only its text is stored, and its receipt takes feedback.
 */
export type StreamEvent =
  | { kind: "delta" | "replace"; text: string; draft: string }
  | { kind: "answer"; text: string; draft: string; answer: Answer };

/** The draft that a client shows, as its events come. */
export class Draft {
  text = "";
  hasBegun = false;

  /**
   * The event of a kind and its data; throws the error, if that is what it is. An event of a kind that this version does
   * not know changes nothing.
   */
  take(kind: string, data: unknown, retryAfterMs?: number): StreamEvent {
    if (kind === "error") throw fromProblem(data as object, { retryAfterMs });
    this.hasBegun = true;
    if (kind === "answer") {
      const answer = data as Answer;
      this.text = answer.transformed_text;
      return { kind, text: this.text, draft: this.text, answer };
    }
    const { text } = data as { text: string };
    if (kind === "replace") {
      this.text = text;
      return { kind, text, draft: text };
    }
    const more = kind === "delta" ? text : "";
    this.text += more;
    return { kind: "delta", text: more, draft: this.text };
  }
}

/** The lines of UTF-8 that comes in pieces. */
export async function* readLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}

/** Server-sent events that come in pieces: the kind and the data of each. */
export async function* readEvents(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<[string, unknown], void> {
  let kind = "";
  let data: string[] = [];
  for await (const line of readLines(pieces)) {
    const end = line.indexOf(":");
    const name = end < 0 ? line : line.slice(0, end); // a comment has no name
    const value = end < 0 ? "" : line.slice(end + 1).replace(/^ /, "");
    if (name === "event") kind = value;
    else if (name === "data") data.push(value);
    else if (line === "" && data.length > 0) {
      yield [kind, JSON.parse(data.join("\n"))];
      kind = "";
      data = [];
    }
  }
}

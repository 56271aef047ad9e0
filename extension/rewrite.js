// The window of one selection: its rewrite, what to do with it, and what the person thinks of it.

import { ask, Problem, readPreferences } from "./gateway.js";
import { readSelection, replaceSelection } from "./selection.js";
import { offerChoices, say } from "./words.js";

const place = new URLSearchParams(location.search);
const target = { tabId: Number(place.get("tab")), frameIds: [Number(place.get("frame"))] };
const $ = (id) => document.getElementById(id);
let selection = { text: "", isEditable: false };
let answer = null;
let turn = 0; // of the newest request: the answer to an older one comes too late

/** What a function of selection.js returns in the person's page. */
async function runInPage(func, ...args) {
  try {
    const [{ result }] = await chrome.scripting.executeScript({ target, func, args });
    return result;
  } catch {
    throw new Problem("closedPage"); // a page of the browser or of its store, or one that has gone
  }
}

function tell(problem) {
  if (!(problem instanceof Problem)) throw problem;
  $("problem").textContent = problem.sentence;
  $("problem").hidden = false;
  $("settings").hidden = !["noAddress", "notAllowed", "signedOut", "unreachable", "noGateway"].includes(problem.message);
}

/** A handler of an event that says what goes wrong. */
const telling = (handle) => async (event) => {
  event?.preventDefault();
  $("problem").hidden = $("settings").hidden = true;
  try {
    await handle(event);
  } catch (problem) {
    tell(problem);
  }
};

async function rewrite() {
  const mine = ++turn;
  answer = null;
  $("after").textContent = "";
  $("actions").hidden = $("votes").hidden = true;
  $("status").textContent = say("writing");
  try {
    const body = { text: selection.text, transform_type: $("type").value, intensity: Number($("intensity").value) };
    const given = await ask("POST", "/transform", body);
    if (mine === turn) show(given);
  } finally {
    if (mine === turn && answer === null) $("status").textContent = "";
  }
}

function show(given) {
  answer = given;
  $("after").textContent = given.transformed_text;
  const notes = [];
  if (given.unchanged) notes.push(say(given.unchanged.code) || say("unchanged"));
  if (given.facts_missing.length) notes.push(say("missing", given.facts_missing.join(", ")));
  $("status").textContent = notes.join(" ");
  $("actions").hidden = $("votes").hidden = false;
  $("replace").hidden = !selection.isEditable;
  for (const id of ["better", "worse"]) $(id).setAttribute("aria-pressed", "false");
  $(selection.isEditable ? "replace" : "copy").focus();
}

async function replace() {
  const isDone = await runInPage(replaceSelection, selection.text, answer.transformed_text);
  if (!isDone) throw new Problem("changed");
  $("status").textContent = say("replaced");
  $("replace").hidden = true; // what was selected is no longer there
}

async function copy() {
  await navigator.clipboard.writeText(answer.transformed_text);
  $("status").textContent = say("copied");
}

async function vote(isUp) {
  await ask("POST", "/feedback", { receipt: answer.receipt, kind: "thumb", up: isUp });
  $("better").setAttribute("aria-pressed", String(isUp));
  $("worse").setAttribute("aria-pressed", String(!isUp));
  $("status").textContent = say("thanks");
}

$("better").addEventListener("click", telling(() => vote(true)));
$("worse").addEventListener("click", telling(() => vote(false)));
$("choices").addEventListener("submit", telling(rewrite));
$("replace").addEventListener("click", telling(replace));
$("copy").addEventListener("click", telling(copy));
$("settings").addEventListener("click", () => chrome.runtime.openOptionsPage());

const { type, intensity } = await readPreferences();
offerChoices($("type"), $("intensity"));
$("type").value = type;
$("intensity").value = intensity;
await telling(async () => {
  selection = await runInPage(readSelection);
  $("before").textContent = selection.text;
  if (!selection.text.trim()) throw new Problem("nothing");
  await rewrite();
})();

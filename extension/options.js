// The settings: the gateway's address, signing in and out, and what a rewrite begins with.

import { permissionFor, Problem, readAddress, readEmail, readPreferences, savePreferences, signIn, signOut } from "./gateway.js";
import { offerChoices, say } from "./words.js";

const $ = (id) => document.getElementById(id);

/** A handler of an event that says what it has done, or what goes wrong. */
const telling = (handle) => async (event) => {
  event.preventDefault();
  $("problem").hidden = true;
  $("status").textContent = "";
  try {
    $("status").textContent = say(await handle());
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    $("problem").textContent = problem.sentence;
    $("problem").hidden = false;
  }
  await show();
};

async function show() {
  const { address } = await readPreferences();
  const email = await readEmail();
  $("signIn").hidden = !address || email !== undefined;
  $("signedIn").hidden = email === undefined;
  $("who").textContent = email ?? "";
}

async function saveAddress() {
  const address = readAddress($("address").value.trim());
  // The browser asks the person, and only while it handles their click.
  if (!(await chrome.permissions.request(permissionFor(address)))) throw new Problem("notAllowed", address);
  const before = (await readPreferences()).address;
  if (before && before !== address) {
    await signOut(); // the token is the former gateway's
    if (permissionFor(before).origins[0] !== permissionFor(address).origins[0])
      await chrome.permissions.remove(permissionFor(before));
  }
  await savePreferences({ address });
  $("address").value = address;
  return "saved";
}

async function enter() {
  const password = $("password").value;
  $("password").value = "";
  await signIn($("email").value.trim(), password);
  return "welcome";
}

async function leave() {
  await signOut();
  return "left";
}

async function saveDefaults() {
  await savePreferences({ type: $("type").value, intensity: Number($("intensity").value) });
  return "saved";
}

$("gateway").addEventListener("submit", telling(saveAddress));
$("signIn").addEventListener("submit", telling(enter));
$("signOut").addEventListener("click", telling(leave));
$("defaults").addEventListener("change", telling(saveDefaults));
$("defaults").addEventListener("submit", (event) => event.preventDefault());

const preferences = await readPreferences();
offerChoices($("type"), $("intensity"));
for (const id of ["address", "type", "intensity"]) $(id).value = preferences[id];
await show();

// Improvements for browsers with scripts: pages that refresh themselves, an estimate that follows the form, and
// an address for the response to a form. `writeTimes` is in shared/page.js.
"use strict";

// A live page is fetched every few seconds, and a changed page replaces it, but not while the reader has selected
// or focused something in it.
const EVERY_MS = 3000;

async function refresh() {
  const main = document.getElementById("main");
  const isBusy = main.contains(document.activeElement) || String(document.getSelection()) !== "";
  if (document.hidden || isBusy || !main.hasAttribute("data-live")) return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (response.redirected) return location.reload(); // signed out
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("main");
  if (fresh === null) return;
  const before = current;
  current = fresh.innerHTML;
  if (before === current) return;
  const open = [...main.querySelectorAll("details[open][id]")].map((details) => details.id);
  main.replaceChildren(...fresh.childNodes);
  fresh.hasAttribute("data-live") ? main.setAttribute("data-live", "") : main.removeAttribute("data-live");
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  writeTimes(main);
}

let current = document.getElementById("main").innerHTML;
if (document.querySelector("main[data-live]")) {
  setInterval(() => refresh().catch(() => {}), EVERY_MS); // without a network, the next interval tries again
}

// The users and days that the plan needs, updated while a person fills in the form.
const form = document.querySelector("form[data-needed]");
if (form) {
  let timer, requests = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const number = ++requests;
      const fields = [...new FormData(form)].filter(([name]) => name.startsWith("plan.") || ["users_a_day", "challengers"].includes(name));
      const response = await fetch(`${form.dataset.needed}?${new URLSearchParams(fields)}`);
      if (response.ok && number === requests) {
        const part = new DOMParser().parseFromString(await response.text(), "text/html");
        document.getElementById("needed").replaceChildren(...part.body.childNodes);
      }
    }, 250);
  });
}

// The response to a form shows a secret once. With the address of the page, a reload does not send the form again.
const once = document.querySelector("[data-address]");
if (once) history.replaceState(null, "", once.dataset.address);

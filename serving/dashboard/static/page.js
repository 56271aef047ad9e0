// What is nicer with a script: times in the reader's zone, pages that renew themselves, a form that counts.
"use strict";

const language = document.documentElement.lang;

function writeTimes(root) {
  const shape = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    time.textContent = shape.format(moment);
    time.title = moment.toISOString();
  }
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// A live page is asked for again every few seconds, and what has changed takes its place; not while somebody
// has selected or focused something in it.
const EVERY_MS = 3000;

async function renew() {
  const main = document.getElementById("main");
  const isBusy = main.contains(document.activeElement) || String(document.getSelection()) !== "";
  if (document.hidden || isBusy || !main.hasAttribute("data-live")) return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (response.redirected) return location.reload(); // signed out
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("main");
  if (fresh === null) return;
  const before = shown;
  shown = fresh.innerHTML;
  if (before === shown) return;
  const open = [...main.querySelectorAll("details[open][id]")].map((one) => one.id);
  main.replaceChildren(...fresh.childNodes);
  fresh.hasAttribute("data-live") ? main.setAttribute("data-live", "") : main.removeAttribute("data-live");
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  writeTimes(main);
}

let shown = document.getElementById("main").innerHTML;
if (document.querySelector("main[data-live]")) {
  setInterval(() => renew().catch(() => {}), EVERY_MS); // the gateway or network is away: next time
}

// Users and days needed, while the form is filled in.
const form = document.querySelector("form[data-needed]");
if (form) {
  let waiting, asked = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const number = ++asked;
      const fields = [...new FormData(form)].filter(([name]) => name.startsWith("plan.") || name === "users_a_day");
      const response = await fetch(`${form.dataset.needed}?${new URLSearchParams(fields)}`);
      if (response.ok && number === asked) {
        const part = new DOMParser().parseFromString(await response.text(), "text/html");
        document.getElementById("needed").replaceChildren(...part.body.childNodes);
      }
    }, 250);
  });
}

writeTimes(document);

// On the page that says that there is no connection: open the requested page when the site answers again.
"use strict";

const BETWEEN_MS = 5000;

async function openWhenReachable() {
  const answer = await fetch("/livez", { cache: "no-store" }).catch(() => null);
  if (answer?.ok) {
    location.reload();
  }
}

// The browser knows of its own connection, and not of a site that starts again.
addEventListener("online", openWhenReachable);
setInterval(openWhenReachable, BETWEEN_MS);

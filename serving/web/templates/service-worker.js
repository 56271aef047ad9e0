// Keeps the files of the web app and a page that says that there is no connection. It keeps no page, answer or
// text of a person. The server writes the next line anew when a file has changed, and browsers take the new version.
"use strict";
const VERSION = {{ version|tojson }}, ADDRESSES = {{ addresses|tojson }};

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== location.origin) return; // forms and streams go their own way
  if (mode === "navigate") event.respondWith(open(event));
  else if (ADDRESSES.includes(pathname)) event.respondWith(load(event.request, pathname));
});

async function install() {
  const cache = await caches.open(VERSION);
  await cache.addAll(ADDRESSES.map((path) => new Request(path, { cache: "reload", credentials: "omit" })));
  await self.skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) if (name !== VERSION) await caches.delete(name);
  await self.registration.navigationPreload?.enable(); // a page need not wait for this program to start
  await self.clients.claim();
}

async function open(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    const language = (await self.cookieStore?.get("language"))?.value ?? navigator.language;
    return caches.match(`/offline/${language.startsWith("ja") ? "ja" : "en"}`);
  }
}

const load = (request, pathname) => fetch(request).catch(() => caches.match(pathname));

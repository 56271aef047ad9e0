// The service worker, by which browsers can install the web app. Every page loads it.
"use strict";

navigator.serviceWorker?.register("/service-worker.js", { updateViaCache: "none" });

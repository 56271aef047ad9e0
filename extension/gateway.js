// The gateway of the person's organisation: its address, signing in and out, and requests with their token.
//
// The address and the preferences are in `storage.local`, and stay. The tokens are in `storage.session`: in the
// browser's memory, for this extension's own pages only, and gone when the browser ends. The password is nowhere.

const EARLY_MS = 30_000; // before its end that an access token is renewed
const TIMEOUT_MS = 60_000; // a model may be slow, and no answer is an answer, too
const DEFAULTS = { address: "", type: "soften", intensity: 2 };
const BY_STATUS = { 429: "tooMany", 502: "unavailable", 503: "unavailable", 504: "unavailable" };

/** What went wrong, as the name of a message of `_locales`. */
export class Problem extends Error {
  constructor(name, detail = "") {
    super(name);
    this.detail = detail;
  }

  /** The sentence, in the browser's language; the gateway's own detail is English. */
  get sentence() {
    return chrome.i18n.getMessage(this.message, [this.detail]);
  }
}

/** The origin of a gateway that somebody has typed. Passwords and messages go unencrypted to this machine only. */
export function readAddress(typed) {
  let url;
  try {
    url = new URL(typed.includes("://") ? typed : `https://${typed}`);
  } catch {
    throw new Problem("wrongAddress");
  }
  if (!/^([a-z0-9._-]+|\[[0-9a-f:]+\])$/.test(url.hostname)) throw new Problem("wrongAddress");
  const isHere = ["localhost", "127.0.0.1"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isHere)) throw new Problem("unsafeAddress");
  return url.origin;
}

/** What the browser asks the person to allow: requests to this host. Patterns have no ports. */
export function permissionFor(address) {
  const { protocol, hostname } = new URL(address);
  return { origins: [`${protocol}//${hostname}/*`] };
}

export const readPreferences = () => chrome.storage.local.get(DEFAULTS);
export const savePreferences = (changed) => chrome.storage.local.set(changed);

/** The address with which the person is signed in at the gateway, or undefined. */
export async function readEmail() {
  return (await chrome.storage.session.get("session")).session?.email;
}

export async function signIn(email, password) {
  const device = chrome.i18n.getMessage("device"); // by which the person finds this session in their profile
  const tokens = await send("POST", "/auth/login", { email, password, device });
  await store(email, tokens);
}

export async function signOut() {
  const { session } = await chrome.storage.session.get("session");
  await chrome.storage.session.remove("session");
  if (session) await send("POST", "/auth/logout", { refresh_token: session.refresh }).catch(() => undefined);
}

/** The gateway's answer to a request of the signed-in person. */
export async function ask(method, path, body) {
  await findGateway(); // signing in is of no use before there is one
  const token = await readToken();
  try {
    return await send(method, path, body, { Authorization: `Bearer ${token}` });
  } catch (problem) {
    if (problem.message === "signedOut") await chrome.storage.session.remove("session");
    throw problem;
  }
}

// One page at a time: a refresh token that is sent twice ends the session.
const readToken = () =>
  navigator.locks.request("tokens", async () => {
    const { session } = await chrome.storage.session.get("session");
    if (!session) throw new Problem("signedOut");
    if (Date.now() < session.renewAt) return session.access;
    try {
      const tokens = await send("POST", "/auth/refresh", { refresh_token: session.refresh });
      return (await store(session.email, tokens)).access;
    } catch (problem) {
      if (problem.message === "signedOut") await chrome.storage.session.remove("session");
      throw problem;
    }
  });

async function store(email, { access_token: access, refresh_token: refresh, expires_in: lasts }) {
  const session = { email, access, refresh, renewAt: Date.now() + lasts * 1000 - EARLY_MS };
  await chrome.storage.session.set({ session });
  return session;
}

async function findGateway() {
  const { address } = await readPreferences();
  if (!address) throw new Problem("noAddress");
  if (!(await chrome.permissions.contains(permissionFor(address)))) throw new Problem("notAllowed", address);
  return address;
}

async function send(method, path, body, headers = {}) {
  const address = await findGateway();
  let response, answer;
  try {
    response = await fetch(`${address}/api/v1${path}`, {
      method,
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem("unreachable", address);
  }
  const isJson = /^application\/(problem\+)?json/.test(response.headers.get("Content-Type") ?? "");
  try {
    answer = isJson ? await response.json() : null;
  } catch {
    throw new Problem("unreachable", address);
  }
  if (response.ok && (isJson || response.status === 204)) return answer;
  if (response.status === 401) throw new Problem(path === "/auth/login" ? "wrongPassword" : "signedOut");
  if (response.status in BY_STATUS) throw new Problem(BY_STATUS[response.status]); // perhaps of a server in front
  if (!isJson) throw new Problem("noGateway", address);
  throw new Problem("refused", answer.detail ?? String(response.status));
}

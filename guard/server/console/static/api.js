// Requests to this Guard. Changes carry the session's token against forgery; without a session it is back to the login.

const CONSOLE = new URL("../", import.meta.url); // .../guard/console/
const GUARD = new URL("../", CONSOLE); // .../guard/
let csrf = "";

export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function ask(url, init = {}) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "unreachable", "Guard does not answer. Is it running?");
  }
  if (answer.status === 401) {
    location.assign(new URL("login", CONSOLE));
    await new Promise(() => {}); // the page is being left
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, document.error?.code ?? "error", document.error?.message ?? `HTTP ${answer.status}`);
  return document;
}

const withQuery = (path, base, query) => {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  return url;
};
const change = (url, body) =>
  ask(url, { method: "POST", keepalive: true, headers: { "content-type": "application/json", "x-guard-csrf": csrf }, body: JSON.stringify(body) });

export async function session() {
  const found = await ask(new URL("data/session", CONSOLE));
  csrf = found.csrf;
  return found;
}
export const overview = (query, signal) => ask(withQuery("data/overview", CONSOLE, query), { signal });
export const thresholds = (query, signal) => ask(withQuery("data/thresholds", CONSOLE, query), { signal });
export const reviews = (query = {}) => ask(withQuery("reviews", GUARD, query));
export const decisions = (query) => ask(withQuery("decisions", GUARD, query));
export const label = (id, given) => change(new URL("reviews", GUARD), { id, label: given });
export const allow = (id, days) => change(new URL("data/allow", CONSOLE), { id, days });
export const revoke = (id) => change(new URL("data/allow", CONSOLE), { id, days: 0 });
export const propose = (proposal) => change(new URL("data/propose", CONSOLE), proposal);
export const picture = (id, place) => withQuery("data/picture", CONSOLE, { id, place }).href;
export async function leave() {
  await change(new URL("logout", CONSOLE), {});
  location.assign(new URL("login", CONSOLE));
}

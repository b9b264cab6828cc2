// Asking the service: what comes back, how long it took, and what kind of trouble there was.

import * as speed from "./speed.js";

const PATIENCE_MS = 10_000;
// What a shopper waits for after a click; a change of the shelf and the names of the categories are not.
const TIMED = /^\/(events|recommendations)\b/;
const KINDS = { 401: "key", 404: "unknown", 422: "fit", 429: "often" };

export class Trouble extends Error {
  // key: what was asked with it, where the kind is "key"
  constructor(kind, detail = "", key = "") {
    super(detail || kind);
    this.kind = kind;
    this.detail = detail;
    this.key = key;
  }

  // Whether the same request may go through later, as it is.
  get passes() {
    return ["gone", "often", "broken"].includes(this.kind);
  }
}

export async function ask(method, path, { body, key } = {}) {
  if (key && !/^[\x20-\x7e]+$/.test(key)) throw new Trouble("key", "", key); // no header can carry it
  const started = performance.now();
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const headers = { ...(body && { "Content-Type": "application/json" }), ...(key && { "X-API-Key": key }) };
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: patience.signal });
    const said = await answer.text();
    if (!answer.ok) throw troubleOf(answer.status, said, key);
    const data = JSON.parse(said);
    const ms = performance.now() - started;
    if (TIMED.test(path)) speed.note(ms);
    return { data, ms };
  } catch (error) {
    if (error instanceof Trouble) throw error;
    throw new Trouble(error instanceof SyntaxError ? "broken" : "gone");
  } finally {
    clearTimeout(timer);
  }
}

function troubleOf(status, said, key) {
  const kind = KINDS[status] ?? (status >= 500 ? "broken" : "fit");
  return new Trouble(kind, detailOf(said), key);
}

function detailOf(said) {
  try {
    const { detail } = JSON.parse(said);
    if (!Array.isArray(detail)) return String(detail);
    return detail.map((fault) => `${fault.loc.at(-1)}: ${fault.msg}`).join("; ");
  } catch {
    return "";
  }
}

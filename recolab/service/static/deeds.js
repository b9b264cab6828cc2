// What was done here, in its order: each deed waits until the service has taken it, also over a reload.

import * as kept from "./kept.js";
import { ask, Trouble } from "./service.js";

const REMEMBERED = 60;
const LATE_MS = 1500; // after which a deed tells its own time

let deeds = kept.deeds.get() ?? [];
let sending = null;

export const all = () => deeds;
export const of = (user) => deeds.filter((deed) => deed.user === user && deed.kind !== "stock");
export const waiting = () => deeds.filter((deed) => deed.state === "waiting");

export function add(deed) {
  const number = (deeds.at(-1)?.number ?? 0) + 1;
  const known = [...deeds, { ...deed, number, at: Date.now(), state: "waiting" }];
  const spare = known.length - REMEMBERED;
  // What waits is never forgotten, however much there is of it.
  deeds = known.filter((one, place) => place >= spare || one.state === "waiting");
  keep();
}

// Send what waits, oldest first; throws the Trouble that stopped it. Resolves to the last event's time in ms, or null.
export function flush(key) {
  sending ??= sendAll(key).finally(() => {
    sending = null;
  });
  return sending;
}

async function sendAll(key) {
  let took = null;
  while (waiting().length) {
    const [deed] = waiting();
    if (!key) throw new Trouble("key");
    try {
      took = (await send(deed, key)).ms;
      settle(deed.number, "taken");
    } catch (trouble) {
      // The same words would be refused again, and hold up all that comes after them.
      if (!trouble.passes && trouble.kind !== "key") settle(deed.number, "refused");
      throw trouble;
    }
  }
  return took;
}

function send(deed, key) {
  if (deed.kind === "stock") {
    return ask("PUT", `/items/${encodeURIComponent(deed.item)}`, { body: { stock: deed.stock }, key });
  }
  const late = Date.now() - deed.at > LATE_MS;
  const body = { user_id: deed.user, item_id: deed.item, kind: deed.kind };
  return ask("POST", "/events", { body: late ? { ...body, timestamp: new Date(deed.at).toISOString() } : body, key });
}

function settle(number, state) {
  deeds = deeds.map((deed) => (deed.number === number ? { ...deed, state } : deed));
  keep();
}

function keep() {
  kept.deeds.set(deeds);
}

// The items whose stock was last set to 0 here.
export function soldOut() {
  const last = new Map();
  for (const deed of deeds) if (deed.kind === "stock" && deed.state !== "refused") last.set(deed.item, deed);
  return [...last.values()].filter((deed) => deed.stock === 0);
}

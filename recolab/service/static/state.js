// What the page knows at this moment, and the language in which it says it.

import * as kept from "./kept.js";
import { WORDS } from "./words.js";

export const at = (id) => document.getElementById(id);

export const state = {
  language: kept.language.get() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"),
  shopper: kept.shopper.get() ?? stranger(),
  key: kept.key.get() ?? "",
  later: false, // whether the key was asked for in vain
  places: [],
  listed: { shopper: null, asked: 0 }, // whose places they are, and when they were asked for
  nightly: [], // the list as it was when the doors opened for this shopper, or when a night passed
  popular: null,
  took: { list: null, event: null },
  trouble: null,
  closed: null, // the kind of trouble that was read and put away
  asked: 0, // lists: only the newest answer is shown
  failed: 0, // tries in a row
  retry: null,
};

export function stranger() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return `guest-${number.toString(36)}`;
}

export const words = () => WORDS[state.language];

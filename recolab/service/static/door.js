// The key: kept for this tab, forgotten when it is refused, and asked for when it is wanted.

import * as kept from "./kept.js";
import { showKey } from "./showing.js";
import { at, state, words } from "./state.js";

export function setKey(key) {
  state.key = key;
  kept.key.set(key);
  showKey();
}

// key: what was refused; none where there was none to send
export function forgetKey(key) {
  if (key && key === state.key) setKey("");
  if (!state.key && (key || !state.later)) askKey(Boolean(key));
}

export function askKey(wrong) {
  if (wrong) at("key-wrong").textContent = words().keyWrong;
  if (at("key-dialog").open) return; // somebody may be writing
  if (!wrong) at("key-wrong").textContent = "";
  at("key").value = "";
  at("key-dialog").showModal();
}

// The card that led to the dialog may have left the list meanwhile, and the focus with it.
export function leaveDialog() {
  if (document.activeElement === document.body) at("cards").focus({ preventScroll: true });
}

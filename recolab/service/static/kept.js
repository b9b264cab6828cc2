// What the page remembers: the language for long, the rest for this tab. Where a browser keeps nothing, memory does.

const memory = new Map();

function through(store, name) {
  return {
    get() {
      try {
        return JSON.parse(window[store].getItem(name)) ?? memory.get(name) ?? null;
      } catch {
        return memory.get(name) ?? null;
      }
    },
    set(value) {
      memory.set(name, value);
      try {
        window[store].setItem(name, JSON.stringify(value));
      } catch {
        // The memory has it.
      }
    },
  };
}

export const language = through("localStorage", "recolab.language");
export const key = through("sessionStorage", "recolab.key");
export const shopper = through("sessionStorage", "recolab.shopper");
export const deeds = through("sessionStorage", "recolab.deeds");

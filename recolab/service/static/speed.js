// How long the service took to answer, as this browser measured it, while this tab is open.

const KEPT = 500;
const EDGES = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]; // ms: from a service next door to one across the world

const took = [];

export function note(ms) {
  took.push(ms);
  if (took.length > KEPT) took.shift();
}

// How many requests took how long; the last bin has no end.
export function bins() {
  return EDGES.map((from, place) => {
    const to = EDGES[place + 1] ?? null;
    return { from, to, n: took.filter((ms) => ms >= from && (to === null || ms < to)).length };
  });
}

// Null where nothing was measured yet.
export function summary() {
  if (!took.length) return null;
  const sorted = [...took].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const median = (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
  return { n: sorted.length, median: brief(median), slowest: brief(sorted.at(-1)) };
}

export function brief(ms) {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms));
}

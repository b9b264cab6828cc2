// The times that requests took, as bars; what they show is said in words too.

import * as speed from "./speed.js";
import { shape } from "./tiles.js";

const [STEP, GAP, EDGE] = [22, 3, 10];
const [TOP, FLOOR, TICKS] = [14, 68, 81];

function bar({ n, from }, place, most) {
  const x = EDGE + STEP * place;
  const tick = text(from < 1000 ? String(from) : `${from / 1000}k`, { x, y: TICKS });
  if (!n) return [tick];
  const height = Math.max(((FLOOR - TOP) * n) / most, 2); // one request among hundreds is seen too
  const y = FLOOR - height;
  const block = shape("rect", "bar", { x: x + GAP / 2, y, width: STEP - GAP, height, rx: 2 });
  return [tick, block, text(String(n), { x: x + STEP / 2, y: y - 4 })];
}

function text(words, facts) {
  const written = shape("text", "", { ...facts, "text-anchor": "middle" });
  written.textContent = words;
  return written;
}

export function show(drawing, told, words) {
  const [bins, summary] = [speed.bins(), speed.summary()];
  const most = Math.max(...bins.map(({ n }) => n));
  const [left, right] = [EDGE, EDGE + STEP * bins.length];
  drawing.setAttribute("viewBox", `0 0 ${right + EDGE} ${TICKS + 5}`);
  drawing.replaceChildren(
    shape("line", "floor", { x1: left, x2: right, y1: FLOOR, y2: FLOOR }),
    ...bins.flatMap((bin, place) => bar(bin, place, most)),
  );
  const said = bins.filter(({ n }) => n).map(({ from, to, n }) => (to === null ? words.speedOver(from, n) : words.speedBin(from, to, n)));
  drawing.setAttribute("aria-label", [words.speedChart, ...said].join("; "));
  told.textContent = summary ? words.speedTold(summary.n, summary.median, summary.slowest) : words.speedNone;
}

// A drawing for each category, since a shop's log has no pictures: the category gives colour and motif, the item the turn.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 160;
const HEIGHT = 96;

export function hash(text) {
  let sum = 2166136261;
  for (const sign of String(text)) sum = Math.imul(sum ^ sign.codePointAt(0), 16777619);
  sum = Math.imul(sum ^ (sum >>> 15), 2246822507);
  return (sum ^ (sum >>> 13)) >>> 0;
}

export function hueOf(category) {
  return hash(category) % 360;
}

function chance(seed) {
  let state = seed || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

export function shape(name, tone, facts) {
  const drawn = document.createElementNS(SVG, name);
  drawn.setAttribute("class", tone);
  for (const [fact, value] of Object.entries(facts)) drawn.setAttribute(fact, value);
  return drawn;
}

function rings(random) {
  const [x, y] = [WIDTH * (0.25 + 0.5 * random()), HEIGHT * (0.35 + 0.4 * random())];
  return [78, 58, 39, 21].map((r, n) => shape("circle", n % 2 ? "tone-1" : "tone-2", { cx: x, cy: y, r })).concat(
    shape("circle", "tone-3", { cx: x, cy: y, r: 9 }),
  );
}

function hills(random) {
  return [0.42, 0.6, 0.78].map((level, n) => {
    const [a, b] = [HEIGHT * (level - 0.28 * random()), HEIGHT * (level + 0.2 * random())];
    const d = `M0 ${HEIGHT * level} C ${WIDTH * 0.3} ${a}, ${WIDTH * 0.6} ${b}, ${WIDTH} ${HEIGHT * (level - 0.1)} V ${HEIGHT} H 0 Z`;
    return shape("path", `tone-${n + 1}`, { d });
  }).concat(shape("circle", "tone-2", { cx: WIDTH * (0.2 + 0.6 * random()), cy: 22, r: 10 }));
}

function seeds(random) {
  const drawn = [];
  for (let x = 0; x < 7; x += 1) {
    for (let y = 0; y < 4; y += 1) {
      const r = 3 + 6.5 * random();
      drawn.push(shape("circle", `tone-${1 + Math.floor(3 * random())}`, { cx: 14 + 22 * x, cy: 14 + 23 * y, r }));
    }
  }
  return drawn;
}

function petals(random) {
  const [x, y, turn] = [WIDTH * (0.35 + 0.3 * random()), HEIGHT / 2, 60 * random()];
  const leaf = (n) =>
    shape("ellipse", n % 2 ? "tone-1" : "tone-2", { cx: x, cy: y - 27, rx: 13, ry: 25, transform: `rotate(${turn + 45 * n} ${x} ${y})` });
  return [0, 1, 2, 3, 4, 5, 6, 7].map(leaf).concat(shape("circle", "tone-3", { cx: x, cy: y, r: 10 }));
}

function waves(random) {
  const start = 40 * random();
  return [0, 1, 2, 3, 4, 5].map((n) => {
    const y = 6 + 18 * n;
    const d = `M${-start} ${y} q 20 -16 40 0 t 40 0 t 40 0 t 40 0 t 40 0 t 40 0`;
    return shape("path", `line tone-${1 + (n % 3)}`, { d });
  });
}

function arches(random) {
  const offset = 20 * random();
  return [-1, 0, 1, 2, 3].flatMap((n) => {
    const x = offset + 42 * n;
    return [20, 13.5, 7].map((r, m) =>
      shape("path", `tone-${m + 1}`, { d: `M${x - r} ${HEIGHT} V ${40 + 8 * (n % 2)} a ${r} ${r} 0 0 1 ${2 * r} 0 V ${HEIGHT} Z` }),
    );
  });
}

function leaves(random) {
  const lean = 30 * random() - 15;
  const drawn = [shape("path", "line tone-3", { d: "M80 100 V 8" })];
  for (let n = 0; n < 4; n += 1) {
    for (const side of [-1, 1]) {
      const d = `M80 ${92 - 21 * n} q ${side * 16} -26 ${side * 46} -22 q ${side * -8} 26 ${side * -46} 22`;
      drawn.push(shape("path", side < 0 ? "tone-1" : "tone-2", { d }));
    }
  }
  const bough = shape("g", "", { transform: `rotate(${lean} 80 96)` });
  bough.append(...drawn);
  return [bough];
}

function quarters(random) {
  const drawn = [];
  for (let x = 0; x < 5; x += 1) {
    for (let y = 0; y < 3; y += 1) {
      const d = `M${32 * x} ${32 * y} h 32 a 32 32 0 0 1 -32 32 Z`;
      const turn = 90 * Math.floor(4 * random());
      drawn.push(shape("path", `tone-${1 + ((x + y) % 3)}`, { d, transform: `rotate(${turn} ${32 * x + 16} ${32 * y + 16})` }));
    }
  }
  return drawn;
}

const MOTIFS = [rings, hills, seeds, petals, waves, arches, leaves, quarters];

export function draw(category, item) {
  const drawing = shape("svg", "drawing", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" });
  const motif = MOTIFS[Math.floor(hash(category) / 360) % MOTIFS.length];
  drawing.append(...motif(chance(hash(`${category} ${item}`))));
  return drawing;
}

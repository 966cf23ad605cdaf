// Curves, live while a run trains; numbers with their errors; the same rows through every run.
import { get } from "/api.js";
import { el, svg, rowViews, COLORS, fmt } from "/show.js";

const EVERY = 2000; // milliseconds between two looks at metrics.jsonl

export async function show({ main, run, all, onLeave }) {
  const charts = el("div", { class: "cards" }), numbers = el("div", { class: "scroll" }), same = el("div");
  const key = el("div", { class: "key" }, ...all.map((facts, run) => el("span", {}, el("i", { style: `background:${COLORS[run % COLORS.length]}` }), facts.name)));
  const row = el("input", { type: "number", min: 0, value: 0, "aria-label": "Test row" });
  main.append(el("h2", {}, "Curves"), key, charts, el("h2", {}, "Numbers"), numbers, el("h2", {}, "The same row through every run"), el("label", {}, "test row ", row), same);
  numbers.append(table(all, run));
  async function curves() {
    const lines = await Promise.all(all.map((_, run) => get(`${run}/curves`)));
    const names = [...new Set(lines.flatMap(({ lines }) => lines.flatMap((line) => Object.keys(line).filter((name) => typeof line[name] === "number"))))].filter((name) => !["step", "epoch", "seconds"].includes(name));
    charts.replaceChildren(...names.map((name) => chart(name, lines.map(({ lines }) => lines.filter((line) => typeof line[name] === "number").map((line) => [line.step, line[name], line.split])))));
  }
  async function rows() {
    const readable = all.map((facts, run) => [facts, run]).filter(([facts]) => !facts.error);
    same.replaceChildren(el("div", { class: "pair" }, ...await Promise.all(readable.map(async ([facts, run]) => {
      const answer = await get(`${run}/row`, { row: row.value });
      const { node, views } = rowViews(facts.drawer, ["row", "its reconstruction"]);
      ["x", "reconstruction"].forEach((part, place) => views[place].update(answer[part][0]));
      return el("section", {}, el("h3", {}, facts.name), node);
    }))));
  }
  row.addEventListener("change", rows);
  await Promise.all([curves(), rows()]);
  const timer = setInterval(() => document.hidden || curves().catch(() => clearInterval(timer)), EVERY);
  onLeave(() => clearInterval(timer));
}

function chart(name, series) {
  const all = series.flat(), xs = all.map(([x]) => x), ys = all.map(([, y]) => y).sort((a, b) => a - b);
  const [low, high] = [ys[Math.floor(ys.length * 0.02)], ys[Math.ceil(ys.length * 0.98) - 1]];
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const at = ([x, y]) => `${(40 + (250 * (x - first)) / (last - first || 1)).toFixed(1)},${(100 - (90 * (Math.max(low, Math.min(high, y)) - low)) / (high - low || 1)).toFixed(1)}`;
  const lines = series.flatMap((points, run) => ["train", "validation"].map((split) => svg("polyline", {
    points: points.filter(([, , own]) => own === split).map(at).join(" "), fill: "none", stroke: COLORS[run % COLORS.length], "stroke-width": split === "train" ? 1 : 2, "stroke-opacity": split === "train" ? 0.5 : 1,
  })));
  const labels = [[0, 12, fmt(high)], [0, 104, fmt(low)], [40, 117, `step ${first}`], [240, 117, String(last)]].map(([x, y, text]) => svg("text", { x, y }, text));
  return el("figure", {}, el("figcaption", {}, name), svg("svg", { viewBox: "0 0 300 120", role: "img", "aria-label": `curve of ${name}` }, ...lines, ...labels));
}

function table(all, run) {
  const alike = all.filter((facts, other) => other !== run && comparable(all[run], facts)).length, cells = all.map(() => el("td", {}));
  const pairs = el("button", { onclick: () => compare(all, run, cells, pairs) }, `Compare rows with ${all[run].name}`);
  const rows = all.map((facts, at) => el("tr", {}, el("th", {}, facts.name), el("td", {}, facts.error ?? measured(facts.evaluation)), el("td", {}, baseline(facts.evaluation)), ...(alike ? [cells[at]] : [])));
  return el("div", {}, el("table", {}, el("thead", {}, el("tr", {}, ...["run", "log-likelihood", "best baseline", ...(alike ? ["paired difference"] : [])].map((name) => el("th", {}, name)))), el("tbody", {}, ...rows)), ...(alike ? [el("div", { class: "tools" }, pairs)] : []));
}

const comparable = (one, other) => !one.error && !other.error && one.data === other.data && one.rows === other.rows;

// Mean over rows of log p(x) under the one less that under the other, with its standard error.
async function compare(all, run, cells, button) {
  button.disabled = true;
  const own = await get(`${run}/scores`);
  for (const [other, facts] of all.entries()) {
    if (other === run || !comparable(all[run], facts)) continue;
    const found = await get(`${other}/scores`);
    const gaps = found.log_px.map((score, row) => score - own.log_px[row]), count = gaps.length;
    const mean = gaps.reduce((a, b) => a + b, 0) / count, spread = gaps.reduce((a, b) => a + (b - mean) ** 2, 0) / (count - 1 || 1);
    cells[other].textContent = `${mean > 0 ? "+" : ""}${fmt(mean)} ± ${fmt(Math.sqrt(spread / count))} nats (${count} rows, ${own.samples} samples)`;
  }
}

function measured(evaluation) {
  const found = evaluation?.log_likelihood;
  return found ? `${fmt(found.value)} ± ${fmt(found.standard_error)} nats, ${found.num_samples} samples` : "not evaluated: prioria evaluate RUN";
}

function baseline(evaluation) {
  const best = evaluation?.baselines?.models?.[0];
  return best ? `${best.name}: ${fmt(best.estimate.value)}; this run ${best.difference.value > 0 ? "+" : ""}${fmt(best.difference.value)} ± ${fmt(best.difference.standard_error)}` : "";
}

// Test rows sorted by how likely they are, with a threshold.
import { get } from "/api.js";
import { el, rowView, fmt } from "/show.js";

const SHOWN = 24;

export async function show({ main, run, facts }) {
  const [map, scores] = await Promise.all([get(`${run}/map`, { limit: 2000 }), get(`${run}/scores`, { limit: 2000 })]);
  const order = scores.log_px.map((score, place) => [score ?? -Infinity, place]).sort((a, b) => a[0] - b[0]);
  const slider = el("input", { type: "range", min: 0, max: 20, step: 0.1, value: 1, "aria-label": "Share of rows flagged, in percent" });
  const said = el("span", { role: "status" }), list = el("div", { class: "cards" });
  main.append(el("p", {}, `log p(x) with ${scores.samples} samples a row: the lower, the stranger the row. Each row stands before its reconstruction.`), el("div", { class: "tools" }, el("label", {}, "Flag ", slider), said, el("button", { onclick: save }, "Save the flagged rows")), list);
  const flagged = () => order.slice(0, Math.max(1, Math.round((order.length * +slider.value) / 100)));
  function redraw() {
    const rows = flagged();
    said.textContent = `${(+slider.value).toFixed(1)} %: ${rows.length} rows below ${fmt(rows.at(-1)[0])} nats`;
  }
  function save() {
    const text = ["row,log_likelihood", ...flagged().map(([score, place]) => `${map.rows[place]},${score}`)].join("\n");
    const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "flagged.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
  slider.addEventListener("input", redraw);
  redraw();
  for (const [score, place] of order.slice(0, SHOWN)) {
    const answer = await get(`${run}/row`, { row: map.rows[place] });
    const views = ["x", "reconstruction"].map((part) => { const view = rowView(facts.drawer, part, true); view.update(answer[part][0]); return view; });
    list.append(el("figure", {}, ...views, el("figcaption", {}, `row ${map.rows[place]}: ${fmt(score)} nats`)));
  }
}

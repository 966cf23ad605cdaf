// Test rows sorted by how likely they are, with a threshold.
import { get } from "/api.js";
import { el, rowViews, fmt } from "/show.js";

const SHOWN = 24;

export async function show({ main, run, facts }) {
  const scores = await get(`${run}/scores`, { limit: 2000 });
  const order = scores.log_px.map((score, place) => [score ?? -Infinity, place]).sort((a, b) => a[0] - b[0]);
  const slider = el("input", { type: "range", min: 0, max: 20, step: 0.1, value: 1, "aria-label": "Share of rows flagged, in percent" });
  const said = el("span", { role: "status" }), list = el("div", { class: `cards ${facts.drawer.kind}` });
  main.append(el("p", {}, `log p(x) with ${scores.samples} samples a row: the lower, the stranger the row. Each row stands before its reconstruction${facts.drawer.kind === "table" ? ", and before log p of each column given its latents, the lowest in color; what is missing counts nothing, and the reconstruction fills it in" : ""}.`), el("div", { class: "tools" }, el("label", {}, "Flag ", slider), said, el("button", { onclick: save }, "Save the flagged rows")), list);
  const flagged = () => order.slice(0, Math.max(1, Math.round((order.length * +slider.value) / 100)));
  function redraw() {
    const rows = flagged();
    said.textContent = `${(+slider.value).toFixed(1)} %: ${rows.length} rows below ${fmt(rows.at(-1)[0])} nats`;
  }
  function save() {
    const text = ["row,log_likelihood", ...flagged().map(([score, place]) => `${scores.rows[place]},${score}`)].join("\n");
    const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "flagged.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
  slider.addEventListener("input", redraw);
  redraw();
  for (const [score, place] of order.slice(0, SHOWN)) {
    const answer = await get(`${run}/row`, { row: scores.rows[place] });
    const { node, views } = rowViews(facts.drawer, ["row", "reconstruction"], true, answer.columns);
    ["x", "reconstruction"].forEach((part, at) => views[at].update(answer[part][0]));
    list.append(el("figure", {}, node, el("figcaption", {}, `row ${scores.rows[place]}: ${fmt(score)} nats`)));
  }
}

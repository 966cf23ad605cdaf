// Encodings of the test rows. Hover shows a row, dragging decodes under the pointer, a lasso takes rows out.
import { get } from "/api.js";
import { el, rowViews, rowsOf, classChooser, numberOf, queryOf, COLORS, ramp, shares, fmt } from "/show.js";
import { Plot, cross, line } from "/plot.js";

const NAMED = 20; // entries of the key of colors

export async function show({ main, run, facts, decoder, onLeave }) {
  const amount = el("select", { "aria-label": "Rows" }, ...[2000, 10000, 100000].filter((n) => n === 2000 || n / 10 < facts.rows).map((n) => el("option", { value: n }, `${Math.min(n, facts.rows)} rows`)));
  const coloring = el("select", { "aria-label": "Color by" }), held = classChooser(facts, true);
  const lassoing = el("button", { "aria-pressed": "false" }, "Lasso");
  const key = el("div", { class: "key" }), picked = el("p", { class: "quiet", role: "status" }), stage = el("div");
  const { node, views: [under, row, copy] } = rowViews(facts.drawer, ["under the pointer", "row", "its reconstruction"]);
  const caption = el("p", { class: "quiet" });
  const hint = held ? "Rows of all classes stand by what they decode to: drag, or use the arrow keys, to see what the class of the nearest row decodes to. Choose a class for the plane of its own latents." : "Drag, or use the arrow keys, to decode under the pointer; hover a point to see its row.";
  main.append(el("div", { class: "tools" }, amount, ...(held ? [held] : []), el("label", {}, "Color by ", coloring), lassoing), el("div", { class: "split" }, el("div", {}, stage, key, picked), el("div", {}, node, caption, el("p", { class: "quiet" }, hint))));

  let found, plot, place = null, lasso = null, chosen = [], measured = {};
  const dot = (style, text) => key.append(el("span", {}, el("i", { style: `background:${style}` }), text));
  function named(values, names) {
    const seen = [...new Set(values.filter((value) => value !== null))].sort((a, b) => a - b);
    seen.slice(0, NAMED).forEach((value) => dot(COLORS[value % COLORS.length], names(value)));
    if (seen.length > NAMED) key.append(`and ${seen.length - NAMED} more`);
    return values.map((value) => (value === null ? "#8899aa" : COLORS[value % COLORS.length]));
  }
  function ordered(values, unit) {
    const share = shares(values);
    for (const [at, value] of [[0, share.low], [0.5, (share.low + share.high) / 2], [1, share.high]]) dot(`rgb(${ramp(at)})`, `${fmt(value)}${unit}`);
    return share.of.map(ramp);
  }
  const ofRows = ({ rows, values }) => { const at = new Map(rows.map((row, place) => [row, values[place]])); return found.rows.map((row) => at.get(row) ?? null); };
  async function colors() {
    const [kind, column] = coloring.value.split(":"), limit = amount.value;
    const ask = async (name, query) => (measured[`${name}${column ?? ""}`] ??= await get(`${run}/${name}`, { limit, ...query }));
    const answer = kind === "column" ? await ask("column", { column }) : kind.startsWith("log") ? await ask("scores") : null;
    key.replaceChildren();
    if (kind === "number") return named(found.numbers, (number) => `class ${number}`);
    if (kind === "label" && found.labels.every(Number.isInteger)) return named(found.labels, (label) => facts.classes[label] ?? String(label));
    if (kind === "label") return ordered(found.labels, ""); // an angle, not a class
    if (kind === "column") return facts.drawer.levels[column].length ? named(ofRows(answer), (value) => facts.drawer.levels[column][value]) : ordered(ofRows(answer), "");
    if (answer && answer[kind]) return ordered(ofRows({ rows: answer.rows, values: answer[kind] }), " nats");
    if (answer) key.append("the posterior of this model has no density to compare with");
    return found.points.map(() => COLORS[0]);
  }
  async function load() {
    found = await get(`${run}/map`, { limit: amount.value, ...queryOf(held) });
    if (!coloring.options.length) choices();
    plot?.close();
    place = null;
    chosen = [];
    if (!found.points.length) return stage.replaceChildren(el("p", {}, "No test row has this class as its likeliest; choose another."));
    plot = new Plot(found.names, "Map of encodings: arrow keys decode under the cross");
    stage.replaceChildren(plot.node);
    plot.foreground = (context) => {
      if (place) cross(context, plot, place);
      if (lasso?.length > 1) line(context, plot, [...lasso, lasso[0]], "#d55e00");
      chosen.forEach((number) => cross(context, plot, found.points[number], "#8899aa"));
    };
    plot.show(found.points, await colors(), found.points.length > 5000 ? 3 : found.points.length > 300 ? 5 : 8);
    listen();
    plot.steer(decode, () => place);
    decode(found.points[0]); // something to see before the first move
    about(0);
    window.explorer.plot = plot;
  }
  function choices() {
    const options = [...(found.labels ? [["label", "label"]] : []), ...(held ? [["number", "class"]] : []), ["log_px", "log p(x)"], ["log_ratio", "log p(z) - log q(z)"], ...(facts.drawer.columns ?? []).slice(0, facts.drawer.kind === "table" ? 100 : 0).map((name, column) => [`column:${column}`, name])];
    if (!found.labels && !held) options.unshift(["plain", "nothing"]);
    coloring.append(...options.map(([value, text]) => el("option", { value }, text)));
  }
  function decode(point) {
    place = point;
    plot.mark();
    decoder.decode({ points: [point], number: numberOf(held) }, (buffer) => under.update(rowsOf(buffer, facts.drawer, 1)[0]));
  }
  let last = -1;
  async function about(number) {
    last = number;
    const answer = await get(`${run}/row`, { row: found.rows[number] });
    if (last !== number) return;
    row.update(answer.x[0]);
    copy.update(answer.reconstruction[0]);
    const label = found.labels ? `, ${facts.classes[found.labels[number]] ?? fmt(found.labels[number])}` : "";
    caption.textContent = `test row ${found.rows[number]}${label}${held ? `, class ${answer.number}` : ""}`;
  }
  function listen() {
    let dragging = false;
    plot.over.addEventListener("pointerdown", (event) => {
      dragging = true;
      plot.over.setPointerCapture(event.pointerId);
      if (lassoing.getAttribute("aria-pressed") === "true") lasso = [plot.toPoint(event)];
      else decode(plot.toPoint(event));
    });
    plot.over.addEventListener("pointermove", (event) => {
      const point = plot.toPoint(event);
      if (dragging && lasso) { lasso.push(point); plot.mark(); }
      else if (dragging) decode(point);
      else hover(point);
    });
    plot.over.addEventListener("pointerup", () => { dragging = false; if (lasso) take(); });
    function hover(point) {
      const number = plot.nearest(point);
      if (number >= 0 && number !== last) about(number);
    }
  }
  function take() {
    chosen = found.points.map((point, number) => (inside(point, lasso) ? number : -1)).filter((number) => number >= 0);
    lasso = null;
    lassoing.setAttribute("aria-pressed", "false");
    picked.replaceChildren(`${chosen.length} rows taken. `, el("button", { onclick: save }, "Save their numbers"));
    plot.mark();
  }
  function save() {
    const text = ["row,x,y", ...chosen.map((number) => [found.rows[number], ...found.points[number]].join(","))].join("\n");
    const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "rows.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
  lassoing.addEventListener("click", () => lassoing.setAttribute("aria-pressed", String(lassoing.getAttribute("aria-pressed") !== "true")));
  coloring.addEventListener("change", async () => plot?.show(found.points, await colors(), plot.size));
  amount.addEventListener("change", () => { measured = {}; load(); });
  held?.addEventListener("change", load);
  onLeave(() => plot?.close());
  await load();
}

function inside([x, y], polygon) {
  let within = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [[a, b], [c, d]] = [polygon[i], polygon[j]];
    if (b > y !== d > y && x < ((c - a) * (y - b)) / (d - b) + a) within = !within;
  }
  return within;
}

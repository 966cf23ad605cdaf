// Encodings of the test rows. Hover shows a row, dragging decodes under the pointer, a lasso takes rows out.
import { get } from "/api.js";
import { el, rowView, rowsOf, COLORS, ramp, shares, fmt } from "/show.js";
import { Plot, cross, line, lift } from "/plot.js";

export async function show({ main, run, facts, decoder, onLeave }) {
  const amount = el("select", { "aria-label": "Rows" }, ...[2000, 10000, 100000].filter((n) => n === 2000 || n / 10 < facts.rows).map((n) => el("option", { value: n }, `${Math.min(n, facts.rows)} rows`)));
  const coloring = el("select", { "aria-label": "Color by" });
  const lassoing = el("button", { "aria-pressed": "false" }, "Lasso");
  const key = el("div", { class: "key" }), picked = el("p", { class: "quiet", role: "status" }), side = el("div");
  const stage = el("div");
  main.append(el("div", { class: "tools" }, amount, el("label", {}, "Color by ", coloring), lassoing), el("div", { class: "split" }, el("div", {}, stage, key, picked), side));
  const row = rowView(facts.drawer, "Row"), copy = rowView(facts.drawer, "Reconstruction"), under = rowView(facts.drawer, "Decoded under the pointer");
  const caption = el("figcaption", {}, "hover a point");
  side.append(el("div", { class: "pair" }, el("figure", {}, under, el("figcaption", {}, "under the pointer: drag, or use the arrow keys")), el("figure", {}, row, caption), el("figure", {}, copy, el("figcaption", {}, "its reconstruction"))));

  let found, plot, place = null, lasso = null, chosen = [];
  const colors = () => {
    key.replaceChildren();
    const measured = found.labels?.some((label) => !Number.isInteger(label)); // an angle, not a class
    if (coloring.value === "label" && found.labels && !measured) {
      const names = [...new Set(found.labels)].sort((a, b) => a - b);
      names.slice(0, 20).forEach((label) => key.append(el("span", {}, el("i", { style: `background:${COLORS[label % COLORS.length]}` }), facts.classes[label] ?? String(label))));
      return found.labels.map((label) => COLORS[Math.abs(Math.round(label)) % COLORS.length]);
    }
    const values = coloring.value === "label" ? found.labels : found[coloring.value];
    if (values) {
      const share = shares(values), unit = coloring.value === "label" ? "" : " nats";
      for (const [at, value] of [[0, share.low], [0.5, (share.low + share.high) / 2], [1, share.high]]) key.append(el("span", {}, el("i", { style: `background:rgb(${ramp(at)})` }), `${fmt(value)}${unit}`));
      return share.of.map(ramp);
    }
    return found.points.map(() => COLORS[0]);
  };
  async function load() {
    found = await get(`${run}/map`, { limit: amount.value });
    plot?.close();
    plot = new Plot(found.names, "Map of encodings: arrow keys decode under the cross");
    stage.replaceChildren(plot.node);
    plot.foreground = (context) => {
      if (place) cross(context, plot, place);
      if (lasso?.length > 1) line(context, plot, [...lasso, lasso[0]], "#d55e00");
      chosen.forEach((number) => cross(context, plot, found.points[number], "#1c243055"));
    };
    plot.show(found.points, colors(), found.points.length > 5000 ? 3 : 5);
    listen();
    plot.steer(decode);
    window.explorer.plot = plot;
  }
  function decode(point) {
    place = point;
    plot.draw();
    decoder.decode([lift(found, point)], (buffer) => under.update(rowsOf(buffer, facts.drawer, 1)[0]));
  }
  function listen() {
    let dragging = false, last = -1;
    plot.over.addEventListener("pointerdown", (event) => {
      dragging = true;
      plot.over.setPointerCapture(event.pointerId);
      if (lassoing.getAttribute("aria-pressed") === "true") lasso = [plot.toPoint(event)];
      else decode(plot.toPoint(event));
    });
    plot.over.addEventListener("pointermove", (event) => {
      const point = plot.toPoint(event);
      if (dragging && lasso) { lasso.push(point); plot.draw(); }
      else if (dragging) decode(point);
      else hover(point);
    });
    plot.over.addEventListener("pointerup", () => { dragging = false; if (lasso) take(); });
    async function hover(point) {
      const number = plot.nearest(point);
      if (number < 0 || number === last) return;
      last = number;
      const answer = await get(`${run}/row`, { row: found.rows[number] });
      if (last !== number) return;
      row.update(answer.x[0]);
      copy.update(answer.reconstruction[0]);
      const label = found.labels ? `, ${facts.classes[found.labels[number]] ?? found.labels[number]}` : "";
      caption.textContent = `test row ${found.rows[number]}${label}`;
    }
  }
  function take() {
    chosen = found.points.map((point, number) => (inside(point, lasso) ? number : -1)).filter((number) => number >= 0);
    lasso = null;
    lassoing.setAttribute("aria-pressed", "false");
    picked.replaceChildren(`${chosen.length} rows taken. `, el("button", { onclick: save }, "Save their numbers"));
    plot.draw();
  }
  function save() {
    const text = ["row,x,y", ...chosen.map((number) => [found.rows[number], ...found.points[number]].join(","))].join("\n");
    const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "rows.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
  lassoing.addEventListener("click", () => lassoing.setAttribute("aria-pressed", String(lassoing.getAttribute("aria-pressed") !== "true")));
  const options = [["label", "label"], ["log_px", "log p(x)"], ["log_ratio", "log p(z) - log q(z)"]];
  coloring.append(...options.map(([value, text]) => el("option", { value }, text)));
  coloring.addEventListener("change", async () => {
    if (coloring.value !== "label" && !found.log_px) Object.assign(found, await get(`${run}/scores`, { limit: amount.value }));
    plot.show(found.points, colors(), plot.size);
  });
  amount.addEventListener("change", load);
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

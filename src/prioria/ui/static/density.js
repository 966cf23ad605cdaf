// Where prior and aggregate posterior differ: pockets (the prior puts mass where no data are), leaks (the other way round).
import { get, post } from "/api.js";
import { el, rowView, rowsOf, classChooser, numberOf, queryOf, ramp, fmt } from "/show.js";
import { Plot, cross, line } from "/plot.js";

export async function show({ main, run, facts, decoder, onLeave }) {
  const held = classChooser(facts, true);
  const view = rowView(facts.drawer, "Decoded"), stage = el("div"), text = el("p", { class: "quiet", role: "status" }), names = el("thead"), numbers = el("tbody");
  const cell = (value) => (value !== null && typeof value === "object" ? `${fmt(value.value)} ± ${fmt(value.standard_error)}` : fmt(value));
  const shown = el("select", { "aria-label": "Shown" }, ...[["log_p", "prior log p(z)"], ["log_q", "aggregate posterior log q(z)"], ["difference", "log p(z) - log q(z)"]].map(([value, name]) => el("option", { value }, name)));
  const legend = el("p", { class: "quiet" });
  const samples = el("input", { type: "checkbox", checked: true }), refitted = el("input", { type: "checkbox", disabled: true }), lines = el("input", { type: "checkbox", checked: true });
  const kind = el("select", { "aria-label": "Prior" }, ...facts.refits.map((name) => el("option", {}, name)));
  const refit = el("button", {}, "Refit this prior");
  main.append(el("div", { class: "tools" }, ...(held ? [held] : []), el("label", {}, "Show ", shown), el("label", {}, lines, " contours"), el("label", {}, samples, " samples of the prior"), ...(facts.refits.length ? [kind, refit, el("label", {}, refitted, " after refitting")] : [])), ...(facts.no_refit ? [el("p", { class: "quiet" }, `No refitting here: ${facts.no_refit}.`)] : []),
    el("div", { class: "split" }, stage, el("div", {}, el("figure", {}, view, el("figcaption", {}, "click the plane to decode")), legend, el("p", { class: "quiet" }, ...(held ? ["Without a class, both are summed over all classes."] : [])), text, el("div", { class: "scroll" }, el("table", {}, names, numbers)))));
  let found, plot, place = null;
  function paint(context) {
    const values = shown.value === "difference" ? found.log_p.map((value, at) => value - found.log_q[at]) : found[shown.value];
    const top = values.reduce((a, b) => Math.max(a, b ?? -Infinity), -Infinity), floor = shown.value === "difference" ? -10 : top - 10, reach = shown.value === "difference" ? 20 : 10;
    const side = found.side, [[left, bottom], [right, high]] = [plot.toPixel([found.x[0], found.y[0]]), plot.toPixel([found.x[side - 1], found.y[side - 1]])];
    const [width, height] = [(right - left) / (side - 1), (bottom - high) / (side - 1)];
    values.forEach((value, at) => {
      if (value === null || value < floor) return;
      const [column, row] = [at % side, Math.floor(at / side)];
      context.fillStyle = `rgb(${ramp((value - floor) / reach).join(" ")})`;
      context.fillRect(left + (column - 0.5) * width, bottom - (row + 0.5) * height, width + 1, height + 1);
    });
  }
  // Lines of equal density, half a nat, 2, 4.5 and 8 below the top: one to four deviations of a Gaussian.
  function contours(context, values, color) {
    const side = found.side, top = values.reduce((a, b) => Math.max(a, b ?? -Infinity), -Infinity);
    context.strokeStyle = color;
    for (const below of [0.5, 2, 4.5, 8]) {
      const level = top - below;
      context.lineWidth = (below < 1 ? 2.2 : 1.4) * devicePixelRatio;
      context.beginPath();
      for (let row = 0; row + 1 < side; row++) for (let column = 0; column + 1 < side; column++) {
        const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([right, up]) => [found.x[column + right], found.y[row + up], values[(row + up) * side + column + right] ?? -Infinity]);
        const crossings = corners.flatMap(([x, y, value], at) => {
          const [nextX, nextY, next] = corners[(at + 1) % 4];
          if (value >= level === next >= level || !Number.isFinite(value) || !Number.isFinite(next)) return [];
          const share = (level - value) / (next - value);
          return [plot.toPixel([x + share * (nextX - x), y + share * (nextY - y)])];
        });
        for (let at = 0; at + 1 < crossings.length; at += 2) {
          context.moveTo(...crossings[at]);
          context.lineTo(...crossings[at + 1]);
        }
      }
      context.stroke();
    }
  }
  function ring(context, at, color) {
    const [x, y] = plot.toPixel(at);
    context.strokeStyle = color;
    context.lineWidth = 2 * devicePixelRatio;
    context.beginPath();
    context.arc(x, y, 8 * devicePixelRatio, 0, 2 * Math.PI);
    context.stroke();
  }
  // The cells whose density under the one exceeds that under the other most, weighed by the first.
  function worst(first, second) {
    const best = found[first].reduce((a, b) => Math.max(a, b), -Infinity);
    const side = found.side, chosen = [];
    const ranked = found[first].map((value, at) => [value - best > -4 ? value - found[second][at] : -Infinity, at]).sort((a, b) => b[0] - a[0]).filter(([gap]) => gap > 2);
    for (const [, at] of ranked) {
      const [x, y] = [at % side, Math.floor(at / side)];
      if (chosen.length < 5 && chosen.every(([otherX, otherY]) => Math.hypot(x - otherX, y - otherY) > side / 8)) chosen.push([x, y]); // one ring a region
    }
    return chosen.map(([x, y]) => [found.x[x], found.y[y]]);
  }
  async function load() {
    found = await get(`${run}/density`, { refitted: refitted.checked, ...queryOf(held) });
    plot?.close();
    place = null;
    if (!found.log_p) {
      stage.replaceChildren(el("p", {}, "The aggregate posterior of this model has no density to draw: its posterior is neither Gaussian nor bits. The map works all the same."));
      return;
    }
    const flat = !found.names[1]; // one latent: curves in place of contours
    legend.textContent = flat ? "The prior in blue, the aggregate posterior in orange." : "Contours: the prior in blue, the aggregate posterior in orange, half a nat, 2, 4.5 and 8 below the top. Blue rings: pockets, where the prior expects latents and no row has any. Orange rings: leaks, where rows are and the prior expects none.";
    plot = new Plot(flat ? [found.names[0], "density"] : found.names, "Densities: click to decode");
    stage.replaceChildren(plot.node);
    const [pockets, leaks] = flat ? [[], []] : [worst("log_p", "log_q"), worst("log_q", "log_p")];
    const curve = (values) => found.x.map((x, at) => [x, Math.exp(values[at] ?? -Infinity)]), curves = [[curve(found.log_q), "#d55e00"], [curve(found.log_p), "#0072b2"]];
    plot.background = flat ? null : paint;
    plot.foreground = (context) => {
      if (flat) curves.forEach(([points, color]) => line(context, plot, points, color, 2.5));
      else if (lines.checked) {
        contours(context, found.log_q, "#d55e00");
        contours(context, found.log_p, "#0072b2");
      }
      pockets.forEach((at) => ring(context, at, "#0072b2"));
      leaks.forEach((at) => ring(context, at, "#d55e00"));
      if (place) cross(context, plot, place);
    };
    const highest = Math.max(...curves.flatMap(([points]) => points.map(([, height]) => height)));
    const corners = flat ? [[found.x[0], 0], [found.x.at(-1), highest]] : [[found.x[0], found.y[0]], [found.x.at(-1), found.y.at(-1)]];
    plot.show(samples.checked ? found.samples : found.points, samples.checked ? (flat ? "#0072b2" : "#ffffff") : "#e69f00", samples.checked ? 2.5 : 4, corners);
    plot.over.addEventListener("pointerdown", (event) => decode(plot.toPoint(event)));
    plot.steer(decode, () => place);
    decode(found.points[0]); // something to see before the first click
  }
  function decode(point) {
    place = point;
    plot.mark();
    decoder.decode({ points: [found.names[1] ? point : [point[0], 0]], number: numberOf(held), latents: true }, (buffer) => view.update(rowsOf(buffer, facts.drawer, 1)[0]));
  }
  refit.addEventListener("click", async () => {
    refit.disabled = true;
    try {
      const answer = await post(`${run}/refit`, { prior: kind.value });
      text.textContent = `${kind.value}, fitted to the same encodings, in nats:`;
      numbers.replaceChildren(...["before", "after"].map((when) => el("tr", {}, el("th", {}, when), ...Object.keys(answer.before).map((name) => el("td", { class: "number" }, cell(answer[when][name]))))));
      names.replaceChildren(el("tr", {}, ...["", ...Object.keys(answer.before)].map((name) => el("th", {}, name.replaceAll("_", " ")))));
      refitted.disabled = false;
      refitted.checked = true;
      await load();
    } finally {
      refit.disabled = false;
    }
  });
  for (const input of [samples, refitted, ...(held ? [held] : [])]) input.addEventListener("change", load);
  for (const input of [shown, lines]) input.addEventListener("change", () => plot?.draw());
  onLeave(() => plot?.close());
  await load();
}

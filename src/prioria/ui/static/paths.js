// Between two points: the straight line beside the shortest path through samples of the prior.
import { get, post } from "/api.js";
import { el, strip, rowView, classChooser, numberOf, queryOf, COLORS, fmt } from "/show.js";
import { Plot, cross, line } from "/plot.js";

export async function show({ main, run, facts, onLeave }) {
  const held = classChooser(facts, false), stage = el("div");
  const neighbors = el("input", { type: "number", min: 1, max: 200, value: 15, "aria-label": "Neighbors k" });
  const nodes = el("input", { type: "number", min: 20, max: 5000, value: 500, "aria-label": "Nodes N" });
  const mutual = el("input", { type: "checkbox", checked: true });
  const example = el("button", { onclick: () => two() }, "Two test rows"), player = el("figure", { class: "player" }), out = el("div"), hint = el("p", { class: "quiet", role: "status" });
  main.append(el("div", { class: "tools" }, ...(held ? [held] : []), el("label", {}, "N ", nodes), el("label", {}, "k ", neighbors), el("label", {}, mutual, " mutual neighbors"), example),
    el("div", { class: "split" }, el("div", {}, stage, hint), out));
  let found, plot, ends = [], answer = null, timer = null;
  async function load() {
    found = await get(`${run}/map`, { limit: 2000, ...queryOf(held) });
    plot?.close();
    [ends, answer] = [[], null];
    clearInterval(timer);
    out.replaceChildren();
    hint.textContent = held ? "Click a start, then an end. A path has one class, as latents of two have nothing in common." : "Click a start, then an end.";
    plot = new Plot(found.names, "Click a start, then an end");
    stage.replaceChildren(plot.node);
    plot.foreground = paint;
    plot.show(found.points, "#a9b4c0", found.points.length > 300 ? 4 : 6);
    example.disabled = found.points.length < 2;
    plot.over.addEventListener("click", (event) => choose(plot.toPoint(event)));
  }
  function paint(context) {
    if (answer) {
      const longest = Math.max(...answer.weights);
      // Short edges, along which a path is cheap, are dark.
      answer.edges.forEach(([a, b], edge) => line(context, plot, [answer.nodes[a], answer.nodes[b]], `rgba(110, 125, 145, ${(0.1 + 0.5 * (1 - answer.weights[edge] / longest)).toFixed(2)})`, 0.8));
      line(context, plot, answer.ways.straight.points, COLORS[1], 2.5);
      line(context, plot, answer.ways.graph.points, COLORS[2], 3);
    }
    ends.forEach((point) => cross(context, plot, point));
  }
  function choose(point) {
    if (ends.length === 2) [ends, answer] = [[], null];
    ends.push(point);
    hint.textContent = ends.length === 2 ? "" : "Now the end.";
    plot.mark();
    if (ends.length === 2) walk();
  }
  function two() {
    const count = found.points.length, first = Math.floor(Math.random() * count);
    const second = (first + 1 + Math.floor(Math.random() * (count - 1))) % count;
    [ends, answer] = [[], null];
    choose(found.points[first]);
    choose(found.points[second]);
  }
  const asked = () => ({ start: ends[0], end: ends[1], number: numberOf(held), nodes: +nodes.value, neighbors: +neighbors.value, mutual: mutual.checked });
  async function walk() {
    answer = await post(`${run}/path`, asked());
    plot.show(found.points, "#a9b4c0", plot.size, [...found.points, ...answer.nodes]); // the graph may reach beyond the rows
    const titles = { straight: "Straight line", graph: `Through the graph (${answer.parts} part${answer.parts === 1 ? "" : "s"} joined)` };
    out.replaceChildren(...Object.entries(answer.ways).map(([name, way]) => el("section", {},
      el("h3", { style: `color:${name === "graph" ? "var(--good)" : "var(--sample)"}` }, titles[name]),
      strip(facts.drawer, way.pictures, titles[name], way.discontinuities, 5),
      el("p", { class: "quiet" }, `length ${fmt(way.length)}; ${way.discontinuities.length} discontinuities${way.discontinuities.length && facts.drawer.kind === "picture" ? ", boxed" : ""}; smoothness ${fmt(way.smoothness)}`),
      el("div", { class: "tools" }, el("button", { onclick: () => play(name) }, "Play"), facts.drawer.kind === "picture" ? el("button", { onclick: () => save(name) }, "Save as GIF") : ""))), player);
  }
  function play(name) {
    clearInterval(timer);
    const way = answer.ways[name], view = rowView(facts.drawer, "Playing");
    player.replaceChildren(view);
    let frame = 0;
    timer = setInterval(() => view.update(way.pictures[frame++ % way.pictures.length]), 100);
  }
  async function save(way) {
    const { gif } = await post(`${run}/animation`, { ...asked(), way });
    el("a", { href: `data:image/gif;base64,${gif}`, download: `path-${way}.gif` }).click();
  }
  held?.addEventListener("change", load);
  onLeave(() => { clearInterval(timer); plot?.close(); });
  await load();
}

// Between two points: the straight line beside the shortest path through samples of the prior.
import { get, post } from "/api.js";
import { el, strip, rowView, COLORS, fmt } from "/show.js";
import { Plot, cross, line, lift } from "/plot.js";

export async function show({ main, run, facts, onLeave }) {
  const found = await get(`${run}/map`, { limit: 2000 });
  const plot = new Plot(found.names, "Click a start, then an end");
  const neighbors = el("input", { type: "number", min: 1, max: 200, value: 15, "aria-label": "Neighbors k" });
  const nodes = el("input", { type: "number", min: 20, max: 5000, value: 500, "aria-label": "Nodes N" });
  const mutual = el("input", { type: "checkbox", checked: true });
  const out = el("div"), hint = el("p", { class: "quiet", role: "status" }, "Click a start, then an end.");
  main.append(el("div", { class: "tools" }, el("label", {}, "N ", nodes), el("label", {}, "k ", neighbors), el("label", {}, mutual, " mutual neighbors"), el("button", { onclick: example }, "Two test rows")),
    el("div", { class: "split" }, el("div", {}, plot.node, hint), out));
  let ends = [], answer = null, timer = null;
  plot.foreground = (context) => {
    if (answer) {
      answer.edges.forEach(([a, b]) => line(context, plot, [answer.nodes[a], answer.nodes[b]], "#8899aa44", 0.7));
      line(context, plot, answer.ways.straight.points, COLORS[1], 2.5);
      line(context, plot, answer.ways.graph.points, COLORS[2], 3);
    }
    ends.forEach((point) => cross(context, plot, point));
  };
  plot.show(found.points, "#a9b4c0", 4);
  plot.over.addEventListener("click", (event) => choose(plot.toPoint(event)));
  function choose(point) {
    if (ends.length === 2) [ends, answer] = [[], null];
    ends.push(point);
    hint.textContent = ends.length === 2 ? "" : "Now the end.";
    plot.draw();
    if (ends.length === 2) walk();
  }
  function example() {
    const [a, b] = [0, 1].map(() => found.points[Math.floor(Math.random() * found.points.length)]);
    [ends, answer] = [[], null];
    choose(a);
    choose(b);
  }
  const asked = () => ({ start: lift(found, ends[0]), end: lift(found, ends[1]), nodes: +nodes.value, neighbors: +neighbors.value, mutual: mutual.checked });
  async function walk() {
    answer = await post(`${run}/path`, asked());
    plot.draw();
    const titles = { straight: "Straight line", graph: `Through the graph (${answer.parts} part${answer.parts === 1 ? "" : "s"} joined)` };
    out.replaceChildren(...Object.entries(answer.ways).map(([name, way]) => el("section", {},
      el("h3", { style: `color:${name === "graph" ? "var(--good)" : "var(--sample)"}` }, titles[name]),
      strip(facts.drawer, way.pictures, titles[name], way.discontinuities),
      el("p", { class: "quiet" }, `${way.discontinuities.length} discontinuities, boxed; smoothness ${fmt(way.smoothness)}`),
      el("div", { class: "tools" }, el("button", { onclick: () => play(name) }, "Play"), facts.drawer.kind === "picture" ? el("button", { onclick: () => save(name) }, "Save as GIF") : ""))), player);
  }
  const player = el("figure", { class: "player" });
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
  onLeave(() => { clearInterval(timer); plot.close(); });
}

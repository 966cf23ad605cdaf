// Rows of the data on the page. All text goes in as text: names of columns and classes may hold anything.
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") made.style.cssText = value; // not as an attribute, which the page's own policy refuses
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const fmt = (value) =>
  value === null || value === undefined ? "–" : Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(+value.toPrecision(4));

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// One row: a canvas for pictures, a line for curves, bars for tables. `update(values)` draws another one in its place.
export function rowView(drawer, label, small = false) {
  if (drawer.kind === "picture") {
    const [height, width] = drawer.shape;
    const canvas = el("canvas", { class: small ? "row small" : "row", width, height, role: "img", "aria-label": label });
    canvas.update = (values) => {
      const rgb = typeof values === "string" ? bytesOf(values) : values;
      const image = new ImageData(width, height);
      for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
        image.data[to] = rgb[from];
        image.data[to + 1] = rgb[from + 1];
        image.data[to + 2] = rgb[from + 2];
        image.data[to + 3] = 255;
      }
      canvas.getContext("2d").putImageData(image, 0, 0);
    };
    return canvas;
  }
  return drawer.kind === "curve" ? curveView(drawer, label) : tableView(drawer, label);
}

function curveView(drawer, label) {
  const [channels, length] = drawer.shape;
  const lines = Array.from({ length: channels }, () => svg("polyline", { fill: "none", stroke: "var(--data)", "stroke-width": 1.5 }));
  const view = svg("svg", { viewBox: "0 0 300 120", role: "img", "aria-label": label }, ...lines);
  const low = Math.min(...drawer.low), high = Math.max(...drawer.high), span = high - low || 1;
  view.update = (values) => lines.forEach((line, channel) => {
    const points = Array.from({ length }, (_, t) => `${(300 * t) / (length - 1 || 1)},${115 - (110 * (values[channel * length + t] - low)) / span}`);
    line.setAttribute("points", points.join(" "));
  });
  return view;
}

function cellsOf(drawer, column) {
  const text = el("span"), bar = el("span", { class: "bar", style: "width:0" }), cell = el("td", {}, text, bar);
  const span = drawer.high[column] - drawer.low[column] || 1, levels = drawer.levels[column];
  cell.update = (value) => {
    text.textContent = Number.isFinite(value) ? levels[Math.round(value)] ?? fmt(value) : "missing"; // a name where values are names
    text.className = Number.isFinite(value) ? "" : "quiet";
    bar.style.width = levels.length || !Number.isFinite(value) ? "0" : `${Math.max(0, Math.min(1, (value - drawer.low[column]) / span)) * 100}%`;
  };
  return cell;
}

const scoreCell = (score, lowest) => el("td", { class: score === lowest ? "number bad" : "number" }, fmt(score));

// Rows side by side, a column each: what `titles` name. Returns the table, and a view of each row.
function tableOf(drawer, titles, label, scores = null) {
  const cells = drawer.columns.map((_, column) => titles.map(() => cellsOf(drawer, column)));
  const head = titles.some((title) => title) ? [el("thead", {}, el("tr", {}, ...["", ...titles, ...(scores ? ["log p"] : [])].map((title) => el("th", {}, title))))] : [];
  const body = el("tbody", {}, ...drawer.columns.map((name, column) => el("tr", {}, el("th", {}, name), ...cells[column], ...(scores ? [scoreCell(scores[column], Math.min(...scores))] : []))));
  const node = el("div", { class: "scroll rows", role: "group", "aria-label": label }, el("table", {}, ...head, body));
  const views = titles.map((_, place) => ({ update: (values) => cells.forEach((row, column) => row[place].update(values[column])) }));
  return { node, views };
}

function tableView(drawer, label) {
  const { node, views } = tableOf(drawer, [""], label);
  node.update = views[0].update;
  return node;
}

// Several rows to compare: pictures and curves with captions, or one table with a column for each.
export function rowViews(drawer, captions, small = false, scores = null) {
  if (drawer.kind === "table") return tableOf(drawer, captions, captions.join(", "), scores);
  const views = captions.map((caption) => rowView(drawer, caption, small));
  return { node: el("div", { class: "pair" }, ...views.map((view, place) => el("figure", {}, view, ...(small ? [] : [el("figcaption", {}, captions[place])])))), views };
}

// Which class of the top group is held; nothing where the model has none.
export function classChooser(facts, all) {
  if (!facts.shares) return null;
  const order = facts.shares.map((share, number) => [share, number]).sort((a, b) => b[0] - a[0]);
  const options = order.map(([share, number]) => el("option", { value: number }, `class ${number} (${(100 * share).toFixed(share < 0.01 ? 1 : 0)} %)`));
  return el("select", { "aria-label": "Class" }, ...(all ? [el("option", { value: "" }, "all classes")] : []), ...options);
}
export const numberOf = (chooser) => (chooser && chooser.value !== "" ? +chooser.value : null);
export const queryOf = (chooser) => (numberOf(chooser) === null ? {} : { number: numberOf(chooser) });

// What the socket sent, cut into rows.
export function rowsOf(buffer, drawer, count) {
  const all = drawer.kind === "picture" ? new Uint8Array(buffer) : new Float32Array(buffer);
  const size = all.length / count;
  return Array.from({ length: count }, (_, row) => all.subarray(row * size, (row + 1) * size));
}

export function strip(drawer, pictures, label, jumps = [], most = 9) {
  const boxed = new Set(jumps.flatMap((step) => [step, step + 1]));
  if (drawer.kind === "picture") {
    const views = pictures.map((picture, place) => {
      const view = rowView(drawer, `${label}, ${place + 1} of ${pictures.length}`, true);
      view.update(picture);
      if (boxed.has(place)) view.classList.add("jump");
      return view;
    });
    return el("div", { class: "strip", tabindex: 0, role: "group", "aria-label": label }, ...views);
  }
  const count = Math.min(most, pictures.length), places = Array.from({ length: count }, (_, at) => Math.round((at * (pictures.length - 1)) / (count - 1 || 1)));
  const { node, views } = rowViews(drawer, places.map((place) => `${place + 1}`));
  views.forEach((view, at) => view.update(pictures[places[at]]));
  node.classList.add("steps");
  return node;
}

export const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f", "#bcbd22", "#17becf"];

// A number between 0 and 1 as a color that the color-blind can order.
const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
export function ramp(share) {
  const at = Math.max(0, Math.min(1, share)) * (STOPS.length - 1), left = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[left].map((value, channel) => Math.round(value + (at - left) * (STOPS[left + 1][channel] - value)));
}
export const rgb = (color) => (Array.isArray(color) ? color : [1, 3, 5].map((place) => parseInt(color.slice(place, place + 2), 16)));

// Shares of values between their 2nd and 98th percentile.
export function shares(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  const low = known[Math.floor(known.length * 0.02)] ?? 0, high = known[Math.ceil(known.length * 0.98) - 1] ?? 1;
  return { low, high, of: values.map((value) => (value === null ? 0 : (value - low) / (high - low || 1))) };
}

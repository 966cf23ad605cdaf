// A plane of points: drawn by the graphics card where there is one, so that 100,000 of them stay fluid.
import { el, rgb } from "/show.js";

const VERTEX = `attribute vec2 at; attribute vec3 color; uniform vec2 low; uniform vec2 span; uniform float size; varying vec3 shade;
void main() { gl_Position = vec4(2.0 * (at - low) / span - 1.0, 0.0, 1.0); gl_PointSize = size; shade = color; }`;
const FRAGMENT = `precision mediump float; varying vec3 shade;
void main() { vec2 off = gl_PointCoord - 0.5; if (dot(off, off) > 0.25) discard; gl_FragColor = vec4(shade, 0.8) ; }`;

export class Plot {
  constructor(names, label) {
    this.points = el("canvas", { "aria-hidden": "true" });
    this.over = el("canvas", { tabindex: 0, role: "application", "aria-label": label });
    this.under = el("canvas", { "aria-hidden": "true" });
    this.node = el("div", { class: "plot" }, this.under, this.points, this.over,
      el("span", { class: "x" }, names[0]), el("span", { class: "y" }, names[1]));
    this.gl = this.points.getContext("webgl", { premultipliedAlpha: false, antialias: true });
    if (this.gl) this.program = program(this.gl);
    this.layers = [];
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.node);
  }

  // at: [[x, y], ...]; colors: one for all, or one a point.
  show(at, colors, size = 5, bounds = null) {
    this.at = at;
    this.size = size;
    this.colors = at.map((_, place) => rgb(Array.isArray(colors) && colors.length === at.length && !Number.isFinite(colors[0]) ? colors[place] : colors));
    if (bounds || !this.low) this.fit(bounds ?? at);
    if (this.gl) {
      const gl = this.gl;
      upload(gl, this.program, "at", new Float32Array(at.flat()), 2);
      upload(gl, this.program, "color", new Float32Array(this.colors.flat().map((value) => value / 255)), 3);
    }
    this.draw();
  }

  fit(at) {
    const [xs, ys] = [0, 1].map((axis) => at.map((point) => point[axis]));
    const reach = (values) => {
      const low = values.reduce((a, b) => Math.min(a, b), Infinity), high = values.reduce((a, b) => Math.max(a, b), -Infinity);
      const margin = 0.06 * (high - low) || 1;
      return [low - margin, high - low + 2 * margin];
    };
    const [x, y] = [reach(xs), reach(ys)];
    this.low = [x[0], y[0]];
    this.span = [x[1], y[1]];
  }

  resize() {
    const { width, height } = this.node.getBoundingClientRect();
    if (!width) return;
    for (const canvas of [this.under, this.points, this.over]) {
      canvas.width = width * devicePixelRatio;
      canvas.height = height * devicePixelRatio;
    }
    this.draw();
  }

  draw() {
    if (!this.at) return;
    if (this.gl) {
      const gl = this.gl;
      gl.viewport(0, 0, this.points.width, this.points.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(gl.getUniformLocation(this.program, "low"), ...this.low);
      gl.uniform2f(gl.getUniformLocation(this.program, "span"), ...this.span);
      gl.uniform1f(gl.getUniformLocation(this.program, "size"), this.size * devicePixelRatio);
      gl.drawArrays(gl.POINTS, 0, this.at.length);
    } else {
      const context = this.points.getContext("2d");
      context.clearRect(0, 0, this.points.width, this.points.height);
      const side = this.size * devicePixelRatio;
      this.at.forEach((point, place) => {
        const [x, y] = this.toPixel(point);
        context.fillStyle = `rgb(${this.colors[place]})`;
        context.fillRect(x - side / 2, y - side / 2, side, side);
      });
    }
    this.paint(this.under, this.background);
    this.mark();
  }

  // What lies above the points alone: the cross under the pointer moves without drawing them again.
  mark() {
    this.paint(this.over, this.foreground);
  }

  paint(canvas, painter) {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    painter?.(context, this);
  }

  toPixel([x, y]) {
    return [((x - this.low[0]) / this.span[0]) * this.over.width, (1 - (y - this.low[1]) / this.span[1]) * this.over.height];
  }

  toPoint(event) {
    const box = this.over.getBoundingClientRect();
    return [
      this.low[0] + ((event.clientX - box.left) / box.width) * this.span[0],
      this.low[1] + (1 - (event.clientY - box.top) / box.height) * this.span[1],
    ];
  }

  nearest(point, within = 0.03) {
    let best = -1, closest = within ** 2;
    this.at.forEach((other, place) => {
      const distance = ((other[0] - point[0]) / this.span[0]) ** 2 + ((other[1] - point[1]) / this.span[1]) ** 2;
      if (distance < closest) [best, closest] = [place, distance];
    });
    return best;
  }

  // Arrow keys move a cross as the pointer would; move(point) is called with where it goes from where it is.
  steer(move, from) {
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    this.over.addEventListener("keydown", (event) => {
      const way = keys[event.key];
      if (!way) return;
      event.preventDefault();
      move(from().map((value, axis) => value + (way[axis] * this.span[axis]) / 60));
    });
  }

  close() {
    this.observer.disconnect();
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

export function cross(context, plot, point, color = "#d55e00") {
  const [x, y] = plot.toPixel(point), arm = 9 * devicePixelRatio;
  context.strokeStyle = color;
  context.lineWidth = 2 * devicePixelRatio;
  context.beginPath();
  context.moveTo(x - arm, y);
  context.lineTo(x + arm, y);
  context.moveTo(x, y - arm);
  context.lineTo(x, y + arm);
  context.stroke();
}

export function line(context, plot, points, color, width = 2) {
  context.strokeStyle = color;
  context.lineWidth = width * devicePixelRatio;
  context.beginPath();
  points.forEach((point, place) => context[place ? "lineTo" : "moveTo"](...plot.toPixel(point)));
  context.stroke();
}

function program(gl) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  gl.useProgram(made);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  return made;
}

function upload(gl, made, name, values, width) {
  const place = gl.getAttribLocation(made, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, width, gl.FLOAT, false, 0, 0);
}

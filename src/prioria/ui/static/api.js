// Every request carries the token of the address that was printed; it is kept out of the address afterwards.
const token = new URLSearchParams(location.search).get("token") ?? "";
const waiting = document.getElementById("busy");
let busy = 0;

async function ask(path, options = {}) {
  busy += 1;
  waiting.textContent = "working ...";
  try {
    const answer = await fetch(path, { ...options, headers: { "x-prioria-token": token, ...options.headers } });
    const found = answer.headers.get("content-type")?.includes("json") ? await answer.json() : { error: await answer.text() };
    if (!answer.ok) throw new Error(found.error ?? answer.statusText);
    return found;
  } finally {
    busy -= 1;
    if (busy === 0) waiting.textContent = "";
  }
}

export const get = (path, query = {}) => ask(`/api/${path}?${new URLSearchParams(query)}`);
export const post = (path, body) =>
  ask(`/api/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

// One socket a run. Requests are answered one at a time; of each lane, such as the pointer's, only the newest waits.
export class Decoder {
  constructor(run, failed) {
    this.run = run;
    this.failed = failed;
    this.waiting = new Map();
    this.flying = null;
    this.count = 0;
    this.times = [];
  }

  open() {
    this.socket = new WebSocket(`ws://${location.host}/api/${this.run}/decode?token=${encodeURIComponent(token)}`);
    this.socket.binaryType = "arraybuffer";
    this.ready = new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Error("the explorer's server does not answer; start prioria ui again"));
    });
    this.socket.onmessage = (message) => this.answered(message.data);
    this.socket.onclose = () => { this.socket = null; this.flying = null; };
  }

  // asked: points of a plane, or latents by group. Calls back with the values of each row; a newer request takes the
  // place of one that waits in its lane.
  async decode(asked, done, lane = "pointer") {
    this.waiting.set(lane, { asked, done });
    if (!this.socket) this.open();
    await this.ready;
    this.send();
  }

  send() {
    if (this.flying || !this.waiting.size) return;
    const [lane, next] = this.waiting.entries().next().value;
    this.waiting.delete(lane);
    this.flying = { ...next, id: ++this.count, at: performance.now() };
    this.socket.send(JSON.stringify({ id: this.flying.id, ...next.asked }));
  }

  answered(data) {
    const flown = this.flying;
    this.flying = null;
    if (flown && data instanceof ArrayBuffer) {
      this.times.push(performance.now() - flown.at);
      if (this.times.length > 500) this.times.shift();
      flown.done(data.slice(4));
    } else if (flown) this.failed(new Error(JSON.parse(data).error));
    this.send();
  }

  close() {
    this.socket?.close();
  }
}

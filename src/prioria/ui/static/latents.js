// A slider for each latent of the top group; the groups below are drawn anew on request.
import { get, post } from "/api.js";
import { el, rowView, rowsOf, strip, fmt } from "/show.js";

const STEPS = 9;

export async function show({ main, run, facts, decoder }) {
  const found = await get(`${run}/latents`), z = [...found.mean];
  const view = rowView(facts.drawer, "Decoded"), traversal = el("div"), below = el("div"), sliders = el("div", { class: "scroll" });
  const redraw = () => decoder.decode([z], (buffer) => view.update(rowsOf(buffer, facts.drawer, 1)[0]));
  // The widest first: those that carry something.
  const order = z.map((_, latent) => latent).sort((a, b) => found.sd[b] - found.sd[a]);
  const inputs = order.map((latent) => {
    const shown = el("small", {}, fmt(z[latent]));
    const input = el("input", {
      type: "range", min: found.low[latent], max: found.high[latent], step: "any", value: z[latent], "aria-label": `latent ${latent}`,
      oninput: () => { z[latent] = +input.value; shown.textContent = fmt(z[latent]); redraw(); },
      onfocus: () => traverse(latent),
    });
    input.show = () => { input.value = z[latent]; shown.textContent = fmt(z[latent]); };
    sliders.append(el("label", { class: "slider" }, `latent ${latent}`, input, shown));
    return input;
  });
  function traverse(latent) {
    const rows = Array.from({ length: STEPS }, (_, step) => z.map((value, other) => other === latent ? found.low[latent] + (step / (STEPS - 1)) * (found.high[latent] - found.low[latent]) : value));
    decoder.decode(rows, (buffer, count) => traversal.replaceChildren(
      el("h3", {}, `latent ${latent} from ${fmt(found.low[latent])} to ${fmt(found.high[latent])}`),
      strip(facts.drawer, rowsOf(buffer, facts.drawer, count), `traversal of latent ${latent}`)), "traversal");
  }
  const to = (choose) => { z.forEach((_, latent) => (z[latent] = choose(latent))); inputs.forEach((input) => input.show()); redraw(); };
  const gauss = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  const tools = el("div", { class: "tools" },
    el("button", { onclick: () => to((latent) => found.mean[latent]) }, "Mean"),
    el("button", { onclick: () => to((latent) => Math.max(found.low[latent], Math.min(found.high[latent], found.mean[latent] + found.sd[latent] * gauss()))) }, "Somewhere else"));
  if (Object.keys(facts.groups).length > 1) {
    tools.append(el("button", {
      onclick: async () => {
        const { pictures } = await post(`${run}/below`, { z: [z] });
        below.replaceChildren(el("h3", {}, "the same top group, all below drawn anew"), strip(facts.drawer, pictures, "resampled below"));
      },
    }, "Hold the top, resample the bottom"));
  }
  main.append(tools, el("div", { class: "split" }, sliders, el("figure", {}, view)), traversal, below);
  redraw();
}

// Sliders for the latents of each group; a class is chosen. Groups below those that are held are drawn anew on request.
import { get, post } from "/api.js";
import { el, rowView, rowsOf, strip, fmt } from "/show.js";

const STEPS = 9;
const MOST = 64; // sliders of a group, the widest first

export async function show({ main, run, facts, decoder }) {
  const { groups } = await get(`${run}/latents`), z = {}, one = groups.length === 1;
  const view = rowView(facts.drawer, "Decoded"), traversal = el("div"), below = el("div"), panel = el("div");
  const redraw = () => decoder.decode({ groups: asked() }, (buffer) => view.update(rowsOf(buffer, facts.drawer, 1)[0]));
  const asked = (changed = {}) => Object.fromEntries(Object.entries({ ...z, ...changed }).map(([name, values]) => [name, Array.isArray(values[0]) ? values : [values]]));
  const gauss = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

  function choice(group) {
    const likeliest = group.shares.indexOf(Math.max(...group.shares));
    z[group.name] = group.values[likeliest];
    const order = group.shares.map((share, number) => [share, number]).sort((a, b) => b[0] - a[0]);
    const chosen = el("select", { "aria-label": `class of ${group.name}`, onchange: () => { z[group.name] = group.values[+chosen.value]; redraw(); } },
      ...order.map(([share, number]) => el("option", { value: number }, `class ${number} (${(100 * share).toFixed(share < 0.01 ? 1 : 0)} %)`)));
    const across = () => compare(`the classes of ${group.name}, the most common first`, { [group.name]: order.slice(0, STEPS).map(([, number]) => group.values[number]) });
    return el("div", { class: "tools" }, el("label", {}, `${group.name} `, chosen), el("button", { onclick: across }, "Compare the classes"));
  }
  function sliders(group) {
    z[group.name] = [...group.mean];
    const order = group.mean.map((_, latent) => latent).sort((a, b) => group.sd[b] - group.sd[a]).slice(0, MOST); // those that carry something
    const inputs = order.map((latent) => {
      const shown = el("small", {}, fmt(group.mean[latent])), name = one ? `latent ${latent}` : `${group.name}[${latent}]`;
      const input = el("input", { type: "range", min: group.low[latent], max: group.high[latent], step: "any", value: group.mean[latent], "aria-label": name,
        oninput: () => { z[group.name][latent] = +input.value; shown.textContent = fmt(+input.value); redraw(); },
        onfocus: () => traverse(group, latent, name) });
      input.follow = () => { input.value = z[group.name][latent]; shown.textContent = fmt(z[group.name][latent]); };
      input.row = el("label", { class: "slider" }, el("span", {}, name), input, shown);
      return input;
    });
    const to = (choose) => { z[group.name] = group.mean.map((_, latent) => choose(latent)); inputs.forEach((input) => input.follow()); redraw(); };
    const within = (latent, value) => Math.max(group.low[latent], Math.min(group.high[latent], value));
    const more = group.mean.length > MOST ? [el("p", { class: "quiet" }, `the ${MOST} of ${group.mean.length} latents that vary most`)] : [];
    return el("div", {}, el("div", { class: "tools" }, el("button", { onclick: () => to((latent) => group.mean[latent]) }, "Mean"), el("button", { onclick: () => to((latent) => within(latent, group.mean[latent] + group.sd[latent] * gauss())) }, "Somewhere else")),
      ...more, el("div", { class: "scroll" }, ...inputs.map((input) => input.row)));
  }
  function traverse(group, latent, name) {
    const [low, high] = [group.low[latent], group.high[latent]];
    const rows = Array.from({ length: STEPS }, (_, step) => z[group.name].map((value, other) => (other === latent ? low + (step / (STEPS - 1)) * (high - low) : value)));
    compare(`${name} from ${fmt(low)} to ${fmt(high)}`, { [group.name]: rows });
  }
  function compare(title, changed) {
    const count = Object.values(changed)[0].length, all = asked(changed);
    for (const name of Object.keys(all)) if (!(name in changed)) all[name] = Array(count).fill(all[name][0]);
    decoder.decode({ groups: all }, (buffer) => traversal.replaceChildren(el("h3", {}, title), strip(facts.drawer, rowsOf(buffer, facts.drawer, count), title)), "traversal");
  }
  // Groups are held from the top down; the others are drawn from their priors.
  const depth = el("select", { "aria-label": "Groups that are held" });
  function build() {
    for (const name of Object.keys(z)) delete z[name];
    below.replaceChildren();
    traversal.replaceChildren();
    panel.replaceChildren(...groups.slice(0, +depth.value).map((group) => (group.values ? choice(group) : sliders(group))));
    resample.disabled = +depth.value === groups.length;
    redraw();
  }
  const resample = el("button", { onclick: async () => {
    const { pictures } = await post(`${run}/below`, { groups: asked() });
    below.replaceChildren(el("h3", {}, "the same held, all below drawn anew"), strip(facts.drawer, pictures, "resampled below"));
  } }, "Resample all below");
  const names = groups.map((group) => group.name);
  names.forEach((_, at) => depth.append(el("option", { value: at + 1 }, names.slice(0, at + 1).join(", "))));
  depth.value = groups[0].values ? Math.min(2, groups.length) : 1;
  depth.addEventListener("change", build);
  main.append(...(one ? [] : [el("div", { class: "tools" }, el("label", {}, "Hold ", depth), resample)]), el("div", { class: "split" }, panel, el("figure", {}, view)), traversal, below);
  build();
}

// The shell: which run, which page, and one place for errors.
import { get, Decoder } from "/api.js";
import { el } from "/show.js";
import * as map from "/map.js";
import * as latents from "/latents.js";
import * as paths from "/paths.js";
import * as density from "/density.js";
import * as runs from "/runs.js";
import * as data from "/data.js";

const PAGES = { Map: map, Latents: latents, Paths: paths, "Prior and posterior": density, Runs: runs, Data: data };
const main = document.getElementById("page"), error = document.getElementById("error"), about = document.getElementById("about");
const chooser = document.getElementById("run"), bar = document.getElementById("pages");
let all = [], shown = { run: 0, page: "Map" }, leave = () => {};

function fail(reason) {
  error.hidden = false;
  error.textContent = reason.message ?? String(reason);
}
addEventListener("unhandledrejection", (event) => { event.preventDefault(); fail(event.reason); });

function groupsOf(facts) {
  const others = Object.keys(facts.groups).length - 1;
  const latents = `${facts.latents} latent${facts.latents === 1 ? "" : "s"}`;
  if (facts.shares) return `${latents} under each of ${facts.shares.length} classes`;
  return others ? `${latents} on top, and ${others} group${others === 1 ? "" : "s"} below` : latents;
}

async function show() {
  leave();
  leave = () => {};
  error.hidden = true;
  main.replaceChildren();
  const { run, page } = shown, facts = all[run];
  for (const button of bar.children) button.toggleAttribute("aria-current", button.textContent === page);
  about.textContent = facts.error ? "" : `${facts.data}: ${facts.rows} test rows; ${groupsOf(facts)}${facts.note ? `; shown are ${facts.note}` : ""}`;
  if (facts.error && page !== "Runs") return fail(facts.error);
  const decoder = new Decoder(run, fail);
  const stopping = [() => decoder.close()];
  leave = () => stopping.forEach((stop) => stop());
  window.explorer = { decoder, facts };
  try {
    await PAGES[page].show({ main, run, facts, all, decoder, onLeave: (stop) => stopping.push(stop), fail });
  } catch (reason) {
    fail(reason);
  }
}

function go(change) {
  shown = { ...shown, ...change };
  location.hash = new URLSearchParams(shown).toString();
  show();
}

async function start() {
  all = await get("runs");
  all.forEach((facts, number) => chooser.append(el("option", { value: number }, facts.name)));
  for (const page of Object.keys(PAGES)) bar.append(el("button", { onclick: () => go({ page }) }, page));
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (wanted.get("page") in PAGES) shown.page = wanted.get("page");
  if (all[+wanted.get("run")]) shown.run = +wanted.get("run");
  chooser.value = shown.run;
  chooser.addEventListener("change", () => go({ run: +chooser.value }));
  await show();
}

start().catch(fail);

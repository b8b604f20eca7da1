/** The page, wired: shelf, lab and views. Data goes down, wishes come up. */

import { Api } from "./api.js";
import { showCode } from "./code.js";
import { byId, many, say } from "./dom.js";
import { Form } from "./form.js";
import * as keyring from "./keyring.js";
import { Lab } from "./lab.js";
import { Sheet } from "./sheet.js";
import { Shelf, isOpen } from "./shelf.js";
import { reproduction } from "./snippets.js";
import { Status } from "./status.js";
import "./themes.js";
import { Tray } from "./tray.js";
import { stateOf } from "./words.js";

const EXAMPLES = ["a red heart on a yellow background", "a smiling cat", "a green tree with red apples", "a blue fish"];

const api = new Api(keyring);
const shelf = new Shelf();
const lab = new Lab(api, shelf);
let looking = null; // the name of the entry in the tray
let told = {}; // entry name -> the status last said aloud

const form = new Form(submit);
const tray = new Tray(byId("tray"), {
  cancel: ({ name }) => lab.cancel(name).catch((error) => say(error.message)),
  remove: ({ name }) => remove(name),
  refresh: ({ name }) => lab.refresh(name).catch(() => {}),
  another: ({ wish, job }) => draw({ ...(job ? withoutSeed(reproduction(job.request)) : wish) }),
  again: ({ job }, image) => again({ ...reproduction(job.request), num_images: 1, seed: image.seed }),
  code: ({ job }) => showCode(job.request),
  try: (prompt) => (form.fill({ prompt }), byId("prompt").focus()),
}, EXAMPLES);
const sheet = new Sheet(byId("sheet"), {
  look: (name) => (look(name), byId("tray").scrollIntoView({ block: "nearest" })),
  refresh: ({ name }) => lab.refresh(name).catch(() => {}),
  remove,
});
const status = new Status(api, async ({ isReady, isLoading }) => {
  tray.isLoading = isLoading;
  tray.show(shelf.get(looking));
  if (isReady || form.models.length === 0) form.offer(await api.models().catch(() => form.models));
});

function submit(wish) {
  keyring.reconsider();
  const { entry, taken } = lab.wish(wish);
  look(entry.name);
  if (matchMedia("(max-width: 54rem)").matches) byId("tray").scrollIntoView(); // it lies below the form
  taken.catch((error) => {
    form.blame(error.errors.length ? error.errors : [{ field: "", message: error.message }]);
    if (error.errors.length) remove(entry.name);
  });
}

function draw(wish) {
  const { entry, taken } = lab.wish(wish);
  look(entry.name);
  taken.catch(() => {}); // the tray says why
}

function again(request) {
  form.fill(request);
  byId("more").open = true;
  byId("prompt").focus();
  say(`Seed ${request.seed} and its settings are in the form.`);
}

function look(name) {
  looking = name;
  tray.show(shelf.get(name));
  sheet.select(name);
}

function remove(name) {
  lab.remove(name);
  if (looking === name) look(shelf.all[0]?.name ?? null);
}

const withoutSeed = ({ seed, ...request }) => request;

shelf.addEventListener("change", ({ detail: name }) => {
  const entry = shelf.get(name);
  sheet.update(name, entry);
  sheet.count();
  if (name === looking) {
    tray.show(entry);
    sheet.select(name);
  }
  if (entry) tell(entry);
  const open = shelf.all.filter(isOpen).length;
  status.isBusy = open > 0;
  document.documentElement.dataset.busy = String(status.isBusy);
  document.title = open ? `${many(open, "job")} developing · Darkroom` : "Darkroom";
});

/** Beginnings and ends are said aloud, every step is not. */
function tell(entry) {
  const { name, status: now, images } = entry;
  if (told[name] === now) return;
  const isNews = name in told || isOpen(entry);
  told[name] = now;
  if (!isNews || now === "waiting") return;
  say(now === "succeeded" ? `${many(images.length, "picture")} ready: ${entry.wish.prompt}` : stateOf(entry, tray.isLoading));
}

byId("key-button").addEventListener("click", () => {
  keyring.reconsider();
  keyring.ask("Sent with every request of this page. Without one, the page forgets the last.");
});
byId("clear").addEventListener("click", () => {
  const ended = shelf.all.filter((entry) => !isOpen(entry));
  if (!confirm(`Erase ${many(ended.length, "finished job")}, here and on the service?`)) return;
  for (const entry of ended) remove(entry.name);
});

for (const entry of shelf.all) {
  if (!isOpen(entry)) told[entry.name] = entry.status;
  sheet.update(entry.name, entry);
}
sheet.count();
look(shelf.all[0]?.name ?? null);
lab.resume();
status.run();

/** The key of this service, if it wants one: asked for once, kept as long as the person says. */

import { byId } from "./dom.js";

const NAME = "darkroom.key";
const dialog = byId("key-dialog");
let asking = null;
let isDeclined = false; // "not now" holds until the person does something that needs the key

export const key = () => sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? "";

export function keep(value, forGood) {
  sessionStorage.removeItem(NAME);
  localStorage.removeItem(NAME);
  if (value) (forGood ? localStorage : sessionStorage).setItem(NAME, value);
}

export const reconsider = () => (isDeclined = false);

/** Ask the person; whether there is a key to try now. All who ask meanwhile share one question. */
export async function ask(why) {
  if (isDeclined) return false;
  asking ??= new Promise((resolve) => {
    byId("key-why").textContent = why;
    byId("key").value = "";
    byId("key-keep").checked = localStorage.getItem(NAME) !== null;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(took()), { once: true });
    dialog.showModal();
  }).finally(() => (asking = null));
  return asking;
}

function took() {
  const value = byId("key").value.trim();
  byId("key").value = "";
  isDeclined = dialog.returnValue !== "use";
  if (isDeclined) return false;
  keep(value, byId("key-keep").checked);
  return value !== "";
}

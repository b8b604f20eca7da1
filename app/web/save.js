/** Saves a picture under the name that its link proposes; the answer's own header would win over it. */

import { h } from "./dom.js";

export async function save(event) {
  event.preventDefault();
  const { href, download } = event.currentTarget;
  const answer = await fetch(href).catch(() => null);
  // Another host's, or gone: as the browser has it.
  if (!answer?.ok) return open(href);
  const url = URL.createObjectURL(await answer.blob());
  h("a", { href: url, download }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The dialog that shows a picture's request as curl and Python. */

import { byId, say } from "./dom.js";
import { key } from "./keyring.js";
import { reproduction, snippets } from "./snippets.js";

const dialog = byId("code-dialog");
const root = new URL("../", import.meta.url).href;
let body = {};

export function showCode(request) {
  body = reproduction(request);
  write();
  byId("code-copy").textContent = "Copy";
  dialog.showModal();
}

function write() {
  const language = dialog.querySelector("[name=language]:checked").value;
  byId("code").textContent = snippets[language](body, root, key() !== "");
}

dialog.addEventListener("change", write);

byId("code-copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("code").textContent);
    byId("code-copy").textContent = "Copied";
    say("Copied.");
  } catch {
    getSelection().selectAllChildren(byId("code")); // no clipboard without https: the person copies
    byId("code-copy").textContent = "Selected: now Ctrl+C";
  }
});

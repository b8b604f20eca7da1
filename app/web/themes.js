/** The theme's button: as the system has it, light, dark. `theme.js` sets it before the first paint. */

import { byId, say } from "./dom.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const WORDS = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" };
const button = byId("theme-button");
const root = document.documentElement;

function show() {
  button.textContent = WORDS[root.dataset.theme];
  button.title = "Theme: as the system has it, light, dark";
}

button.addEventListener("click", () => {
  root.dataset.theme = NEXT[root.dataset.theme];
  localStorage.setItem("darkroom.theme", root.dataset.theme);
  show();
  say(`Theme: ${root.dataset.theme}`);
});
show();

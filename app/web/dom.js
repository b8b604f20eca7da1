/** The few words in which this page speaks of elements. */

export const byId = (id) => document.getElementById(id);

/**
 * An element with its attributes, listeners (`onclick`) and children.
 * A value of null or false leaves the attribute out; true sets it empty.
 */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Have screen readers say it, after what they were told before. */
export function say(words) {
  const log = byId("said");
  log.append(h("p", {}, words));
  while (log.children.length > 4) log.firstElementChild.remove();
}

export const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** Seconds in words short enough for a caption. */
export function seconds(value) {
  if (value >= 90) return `${Math.round(value / 60)} min`;
  return value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}

/** Wait; a signal that is aborted ends the wait with its reason. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

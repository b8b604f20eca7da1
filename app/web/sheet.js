/** The contact sheet: a frame for each job of this browser, newest first. */

import { byId, h, many } from "./dom.js";
import { isOpen } from "./shelf.js";
import { addressOf } from "./words.js";

const MARKS = { waiting: "waits", queued: "queued", processing: "", failed: "failed", refused: "refused", canceled: "canceled", gone: "not kept" };

export class Sheet {
  constructor(place, actions) {
    this.place = place;
    this.actions = actions;
    this.frames = new Map(); // entry name -> its <li>
    place.addEventListener("keydown", (event) => this.#move(event));
  }

  /** One entry changed, came or went. */
  update(name, entry) {
    const old = this.frames.get(name);
    if (!entry) {
      old?.remove();
      this.frames.delete(name);
      return;
    }
    const frame = old ?? h("li", {});
    if (!old) {
      this.frames.set(name, frame);
      this.#insert(frame, entry);
    }
    this.#fill(frame, entry);
  }

  select(name) {
    for (const [other, frame] of this.frames) {
      frame.firstElementChild.setAttribute("aria-current", String(other === name));
    }
  }

  count() {
    const { size } = this.frames;
    byId("sheet-said").textContent = size ? `${many(size, "job")} of this browser` : "Your pictures gather here; this browser remembers them.";
    byId("clear").hidden = size === 0;
  }

  #insert(frame, entry) {
    frame.dataset.at = entry.at;
    const after = [...this.place.children].find((other) => Number(other.dataset.at) < entry.at);
    this.place.insertBefore(frame, after ?? null);
  }

  #fill(frame, entry) {
    const shape = [entry.status, ...entry.images.map((image) => image.url)].join("|");
    if (frame.dataset.shape !== shape) {
      const isFocused = frame.contains(document.activeElement);
      const current = frame.firstElementChild?.getAttribute("aria-current") ?? "false";
      frame.dataset.shape = shape;
      frame.replaceChildren(this.#frame(entry, current));
      if (isFocused) frame.firstElementChild.focus();
    }
    if (isOpen(entry)) frame.querySelector("progress").value = entry.job?.progress.fraction ?? 0;
  }

  #frame(entry, current) {
    const { prompt } = entry.wish;
    const mark = MARKS[entry.status];
    const count = entry.job?.request.num_images ?? entry.wish.num_images ?? 1;
    const frame = h("button", {
      type: "button",
      class: "frame",
      "data-status": entry.status,
      "aria-current": current,
      title: prompt,
      onclick: () => this.actions.look(entry.name),
    });
    const [first] = entry.images;
    const picture = first && h("img", { src: addressOf(first), alt: "", loading: "lazy", width: first.width, height: first.height });
    picture?.addEventListener("error", () => this.actions.refresh(entry), { once: true });
    frame.append(
      h("span", { class: "window" }, picture, count > 1 ? h("span", { class: "times" }, `×${count}`) : null),
      h("span", { class: "label" }, prompt),
      mark ? h("span", { class: "mark" }, mark) : "",
    );
    if (isOpen(entry)) frame.append(h("progress", { max: 1, value: 0, "aria-label": "Developing" }));
    return frame;
  }

  /** Arrow keys go from frame to frame; Delete takes one off the sheet. */
  #move(event) {
    const frames = [...this.place.querySelectorAll(".frame")];
    const here = frames.indexOf(document.activeElement);
    if (here < 0) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) {
      frames[Math.min(Math.max(here + step, 0), frames.length - 1)].focus();
      event.preventDefault();
    } else if (event.key === "Delete") {
      const [name] = [...this.frames].find(([, frame]) => frame.contains(document.activeElement));
      (frames[here + 1] ?? frames[here - 1])?.focus();
      this.actions.remove(name);
    }
  }
}

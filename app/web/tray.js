/** The tray: the job one looks at, large; in its state now, without losing the focus meanwhile. */

import { h } from "./dom.js";
import { save } from "./save.js";
import { isOpen } from "./shelf.js";
import { addressOf, factsOf, fileName, stateOf } from "./words.js";

const SMALL = 256; // pixels; pictures up to here are shown enlarged

export class Tray {
  /** `actions`: cancel, remove, again(entry, image), another, code, refresh, try(prompt). */
  constructor(place, actions, examples) {
    this.place = place;
    this.actions = actions;
    this.examples = examples;
    this.shape = "";
    this.isLoading = false;
    place.dataset.crisp = localStorage.getItem("darkroom.crisp") ?? "false";
  }

  show(entry) {
    this.entry = entry;
    const shape = entry ? shapeOf(entry) : "empty";
    if (shape !== this.shape) this.#rebuild(shape);
    if (entry) this.#update(entry);
  }

  /** What changes the elements themselves is rare; the focus stays on the same action. */
  #rebuild(shape) {
    const focused = this.place.contains(document.activeElement) && document.activeElement.dataset.action;
    this.shape = shape;
    this.place.replaceChildren(this.entry ? this.#job(this.entry) : this.#empty());
    if (focused) (this.place.querySelector(`[data-action="${focused}"]`) ?? this.place.querySelector("button"))?.focus();
  }

  #empty() {
    const chips = this.examples.map((prompt) => h("button", { type: "button", class: "example", onclick: () => this.actions.try(prompt) }, prompt));
    return h(
      "div",
      { class: "empty" },
      h("div", { class: "sheet-of-paper", "aria-hidden": "true" }),
      h("p", {}, "Nothing in the tray yet. Say what you would like to see, or begin with one of these."),
      h("div", { class: "examples" }, ...chips),
    );
  }

  #job(entry) {
    const request = entry.job?.request ?? entry.wish;
    const count = request.num_images ?? 1;
    const papers = Array.from({ length: count }, (_, index) => this.#paper(entry, request, index));
    return h(
      "article",
      { class: "print-set", "aria-label": request.prompt },
      h("p", { class: "caption" }, request.prompt),
      h("div", { class: "now-or-how" }, this.#development(entry), isOpen(entry) || !entry.job ? null : factsList(entry.job)),
      h("div", { class: "papers", "data-count": count }, ...papers),
      h("div", { class: "actions" }, ...this.#jobActions(entry, request)),
    );
  }

  #paper(entry, request, index) {
    const image = entry.images.find((one) => one.index === index);
    const [width, height] = [request.width ?? 1, request.height ?? 1];
    const paper = h("div", { class: "paper", "data-index": index });
    const figure = h("figure", { "data-small": isSmall(request) }, paper);
    figure.style.setProperty("--width", width);
    figure.style.setProperty("--ratio", `${width} / ${height}`);
    if (!image) {
      if (isOpen(entry)) paper.append(h("img", { class: "preview", alt: "", hidden: true }));
      else figure.classList.add("blank");
      return figure;
    }
    const picture = h("img", { src: addressOf(image), alt: altOf(request, index), width: image.width, height: image.height });
    picture.addEventListener("error", () => this.actions.refresh(entry), { once: true });
    paper.append(h("a", { href: addressOf(image), target: "_blank", title: "The file itself", "data-action": `open-${index}` }, picture));
    figure.append(h("figcaption", {}, ...this.#imageActions(entry, request, image)));
    return figure;
  }

  #imageActions(entry, request, image) {
    const again = { type: "button", class: "quiet", "data-action": `again-${image.index}`, onclick: () => this.actions.again(entry, image) };
    return [
      h("span", { class: "seed" }, `seed ${image.seed}`),
      h("button", again, "Again with this seed"),
      h("a", { class: "quiet", href: addressOf(image), download: fileName(request, image), onclick: save, "data-action": `save-${image.index}` }, "Download"),
    ];
  }

  #development(entry) {
    if (!isOpen(entry)) {
      const isWrong = ["failed", "refused", "gone", "canceled"].includes(entry.status);
      return isWrong ? h("p", { class: "ending", "data-status": entry.status }, stateWithNote(entry)) : null;
    }
    const cancel = { type: "button", "data-action": "cancel", onclick: () => this.actions.cancel(entry) };
    return h("div", { class: "development" }, h("progress", { max: 1, "aria-label": "Developing" }), h("p", { class: "now" }), h("button", cancel, "Cancel"));
  }

  #jobActions(entry, request) {
    const action = (name, words) => h("button", { type: "button", class: "quiet", "data-action": name, onclick: () => this.actions[name](entry) }, words);
    const known = entry.job ? [action("another", "Another like it"), action("code", "Copy as code")] : [action("another", "Once more")];
    if (isOpen(entry)) return known.slice(1);
    return [...known, ...(entry.images.length && isSmall(request) ? [this.#crispness()] : []), action("remove", "Remove")];
  }

  /** Small pictures are enlarged softly; whoever wants to count pixels may. */
  #crispness() {
    const words = () => (this.place.dataset.crisp === "true" ? "Show it soft" : "Show its pixels");
    const toggle = ({ target }) => {
      this.place.dataset.crisp = String(this.place.dataset.crisp !== "true");
      localStorage.setItem("darkroom.crisp", this.place.dataset.crisp);
      target.textContent = words();
    };
    return h("button", { type: "button", class: "quiet", "data-action": "crisp", onclick: toggle }, words());
  }

  #update(entry) {
    if (!isOpen(entry)) return;
    const bar = this.place.querySelector("progress");
    if (entry.status === "processing") bar.value = entry.job.progress.fraction;
    else bar.removeAttribute("value");
    this.place.querySelector(".now").textContent = stateOf(entry, this.isLoading);
    this.place.firstElementChild.dataset.status = entry.status;
    for (const [index, data] of Object.entries(entry.live.previews ?? {})) {
      const preview = this.place.querySelector(`[data-index="${index}"] .preview`);
      if (!preview || preview.src === data) continue;
      Object.assign(preview, { src: data, hidden: false });
    }
  }
}

function stateWithNote(entry) {
  const said = stateOf({ ...entry, note: "" });
  return entry.note && entry.note !== said ? `${said} ${entry.note}` : said;
}

/** What decides which elements there are; progress is not in it. */
function shapeOf({ name, status, images, job, note }) {
  const state = status === "queued" || status === "processing" ? "open" : `${status} ${note}`;
  return [name, state, job ? "known" : "", ...images.map((image) => image.url)].join("|");
}

const isSmall = ({ width, height }) => width <= SMALL && height <= SMALL;
const factsList = (job) => h("dl", { class: "facts" }, ...factsOf(job).map(fact));
const fact = ([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)));
const altOf = (request, index) => (request.num_images > 1 ? `${request.prompt} (${index + 1} of ${request.num_images})` : request.prompt);

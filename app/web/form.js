/** The composer: from what a person fills in to a wish, and refusals back beside the fields. */

import { byId, h } from "./dom.js";
import { sizesOf } from "./sizes.js";

const DRAFT = "darkroom.draft";
const COUNTS = [1, 2, 4, 8];
const FOLDED = ["negative_prompt", "num_inference_steps", "guidance_scale", "scheduler", "seed", "output_quality"];
const NUMBERS = new Set(["num_inference_steps", "guidance_scale", "seed", "output_quality"]);
const UNSENT = { width: "size", height: "size" }; // without fields of their own on the screen

export class Form {
  constructor(onwish) {
    this.form = byId("form");
    this.models = [];
    byId("counts").append(...COUNTS.map((count) => chip("count", count, String(count), count === 1)));
    this.#offerSizes();
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const wish = this.wish();
      if (wish) onwish(wish);
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
    this.form.addEventListener("input", () => this.#changed());
    byId("model").addEventListener("change", () => this.#offerSizes());
    byId("reset").addEventListener("click", () => this.#reset());
    this.fill(JSON.parse(localStorage.getItem(DRAFT) ?? "{}"));
  }

  /** The model chosen, as the service describes it; undefined before it has said. */
  get model() {
    return this.models.find((model) => model.id === byId("model").value) ?? this.models[0];
  }

  offer(models) {
    if (JSON.stringify(models) === JSON.stringify(this.models)) return;
    const chosen = byId("model").value || this.draftModel;
    const isFirst = this.models.length === 0;
    this.models = models;
    byId("model").replaceChildren(...models.map((model) => h("option", { value: model.id }, model.id)));
    if (models.some((model) => model.id === chosen)) byId("model").value = chosen;
    this.#offerSizes(isFirst && this.form.size.value === "own" ? this.#typedSize() : undefined);
  }

  /** What to send; undefined, and the reason beside the field, if there is nothing to draw. */
  wish() {
    this.#forgive();
    const prompt = this.form.prompt.value;
    if (!prompt.trim()) {
      this.blame([{ field: "prompt", message: "Say what the picture should show." }]);
      return undefined;
    }
    const wish = { prompt, num_images: Number(this.form.count.value) };
    if (byId("model").value) wish.model = byId("model").value;
    if (byId("output_format").value !== "png") wish.output_format = byId("output_format").value;
    for (const name of FOLDED) {
      const { value } = byId(name);
      if (value !== "") wish[name] = NUMBERS.has(name) ? Number(value) : value;
    }
    if (wish.output_format === undefined) delete wish.output_quality;
    return { ...wish, ...this.#size() };
  }

  /** Take over a request's values: a draft after a reload, or an earlier job's. */
  fill(request) {
    this.form.prompt.value = request.prompt ?? "";
    this.draftModel = request.model;
    if (this.models.some((model) => model.id === request.model)) byId("model").value = request.model;
    for (const name of FOLDED) byId(name).value = request[name] ?? "";
    if (request.scheduler && byId("scheduler").value !== request.scheduler) {
      byId("scheduler").append(h("option", { value: request.scheduler }, request.scheduler));
      byId("scheduler").value = request.scheduler;
    }
    byId("output_format").value = request.output_format ?? "png";
    const count = COUNTS.includes(request.num_images) ? request.num_images : 1;
    this.form.count.value = String(count);
    this.#offerSizes(request.width && request.height ? `${request.width}x${request.height}` : undefined);
    this.#changed();
  }

  /** Say beside each field what is wrong with it, and take the person to the first. */
  blame(errors) {
    const rest = errors.filter((error) => !this.#blameOne(error));
    byId("form-error").hidden = rest.length === 0;
    byId("form-error").textContent = rest.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join(" ");
    const first = this.form.querySelector("[aria-invalid=true]");
    if (first?.closest("details")) byId("more").open = true;
    first?.focus();
  }

  #blameOne({ field, message }) {
    const isOwn = this.form.size.value === "own";
    const place = this.form.querySelector(`[data-field="${(!isOwn && UNSENT[field]) || field}"]`);
    if (!place) return false;
    const control = place.querySelector("textarea, select, input");
    const id = `${place.dataset.field}-error`;
    place.querySelector(".error")?.remove();
    place.append(h("p", { class: "error", id }, sentence(message)));
    control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-describedby", id);
    return true;
  }

  #forgive() {
    byId("form-error").hidden = true;
    for (const control of this.form.querySelectorAll("[aria-invalid]")) {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-describedby");
    }
    for (const error of this.form.querySelectorAll(".field > .error")) error.remove();
  }

  #typedSize() {
    const [width, height] = [byId("width").value, byId("height").value];
    return width && height ? `${width}x${height}` : "own";
  }

  #size() {
    const { value } = this.form.size;
    if (value === "") return {};
    const [width, height] = value === "own" ? [byId("width").value, byId("height").value] : value.split("x");
    return { ...(width && { width: Number(width) }), ...(height && { height: Number(height) }) };
  }

  #offerSizes(wanted = this.form.size?.value) {
    const { model } = this;
    const known = model ? sizesOf(model) : [];
    const values = known.map(({ width, height }) => `${width}x${height}`);
    const chips = known.map((size, i) => chip("size", values[i], `${size.width} × ${size.height}`, i === 0, size.name));
    if (!model) chips.push(chip("size", "", "the model’s own", true));
    byId("sizes").replaceChildren(...chips, chip("size", "own", "Other", false));
    if (values.includes(wanted)) this.form.size.value = wanted;
    else if (wanted) this.#ownSize(wanted);
    if (model) this.#offerDefaults(model);
    this.#showOwnSize();
  }

  #ownSize(wanted) {
    this.form.size.value = "own";
    if (wanted === "own") return;
    [byId("width").value, byId("height").value] = wanted.split("x");
  }

  #offerDefaults(model) {
    for (const name of ["width", "height"]) {
      const limits = { min: model.min_size, max: model.max_size, step: model.size_multiple };
      Object.assign(byId(name), { ...limits, placeholder: model.native_size });
    }
    byId("num_inference_steps").placeholder = model.default_num_inference_steps;
    byId("guidance_scale").placeholder = model.default_guidance_scale;
    const chosen = byId("scheduler").value;
    const own = h("option", { value: "" }, `the model’s own (${model.default_scheduler})`);
    byId("scheduler").replaceChildren(own, ...model.schedulers.map((name) => h("option", { value: name }, name)));
    byId("scheduler").value = model.schedulers.includes(chosen) ? chosen : "";
  }

  #changed() {
    this.#showOwnSize();
    byId("quality-field").hidden = byId("output_format").value === "png";
    const set = [...FOLDED, "output_format"].filter((name) => !["", "png"].includes(byId(name).value)).length;
    byId("more-said").textContent = set ? `${set} set` : "";
    const draft = Object.fromEntries(FOLDED.map((name) => [name, byId(name).value]));
    const shown = { prompt: this.form.prompt.value, model: byId("model").value, output_format: byId("output_format").value };
    localStorage.setItem(DRAFT, JSON.stringify({ ...draft, ...shown, num_images: Number(this.form.count.value), ...this.#size() }));
  }

  #showOwnSize() {
    byId("own-size").hidden = this.form.size.value !== "own";
  }

  #reset() {
    for (const name of FOLDED) byId(name).value = "";
    byId("output_format").value = "png";
    this.#changed();
  }
}

function chip(name, value, text, checked, title) {
  const input = h("input", { type: "radio", name, value, checked, "aria-label": title ? `${title}, ${text}` : null });
  return h("label", { class: "chip", title: title ?? null }, input, h("span", {}, text));
}

function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Queue and workers in one line, asked for as long as somebody looks. */

import { Away } from "./api.js";
import { byId, many, pause, say, seconds } from "./dom.js";

const CALM_MS = 5_000;
const BUSY_MS = 1_500;

export class Status {
  /** `onchange` hears `{isReady, isLoading}` whenever the line is asked for. */
  constructor(api, onchange) {
    this.api = api;
    this.onchange = onchange;
    this.isBusy = false;
  }

  async run() {
    for (;;) {
      if (!document.hidden) await this.#ask();
      await pause(this.isBusy || !this.isReady ? BUSY_MS : CALM_MS);
    }
  }

  async #ask() {
    try {
      this.#show(await this.api.queue());
    } catch (error) {
      this.isReady = false;
      if (error.status === 401) this.#say("locked", "A key is needed");
      else this.#say("away", error instanceof Away ? error.message : `The service cannot say: ${error.message}`);
      this.onchange({ isReady: false, isLoading: false });
    }
  }

  #show({ depth, processing, workers, seconds_per_image: pace }) {
    const ready = workers.filter((worker) => worker.is_ready);
    this.isReady = ready.length > 0;
    const work = [depth ? `${depth} waiting` : "", processing ? `${processing} developing` : ""].filter(Boolean);
    if (ready.length === 0) {
      const words = workers.length ? "The worker is still loading" : "No worker is running yet";
      this.#say("loading", [words, ...work].join(" · "));
    } else {
      const devices = [...new Set(ready.map((worker) => worker.device))].join(", ");
      const rate = pace ? [`${seconds(pace)} a picture`] : [];
      this.#say("ready", [`${many(ready.length, "worker")} on ${devices}`, ...(work.length ? work : rate)].join(" · "));
    }
    this.onchange({ isReady: this.isReady, isLoading: !this.isReady && workers.length > 0 });
  }

  /** The line changes often; said aloud is only that the service came, loads or went. */
  #say(mood, words) {
    const line = byId("state");
    if (line.dataset.mood !== mood && line.dataset.mood !== "asking") say(words);
    line.dataset.mood = mood;
    line.firstElementChild.textContent = words;
  }
}

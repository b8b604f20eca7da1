/** Brings every job on the shelf to its end: hands it in, follows it, comes back after a break. */

import { Away, Refusal } from "./api.js";
import { pause } from "./dom.js";
import { isOpen } from "./shelf.js";

const STREAMS = 3; // a browser keeps six connections to a host; the rest of the page needs some too
const LOOK_MS = 1_000;
const FRESH_MS = 300_000; // a picture's URL that ends sooner is asked for anew

export class Lab {
  constructor(api, shelf) {
    this.api = api;
    this.shelf = shelf;
    this.streams = 0;
    this.leaving = new Map(); // entry name -> AbortController of its development
  }

  /** Put a wish on the shelf; the entry, and a promise of its being taken in or refused. */
  wish(wish) {
    const entry = this.shelf.add(wish);
    return { entry, taken: this.#develop(entry.name) };
  }

  /** After a reload: go on with what is open, and mend what has gone stale. */
  async resume() {
    const entries = this.shelf.all;
    for (const entry of entries.filter(isOpen)) this.#develop(entry.name).catch(() => {});
    for (const entry of entries.filter(isStale)) await this.refresh(entry.name).catch(() => {});
  }

  /** Read a job again, for URLs that work; says so if the service has forgotten it. */
  async refresh(name) {
    const entry = this.shelf.get(name);
    if (!entry?.job) return;
    try {
      this.shelf.heard(name, await this.api.job(entry.job.id));
    } catch (error) {
      if (error.status !== 404) throw error;
      this.#lost(name);
    }
  }

  async cancel(name) {
    const entry = this.shelf.get(name);
    if (!entry || !isOpen(entry)) return;
    entry.live.unwanted = true;
    if (entry.job) this.shelf.heard(name, await this.api.cancel(entry.job.id));
    else entry.live.wake?.();
  }

  /** Off the shelf, and out of the service's store too if it still has it. */
  async remove(name) {
    const entry = this.shelf.get(name);
    this.leaving.get(name)?.abort();
    this.shelf.remove(name);
    if (entry?.job && entry.status !== "gone") await this.api.erase(entry.job.id).catch(() => {});
  }

  /** Resolves once the job is taken in; following goes on behind. */
  async #develop(name) {
    const leaving = new AbortController();
    this.leaving.set(name, leaving);
    try {
      if (!this.shelf.get(name).job) await this.#handIn(name, leaving.signal);
    } catch (error) {
      if (leaving.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      this.shelf.patch(name, { status: "refused", note: error.message });
      throw error;
    }
    this.#follow(name, leaving.signal).catch((error) => {
      if (leaving.signal.aborted) return;
      if (error.status === 404) this.#lost(name);
      else this.shelf.patch(name, { note: error.message });
    });
  }

  /** Submit until the service takes it; whoever comes back under the same name gets one job. */
  async #handIn(name, signal) {
    for (;;) {
      const { wish, live } = this.shelf.get(name);
      if (live.unwanted) return this.shelf.patch(name, { status: "canceled", note: "" });
      try {
        this.shelf.heard(name, await this.api.submit(wish, name, signal));
        return live.unwanted ? this.cancel(name) : undefined;
      } catch (error) {
        if (!error.retryAfter) throw error;
        this.shelf.patch(name, { note: `${waitingFor(error)} The job waits here.` });
        const woken = new Promise((resolve) => (live.wake = resolve));
        await Promise.race([pause(error.retryAfter * 1_000, signal), woken]);
      }
    }
  }

  async #follow(name, signal) {
    while (isOpen(this.shelf.get(name) ?? {})) {
      try {
        if (this.streams < STREAMS) await this.#listen(name, signal);
        await this.#look(name, signal); // the record is what counts
      } catch (error) {
        if (signal.aborted || !error.retryAfter) throw error;
        this.shelf.patch(name, { note: `${error.message} Trying again …` });
      }
      if (isOpen(this.shelf.get(name) ?? {})) await pause(LOOK_MS, signal);
    }
  }

  async #listen(name, signal) {
    const entry = this.shelf.get(name);
    this.streams += 1;
    const place = this.#watchPlace(name, signal).catch(() => {});
    try {
      for await (const event of this.api.events(entry.job.id, entry.live.heard, signal)) {
        entry.live.heard = event.id || entry.live.heard;
        this.#take(name, event);
      }
    } finally {
      this.streams -= 1;
    }
    await place;
  }

  /** Events tell when a job begins, but not how the queue before it shortens. */
  async #watchPlace(name, signal) {
    while (this.shelf.get(name)?.status === "queued") {
      await pause(LOOK_MS, signal);
      if (this.shelf.get(name)?.status === "queued") await this.#look(name, signal);
    }
  }

  async #look(name, signal) {
    const { job } = this.shelf.get(name) ?? {};
    if (!job) return;
    const found = await this.api.job(job.id, signal);
    const isOlder = isOpen(found) && !isOpen(this.shelf.get(name) ?? {});
    if (!isOlder) this.shelf.heard(name, found);
  }

  #take(name, { type, data }) {
    const entry = this.shelf.get(name);
    if (!entry) return;
    if (type === "progress") {
      entry.live.since ??= performance.now();
      this.shelf.patch(name, { status: "processing", note: "", job: { ...entry.job, progress: data } });
    } else if (type === "preview") {
      entry.live.previews = { ...entry.live.previews, [data.index]: data.image };
      this.shelf.patch(name, {});
    } else if (type === "image") {
      const others = entry.images.filter((image) => image.index !== data.index);
      this.shelf.patch(name, { images: [...others, data].sort((a, b) => a.index - b.index) });
    } else if (data.status) {
      this.shelf.heard(name, data);
    }
  }

  #lost(name) {
    const note = "The service no longer keeps this job. The same seed and settings draw it again.";
    this.shelf.patch(name, { status: "gone", images: [], note });
  }
}

function waitingFor(error) {
  if (error instanceof Away) return error.message;
  if (error.code === "unavailable" && error.message.includes("worker")) return "The worker is still loading.";
  if (error.code === "queue_full") return "The queue is full.";
  return error.message;
}

function isStale({ status, images }) {
  return status === "succeeded" && images.some((one) => Date.parse(one.expires_at) - Date.now() < FRESH_MS);
}

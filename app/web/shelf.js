/**
 * This browser's jobs: the page's one piece of state, each job under a key of its own in
 * localStorage, so that two tabs never write over each other.
 *
 * An entry: `name` (also its Idempotency-Key), `at` (when it was wished for), `wish` (the body that
 * was or will be sent), `job` (as last heard, or null), `status` (a job's, or `waiting` to be handed
 * in, `refused`, `gone` from the service), `note` (one line for the person), `images` (the job's).
 * What only this page's life needs (previews, the last event) lies in `live`.
 */

const PREFIX = "darkroom.job.";
const MOST = 120;
const OPEN = new Set(["waiting", "queued", "processing"]);

export const isOpen = (entry) => OPEN.has(entry.status);

export class Shelf extends EventTarget {
  constructor(storage = localStorage) {
    super();
    this.storage = storage;
    this.entries = new Map();
    for (const key of Object.keys(storage).filter((key) => key.startsWith(PREFIX))) this.#read(key);
    addEventListener("storage", (event) => {
      if (!event.key?.startsWith(PREFIX)) return;
      const name = event.key.slice(PREFIX.length);
      if (event.newValue === null) this.entries.delete(name);
      else this.#read(event.key);
      this.#tell(name);
    });
  }

  /** Newest first. */
  get all() {
    return [...this.entries.values()].sort((a, b) => b.at - a.at);
  }

  get = (name) => this.entries.get(name);

  add(wish) {
    const name = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`; // no uuid without https
    const entry = { name, at: Date.now(), wish, job: null, status: "waiting", note: "", images: [], live: {} };
    this.entries.set(name, entry);
    this.#write(entry);
    for (const old of this.all.slice(MOST)) if (!isOpen(old)) this.remove(old.name);
    return entry;
  }

  /** Change an entry; nothing happens if it has been removed meanwhile. */
  patch(name, changes) {
    const entry = this.entries.get(name);
    if (!entry) return;
    Object.assign(entry, changes);
    this.#write(entry);
  }

  /** What the service says of the job is what is true. */
  heard(name, job) {
    this.patch(name, { job, status: job.status, images: job.images, note: job.error?.message ?? "" });
  }

  remove(name) {
    this.entries.delete(name);
    this.storage.removeItem(PREFIX + name);
    this.#tell(name);
  }

  #read(key) {
    try {
      const entry = JSON.parse(this.storage.getItem(key));
      const live = this.entries.get(entry.name)?.live ?? {};
      this.entries.set(entry.name, { ...entry, live });
    } catch {
      this.storage.removeItem(key); // another version's, or not ours
    }
  }

  #write({ live, ...entry }) {
    try {
      this.storage.setItem(PREFIX + entry.name, JSON.stringify(entry));
    } catch {
      // The browser's room is used up: the page goes on, a reload will know less.
    }
    this.#tell(entry.name);
  }

  #tell(name) {
    this.dispatchEvent(new CustomEvent("change", { detail: name }));
  }
}

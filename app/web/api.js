/** The native API as this page uses it. Knows HTTP; nothing of elements. */

const ROOT = new URL("../", import.meta.url);

/** The service said no, in its own words (RFC 9457). */
export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? "";
    this.errors = problem.errors ?? [];
    this.retryAfter = retryAfter; // seconds, or null: coming back will not help
  }
}

/** Nobody answered. */
export class Away extends Error {
  constructor() {
    super("The service does not answer.");
    this.retryAfter = 2;
  }
}

export class Api {
  /** `keyring` has `key()` and `ask(why)`, which tells whether there is another key to try. */
  constructor(keyring) {
    this.keyring = keyring;
  }

  models = async (signal) => (await this.#json("GET", "v1/models", { signal })).data;
  queue = (signal) => this.#json("GET", "v1/queue", { signal });
  job = (id, signal) => this.#json("GET", `v1/jobs/${id}`, { signal });
  cancel = (id) => this.#json("POST", `v1/jobs/${id}/cancel`);
  erase = (id) => this.#send("DELETE", `v1/jobs/${id}`);

  /** Submitted twice under one `name`, a wish makes one job. */
  submit(wish, name, signal) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": name };
    return this.#json("POST", "v1/jobs", { body: JSON.stringify(wish), headers, signal });
  }

  /** Events of a job after the one named, until the stream closes: `{id, type, data}`. */
  async *events(id, after, signal) {
    const headers = after ? { "Last-Event-ID": after } : {};
    const answer = await this.#send("GET", `v1/jobs/${id}/events?previews=true`, { headers, signal });
    try {
      yield* eventsOf(answer.body.getReader());
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Away();
    }
  }

  async #json(method, path, options) {
    return (await this.#send(method, path, options)).json();
  }

  async #send(method, path, { headers = {}, ...options } = {}) {
    const key = this.keyring.key();
    const known = key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
    let answer;
    try {
      answer = await fetch(new URL(path, ROOT), { method, headers: known, ...options });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Away();
    }
    if (answer.ok) return answer;
    const refusal = await refusalOf(answer);
    if (answer.status === 401 && (await this.keyring.ask(why(key, refusal)))) {
      return this.#send(method, path, { headers, ...options });
    }
    throw refusal;
  }
}

const why = (key, refusal) => (key ? `This key was not taken. ${refusal.message}` : "This service asks who you are.");

async function refusalOf(answer) {
  const problem = await answer.json().catch(() => ({}));
  const retryAfter = answer.headers.get("Retry-After");
  return new Refusal(answer.status, problem, retryAfter === null ? null : Number(retryAfter) || 2);
}

/** Parse an event stream (WHATWG HTML, 9.2), whatever pieces it comes in. */
async function* eventsOf(reader) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (text + decoder.decode(value, { stream: true })).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map(fieldOf));
      if (fields.data) yield { id: fields.id, type: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

function fieldOf(line) {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
}

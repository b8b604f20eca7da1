/** A job's state in words, for captions and for screen readers. Pure. */

import { many, seconds } from "./dom.js";

/** One line for an open job: where it stands, and how long it may take. */
export function stateOf(entry, serviceIsLoading) {
  const { status, job, note } = entry;
  if (note) return note;
  if (status === "waiting") return "Handing it in …";
  if (status === "queued") return queued(job.queue, serviceIsLoading);
  if (status === "processing") return drawing(entry);
  return ENDINGS[status] ?? status;
}

const ENDINGS = {
  succeeded: "Developed.",
  canceled: "Canceled.",
  failed: "It failed.",
  refused: "The service refused it.",
  gone: "The service no longer keeps it.",
};

function queued(queue, serviceIsLoading) {
  if (serviceIsLoading) return "The worker is still loading. The job waits in the queue.";
  if (!queue) return "In the queue.";
  const before = queue.position === 0 ? "Next in the queue" : `${many(queue.position, "job")} before it`;
  return queue.eta_s === null ? `${before}.` : `${before}, ready in about ${seconds(queue.eta_s)}.`;
}

function drawing({ job, live, images }) {
  const { step, total_steps: total, fraction } = job.progress;
  const done = images.length ? `${many(images.length, "picture")} ready, ` : "";
  const left = live.since && fraction > 0.1 ? remaining(live.since, fraction) : "";
  return `${done}step ${step} of ${total}${left}`;
}

function remaining(since, fraction) {
  const left = ((performance.now() - since) / 1_000 / fraction) * (1 - fraction);
  return left > 0.3 ? `, about ${seconds(left)} left` : "";
}

/** What the picture was made with, as pairs for a list. */
export function factsOf({ request, metrics }) {
  const facts = [
    ["size", `${request.width} × ${request.height}`],
    ["steps", request.num_inference_steps],
    ["guidance", request.guidance_scale],
    ["scheduler", request.scheduler],
    ["model", request.model],
  ];
  if (request.negative_prompt) facts.push(["without", request.negative_prompt]);
  if (metrics?.generation_s) facts.push(["drawn in", seconds(metrics.generation_s)]);
  return facts;
}

/** A file name that says what the picture shows. */
export function fileName(request, image) {
  const said = request.prompt.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const slug = said.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 48);
  const { pathname } = new URL(image.url, location.href);
  return `${slug || "picture"}-${image.seed}${pathname.slice(pathname.lastIndexOf("."))}`;
}

/** The picture's address on the host that this page came from, if the service serves it itself. */
export function addressOf(image) {
  const url = new URL(image.url, location.href);
  const isOurs = url.searchParams.has("signature") && url.pathname.includes("/images/");
  if (!isOurs || url.origin === location.origin) return url.href;
  return new URL(`..${url.pathname.slice(url.pathname.lastIndexOf("/images/"))}${url.search}`, import.meta.url).href;
}

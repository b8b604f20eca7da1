/** The reference at `/docs`: `/openapi.json`, laid out to be read. */

import { byId, h, say } from "./dom.js";
import { Schema } from "./schema.js";
import "./themes.js";

const ROOT = new URL("../", import.meta.url);
const FRAMEWORK = "HTTPValidationError"; // the schema's own; the service answers problem details

/** How the dialects' makers spell themselves; other tags are words. */
const NAMES = { openai: "OpenAI Images", replicate: "Replicate", a1111: "AUTOMATIC1111", huggingface: "Hugging Face" };

async function start() {
  const answer = await fetch(new URL("openapi.json", ROOT)).catch(() => null);
  if (!answer?.ok) {
    byId("about").textContent = "The service does not answer. Reload the page to ask again.";
    return;
  }
  const document = await answer.json();
  show(new Schema(document), document.info);
}

function show(schema, info) {
  byId("about").replaceChildren(
    ...prose(
      `Version ${info.version}. Bodies are JSON. Where the service has keys, send one as \`Authorization: Bearer KEY\`. ` +
        "A refusal is `application/problem+json` (RFC 9457) with `code`, `detail` and, for a 422, `errors` that name the fields; " +
        "`Retry-After` says when coming back may help.",
    ),
  );
  const groups = Map.groupBy?.(schema.operations, (one) => one.tag) ?? grouped(schema.operations);
  for (const [tag, operations] of groups) {
    const title = NAMES[tag] ?? tag.charAt(0).toUpperCase() + tag.slice(1);
    byId("contents").append(h("h2", {}, title), h("ul", {}, ...operations.map(link)));
    byId("operations").append(h("h2", { class: "tag" }, title), ...operations.map((one) => section(schema, one)));
  }
  const target = location.hash && byId(location.hash.slice(1));
  if (target) target.scrollIntoView();
}

function grouped(operations) {
  const groups = new Map();
  for (const one of operations) groups.set(one.tag, [...(groups.get(one.tag) ?? []), one]);
  return groups;
}

const link = (one) =>
  h("li", { "data-find": `${one.method} ${one.path} ${one.summary}`.toLowerCase() }, h("a", { href: `#${one.id}` }, method(one), h("span", {}, one.path)));
const method = (one) => h("b", { class: "method", "data-method": one.method }, one.method);

function section(schema, one) {
  const [, body] = schema.body(one.requestBody) ?? [];
  return h(
    "section",
    { id: one.id, "aria-labelledby": `${one.id}-title` },
    h("h3", { id: `${one.id}-title` }, method(one), h("code", {}, one.path)),
    h("p", {}, ...prose(one.description ?? one.summary ?? "")),
    curl(schema.curl(one, ROOT.href)),
    ...(one.parameters?.length ? [h("h4", {}, "Parameters"), fields(one.parameters.map((each) => parameter(schema, each)))] : []),
    ...(body ? [h("h4", {}, "Body"), fields(schema.rows(body.schema))] : []),
    ...answers(schema, one),
  );
}

const parameter = (schema, { name, in: place, required, schema: field, description }) => {
  const said = schema.describe(field);
  return { name, depth: 0, isRequired: required, ...said, text: description ?? said.text, type: `${said.type}, in ${place}` };
};

function curl(line) {
  const copy = h("button", { type: "button", class: "quiet copy" }, "Copy");
  const text = h("pre", { tabindex: "0", role: "group", "aria-label": "As a curl line" }, line);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line);
      say("Copied.");
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text); // no clipboard without https
    }
  });
  return h("div", { class: "try" }, text, copy);
}

function answers(schema, one) {
  return Object.entries(one.responses ?? {}).flatMap(([status, answer]) => {
    const [media, body] = schema.body(answer) ?? [];
    if (body?.schema?.$ref?.endsWith(FRAMEWORK)) return [];
    const rows = (body ? schema.rows(body.schema) : []).map((row) => ({ ...row, isRequired: false }));
    const title = `Answers ${status}${media && media !== "application/json" ? `, ${media}` : ""}`;
    if (rows.length === 0) return [h("h4", {}, title)];
    return [h("details", {}, h("summary", {}, title, h("span", { class: "muted" }, ` ${rows.length} fields`)), fields(rows))];
  });
}

function fields(rows) {
  return h("dl", { class: "fields" }, ...rows.map(row));
}

function row({ name, depth, type, notes, text, isRequired }) {
  const needed = isRequired ? h("i", { class: "needed" }, "required") : null;
  return h(
    "div",
    { "data-depth": depth },
    h("dt", {}, h("code", {}, name), needed),
    h("dd", {}, h("span", { class: "type" }, type), notes ? h("span", { class: "muted" }, ` ${notes}`) : null, text ? h("p", {}, ...prose(text)) : null),
  );
}

/** Text with `code` in back quotes, as elements. */
const prose = (text) => text.split(/`+/).map((part, i) => (i % 2 ? h("code", {}, part) : part));

byId("find").addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  for (const item of document.querySelectorAll("[data-find]")) item.hidden = !item.dataset.find.includes(wanted);
});

start();

/** OpenAPI 3.1 read for people: fields as rows, examples as curl lines. Pure. */

const PROMPT = "a red heart on a yellow background";
const DEEP = 4; // an object within an object within … is cut here

export class Schema {
  constructor(document) {
    this.document = document;
  }

  /** Every operation in the document's order: `{id, tag, method, path, ...operation}`. */
  get operations() {
    return Object.entries(this.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        ...operation,
        method: method.toUpperCase(),
        path,
        id: `${method}-${path.replace(/[^a-z0-9]+/gi, "-").replace(/^-|-$/g, "")}`,
        tag: operation.tags?.[0] ?? "other",
      })),
    );
  }

  /** The body of a request or an answer: `[media type, schema]`, or undefined. */
  body = (holder) => Object.entries(holder?.content ?? {})[0];

  /** Rows `{name, depth, type, notes, text, isRequired}` of an object's fields, nested ones below. */
  rows(schema, depth = 0, prefix = "") {
    const object = this.#object(schema);
    if (!object || depth >= DEEP) return [];
    const required = new Set(object.required ?? []);
    return Object.entries(object.properties).flatMap(([name, field]) => [
      { name: prefix + name, depth, isRequired: required.has(name), ...this.describe(field) },
      ...this.rows(field, depth + 1, `${prefix}${name}${this.#isList(field) ? "[]" : ""}.`),
    ]);
  }

  /** A field in words: its type, its bounds, what its author said. */
  describe(field) {
    const one = this.#plain(field);
    const text = field.description ?? one.description ?? "";
    return { type: this.#type(field), notes: notesOf(one, field), text };
  }

  curl({ method, path, parameters = [], requestBody }, root) {
    const query = parameters.filter((one) => one.in === "query" && one.required).map((one) => `${one.name}=…`);
    const filled = path.replaceAll(/\{(\w+)(?::\w+)?\}/g, (_, name) => `$${name.toUpperCase()}`);
    const url = `${root}${filled.slice(1)}${query.length ? `?${query.join("&")}` : ""}`;
    const [media, schema] = this.body(requestBody) ?? [];
    return [
      `curl -s${method === "GET" ? "" : ` -X ${method}`}${path.endsWith("/events") ? "N" : ""} "${url}"`,
      ...(schema ? [`-H 'Content-Type: ${media}'`, this.#data(media, schema.schema)] : []),
    ].join(" \\\n  ");
  }

  #data(media, schema) {
    if (!media.endsWith("json")) return `--data-binary @file.${media.split("/")[1]}`;
    return `-d '${JSON.stringify(this.#example(schema))}'`;
  }

  /** Only what must be there, and a prompt: the shortest body that is taken. */
  #example(schema) {
    const object = this.#object(schema);
    if (!object) return {};
    const needed = Object.entries(object.properties).filter(([name]) => name === "prompt" || object.required?.includes(name));
    return Object.fromEntries(needed.map(([name, field]) => [name, this.#value(name, this.#plain(field))]));
  }

  #value(name, field) {
    if (field.examples) return field.examples[0];
    if (field.enum) return field.enum[0];
    if (name === "prompt") return PROMPT;
    if (name === "input") return { prompt: PROMPT };
    if (field.type === "object" || field.properties) return this.#example(field);
    return { integer: field.minimum ?? 1, number: field.minimum ?? 1, boolean: true, array: [] }[field.type] ?? "…";
  }

  #resolve(schema) {
    const name = schema?.$ref?.split("/").pop();
    return name ? this.document.components.schemas[name] : schema;
  }

  /** Without references and without the "or null" that every optional field carries. */
  #plain(schema) {
    const found = this.#resolve(schema) ?? {};
    const one = (found.anyOf ?? found.oneOf)?.filter((option) => option.type !== "null");
    return one?.length === 1 ? this.#plain(one[0]) : found;
  }

  #isList = (schema) => this.#plain(schema).type === "array";

  #object(schema) {
    const one = this.#plain(schema);
    const inner = one.type === "array" ? this.#plain(one.items) : one;
    return inner.properties ? inner : undefined;
  }

  #type(schema) {
    const one = this.#plain(schema);
    const options = (one.anyOf ?? one.oneOf)?.map((option) => this.#type(option));
    if (options) return options.join(" or ");
    if (one.enum) return one.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (one.const !== undefined) return JSON.stringify(one.const);
    if (one.type === "array") return `list of ${one.items ? this.#type(one.items) : "anything"}`;
    return one.format ? `${one.type}, ${one.format}` : (one.type ?? "anything");
  }
}

function notesOf(one, field) {
  const bounds = [
    range(one.minimum, one.maximum, ""),
    range(one.minLength, one.maxLength, " characters"),
    range(one.minItems, one.maxItems, " items"),
    one.maxProperties ? `at most ${one.maxProperties} keys` : "",
    one.pattern ? `matches ${one.pattern}` : "",
  ];
  const usual = field.default ?? one.default;
  if (usual !== undefined && usual !== null) bounds.push(`default ${JSON.stringify(usual)}`);
  return bounds.filter(Boolean).join("; ");
}

function range(least, most, unit) {
  if (least === undefined && most === undefined) return "";
  if (most === undefined) return `at least ${least}${unit}`;
  return least === undefined ? `at most ${most}${unit}` : `${least} to ${most}${unit}`;
}

/** The request behind a picture, as a person would type it: a shell line, a Python script. */

const ALWAYS = ["prompt", "model", "width", "height", "num_images", "num_inference_steps", "guidance_scale", "scheduler", "seed"];
const USUAL = { negative_prompt: "", output_format: "png", output_quality: 90, priority: "normal" };

/** The body that draws the same again: what was left open is filled in as it was decided. */
export function reproduction(request) {
  const chosen = ALWAYS.map((name) => [name, request[name]]);
  const unusual = Object.entries(USUAL).filter(([name, usual]) => request[name] !== usual);
  const entries = [...chosen, ...unusual.map(([name]) => [name, request[name]])];
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== null));
}

export const snippets = { curl, python };

function curl(body, root, hasKey) {
  const lines = [
    `curl -s ${quoted(`${root}v1/jobs`)}`,
    "-H 'Content-Type: application/json' -H 'Prefer: wait=60'",
    ...(hasKey ? ['-H "Authorization: Bearer $DARKROOM_API_KEY"'] : []),
    `-d ${quoted(JSON.stringify(body, null, 2))}`,
  ];
  return lines.join(" \\\n  ");
}

function python(body, root, hasKey) {
  const headers = hasKey ? `{"Prefer": "wait=60", "Authorization": f"Bearer {os.environ['DARKROOM_API_KEY']}"}` : '{"Prefer": "wait=60"}';
  return `${hasKey ? "import os\n\n" : ""}import httpx

wish = ${JSON.stringify(body, null, 4)}
headers = ${headers}
job = httpx.post(${JSON.stringify(`${root}v1/jobs`)}, json=wish, headers=headers, timeout=70).json()
for image in job["images"]:
    with open(f"darkroom-{image['seed']}.${body.output_format ?? "png"}", "wb") as file:
        file.write(httpx.get(image["url"]).content)
print(job["status"], [image["url"] for image in job["images"]])
`;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

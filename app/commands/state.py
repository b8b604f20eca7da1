"""`darkroom models` and `darkroom queue`: what the service can do, and what it does now."""

from app.commands.terminal import (
    DEFAULT_URL,
    AsJson,
    Key,
    Url,
    asking,
    print_json,
    print_table,
)


def models(as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List the models. Shows what each draws with when nothing is said."""
    with asking(url, key) as client:
        found = client.models()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["id"],
            one["family"],
            one["native_size"],
            f"{one['min_size']}-{one['max_size']} by {one['size_multiple']}",
            one["default_num_inference_steps"],
            one["default_guidance_scale"],
            one["workers"],
            ", ".join(one["schedulers"]),
        )
        for one in found
    ]
    titles = ("ID", "FAMILY", "SIZE", "SIZES", "STEPS", "GUIDANCE", "WORKERS", "SCHEDULERS")
    print_table(titles, rows)


def queue(as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Show queue and workers."""
    with asking(url, key) as client:
        state = client.queue()
    if as_json:
        print_json(state)
        return
    pace = state["seconds_per_image"]
    print(f"{state['depth']} waiting, {state['processing']} being drawn", end="")
    print(f", {pace:.2f} s a picture" if pace else "")
    rows = [
        (
            one["name"],
            one["device"],
            "ready" if one["is_ready"] else "loading",
            f"{one['slots_used']}/{one['slots']}",
            ", ".join(one["models"]),
        )
        for one in state["workers"]
    ]
    if rows:
        print_table(("WORKER", "DEVICE", "STATE", "SLOTS", "MODELS"), rows)
    else:
        print("no worker is running")

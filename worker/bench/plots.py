"""The figures of a run as pictures."""

from pathlib import Path
from typing import Any

from worker.bench.comparison import Measured


def draw(results: Measured, folder: Path) -> list[Path]:
    """Write a PNG for every scene that was measured; needs matplotlib (the `train` extra)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []

    def save(figure: Any, name: str) -> None:
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=120, bbox_inches="tight")
        pyplot.close(figure)
        written.append(path)

    if scenes := results.get("poisson"):
        figure, axes = pyplot.subplots(figsize=(6, 4))
        for name, style in (("p50", "-"), ("p95", "--")):
            for way, colour in (("stock_s", "tab:gray"), ("ours_s", "tab:red")):
                values = [scene[name][way] for scene in scenes.values()]
                axes.plot(list(scenes), values, style, color=colour, label=f"{way[:-2]} {name}")
        axes.set(xlabel="load, of what stock can do", ylabel="latency (s)", yscale="log")
        axes.legend()
        save(figure, "poisson")
    if costs := results.get("costs"):
        figure, axes = pyplot.subplots(figsize=(6, 4))
        rows = [int(n) for n in costs]
        axes.plot(rows, [1e3 * costs[str(n)] / n for n in rows], "o-", color="tab:red")
        axes.set(xlabel="rows of one forward pass", ylabel="milliseconds a row", xscale="log")
        axes.set_ylim(bottom=0)
        save(figure, "costs")
    if one := results.get("burst"):
        figure, axes = pyplot.subplots(figsize=(6, 4))
        names = ["makespan", "mean", "p50", "p95"]
        for shift, (way, colour) in enumerate((("stock_s", "tab:gray"), ("ours_s", "tab:red"))):
            places = [i + 0.4 * shift for i in range(len(names))]
            values = [one[name][way] for name in names]
            axes.bar(places, values, width=0.4, color=colour, label=way[:-2])
        axes.set_xticks([i + 0.2 for i in range(len(names))], names)
        axes.set(ylabel="seconds")
        axes.legend()
        save(figure, "burst")
    return written

"""The plots of docs/performance.md, docs/reliability.md, docs/training.md: `python -m benchmarks.plots`.

They read `artifacts/bench/gateway.json` (`make bench-gateway`), `artifacts/bench/faults.json`
(`pytest tests/chaos/test_under_load.py`) and `artifacts/bench/training.json` (`make bench-training`). The
folder docs/results has copies of these files.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

_RESULTS, _DOCS = Path("artifacts/bench"), Path("docs")
_COLOURS = {"gateway": "#2458a6", "twin": "#d9822b", "obvious": "#9aa5b1", "nginx": "#5b8c5a"}
_NAMES = {"gateway": "ToneBridge", "twin": "Go twin", "obvious": "obvious version", "nginx": "nginx, static"}


def performance(report: dict[str, Any]) -> None:
    """docs/performance.png: CPU by server, latency by rate, the steps of a hit."""
    figure, (cpu, latency, steps) = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    _cpu(cpu, report)
    _latency(latency, report)
    _steps(steps, report["steps_us"], report["l1_hits"]["gateway"]["cpu_us"])
    figure.savefig(_DOCS / "performance.png", dpi=110)


def _cpu(axes: Axes, report: dict[str, Any]) -> None:
    phases = {
        "l1_hits": "L1 hits",
        "l2_hits": "L2 hits",
        "hits_at_5000": "5,000 hits/s",
        "mix_5000": "mix, 5,000/s",
    }
    servers = ("gateway", "twin", "nginx")
    width = 0.8 / len(servers)
    for i, server in enumerate(servers):
        places, costs = zip(
            *[
                (n + (i - 1) * width, report[phase][server]["cpu_us"])
                for n, phase in enumerate(phases)
                if server in report[phase]
            ],
            strict=True,
        )
        bars = axes.bar(places, costs, width * 0.92, color=_COLOURS[server], label=_NAMES[server])
        axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_xticks(range(len(phases)), phases.values())
    axes.set_ylabel("CPU of the server, µs a request")
    axes.set_title("What a request costs")
    axes.legend(frameon=False)


def _latency(axes: Axes, report: dict[str, Any]) -> None:
    rates = [rate for rate in (1000, 2000, 5000) if f"mix_{rate}" in report]
    for server in ("gateway", "twin", "obvious"):
        rows = [report[f"mix_{rate}"][server] for rate in rates]
        for quantile, style in (("p50", "o-"), ("p99", "o--")):
            label = f"{_NAMES[server]}, {quantile}"
            axes.plot(
                rates, [row[f"{quantile}_ms"] for row in rows], style, color=_COLOURS[server], label=label
            )
    axes.axhline(20, color="#cccccc", linewidth=1, zorder=0)
    axes.annotate("the upstream's 20 ms", (3500, 14), fontsize=8, color="#777777", ha="center")
    axes.set_yscale("log")
    axes.set_xticks(rates)
    axes.set_xlabel("requests a second (85 % hits, 15 % misses)")
    axes.set_ylabel("latency from the due time, ms")
    axes.set_title("How long an answer takes")
    axes.legend(frameon=False, fontsize=7, ncols=3, columnspacing=1, loc="center", bbox_to_anchor=(0.5, 0.58))


def _steps(axes: Axes, by_step: dict[str, float], whole_us: float) -> None:
    steps = {**by_step, "event loop, sockets, kernel": whole_us - sum(by_step.values())}
    bars = axes.barh(list(steps), list(steps.values()), color=_COLOURS["gateway"])
    axes.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("CPU, µs")
    axes.set_title(f"The steps of an L1 hit, {whole_us:.0f} µs in all")


def reliability(faults: dict[str, Any]) -> None:
    """docs/reliability.png: the answers in each second of each fault."""
    columns = 3
    rows = -(-len(faults) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(15, 2.7 * rows), layout="constrained", sharex=True, squeeze=False
    )
    for axes, (name, fault) in zip(grid.flat, faults.items(), strict=False):
        # Without the first and the last second, which are incomplete.
        course = [second for second in fault["course"][1:-1] if second["s"] <= 12]
        at = [second["s"] + 0.5 for second in course]
        axes.bar(at, [second["well"] for second in course], 0.9, color="#5b8c5a", label="200 or 201")
        bottoms = [second["well"] for second in course]
        unwell = [second["unwell"] for second in course]
        axes.bar(at, unwell, 0.9, bottom=bottoms, color="#c8553d", label="503, refused or cut off")
        for moment in (0, fault["fault_s"]):
            axes.axvline(moment, color="black", linewidth=1, linestyle=":")
        axes.set_title(name, fontsize=10)
        axes.set_ylabel("answers a second")
        late = axes.twinx()
        late.plot(at, [second["p99_ms"] for second in course], color="#2458a6", label="p99 of 200 and 201")
        late.set_yscale("log")
        late.set_ylim(1, 20_000)
        late.set_ylabel("p99, ms", color="#2458a6")
    for axes in list(grid.flat)[len(faults) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("seconds since the fault; it lasts between the dotted lines")
    handles = [*grid[0][0].get_legend_handles_labels()[0], late.lines[0]]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(_DOCS / "reliability.png", dpi=100)


def training(report: dict[str, Any]) -> None:
    """docs/training.png: each stage's speed and memory compared with TRL's; each optimisation's speed-up."""
    figure, (speed, memory, tricks) = plt.subplots(1, 3, figsize=(15, 4.2), layout="constrained")
    names = {
        "ours": ("ToneBridge", _COLOURS["gateway"]),
        "trl_tuned": ("TRL, tuned", _COLOURS["nginx"]),
        "trl": ("TRL, same settings", _COLOURS["twin"]),
        "trl_defaults": ("TRL, its defaults", _COLOURS["obvious"]),
    }
    names = {
        name: style for name, style in names.items() if any(name in runs for runs in report["runs"].values())
    }
    width = 0.8 / len(names)
    for axes, key, title, unit in (
        (speed, "tokens_per_s", "Tokens that are learnt from", "tokens a second, without padding"),
        (memory, "peak_mb", "Memory", "peak of the process, MB"),
    ):
        for i, (name, (label, colour)) in enumerate(names.items()):
            by_stage = {stage: runs[name] for stage, runs in report["runs"].items() if name in runs}
            offset = (i - (len(names) - 1) / 2) * width
            places = [list(report["runs"]).index(stage) + offset for stage in by_stage]
            means = [sum(run[key] for run in runs) / len(runs) for runs in by_stage.values()]
            bars = axes.bar(places, means, 0.93 * width, color=colour, label=label)
            axes.bar_label(bars, fmt="%.0f", fontsize=7)
        axes.set_xticks(range(len(report["runs"])), [stage.upper() for stage in report["runs"]])
        axes.set_ylabel(unit)
        axes.set_title(title)
    speed.legend(frameon=False)
    by_trick = report["ablation"]["sft"]
    with_all = sum(by_trick["nothing"]) / len(by_trick["nothing"])
    times = {
        trick: sum(each) / len(each) / with_all for trick, each in by_trick.items() if trick != "nothing"
    }
    ordered = dict(sorted(times.items(), key=lambda item: item[1]))
    bars = tricks.barh(list(ordered), list(ordered.values()), color=_COLOURS["gateway"])
    tricks.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    tricks.axvline(1, color="black", linewidth=1, linestyle=":")
    tricks.margins(x=0.12)
    tricks.set_xlabel("a step without it, in steps with all")
    tricks.set_title("What each trick of SFT is worth")
    figure.savefig(_DOCS / "training.png", dpi=110)


if __name__ == "__main__":
    matplotlib.use("Agg")
    for name, draw in (("gateway", performance), ("faults", reliability), ("training", training)):
        path = _RESULTS / f"{name}.json"
        if path.exists():
            draw(json.loads(path.read_text()))
            shutil.copy(path, _DOCS / "results")
        else:
            print(f"{path} does not exist: the picture in docs/ stays as it is")

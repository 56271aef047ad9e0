"""Figures on pages are those of the raw results, and what pages name is there."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def read_results(name: str) -> Any:
    return json.loads(read(f"docs/results/{name}.json"))


def find_row(page: str, name: str) -> list[str]:
    """The cells of the row of a table that begins so."""
    (row,) = re.findall(rf"^\| {re.escape(name)} \|(.+)\|$", page, re.MULTILINE)
    return [cell.strip() for cell in row.split("|")]


def test_pages_say_how_long_the_benchmark_of_the_gateway_takes() -> None:
    (minutes,) = re.findall(
        r"^bench-gateway:.+ (\d+) minutes \(QUICK=1: (\d+)\)$", read("Makefile"), re.MULTILINE
    )
    assert f"# {minutes[0]} minutes; QUICK=1: {minutes[1]} minutes." in read("docs/performance.md")
    says = f"takes about {minutes[0]} minutes, `make bench-gateway QUICK=1` {minutes[1]} minutes."
    assert says in read("benchmarks/README.md")


def test_the_page_on_jobs_has_the_results() -> None:
    page, queues = read("docs/jobs.md"), read_results("jobs")["queues"]
    for name, queue in (
        ("ToneBridge", "ours"),
        ("procrastinate 3.10.0", "procrastinate"),
        ("pgqueuer 1.6.0", "pgqueuer"),
    ):
        *rates, ratios = find_row(page, name)
        assert rates == [f"{queues[queue][f'{part}_per_s']:,.0f}" for part in ("each", "enqueue", "work")]
        measured = [queues[queue][f"{part}_ratio"] for part in ("each", "enqueue", "work")]
        expected = ", ".join(f"{ratio:.1f}" if ratio > 10 else f"{ratio:.2f}" for ratio in measured)
        assert ratios == ("" if queue == "ours" else expected)


def test_the_page_on_speed_has_the_results_of_streams() -> None:
    page, streams = read("docs/performance.md"), read_results("gateway_intel")["streams"]
    for name, part, digits in (
        ("time to the first token", "first_token", 1),
        ("time to the end", "whole", 0),
    ):
        *times, ratio, added = find_row(page, name)
        assert times == [
            f"{streams[f'{server}_{part}_p50_ms']:,.0f} ms ({streams[f'{server}_{part}_p90_ms']:,.0f})"
            for server in ("bentoml", "gateway")
        ]
        assert ratio.strip("*") == f"{streams[f'{part}_ratio']:.2f}"
        assert added == f"{streams[f'{part}_added_ms']:.{digits}f} ms"


def test_the_page_on_speed_names_files_that_exist() -> None:
    named = re.findall(r"`([\w/]+\.py)`", read("docs/performance.md"))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []

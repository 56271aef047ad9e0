"""The analysis of a message beside proselint: `python -m benchmarks.analysis`, a minute.

Both read the same English messages of the seed corpus in turns, one process each, and each also reads one
text of 8,000 characters. CPU time counts, since other load does not add to it. Proselint finds other things,
and only in English, so the ratio says whether the time is that of a linter, and not who is better. Also
measured: Japanese messages, the first analysis of a process, and the memory that it takes.

It writes `docs/results/analysis_speed.json`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from benchmarks import servers

PACKAGES = ("proselint==0.16.0",)
RESULT = Path("docs/results/analysis_speed.json")
ROUNDS = 5
MESSAGES = 300
LONGEST = 8000  # characters
_PEER = Path(__file__).parent / "analysis_peer.py"
_TODAY = date(2026, 11, 30)


def measure_first() -> dict[str, float]:
    """Seconds of CPU and megabytes of a process's first analysis, which reads the glossaries."""
    process = psutil.Process()
    before, began = process.memory_info().rss, time.process_time()
    from models.analysis import analyse  # what its import takes is part of it

    analyse("Fix the API by Friday. 明日までにお願いします。", _TODAY)
    return {
        "seconds": round(time.process_time() - began, 2),
        "mb": round((process.memory_info().rss - before) / 1e6, 1),
    }


def read_messages() -> dict[str, list[str]]:
    """Messages by language, and one text of the greatest length."""
    from data import corpus

    english = [row.text for row in corpus.read_lines(corpus.SEED / "messages", corpus.Message)][:MESSAGES]
    edits = corpus.read(corpus.SEED / "edits")
    japanese = [row.text for row in edits if row.id.startswith("editj")][:MESSAGES]
    return {"en": english, "longest": [" ".join(english)[:LONGEST]], "ja": japanese}


def measure_ours(messages: list[str]) -> dict[str, float]:
    """CPU milliseconds a message, and the number of findings."""
    from models.analysis import analyse

    began = time.process_time()
    found = sum(len(analyse(message, _TODAY).findings) for message in messages)
    return {"ms": 1000 * (time.process_time() - began) / len(messages), "findings": found}


def measure() -> dict[str, Any]:
    """All figures; the peer's environment is made first."""
    first = measure_first()
    texts = read_messages()
    ours: list[dict[str, dict[str, float]]] = []
    theirs: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        servers.install(Path(folder), *PACKAGES)
        for _ in range(ROUNDS):
            ours.append({name: measure_ours(messages) for name, messages in texts.items()})
            sent = json.dumps([texts["en"], texts["longest"]])
            peer = subprocess.run(  # noqa: S603 (a file of ours)
                [Path(folder) / "bin" / "python", "-I", _PEER],
                input=sent,
                capture_output=True,
                text=True,
                check=True,
            )
            theirs.append(dict(zip(("en", "longest"), json.loads(peer.stdout), strict=True)))
    report: dict[str, Any] = {"made_by": "python -m benchmarks.analysis", "rounds": ROUNDS, "first": first}
    for name, messages in texts.items():
        report[name] = {
            "messages": len(messages),
            "analysis_ms": round(statistics.median(row[name]["ms"] for row in ours), 2),
            "findings": int(ours[0][name]["findings"]),
        }
    for name in ("en", "longest"):
        report[name] |= {
            "proselint_ms": round(statistics.median(row[name]["ms"] for row in theirs), 2),
            "proselint_findings": int(theirs[0][name]["findings"]),
            "ratio": round(
                statistics.median(a[name]["ms"] / b[name]["ms"] for a, b in zip(ours, theirs, strict=True)), 2
            ),
        }
    return report


if __name__ == "__main__":
    RESULT.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(RESULT.read_text(encoding="utf-8"))

"""What readers' labels say: their agreement, the share of usable rewrites, and whether a score sees it.

    python -m models.labels              # writes docs/quality.md from data/seed/labels

`data/seed/labels/guideline.md` defines the labels; `models.reading` collects them from blind readers. The
labels of `edits/` are apart, since the judges of free text were made with the others in sight; the champion's
labels are there. `read_all` reads both.
"""

import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from scipy.stats import bootstrap, rankdata
from sklearn.metrics import cohen_kappa_score

from data import corpus
from data.corpus import Label, ReadRewrite
from models import scoreboard
from models.results import Estimate

LABELS: tuple[Label, ...] = get_args(Label)
FOLDER = corpus.SEED / "labels"
EDITS = FOLDER / "edits"  # of the edit writer, and of what was read with it
POLICY = "policy"  # free text, the default before the edit writer; the judges were measured on it
CHAMPION = "champion"  # the version that an installation starts with, on messages that nothing was chosen on
_READINGS = (
    "champion_before",
    "seventh_reading",
    "seventh_reading_before",
    "sixth_reading",
    "sixth_reading_before",
    "fifth_reading",
    "fourth_reading",
    "third_reading",
    "second_reading",
    "first_reading",
)
_ORDER = {system: place for place, system in enumerate((CHAMPION, *_READINGS, "script", POLICY))}
PAGE = """\
# How good the rewrites are, as read

This page answers how many rewrites a person could send as they are. `python -m models.labels` writes it
from the labels in `data/seed/labels/`.

Two readers labelled {rows} rewrites of {messages} ordinary messages, which no model has trained on. The
edit writer was read eight times. After each of the first five readings its rules were mended by what the
readers had found, and after the sixth and the seventh it learned from new labels, so the next one was on
messages by another author. Those of the champion were opened when its rules were finished; their author had
written nothing else here.

The readers were two runs of a large language model. They did not know which system wrote a rewrite or what
the other reader said, and read in random order. There is one exception: in the first reading of the edit
writer one reader saw six labels of the other, after its own were written ([data
card](../data/seed/README.md#how-the-rewrites-were-read)). They followed [a written
guideline](../data/seed/labels/guideline.md):

- **usable**: the writer would send it as it is
- **timid**: true to the message, but it hardly does what was requested
- **wrong**: the recipient would believe or do something else
- **broken**: no message at all

They gave the same label to {same} of the rewrites (Cohen's kappa {kappa}). A third reader settled the rest.
Two runs of one model agree more than two people would, so the agreement shows that the guideline is clear,
not that it is right.

## By system

{systems}

- `champion`: the edit writer that an installation starts with ([how it works](edits.md)), on 154 messages of
  an eighth author in `data/seed/ordinary/sealed/`
- `champion_before`: the version of the seventh reading, with requirements mended after it, on the same 154
  messages, on the same sheet. The two versions wrote 28 of the 154 rewrites differently
- `seventh_reading`: the edit writer before, on 154 messages of a seventh author, in the same folder
- `seventh_reading_before`: the version of the sixth reading, on the messages of the seventh author, on the
  same sheet. The two versions wrote 29 of the 154 rewrites differently
- `sixth_reading`: the edit writer before, on 154 messages of a sixth author, in the same folder
- `sixth_reading_before`: the edit writer before it was mended by the fourth and the fifth reading, on the
  messages of the sixth author, read by two other runs. The two versions wrote 41 of the 154 rewrites
  differently
- `fifth_reading` and `fourth_reading`: the edit writer before, on 154 messages of a fifth and of a fourth
  author, in the same folder
- `third_reading`: on 80 messages of `data/seed/ordinary/test/` and on `data/seed/ordinary/fresh/`
- `second_reading`: on 150 messages of `data/seed/ordinary/test/`
- `first_reading`: on `data/seed/ordinary/dev/`, like the systems below
- `script`: a language model that writes an edit script, SFT on `data/seed/edits/`
- `policy`: the same language model with free text, SFT on the seed corpus, with facts protected; it was the
  default before
- `uncopied`: a recipe that removes copying: SFT on strong rewrites only; of five drafts the one that the
  tone scorer prefers
- `rules`: a dozen hand-written rules, the baseline
- `reference`: what the author of the message would have written

Where the edit writer returns the message unchanged, it says so in the answer. Readers saw the message alone
and called it timid.

## The champion by transform type

{types}

## Forty rewrites of the champion, drawn at random

{examples}
"""


def read_labels(folder: Path = FOLDER) -> list[ReadRewrite]:
    """All labelled rewrites of a folder; see `data.corpus.read_lines` for errors."""
    return corpus.read_lines(folder, ReadRewrite)


def read_all(folder: Path = FOLDER) -> list[ReadRewrite]:
    """All labelled rewrites of a folder and of the folders in it, by system in the order of
    `docs/quality.md`; errors as `read_labels`.
    """
    folders = sorted({file.parent for file in folder.rglob("*.jsonl")}) or [folder]
    return _sort(row for each in folders for row in read_labels(each))


def _sort(rows: Iterable[ReadRewrite]) -> list[ReadRewrite]:
    return sorted(rows, key=lambda row: _ORDER.get(row.system, len(_ORDER)))


def measure_agreement(rows: Sequence[ReadRewrite]) -> float:
    """Cohen's kappa of the first and the second reader over the four labels: 1 is perfect, 0 is chance."""
    return float(
        cohen_kappa_score([row.first for row in rows], [row.second for row in rows], labels=list(LABELS))
    )


def estimate_share(rows: Sequence[ReadRewrite], label: Label) -> Estimate:
    """The share of rewrites with a label, see `scoreboard.estimate_share`."""
    return scoreboard.estimate_share(sum(row.label == label for row in rows), len(rows))


def estimate_auc(usable: Sequence[float], wrong: Sequence[float], seed: int = 0) -> Estimate:
    """The probability that a score ranks a usable rewrite above a wrong one, ties counted as half.

    `usable` and `wrong` are the scores of rewrites with these labels. The 95 % interval is a percentile
    bootstrap (2,000 resamples) of both. Raises ValueError when one of them is empty.
    """
    if not usable or not wrong:
        raise ValueError("an AUC needs at least one usable and one wrong rewrite")

    def auc(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
        # (..., rows) each: the rank sum of Mann and Whitney, since 2,000 calls of roc_auc_score take seconds.
        number = positive.shape[axis]
        ranks = rankdata(np.concatenate([positive, negative], axis=axis), axis=axis)
        rank_sum = np.take(ranks, range(number), axis=axis).sum(axis=axis)
        return (rank_sum - number * (number + 1) / 2) / (number * negative.shape[axis])

    samples = (np.asarray(usable, dtype=float), np.asarray(wrong, dtype=float))
    mean = float(auc(*samples))
    if min(map(len, samples)) < 2:  # a bootstrap of one row has no width, so nothing is known
        return Estimate(mean=mean, low=0.0, high=1.0)
    interval = bootstrap(
        samples,
        auc,
        n_resamples=2000,
        method="percentile",
        vectorized=True,
        batch=100,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean=mean, low=float(interval.low), high=float(interval.high))


def tabulate(rows: Sequence[ReadRewrite], groups: Iterable[str]) -> str:
    """A Markdown table of the number of rewrites and the share of each label by group.

    `groups` has the group of each row; groups keep their order.
    """
    by_group: dict[str, list[ReadRewrite]] = {}
    for row, group in zip(rows, groups, strict=True):
        by_group.setdefault(group, []).append(row)
    lines = [
        "| | read | " + " | ".join(LABELS) + " | usable, 95 % interval |",
        "|" + "---|" * (len(LABELS) + 3),
    ]
    for group, members in by_group.items():
        counts = Counter(row.label for row in members)
        usable = estimate_share(members, "usable")
        shares = (f"{100 * counts[label] / len(members):.0f} %" for label in LABELS)
        interval = f"{100 * usable.low:.0f} to {100 * usable.high:.0f} %"
        lines.append(f"| {group} | {len(members)} | {' | '.join(shares)} | {interval} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A text as one cell of a Markdown table, with its special characters shown as they are."""
    escaped = re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", text)
    return escaped.replace("\n", "<br>")


def draw_examples(rows: Sequence[ReadRewrite], number: int, seed: int) -> str:
    """A Markdown table of rewrites that are drawn at random, with the labels of both readers."""
    drawn = random.Random(seed).sample(list(rows), min(number, len(rows)))
    lines = ["| message | request | rewrite | system | first | second |", "|" + "---|" * 6]
    for row in sorted(drawn, key=lambda row: row.id):
        request = f"{row.transform_type.value} {row.intensity}"
        cells = (_cell(row.text), request, _cell(row.rewrite), row.system, row.first, row.second)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write_page(rows: Sequence[ReadRewrite]) -> str:
    """The page `docs/quality.md`: agreement, labels by system, and forty examples of the champion."""
    same = sum(row.first == row.second for row in rows)
    champion = sorted((row for row in rows if row.system == CHAMPION), key=lambda row: row.transform_type)
    by_system = _sort(rows)
    return PAGE.format(
        rows=len(rows),
        messages=len({row.message for row in rows}),
        same=f"{100 * same / len(rows):.0f} %",
        kappa=f"{measure_agreement(rows):.2f}",
        systems=tabulate(by_system, [row.system for row in by_system]),
        types=tabulate(champion, [row.transform_type.value for row in champion]),
        examples=draw_examples(champion, 40, seed=0),
    )


def main(page: Path) -> None:
    """Write the page of all labels of the seed."""
    page.write_text(write_page(read_all()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/quality.md"))

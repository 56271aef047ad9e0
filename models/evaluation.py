"""Measures a version on held-out messages, compared with a champion and two baselines, and applies the gate.

    python -m models.evaluation configs/evaluate.yaml version=artifacts/v2 champion=artifacts/v1
    python -m models.evaluation configs/evaluate.yaml version=artifacts/v2 most_cases=40

Every message is rewritten greedily by the quantised weights that serving uses: by the model alone, and with
fact protection as in serving. The rewrites are scored by `models.scoring` and `models.tone` and compared in
pairs. Some messages are rewritten at all four intensities, and some try to steer the tool.
"""

import json
import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field

import configs
from configs.settings import Device
from data import corpus
from data.corpus import ReadRewrite
from data.reasons import render
from data.records import PROTECTED, UNPROTECTED, PreferencePair, Protection
from models import (
    devices,
    examples,
    export,
    judge,
    loading,
    reward,
    rules,
    scoreboard,
    scoring,
    tone,
    training,
    version_file,
)
from models.decoding import rewrite_greedily
from models.edits.writer import rules_digest
from models.gate import Margins, gate, win_rate
from models.labels import read_all
from models.protection import Judge, Request
from models.results import Estimate, Evaluation, Judged, perplexity
from models.scoreboard import Case, by_type, estimate, estimates, score
from models.validity import Validity, labels_of, validate

_INTENSITIES = range(4)
_MARKERS = "os^vDPX*<>"  # of the systems in a plot, which colours alone would not tell apart
_REWRITES = "rewrites.json"
SHOWN = (
    *("facts_kept", "meaning", "tone_moved", "chatter", "insult", "obeyed", "monotone", "repetition"),
    *("length_ratio", "composite"),
)


class EvaluateConfig(Margins):
    """The version, what it is compared with, the test data, and the margins of the gate."""

    version: Path
    champion: Path | None = None
    first_champion: Annotated[
        Path | None, Field(description="the first champion of the line; the champion when unset")
    ] = None
    base: str = loading.PIP_MODEL
    base_version: Annotated[Path, Field(description="the bare base, exported; made when missing")] = Path(
        "artifacts/base-version"
    )
    test_folders: Annotated[tuple[Path, ...], Field(min_length=1, description="the pool of cases")] = (
        corpus.SEED / "test",
        corpus.SEED / "ordinary" / "dev",
    )
    labels_folder: Annotated[
        Path, Field(description="readers' labels, in it and in its folders; see models.validity")
    ] = corpus.SEED / "labels"
    injections_folder: Path = corpus.SEED / "injections"
    out: Path = Path("artifacts/evaluation")
    device: Annotated[Device, Field(description="where versions write and the reward model scores")] = "auto"
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 128
    most_cases: Annotated[int | None, Field(ge=1, description="drawn from the pool; all when unset")] = None
    draw: Annotated[int, Field(ge=0, description="the seed of the draw; another one, other cases")] = 0
    intensity_messages: Annotated[int, Field(ge=1, description="rewritten at all four intensities")] = 28
    reward: Annotated[Path | None, Field(description="a reward model, for its win rate")] = None
    judge: Annotated[str | None, Field(description="an LLM's name at the endpoint, see models.judge")] = None
    judge_pairs: Annotated[int, Field(ge=1, description="pairs of each kind that the judge compares")] = 60
    snapshots: Annotated[
        tuple[Path, ...], Field(description="people's comparisons that the judge is compared with")
    ] = ()


T = TypeVar("T")
Writer = Callable[[Sequence[Request]], list[str]]  # one rewrite for each request, in their order


def test_cases(folder: Path) -> list[Case]:
    """One case for each rewrite of a folder of the corpus."""
    return [
        Case(
            id=original.id,
            text=original.text,
            transform_type=rewrite.transform_type,
            intensity=rewrite.intensity,
            must_keep=original.facts,
            reference=rewrite.text,
        )
        for original in corpus.read(folder)
        for rewrite in original.rewrites
    ]


def draw_cases(cases: Sequence[Case], most: int | None, seed: int) -> list[Case]:
    """At most `most` cases (None: all), drawn at random so that each transform type keeps its share, within a
    case. They keep their order.
    """
    if most is None or most >= len(cases):
        return list(cases)
    rng = random.Random(seed)
    of_type: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        of_type.setdefault(case.transform_type, []).append(index)
    # Each type in a random order and spread evenly over [0, 1): the first `most` of all have its share.
    places = {
        index: ((rank + rng.random()) / len(indices), index)
        for indices in of_type.values()
        for rank, index in enumerate(rng.sample(indices, len(indices)))
    }
    return [cases[index] for index in sorted(sorted(places, key=places.__getitem__)[:most])]


def ladder(cases: Sequence[Case], messages: int) -> list[Case]:
    """An even spread of messages over the transform types, to be rewritten at all four intensities."""
    by_kind = {
        case.transform_type: [c for c in cases if c.transform_type == case.transform_type] for case in cases
    }
    most = -(-messages // len(by_kind))  # rounded up
    return [case for same_kind in by_kind.values() for case in _spread(same_kind, most)][:messages]


def _spread(rows: list[T], most: int) -> list[T]:
    """At most `most` rows at even distances, from the first to the last."""
    if most >= len(rows):
        return rows
    # (most,) indices; rounding cannot repeat one, since there are more rows than indices.
    return [rows[i] for i in np.linspace(0, len(rows) - 1, most).round().astype(int)]


def written_by(
    version: Path,
    max_new_tokens: int,
    protection: Protection = UNPROTECTED,
    judge: Judge | None = None,
    device: Device = "auto",
) -> Writer:
    """A writer that returns a version's greedy rewrites and caches them in `rewrites.json` of its folder.

    The cache saves a version's rewrites from one evaluation to the next, which has some of the same cases. A
    rewrite is found by its request, the token limit, the protection, the judge's name (`judge` chooses among
    drafts, see `models.protection.rewrite`), and the rules by which a version of edits writes.
    """
    decisive = [max_new_tokens, protection.model_dump(), judge and judge.__qualname__]
    if version_file.read(version).form == "edits":
        decisive.append(rules_digest())
    settings = json.dumps(decisive)

    def write(requests: Sequence[Request]) -> list[str]:
        keys = [
            blake2b(f"{json.dumps(request)}{settings}".encode(), digest_size=16).hexdigest()
            for request in requests
        ]
        file = version / _REWRITES
        cache: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        new = {key: request for key, request in zip(keys, requests, strict=True) if key not in cache}
        if new:
            answers = rewrite_greedily(
                version,
                list(new.values()),
                max_new_tokens,
                protection,
                progress=True,
                judge=judge,
                device=device,
            )
            cache |= {key: answer.text for key, answer in zip(new, answers, strict=True)}
            # Renamed when complete, so that a kill leaves the old cache or the new one.
            partial = file.with_name(f"{_REWRITES}.partial")
            partial.write_text(json.dumps(cache, ensure_ascii=False, indent=1), encoding="utf-8")
            partial.replace(file)
        return [cache[key] for key in keys]

    return write


def ask_judge(
    config: EvaluateConfig, cases: Sequence[Case], challenger: list[str], champion: list[str]
) -> Judged:
    """The judge's preferences on an even spread of the cases, and on one of people's comparisons."""
    assert config.judge is not None
    own_pairs = [
        judge.Pair(case.text, case.transform_type, case.intensity, *texts)
        for case, *texts in zip(cases, challenger, champion, strict=True)
    ]
    people_pairs = [
        judge.Pair(row.text, row.transform_type, row.intensity, row.chosen, row.rejected)
        for row in examples.read_snapshots(config.snapshots, PreferencePair)
    ]
    # The judge's calls cost money, so it sees a part of both.
    own_pairs = _spread(own_pairs, config.judge_pairs)
    people_pairs = _spread(people_pairs, config.judge_pairs)
    preferences = judge.prefer(config.judge, [*own_pairs, *people_pairs])
    wins = [preference.share for preference in preferences[: len(own_pairs)]]
    agreements = [preference.share for preference in preferences[len(own_pairs) :]]
    return Judged(
        judge=config.judge,
        win_rate=estimate(wins, config.seed),
        same_in_both_orders=float(np.mean([preference.same_in_both_orders for preference in preferences])),
        agreement=estimate(agreements, config.seed) if agreements else None,
        people_pairs=len(people_pairs),
    )


def ask_reward(
    config: EvaluateConfig, cases: Sequence[Case], challenger: list[str], champion: list[str]
) -> Estimate:
    """The reward model's mean probability that people choose the challenger's rewrite."""
    assert config.reward is not None
    model = reward.load(config.reward, devices.torch_device(config.device))
    return estimate(reward.preferred(model, cases, challenger, champion), config.seed)


def read_policy(version: Path) -> str:
    """The digest of a version's weights, see `loading.policy_digest`; empty for one of an earlier release."""
    return str(json.loads((version / "version.json").read_text(encoding="utf-8")).get("policy", ""))


def read_labelled(config: EvaluateConfig, version: Path) -> list[ReadRewrite]:
    """Readers' labels of what a version writes: those of the same weights.

    The rules of a version of edits decide as well, and may have changed since it was read. So it rewrites the
    labelled messages again, and a label counts only if its rewrite is the same text today.
    """
    rows = labels_of(read_all(config.labels_folder), read_policy(version))
    if version_file.read(version).form != "edits":
        return rows
    write = written_by(version, config.max_new_tokens, device=config.device)
    texts = write([(row.text, row.transform_type, row.intensity) for row in rows])
    return [row for row, text in zip(rows, texts, strict=True) if row.rewrite == text]


def measure_validity(config: EvaluateConfig) -> Validity:
    """How well the composite ranks the labelled rewrites of the champion, or of the challenger without one.

    It is the champion's rewrites that people have read, and a challenger begins close to its champion. The
    bare base is no champion, since it is never served.
    """
    champion = None if config.champion == config.base_version else config.champion
    version = champion or config.version
    rows = read_labelled(config, version)
    meanings = scoring.meaning([row.text for row in rows], [row.rewrite for row in rows]) if rows else []
    composites = [
        scoreboard.judge(row.text, row.rewrite, row.transform_type, row.intensity, meaning)
        for row, meaning in zip(rows, meanings, strict=True)
    ]
    name = "the_champion" if champion else "the_challenger"  # a term of the catalogue of reasons
    return validate("composite", name, rows, composites)


def main(config: EvaluateConfig) -> Evaluation:
    """Rewrite, score and compare; write `metrics.json`, `outputs.jsonl` and `scores.png` to `config.out`."""
    # Perplexity is measured under the bare base, whichever version is evaluated.
    base_version = export.base_version(config.base, config.base_version)
    pool = [case for folder in config.test_folders for case in test_cases(folder)]
    cases = draw_cases(pool, config.most_cases, config.draw)
    rungs = ladder(cases, config.intensity_messages)
    injections = corpus.read_lines(config.injections_folder, corpus.Injection)

    def written(version: Path, protection: Protection = UNPROTECTED) -> Writer:
        return written_by(version, config.max_new_tokens, protection, device=config.device)

    writers: dict[str, Writer] = {"challenger": written(config.version)}
    if config.champion is not None:
        writers["champion"] = written(config.champion)
    writers["copy_input"] = lambda requests: [text for text, _, _ in requests]
    writers["rules"] = lambda requests: [rules.rewrite(*request) for request in requests]

    plain: list[Request] = [(case.text, case.transform_type, case.intensity) for case in cases]
    graded: list[Request] = [(case.text, case.transform_type, i) for case in rungs for i in _INTENSITIES]
    steering: list[Request] = [(row.text, row.transform_type, row.intensity) for row in injections]
    rewrites, moves, obeyed = {}, {}, {}
    for name, write in writers.items():
        if name == "champion" and config.champion == base_version:
            # The bare base is never served. It seldom ends a rewrite, so it is slow: only the cases.
            rewrites[name] = write(plain)
            continue
        texts = write([*plain, *graded, *steering])  # one call, so that batches are full
        rewrites[name] = texts[: len(plain)]
        graded_texts, steered_texts = texts[len(plain) : -len(steering)], texts[-len(steering) :]
        moves[name] = np.reshape(  # (messages, intensities)
            [tone.move(text, out, kind) for (text, kind, _), out in zip(graded, graded_texts, strict=True)],
            (len(rungs), len(_INTENSITIES)),
        )
        obeyed[name] = [
            scoring.obeyed(out, row.obeyed) for row, out in zip(injections, steered_texts, strict=True)
        ]
    # Fact protection is measured for versions that are, or may be, served.
    served = {"challenger": config.version}
    if config.champion is not None and config.champion != base_version:
        served["champion"] = config.champion
    if config.first_champion not in (None, config.champion):
        served["first_champion"] = config.first_champion
    for name, version in served.items():
        rewrites[f"{name}_protected"] = written(version, PROTECTED)(plain)
    rewrites["reference"] = [case.reference for case in cases]

    scores = score(cases, rewrites, base_version, config.device)
    systems = {name: estimates(rows, config.seed) for name, rows in scores.items()}
    # By name, since the bare base has no moves: it rewrote the cases only.
    for name in moves:
        systems[name]["monotone"] = estimate(
            [scoring.monotone(row) for row in moves[name].tolist()], config.seed
        )
        systems[name]["obeyed"] = estimate(obeyed[name], config.seed)
    # The gate compares what users would receive, so rewrites with fact protection where there are any.
    rival = "champion_protected" if "champion_protected" in rewrites else "champion"
    challenger, champion = scores["challenger_protected"], scores.get(rival)
    both = (rewrites["challenger_protected"], rewrites.get(rival, []))
    validity = measure_validity(config)
    evaluation = Evaluation(
        cases=len(cases),
        systems=systems,
        by_type={name: by_type(cases, rows, config.seed) for name, rows in scores.items()},
        move_by_intensity={
            name: {str(i): estimate(values[:, i].tolist(), config.seed) for i in _INTENSITIES}
            for name, values in moves.items()  # (messages, intensities)
        },
        win_rate=win_rate(challenger, champion, seed=config.seed) if champion else None,
        win_rate_by_reward=ask_reward(config, cases, *both) if config.reward and champion else None,
        judged=ask_judge(config, cases, *both) if config.judge and champion else None,
        verdict=gate(
            challenger,
            champion,
            scores.get("first_champion_protected"),
            scores["copy_input"],
            config,
            validity.refusal,
        ),
    )
    config.out.mkdir(parents=True, exist_ok=True)
    with (config.out / "outputs.jsonl").open("w", encoding="utf-8") as file:
        for i, case in enumerate(cases):
            scored = {name: {"text": rewrites[name][i], **scores[name][i].model_dump()} for name in rewrites}
            file.write(
                json.dumps({**case.model_dump(mode="json"), "rewrites": scored}, ensure_ascii=False) + "\n"
            )
    plot(evaluation, config.out / "scores.png")
    training.write_figures(evaluation, config.out)
    return evaluation


def plot(evaluation: Evaluation, file: Path) -> None:
    """Draw the main scores by system, three scores by transform type, and the move by intensity.

    All have their 95 % intervals.
    """
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    def draw(axes: Axes, rows: Mapping[str, Mapping[str, Estimate]], title: str) -> None:
        """One series a row, one point with its interval a group; series are shifted to stand side by side."""
        groups = list(dict.fromkeys(group for row in rows.values() for group in row))
        for i, (name, row) in enumerate(rows.items()):
            means = np.array([e.mean for e in row.values()])  # (groups,)
            ends = np.array([[e.low, e.high] for e in row.values()]).T  # (2, groups): low, high
            x = np.array([groups.index(group) for group in row]) + (i - (len(rows) - 1) / 2) * 0.12
            axes.errorbar(
                x, means, yerr=np.abs(ends - means), fmt=_MARKERS[i], markersize=4, capsize=2, label=name
            )
        axes.set(title=title, xticks=range(len(groups)), xlim=(-0.6, len(groups) - 0.4))
        axes.set_xticklabels(groups, rotation=20 if len(groups) < 8 else 30, ha="right")
        axes.grid(axis="y", alpha=0.3)

    shares = ("facts_kept", "meaning", "tone_moved", "chatter", "obeyed", "monotone", "composite")
    systems = evaluation.systems
    figure = Figure(figsize=(15, 9), layout="constrained")
    panels = figure.subplots(2, 3, width_ratios=(2, 2, 1.1))
    draw(
        panels[0, 0],
        {name: {key: row[key] for key in shares if key in row} for name, row in systems.items()},
        "all transform types",
    )
    draw(
        panels[0, 2],
        {name: {"perplexity": perplexity(row["log_perplexity"])} for name, row in systems.items()},
        "perplexity under the base",
    )
    for axes, key in ((panels[0, 1], "tone_moved"), (panels[1, 0], "facts_kept"), (panels[1, 1], "meaning")):
        rows = {n: {kind: row[key] for kind, row in r.items()} for n, r in evaluation.by_type.items()}
        draw(axes, rows, f"{key.replace('_', ' ')}, by transform type")
    draw(panels[1, 2], evaluation.move_by_intensity, "move, by intensity")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.savefig(file, dpi=110)


def table_rows(
    systems: Iterable[tuple[str, Mapping[str, Estimate]]],
) -> list[tuple[str, dict[str, Estimate]]]:
    """The columns of a table by system: the main scores, and perplexity instead of its logarithm."""
    return [
        (
            name,
            {key: row[key] for key in SHOWN if key in row}
            | {"perplexity": perplexity(row["log_perplexity"])},
        )
        for name, row in systems
    ]


def table(evaluation: Evaluation) -> str:
    """The main scores by system, as lines for a terminal."""
    names = (*SHOWN, "perplexity")
    lines = [" " * 20 + "".join(f"{name:>13}" for name in names)]
    for system, row in table_rows(evaluation.systems.items()):
        cells = (f"{row[name].mean:13.3f}" if name in row else f"{'-':>13}" for name in names)
        lines.append(f"{system:20}" + "".join(cells))
    if evaluation.win_rate:
        lines.append(f"win rate of the challenger against the champion: {evaluation.win_rate}")
    if evaluation.win_rate_by_reward:
        lines.append(f"win rate by the reward model: {evaluation.win_rate_by_reward}")
    if judged := evaluation.judged:
        lines.append(
            f"win rate by {judged.judge}: {judged.win_rate}; the same in both orders: "
            f"{judged.same_in_both_orders:.2f}; agreement with people on {judged.people_pairs} pairs: "
            f"{judged.agreement or 'not measured'}"
        )
    verdict = evaluation.verdict
    lines.append("accepted" if verdict.accepted else "rejected: " + render(verdict.reasons))
    lines += map(str, verdict.notes)
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(main(configs.from_command_line(EvaluateConfig, sys.argv[1:]))))

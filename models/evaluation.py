"""Measures a version on held-out messages beside a champion and two baselines, and says whether it may go on.

    python -m models.evaluation configs/evaluate.yaml version=artifacts/v2 champion=artifacts/v1

Every message is rewritten greedily by the quantised weights that serving uses, by the model alone and with
its facts protected as serving does, scored by `models.scoring` and `models.tone`, and compared in pairs. Some
messages are asked for at all four intensities, and some try to steer the tool.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

import configs
from data import corpus
from data.reasons import render
from data.records import PROTECTED, UNPROTECTED, PreferencePair, Protection
from models import examples, export, judge, loading, reward, rules, scoring, tone, training
from models.decoding import rewrite_greedily
from models.gate import Margins, Verdict, gate, win_rate
from models.protection import Asked
from models.scoreboard import Case, Estimate, by_type, estimate, estimates, perplexity, score

_INTENSITIES = range(4)
_REWRITES = "rewrites.json"
SHOWN = (
    *("facts_kept", "meaning", "tone_moved", "chatter", "insult", "obeyed", "monotone", "repetition"),
    *("length_ratio", "composite"),
)


class EvaluateConfig(Margins):
    """What is measured against what, and the margins of the gate."""

    version: Path
    champion: Path | None = None
    base: str = loading.PIP_MODEL
    base_version: Annotated[Path, Field(description="the bare base, exported; made when missing")] = Path(
        "artifacts/base-version"
    )
    test_folder: Path = corpus.SEED / "test"
    injections_folder: Path = corpus.SEED / "injections"
    out: Path = Path("artifacts/evaluation")
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 128
    most_cases: Annotated[int | None, Field(ge=1, description="all when unset")] = None
    intensity_messages: Annotated[int, Field(ge=1, description="asked for at all four intensities")] = 28
    reward: Annotated[Path | None, Field(description="a reward model, for its win rate")] = None
    judge: Annotated[str | None, Field(description="an LLM's name at the endpoint, see models.judge")] = None
    judge_pairs: Annotated[int, Field(ge=1, description="how many of each kind it is asked about")] = 60
    snapshots: Annotated[
        tuple[Path, ...], Field(description="whose comparisons the judge is measured against")
    ] = ()


class Judged(BaseModel):
    """What an LLM judge says of the challenger against the champion, and how often people agree with it.

    `agreement` is the share of people's comparisons in which the judge prefers what they chose; a pair on
    which it does not decide counts as half. None when there are none.
    """

    model_config = ConfigDict(frozen=True)

    judge: str
    win_rate: Estimate
    same_in_both_orders: float
    agreement: Estimate | None
    people_pairs: int


class Evaluation(BaseModel):
    """Everything an evaluation found, by system, and what the gate says.

    `systems` has every score of `Scores`, and where the system is asked for more than the cases, `monotone`
    over messages asked for at all intensities (`move_by_intensity` has those moves) and `obeyed` over
    messages that try to steer the tool. `challenger_protected` is what people would be given of the
    challenger: the win rate and the verdict are about that. `by_type` has the scores by transform type.
    """

    model_config = ConfigDict(frozen=True)

    cases: int
    systems: dict[str, dict[str, Estimate]]
    by_type: dict[str, dict[str, dict[str, Estimate]]]
    move_by_intensity: dict[str, dict[str, Estimate]]
    win_rate: Estimate | None
    win_rate_by_reward: Estimate | None = None
    judged: Judged | None = None
    verdict: Verdict


T = TypeVar("T")
Writer = Callable[[Sequence[Asked]], list[str]]


def test_cases(folder: Path, most: int | None) -> list[Case]:
    """Each rewrite of the held-out corpus as a case; `most` (None: all) takes an even spread of them."""
    cases = [
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
    return cases if most is None else _spread(cases, most)


def ladder(cases: Sequence[Case], messages: int) -> list[Case]:
    """An even spread of messages over the transform types; each is to be asked for at all intensities."""
    kinds = {
        case.transform_type: [c for c in cases if c.transform_type == case.transform_type] for case in cases
    }
    most = -(-messages // len(kinds))
    return [case for same in kinds.values() for case in _spread(same, most)][:messages]


def _spread(rows: list[T], most: int) -> list[T]:
    if most >= len(rows):
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, most).round().astype(int)]


def written_by(version: Path, max_new_tokens: int, protection: Protection = UNPROTECTED) -> Writer:
    """What a version makes of what it is asked, kept in its folder: a champion is not asked again."""

    def write(asked: Sequence[Asked]) -> list[str]:
        decides = json.dumps([asked, max_new_tokens, protection.model_dump()])
        key = blake2b(decides.encode(), digest_size=16).hexdigest()
        file = version / _REWRITES
        kept: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if key not in kept:
            answers = rewrite_greedily(version, asked, max_new_tokens, protection, progress=True)
            kept[key] = [answer.text for answer in answers]
            partial = file.with_name(f"{_REWRITES}.partial")  # a kill leaves all of it or nothing
            partial.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
            partial.replace(file)
        return kept[key]

    return write


def ask_judge(config: EvaluateConfig, cases: Sequence[Case], one: list[str], other: list[str]) -> Judged:
    """An even spread of the cases and of people's comparisons, put to the judge that the config names."""
    assert config.judge is not None
    ours = [
        judge.Pair(case.text, case.transform_type, case.intensity, *texts)
        for case, *texts in zip(cases, one, other, strict=True)
    ]
    theirs = [
        judge.Pair(row.text, row.transform_type, row.intensity, row.chosen, row.rejected)
        for row in examples.read_snapshots(config.snapshots, PreferencePair)
    ]
    ours, theirs = _spread(ours, config.judge_pairs), _spread(theirs, config.judge_pairs)
    found = judge.prefer(config.judge, [*ours, *theirs])
    agreed = [preference.share for preference in found[len(ours) :]]
    return Judged(
        judge=config.judge,
        win_rate=estimate([preference.share for preference in found[: len(ours)]], config.seed),
        same_in_both_orders=float(np.mean([preference.same_in_both_orders for preference in found])),
        agreement=estimate(agreed, config.seed) if agreed else None,
        people_pairs=len(theirs),
    )


def ask_reward(config: EvaluateConfig, cases: Sequence[Case], one: list[str], other: list[str]) -> Estimate:
    """The mean probability, by a reward model, that people choose `one` of two rewrites."""
    assert config.reward is not None
    return estimate(reward.preferred(reward.load(config.reward), cases, one, other), config.seed)


def main(config: EvaluateConfig) -> Evaluation:
    """Rewrite, score, compare and judge; write `metrics.json`, `outputs.jsonl` and `scores.png` to the out
    folder.
    """
    base_version = export.base_version(config.base, config.base_version)
    cases = test_cases(config.test_folder, config.most_cases)
    rungs = ladder(cases, config.intensity_messages)
    injections = corpus.read_lines(config.injections_folder, corpus.Injection)
    writers: dict[str, Writer] = {"challenger": written_by(config.version, config.max_new_tokens)}
    if config.champion is not None:
        writers["champion"] = written_by(config.champion, config.max_new_tokens)
    writers["copy_input"] = lambda asked: [text for text, _, _ in asked]
    writers["rules"] = lambda asked: [rules.rewrite(*one) for one in asked]

    asked: list[Asked] = [(case.text, case.transform_type, case.intensity) for case in cases]
    climbed: list[Asked] = [(case.text, case.transform_type, i) for case in rungs for i in _INTENSITIES]
    steered: list[Asked] = [(row.text, row.transform_type, row.intensity) for row in injections]
    rewrites, moves, obeyed = {}, {}, {}
    for name, write in writers.items():
        if name == "champion" and config.champion == base_version:
            rewrites[name] = write(asked)  # the bare base is never served, and slow: it does not stop
            continue
        texts = write([*asked, *climbed, *steered])
        rewrites[name] = texts[: len(asked)]
        climbing, steering = texts[len(asked) : -len(steered)], texts[-len(steered) :]
        moves[name] = np.reshape(
            [tone.move(text, said, kind) for (text, kind, _), said in zip(climbed, climbing, strict=True)],
            (len(rungs), len(_INTENSITIES)),
        )
        obeyed[name] = [
            scoring.obeyed(said, row.obeyed) for row, said in zip(injections, steering, strict=True)
        ]
    served = {"challenger": config.version}
    if config.champion is not None and config.champion != base_version:
        served["champion"] = config.champion
    for name, version in served.items():
        rewrites[f"{name}_protected"] = written_by(version, config.max_new_tokens, PROTECTED)(asked)
    rewrites["reference"] = [case.reference for case in cases]

    scores = score(cases, rewrites, base_version)
    systems = {name: estimates(rows, config.seed) for name, rows in scores.items()}
    for name in moves:
        systems[name]["monotone"] = estimate(
            [scoring.monotone(row) for row in moves[name].tolist()], config.seed
        )
        systems[name]["obeyed"] = estimate(obeyed[name], config.seed)
    baselines = {name: scores[name] for name in ("copy_input", "rules")}
    # What people would be given, which is what the gate is for.
    rival = "champion_protected" if "champion_protected" in rewrites else "champion"
    challenger, champion = scores["challenger_protected"], scores.get(rival)
    against = (rewrites["challenger_protected"], rewrites.get(rival, []))
    evaluation = Evaluation(
        cases=len(cases),
        systems=systems,
        by_type={name: by_type(cases, rows, config.seed) for name, rows in scores.items()},
        move_by_intensity={
            name: {str(i): estimate(found[:, i].tolist(), config.seed) for i in _INTENSITIES}
            for name, found in moves.items()
        },
        win_rate=win_rate(challenger, champion, seed=config.seed) if champion else None,
        win_rate_by_reward=ask_reward(config, cases, *against) if config.reward and champion else None,
        judged=ask_judge(config, cases, *against) if config.judge and champion else None,
        verdict=gate(challenger, champion, baselines, config),
    )
    config.out.mkdir(parents=True, exist_ok=True)
    with (config.out / "outputs.jsonl").open("w", encoding="utf-8") as file:
        for i, case in enumerate(cases):
            said = {name: {"text": rewrites[name][i], **scores[name][i].model_dump()} for name in rewrites}
            file.write(
                json.dumps({**case.model_dump(mode="json"), "rewrites": said}, ensure_ascii=False) + "\n"
            )
    plot(evaluation, config.out / "scores.png")
    training.write_figures(evaluation, config.out)
    return evaluation


def plot(evaluation: Evaluation, file: Path) -> None:
    """Draw the main scores by system, tone and facts by transform type, and the move by intensity, with their
    intervals.
    """
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    def draw(axes: Axes, rows: Mapping[str, Mapping[str, Estimate]], title: str) -> None:
        """A point with its interval for each row's groups, side by side."""
        groups = list(dict.fromkeys(group for row in rows.values() for group in row))
        for i, (name, row) in enumerate(rows.items()):
            means = np.array([e.mean for e in row.values()])
            ends = np.array([[e.low, e.high] for e in row.values()]).T  # (2, groups)
            at = np.array([groups.index(group) for group in row]) + (i - (len(rows) - 1) / 2) * 0.12
            axes.errorbar(at, means, yerr=np.abs(ends - means), fmt="o", markersize=4, capsize=2, label=name)
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
    draw(panels[1, 2], evaluation.move_by_intensity, "move, by intensity asked for")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.savefig(file, dpi=110)


def rows_shown(
    systems: Iterable[tuple[str, Mapping[str, Estimate]]],
) -> list[tuple[str, dict[str, Estimate]]]:
    """What a table shows of each system: the main scores, perplexity in place of its logarithm."""
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
    for system, row in rows_shown(evaluation.systems.items()):
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
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(main(configs.from_command_line(EvaluateConfig, sys.argv[1:]))))

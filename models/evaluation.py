"""Measures a version on held-out messages beside a champion and two baselines, and says whether it may go on.

    python -m models.evaluation configs/evaluate.yaml version=artifacts/v2 champion=artifacts/v1

Every message is rewritten greedily by the quantised weights that serving uses, scored by `models.scoring`,
and compared in pairs.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import bootstrap

import configs
from data import corpus
from data.records import TransformType
from models import facts, scoring
from models.decoding import rewrite_greedily


class EvaluateConfig(configs.StageConfig):
    """What is measured against what; the margins are on paired differences, challenger minus champion."""

    version: Path
    champion: Path | None = None
    test_folder: Path = corpus.SEED / "test"
    out: Path = Path("artifacts/evaluation")
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 128
    most_cases: Annotated[int | None, Field(ge=1, description="all when unset")] = None
    max_facts_loss: Annotated[float, Field(ge=0)] = 0.05
    max_meaning_loss: Annotated[float, Field(ge=0)] = 0.05
    max_chatter_rise: Annotated[float, Field(ge=0)] = 0.03
    seed: int = 0


class Case(BaseModel):
    """One held-out message, what is asked, what must survive, and how we would have written it."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    transform_type: TransformType
    intensity: int
    must_keep: tuple[str, ...]
    reference: str


class Scores(BaseModel):
    """The scores of one rewrite, see `models.scoring`."""

    model_config = ConfigDict(frozen=True)

    facts_kept: float
    meaning: float
    tone_moved: float
    move: float
    chatter: float
    refusal: float
    repetition: float
    length_ratio: float
    copy_rate: float
    composite: float


class Estimate(BaseModel):
    """A mean and its 95 % bootstrap interval."""

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


class Verdict(BaseModel):
    """Whether a challenger may go on, and a sentence for each reason why not."""

    model_config = ConfigDict(frozen=True)

    accepted: bool
    reasons: tuple[str, ...]


class Evaluation(BaseModel):
    """Everything an evaluation found: estimates by system and score, and what the gate says."""

    model_config = ConfigDict(frozen=True)

    cases: int
    systems: dict[str, dict[str, Estimate]]
    tone_moved_by_type: dict[str, dict[str, Estimate]]
    move_by_intensity: dict[str, dict[str, Estimate]]
    win_rate: Estimate | None
    verdict: Verdict


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
    if most is None or most >= len(cases):
        return cases
    return [cases[i] for i in np.linspace(0, len(cases) - 1, most).round().astype(int)]


def rewrite(version: Path, cases: Sequence[Case], max_new_tokens: int) -> list[str]:
    """What a version makes of the cases."""
    asked = [(case.text, case.transform_type, case.intensity) for case in cases]
    return [answer.text for answer in rewrite_greedily(version, asked, max_new_tokens, progress=True)]


def rewrite_by_rules(text: str, transform_type: TransformType, intensity: int) -> str:
    """What a dozen rules make of a message: the baseline that a model has to be worth its weights against."""
    sentences = scoring.sentences(text)
    match transform_type:
        case TransformType.SOFTEN:
            kind = [
                re.sub(
                    r"[!]+$",
                    ".",
                    re.sub(r"^(Fix|Send|Stop|Do|Update|Write|Give|Tell|Use)\b", r"Please \1", s),
                )
                for s in sentences
            ]
            return " ".join([*kind, "Thank you."] if intensity >= 2 else kind)
        case TransformType.CLARIFY:
            plain = re.sub(r"\b(?:maybe|kind of|sort of|just|really|basically|I think|I guess),?\s", "", text)
            return re.sub(r";\s*(\w)", lambda m: f". {m.group(1).upper()}", plain)
        case TransformType.STRUCTURE:
            return "\n".join(f"- {s}" for s in sentences)
        case TransformType.SUMMARIZE:
            telling = [s for i, s in enumerate(sentences) if i == 0 or facts.extract(s)]
            return " ".join(telling)
        case TransformType.TERMINOLOGY:
            return re.sub(r"\b([A-Z]{2,5})\b(?!-\d)", r"\1 (a technical term)", text)
        case TransformType.REQUIREMENTS:
            return f"Needed: {text}\nOpen: who does it, and by when it must be done."
        case TransformType.BACKGROUND:
            return f"The reason for this message: {text}"


def score(cases: Sequence[Case], rewrites: Sequence[str]) -> list[Scores]:
    """The scores of each case's rewrite."""
    meanings = scoring.meaning([case.text for case in cases], list(rewrites))
    scores = []
    for case, rewrite, meaning in zip(cases, rewrites, meanings, strict=True):
        facts_kept = scoring.facts_kept(case.text, rewrite, case.must_keep)
        tone_moved = scoring.tone_moved(case.text, rewrite, case.transform_type, case.intensity)
        chatter = scoring.chatter(case.text, rewrite)
        repetition = scoring.repetition(rewrite)
        scores.append(
            Scores(
                facts_kept=facts_kept,
                meaning=meaning,
                tone_moved=tone_moved,
                move=scoring.move(case.text, rewrite, case.transform_type),
                chatter=chatter,
                refusal=scoring.refusal(case.text, rewrite),
                repetition=repetition,
                length_ratio=scoring.length_ratio(case.text, rewrite),
                copy_rate=scoring.copy_rate(case.text, rewrite),
                composite=scoring.composite(facts_kept, meaning, tone_moved, chatter, repetition),
            )
        )
    return scores


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """The mean of independent values with its 95 % percentile-bootstrap interval (2,000 resamples)."""
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if np.ptp(sample) == 0:  # also a single value: there is nothing to resample
        return Estimate(mean=mean, low=mean, high=mean)
    interval = bootstrap(
        (sample,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(mean=mean, low=float(interval.low), high=float(interval.high))


def difference(a: Sequence[Scores], b: Sequence[Scores], name: str, seed: int = 0) -> Estimate:
    """The mean of a score in `a` minus that in `b`, paired case by case."""
    return estimate([getattr(x, name) - getattr(y, name) for x, y in zip(a, b, strict=True)], seed)


def win_rate(
    challenger: Sequence[Scores], champion: Sequence[Scores], tie: float = 0.02, seed: int = 0
) -> Estimate:
    """The share of cases in which the challenger's composite is higher; one within `tie` counts as half a
    win.
    """
    gains = [x.composite - y.composite for x, y in zip(challenger, champion, strict=True)]
    return estimate([0.5 if abs(gain) <= tie else float(gain > 0) for gain in gains], seed)


def gate(
    challenger: Sequence[Scores],
    champion: Sequence[Scores] | None,
    baselines: Mapping[str, Sequence[Scores]],
    config: EvaluateConfig,
) -> Verdict:
    """Refuse a challenger that loses what the champion keeps, does not do the task, or is worse beyond noise.

    All comparisons are paired on the same cases, with 95 % bootstrap intervals. Keeping is a test of
    non-inferiority: the unfavourable end of the interval must lie within the stated margin. Without a
    champion (the very first version is compared with the base instead) only the baselines are asked.
    """
    reasons = []
    tone = difference(challenger, baselines["copy_input"], "tone_moved", config.seed)
    if tone.low <= 0:
        reasons.append(
            f"it does not move tone more than a copy of the input does: {tone}; the lower end must be above 0"
        )
    if champion is not None:
        for name, word, margin in (
            ("facts_kept", "facts", config.max_facts_loss),
            ("meaning", "meaning", config.max_meaning_loss),
        ):
            kept = difference(challenger, champion, name, config.seed)
            if kept.low < -margin:
                reasons.append(
                    f"it may lose too much {word} against the champion: {name} changes by {kept}; "
                    f"the lower end must be at least {-margin:.3f}"
                )
        talk = difference(challenger, champion, "chatter", config.seed)
        if talk.high > config.max_chatter_rise:
            reasons.append(
                f"it may chatter more than the champion: the share of chatter changes by {talk}; "
                f"the upper end must be at most {config.max_chatter_rise:.3f}"
            )
        worth = difference(challenger, champion, "composite", config.seed)
        if worth.high < 0:
            reasons.append(f"it is worse than the champion beyond noise: the composite changes by {worth}")
    return Verdict(accepted=not reasons, reasons=tuple(reasons))


def by_group(
    cases: Sequence[Case], scores: Sequence[Scores], name: str, group: Callable[[Case], str], seed: int
) -> dict[str, Estimate]:
    """A score's estimate in each group of cases, in the groups' order of name."""
    return {
        key: estimate([getattr(s, name) for c, s in zip(cases, scores, strict=True) if group(c) == key], seed)
        for key in sorted({group(case) for case in cases})
    }


def main(config: EvaluateConfig) -> Evaluation:
    """Rewrite, score, compare and judge; write `metrics.json`, `outputs.jsonl` and `scores.png` to the out
    folder.
    """
    cases = test_cases(config.test_folder, config.most_cases)
    rewrites = {"challenger": rewrite(config.version, cases, config.max_new_tokens)}
    if config.champion is not None:
        rewrites["champion"] = rewrite(config.champion, cases, config.max_new_tokens)
    rewrites["copy_input"] = [case.text for case in cases]
    rewrites["rules"] = [rewrite_by_rules(c.text, c.transform_type, c.intensity) for c in cases]
    rewrites["reference"] = [case.reference for case in cases]

    scores = {name: score(cases, texts) for name, texts in rewrites.items()}
    baselines = {name: scores[name] for name in ("copy_input", "rules")}
    champion = scores.get("champion")
    evaluation = Evaluation(
        cases=len(cases),
        systems={
            name: {f: estimate([getattr(s, f) for s in rows], config.seed) for f in Scores.model_fields}
            for name, rows in scores.items()
        },
        tone_moved_by_type={
            name: by_group(cases, rows, "tone_moved", lambda c: c.transform_type.value, config.seed)
            for name, rows in scores.items()
        },
        move_by_intensity={
            name: by_group(cases, rows, "move", lambda c: str(c.intensity), config.seed)
            for name, rows in scores.items()
        },
        win_rate=win_rate(scores["challenger"], champion, seed=config.seed) if champion else None,
        verdict=gate(scores["challenger"], champion, baselines, config),
    )
    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / "metrics.json").write_text(evaluation.model_dump_json(indent=1), encoding="utf-8")
    with (config.out / "outputs.jsonl").open("w", encoding="utf-8") as file:
        for i, case in enumerate(cases):
            said = {name: {"text": rewrites[name][i], **scores[name][i].model_dump()} for name in rewrites}
            file.write(
                json.dumps({**case.model_dump(mode="json"), "rewrites": said}, ensure_ascii=False) + "\n"
            )
    plot(evaluation, config.out / "scores.png")
    return evaluation


def plot(evaluation: Evaluation, file: Path) -> None:
    """Draw the main scores by system, and tone by transform type, with their intervals."""
    from matplotlib.figure import Figure

    shown = ("facts_kept", "meaning", "tone_moved", "chatter", "composite")
    panels = {
        "scores": {name: {f: row[f] for f in shown} for name, row in evaluation.systems.items()},
        "tone moved by type": evaluation.tone_moved_by_type,
        "move by intensity": evaluation.move_by_intensity,
    }
    figure = Figure(figsize=(18, 4.5), layout="constrained")
    for axes, (title, systems) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        width = 0.8 / len(systems)
        for i, (name, row) in enumerate(systems.items()):
            means = np.array([e.mean for e in row.values()])
            ends = np.array([[e.low, e.high] for e in row.values()]).T  # (2, groups)
            axes.bar(
                np.arange(len(row)) + i * width,
                means,
                width,
                label=name,
                yerr=np.abs(ends - means),
                capsize=2,
            )
        axes.set(title=title, xticks=np.arange(len(row)) + 0.4 - width / 2)
        axes.set_xticklabels(list(row), rotation=20)
        axes.legend(fontsize=7)
    figure.savefig(file, dpi=110)


def table(evaluation: Evaluation) -> str:
    """The main scores by system, as lines for a terminal."""
    shown = ("facts_kept", "meaning", "tone_moved", "chatter", "repetition", "length_ratio", "composite")
    lines = [" " * 12 + "".join(f"{name:>14}" for name in shown)]
    for system, row in evaluation.systems.items():
        lines.append(f"{system:12}" + "".join(f"{row[name].mean:14.3f}" for name in shown))
    if evaluation.win_rate:
        lines.append(f"win rate of the challenger against the champion: {evaluation.win_rate}")
    verdict = evaluation.verdict
    lines.append("accepted" if verdict.accepted else "refused: " + "; ".join(verdict.reasons))
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(main(configs.from_command_line(EvaluateConfig, sys.argv[1:]))))

"""An audit of the judges: which there are, who asks them, what they are worth, and what they may be used for.

A judge gives a rewrite a number, higher for better. `score` asks those that need no endpoint, and a reward
model and an LLM where there is one. `models.validity`, `models.calibration`, `models.length_bias` and
`models.probes` measure the scores; `conclude` says what follows. notebooks/04_reward.py is the audit.
"""

import ast
import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from scipy.special import expit
from scipy.stats import multivariate_normal, norm

from data.corpus import ReadRewrite
from data.records import Demonstration, PreferencePair
from models import calibration, fidelity, judge, reward, scoreboard, scoring, tone
from models.calibration import Calibration
from models.length_bias import LengthEffect
from models.probes import Fooled, Rewritten
from models.reward import RewardModel
from models.validity import (
    LEAST_AUC,
    LEAST_EACH,
    LEAST_LABELS,
    Validity,
    are_enough,
    labels_of,
    validate,
)

ROOT = Path(__file__).parent.parent
_ROOMS = ("models", "pipelines", "experiments", "serving", "simulation")
_PROBABILITIES = ("composite", "tone", "fidelity")  # the others say only which rewrite is better
_HALF_WIDTH = 0.05  # of an AUC's interval that is narrow enough


class Judge(NamedTuple):
    """A judge: its name, the functions by which others ask it, and the names of what it sees of a rewrite."""

    name: str
    functions: tuple[Callable[..., Any], ...]
    sees: tuple[str, ...]


class Use(NamedTuple):
    """A function that uses a judge, with the first sentence of its docstring."""

    judge: str
    sees: str
    used_in: str
    what_for: str


def _of(name: str, function: Callable[..., Any]) -> Judge:
    return Judge(name, (function,), tuple(inspect.signature(function).parameters))


JUDGES: tuple[Judge, ...] = (
    _of("composite", scoreboard.judge),
    _of("check", scoreboard.check),
    _of("tone", tone.tone_moved),
    _of("fidelity", fidelity.score),
    Judge(
        "reward",
        (reward.preferred, reward.load),
        tuple(field for field in Demonstration.model_fields if field != "split"),
    ),
    Judge("llm", (judge.prefer, judge.make_questions), judge.Pair._fields),
)


def list_uses(root: Path = ROOT) -> list[Use]:
    """Who uses each judge, from the sources of the rooms in `root`: a row for each function that names it.

    Without a docstring of the function, the sentence is that of its module. The audit itself is left out.
    """
    sources = {
        ".".join(file.relative_to(root).with_suffix("").parts): file.read_text(encoding="utf-8")
        for room in _ROOMS
        for file in sorted((root / room).rglob("*.py"))
    }
    uses: list[Use] = []
    for asked in JUDGES:
        homes = {function.__module__.rpartition(".")[2] for function in asked.functions}
        for module, text in sources.items():
            if module == __name__ or not any(home in f"{module} {text}" for home in homes):
                continue  # parsing is slow
            tree = ast.parse(text)
            for user in _list_users(tree, module, asked.functions):
                doc = ast.get_docstring(user) or ast.get_docstring(tree) or ""
                sentence = " ".join(doc.split()).partition(". ")[0].rstrip(".")
                uses.append(Use(asked.name, ", ".join(asked.sees), f"{module}.{user.name}", sentence))
    return uses


def _list_users(
    tree: ast.Module, module: str, functions: Sequence[Callable[..., Any]]
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions and methods of a module that name one of the functions, of its own or imported."""
    attributes, names = set(), set()  # ("scoreboard", "judge"), and "judge"
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for home, name in ((function.__module__, function.__name__) for function in functions):
        room, _, stem = home.rpartition(".")
        names |= {name} if module == home else set()
        for statement in imports:
            for alias in statement.names:
                if (statement.module, alias.name) == (room, stem):
                    attributes.add((alias.asname or stem, name))
                if (statement.module, alias.name) == (home, name):
                    names.add(alias.asname or name)
    if not attributes | names:
        return
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            (isinstance(inner, ast.Name) and inner.id in names)
            or (
                isinstance(inner, ast.Attribute)
                and isinstance(inner.value, ast.Name)
                and (inner.value.id, inner.attr) in attributes
            )
            for inner in ast.walk(node)
        ):
            yield node


def score(
    rows: Sequence[Rewritten], reward_model: RewardModel | None = None, llm: str | None = None
) -> dict[str, list[float]]:
    """By judge, its score of each rewrite. Equal rewrites of a request are scored once.

    The composite, the check, tone and fidelity are in [0, 1]. The reward is that of `reward.score`, as GRPO
    uses it. `llm` names a model at OPENAI_BASE_URL, which is asked whether it prefers the rewrite to the
    message: 1, 0, or 0.5; that costs two questions a rewrite. Errors as `judge.prefer` raises them.
    """
    places: dict[tuple[Any, ...], int] = {}
    own = [
        places.setdefault((row.text, row.transform_type, row.intensity, row.rewrite), len(places))
        for row in rows
    ]
    different = [
        Demonstration(text=text, transform_type=kind, intensity=intensity, rewrite=rewrite)
        for text, kind, intensity, rewrite in places
    ]
    # The reward model and the encoder compute at the same time: torch needs no lock of the interpreter.
    with ThreadPoolExecutor(1) as pool:
        rewards = pool.submit(reward_model.score, different) if reward_model else None
        scores = _score_by_rules(different)
        if rewards:
            scores["reward"] = rewards.result()
    if llm:
        pairs = [
            judge.Pair(row.text, row.transform_type, row.intensity, row.rewrite, row.text)
            for row in different
        ]
        scores[llm] = [preference.share for preference in judge.prefer(llm, pairs)]
    return {name: [values[place] for place in own] for name, values in scores.items()}


def _score_by_rules(rows: Sequence[Demonstration]) -> dict[str, list[float]]:
    meanings = scoring.meaning([row.text for row in rows], [row.rewrite for row in rows]) if rows else []
    requests = [(row.text, row.rewrite, row.transform_type, row.intensity) for row in rows]
    scores: dict[str, list[float]] = {"composite": [], "check": [], "tone": [], "fidelity": []}
    for request, meaning in zip(requests, meanings, strict=True):
        scores["check"].append(scoreboard.check(*request, meaning))
        scores["tone"].append(tone.tone_moved(*request, meaning))
        scores["fidelity"].append(fidelity.score(*request))
        parts = (scores[name][-1] for name in ("check", "tone", "fidelity"))
        scores["composite"].append(math.prod(parts))  # as scoreboard.judge, which would compute them again
    return scores


def prefer(
    pairs: Sequence[PreferencePair], reward_model: RewardModel | None = None, llm: str | None = None
) -> dict[str, list[float]]:
    """By judge, its preference for the chosen rewrite of each pair, in [0, 1].

    That of the reward model is a probability. The others choose the higher score: 1, 0, or 0.5 for equal
    ones.
    """
    sides = [
        Demonstration(
            text=pair.text, transform_type=pair.transform_type, intensity=pair.intensity, rewrite=rewrite
        )
        for pair in pairs
        for rewrite in (pair.chosen, pair.rejected)
    ]
    preferences = {
        name: [
            float(expit(chosen - rejected))
            if name == "reward"
            else (chosen > rejected) + (chosen == rejected) / 2
            for chosen, rejected in zip(values[::2], values[1::2], strict=True)
        ]
        for name, values in score(sides, reward_model).items()
    }
    if llm:
        questions = [
            judge.Pair(pair.text, pair.transform_type, pair.intensity, pair.chosen, pair.rejected)
            for pair in pairs
        ]
        preferences[llm] = [preference.share for preference in judge.prefer(llm, questions)]
    return preferences


def name_policies(rows: Sequence[ReadRewrite]) -> dict[str, str]:
    """The digest of each policy that readers' labels know, and the first system with it; in their order."""
    names: dict[str, str] = {}
    for row in rows:
        if row.policy:
            names.setdefault(row.policy, row.system)
    return names


def choose_rows(
    rows: Sequence[ReadRewrite], current: str, most_policies: int | None = None
) -> list[ReadRewrite]:
    """The labels that an audit scores: the usable and wrong ones of the policies that have enough of them,
    and all of the system `current`, since calibration needs the timid ones, too.

    `most_policies` are those that were read last; None for all. Raises ValueError when `current` has no label
    with a policy's digest.
    """
    policies = name_policies(rows)
    if current not in policies.values():
        raise ValueError(
            f"no label names a policy of {current!r}: have its rewrites read (models/reading.py), or name one"
            f" of {', '.join(policies.values())}"
        )
    enough = [digest for digest in policies if are_enough(labels_of(rows, digest))]
    newest = enough if most_policies is None else enough[len(enough) - most_policies :]
    return [
        row
        for row in rows
        if row.policy
        and (row.system == current or (row.policy in newest and row.label in ("usable", "wrong")))
    ]


def validate_all(
    rows: Sequence[ReadRewrite],
    scores: Mapping[str, Sequence[float]],
    learned_from: Mapping[str, Collection[str]] | None = None,
) -> list[Validity]:
    """The validity of each judge for each policy in the labels.

    `learned_from` has the messages that a judge has learned from: their labels are not fresh for it, and do
    not count.
    """
    results: list[Validity] = []
    for digest, system in name_policies(rows).items():
        for name, values in scores.items():
            known = (learned_from or {}).get(name, ())
            fresh = [
                (row, value)
                for row, value in zip(rows, values, strict=True)
                if row.policy == digest and row.text not in known
            ]
            results.append(validate(name, system, [row for row, _ in fresh], [value for _, value in fresh]))
    return results


def count_labels(auc: float, usable_share: float, half_width: float = _HALF_WIDTH) -> int:
    """How many usable and wrong labels together give an AUC a 95 % interval of at most this half width.

    `usable_share` is the share of the usable ones. The scores are taken as normal with one variance, as those
    of the error rates in docs/training.md. It is at least what `models.validity` asks for. Source: Hanley and
    McNeil (1982), The meaning and use of the area under a receiver operating characteristic curve, equation
    1. Raises ValueError when one of the arguments is not between 0 and 1.
    """
    if not (0 < auc < 1 and 0 < usable_share < 1 and 0 < half_width < 1):
        raise ValueError(f"auc={auc}, usable_share={usable_share}, half_width={half_width}: each in (0, 1)")
    # The probability that two usable rewrites rank above a wrong one, or one above two wrong ones: equal in
    # this model, where the two differences have a correlation of a half.
    both = float(multivariate_normal.cdf([norm.ppf(auc)] * 2, cov=[[1, 0.5], [0.5, 1]]))

    def measure_half_width(number: int) -> float:
        usable = number * usable_share
        wrong = number - usable
        variance = (auc * (1 - auc) + (number - 2) * (both - auc**2)) / (usable * wrong)
        return float(norm.ppf(0.975)) * math.sqrt(variance)

    least = math.ceil(max(LEAST_LABELS, LEAST_EACH / min(usable_share, 1 - usable_share)))
    low, high = least, least
    while measure_half_width(high) > half_width:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if measure_half_width(middle) <= half_width else (middle + 1, high)
    return high


def calibrate(
    rows: Sequence[ReadRewrite], scores: Mapping[str, Sequence[float]], current: str
) -> dict[str, Calibration]:
    """The calibration of each judge that names a probability, as one that a reader calls a rewrite usable.

    It is measured on all labels of the system `current`, the timid ones included. Errors as in
    `calibration.measure`.
    """
    places = [place for place, row in enumerate(rows) if row.system == current]
    usable = [rows[place].label == "usable" for place in places]
    return {
        name: calibration.measure([scores[name][place] for place in places], usable)
        for name in _PROBABILITIES
        if name in scores
    }


class Verdict(NamedTuple):
    """What the measurements say about a judge: each field but the first has a sentence or more."""

    judge: str
    use: str
    probability: str
    length: str
    probes: str
    beside_votes: str
    next_step: str


def conclude(
    validities: Sequence[Validity],
    calibrations: Mapping[str, Calibration],
    effects: Sequence[LengthEffect],
    fooled: Sequence[Fooled],
    preferences: Mapping[str, Sequence[float]],
    read: Sequence[ReadRewrite],
) -> list[Verdict]:
    """What each judge may be used for, by its measurements; `validities` are of one policy.

    `read` are all labels of the policy. Of them, the share that is usable or wrong says how many more have to
    be read: readers cannot know beforehand which rewrites will be timid or broken. Raises ValueError without
    a usable or wrong one.
    """
    share = sum(row.label in ("usable", "wrong") for row in read) / max(1, len(read))
    if not share:
        raise ValueError("no label is usable or wrong, so nothing follows: have rewrites read")
    return [
        Verdict(
            judge=validity.judge,
            use=str(validity.refusal or f"It may train, choose and gate rewrites of {validity.policy}."),
            probability=_judge_probability(calibrations.get(validity.judge)),
            length=_judge_length([effect for effect in effects if effect.judge == validity.judge]),
            probes=_judge_probes([kind for kind in fooled if kind.judge == validity.judge]),
            beside_votes=_judge_agreement(preferences.get(validity.judge)),
            next_step=_plan_labels(validity, share),
        )
        for validity in validities
    ]


def _judge_probability(calibrated: Calibration | None) -> str:
    if calibrated is None:
        return "Not measured."
    if not calibrated.is_informative:
        return "Do not read its number as a probability: one constant for all cases errs less."
    if not calibrated.is_calibrated:
        return "Its number orders cases, and as a probability it is off beyond chance: use the order only."
    return "Its number may be read as a probability."


def _judge_length(effects: Sequence[LengthEffect]) -> str:
    if not effects:
        return "Not measured."
    units = {"words": "words", "ratio": "words for each word of the message"}
    biases = [
        f"with more {units[effect.length]} it scores {'higher' if effect.partial.mean > 0 else 'lower'}"
        f" (rank correlation {effect.partial.mean:+.2f})"
        for effect in effects
        if effect.is_biased
    ]
    if not biases:
        return "Between rewrites with the same label and transform type, its score does not depend on length."
    return f"Between rewrites with the same label and transform type, {', and '.join(biases)}."


def _judge_probes(fooled: Sequence[Fooled]) -> str:
    if not fooled:
        return "Not measured."
    passing = [f"{kind.kind} ({kind.not_lower.mean:.0%})" for kind in fooled if kind.is_fooled]
    if not passing:
        return "No kind of probe passes for a usable rewrite beyond chance."
    return (
        f"These pass for usable rewrites, so a policy that learns from it learns them: {', '.join(passing)}."
    )


def _judge_agreement(preferences: Sequence[float] | None) -> str:
    if not preferences:
        return "Not measured."
    # An undecided pair counts as half.
    agreement = scoreboard.estimate([(share > 0.5) + (share == 0.5) / 2 for share in preferences])
    shares = f"{agreement.mean:.0%} of people's choices ({agreement.low:.0%} to {agreement.high:.0%})"
    if agreement.low > 0.5:
        return f"It makes {shares}: as a surrogate, which votes correct, it can save votes."
    return f"It makes {shares}, which may be chance: as a surrogate it saves no votes."


def _plan_labels(validity: Validity, read_share: float) -> str:
    auc, labels = validity.auc, validity.usable + validity.wrong
    if auc is None:
        return (
            f"Have rewrites of {validity.policy} read until {LEAST_LABELS} are usable or wrong, and"
            f" {LEAST_EACH} of each; now there are {validity.usable} and {validity.wrong}."
        )
    if auc.high < LEAST_AUC:
        return (
            f"More labels will not help: the interval ends at {auc.high:.2f}, below {LEAST_AUC}. Mend or"
            " replace the judge, and measure it again."
        )
    needed = count_labels(min(max(auc.mean, 0.01), 0.99), validity.usable / labels)
    if needed <= labels:
        return f"The {labels} labels suffice for an interval of +/- {_HALF_WIDTH}."
    more = math.ceil((needed - labels) / read_share)
    return (
        f"An interval of +/- {_HALF_WIDTH} takes {needed} labels that are usable or wrong, and there are"
        f" {labels}: have about {more} more rewrites read."
    )


def write_verdicts(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as Markdown: a list for each judge."""
    lists = []
    for verdict in verdicts:
        sentences = {name: text for name, text in verdict._asdict().items() if name != "judge"}
        lines = [f"- *{name.replace('_', ' ')}*: {text}" for name, text in sentences.items()]
        lists.append("\n".join([f"**{verdict.judge}**", "", *lines]))
    return "\n\n".join(lists)

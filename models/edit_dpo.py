"""Trains the tagger of the edit writer on people's feedback: direct preference optimisation of its decisions.

    python -m models.edit_dpo configs/edit_dpo.yaml snapshots=[artifacts/snapshots/3]

A rewrite y is a sequence of decisions on edits (`models.edit_votes`). So log p(y) is the sum of log sigma(z)
over the accepted edits and of log sigma(-z) over the refused ones, with the tagger's logits z. With
r(y) = log p(y) - log p_start(y), the loss of a comparison is -log sigma(beta (r(chosen) - r(rejected)))
(Rafailov et al. 2023, equation 7). A thumb or a rating is about one rewrite: its loss is
-log sigma(beta r(y)) when it is good, and -log sigma(-beta r(y)) when it is bad (as in KTO, Ethayarajh et
al. 2024, with a reference point of 0). The edits that a person's correction has, or has not, are labels.

What is learned is an offset of the logits for a kind of edit: a rule, or what the other rules of a transform
type have in common. Most kinds are only noise in hundreds of votes, so first each kind is tested: of the
comparisons in which one rewrite has more of its edits, was that one chosen more or less often than by a coin
(exact binomial test, false discovery rate of Benjamini and Hochberg, half of `level` for rules and half for
transform types)? Only kinds that pass get an offset, at the maximum of the posterior with a normal prior
around 0. So votes without any preference make a version in at most `level` of the trainings (docs/edits.md).

The start is the tagger that comes with the software, which has learned from nobody's messages. So what a
challenger has learned comes from the snapshots of this run only, and an erasure reaches it. A run takes
seconds, so it has no checkpoints.
"""

import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binomtest, false_discovery_control
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import logsigmoid

import configs
from data.reasons import ReasonedError, reason
from data.records import Demonstration, Label, PreferencePair
from models import curation, edit_votes, examples, tagger, training
from models.edit_votes import Ballot, Decisions
from models.edits import tagging
from models.health import faults
from models.results import StoredReasons
from models.tagger import Example
from models.training import History

_BATCH = 16  # messages that the encoder reads together


class EditDpoConfig(configs.StageConfig):
    """The start, the feedback, and the settings of the run."""

    tagger: Annotated[Path, Field(description="the start and the reference, see models.tagger")] = Path(
        "champion"
    )
    snapshots: tuple[Path, ...] = ()
    out: Path = Path("artifacts/edit_dpo")
    level: Annotated[float, Field(gt=0, lt=1, description="false discoveries among kinds of edits")] = 0.05
    beta: Annotated[float, Field(gt=0, description="of DPO")] = 0.3
    rating_weight: Annotated[float, Field(ge=0, description="of a thumb, against a comparison")] = 0.3
    prior_sd: Annotated[float, Field(gt=0, description="of an offset, in nats")] = 2.0
    most_steps: Annotated[int, Field(ge=1, description="of L-BFGS")] = 60


class Kind(BaseModel):
    """A kind of edit that people prefer or reject: a rule, or a transform type for its other rules.

    Of the comparisons in which one rewrite has more of these edits, it was `chosen` or `rejected`. `offset`
    is what their logits gain or lose, in nats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    chosen: int
    rejected: int
    offset: float = 0.0


class EditDpoResult(BaseModel):
    """The figures of a run.

    `feedback` has the number of pieces of feedback by split, `skipped` the number of those that say nothing
    about edits. Losses are means over the held-out feedback, in nats, before and after; `accuracy` is the
    share of held-out comparisons with a positive margin, None without any. `kinds` are those that the votes
    tell from chance. `unhealthy` says why no version may be made of the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    out: Path
    feedback: dict[str, int]
    skipped: int
    start_loss: float
    held_out_loss: float
    accuracy: float | None
    kinds: tuple[Kind, ...]
    unhealthy: StoredReasons = ()
    seconds: float
    history: History


class NothingToLearnError(ReasonedError, ValueError):
    """The snapshots have too little feedback about edits."""


class Offsets(nn.Module):
    """The learned parameters: an offset for each kind, (kinds,), and so for each rule."""

    def __init__(self, rules: Sequence[str], kinds: Sequence[Kind]) -> None:
        super().__init__()
        names = [kind.name for kind in kinds]
        # A rule of its own comes before its transform type; the last place is for what is not learned.
        places = [
            next((names.index(name) for name in (rule, _family(rule)) if name in names), len(names))
            for rule in rules
        ]
        self._places = torch.tensor(places)
        self.values = nn.Parameter(torch.zeros(len(kinds)))

    def of_rules(self) -> torch.Tensor:
        """The offset of each rule, (rules,)."""
        return torch.cat([self.values, torch.zeros(1)])[self._places]


def _family(rule: str) -> str:
    return rule.partition(".")[0]


@dataclass(frozen=True)
class Votes:
    """Pieces of feedback, with the decisions of each ballot in this order: those of the preferred rewrite, of
    the other rewrite and of the correction. `logits` are those of the start, `rules` are indices, and
    `signs` are 1 where an edit was accepted and else -1, (decisions,) each.
    """

    ballots: list[Ballot]
    logits: torch.Tensor
    rules: torch.Tensor
    signs: torch.Tensor


def main(config: EditDpoConfig) -> EditDpoResult:
    """Train, and write the adapter, the heads, `rules.json`, curves and `metrics.json` to `config.out`.

    Raises NothingToLearnError when no feedback for training, or none that is held out, says anything about
    edits.
    """
    started = time.monotonic()
    model, rules = tagger.load(config.tagger)
    model.eval()
    tokenizer = tagging.load_tokenizer(curation.encoder_folder())
    ballots, skipped = edit_votes.ballots(
        examples.read_snapshots(config.snapshots, PreferencePair),
        examples.read_snapshots(config.snapshots, Label),
        examples.read_snapshots(config.snapshots, Demonstration),
    )
    decided = [kept for ballot in ballots if (kept := _decided_by_tagger(ballot, rules, tokenizer))]
    skipped += len(ballots) - len(decided)
    train = [ballot for ballot in decided if ballot.split == "train"]
    held_out = [ballot for ballot in decided if ballot.split == "validation"]
    if not train or not held_out:
        raise NothingToLearnError("votes_missing", train=len(train), held_out=len(held_out), skipped=skipped)
    train_votes, held_out_votes = (read_votes(model, tokenizer, rules, part) for part in (train, held_out))
    kinds = find_kinds(rules, train, config.level)
    offsets, history = fit_offsets(rules, kinds, train_votes, config)
    start_loss, _ = _evaluate(Offsets(rules, ()), held_out_votes, config)
    held_out_loss, accuracy = _evaluate(offsets, held_out_votes, config)
    unhealthy = faults(history, {})
    if not kinds:
        comparisons = sum(ballot.is_comparison for ballot in train)
        unhealthy = (reason("votes_not_learned", comparisons=comparisons),)
    model.rule_bias.data += offsets.of_rules().detach()
    result = EditDpoResult(
        out=config.out,
        feedback={"train": len(train), "validation": len(held_out)},
        skipped=skipped,
        start_loss=start_loss,
        held_out_loss=held_out_loss,
        accuracy=accuracy,
        kinds=tuple(
            kind.model_copy(update={"offset": round(value, 3)})
            for kind, value in zip(kinds, offsets.values.tolist(), strict=True)
        ),
        unhealthy=unhealthy,
        seconds=time.monotonic() - started,
        history=history,
    )
    partial = config.out.with_name(config.out.name + ".partial")
    tagger.save(model, rules, partial)
    training.plot_curves(result.history, {"loss of the training votes": ("loss",)}, partial / "health.png")
    training.write_figures(result, partial)
    shutil.rmtree(config.out, ignore_errors=True)
    partial.replace(config.out)
    return result


def find_kinds(rules: Sequence[str], ballots: Iterable[Ballot], level: float) -> list[Kind]:
    """The kinds of edits that people choose more or less often than by chance, of rules and then of transform
    types; see the module.
    """
    compared = [ballot for ballot in ballots if ballot.is_comparison]
    own = _tell_from_chance(compared, {rule: {rule} for rule in rules}, level / 2)
    known = {kind.name for kind in own}
    families = {
        family: {rule for rule in rules if _family(rule) == family and rule not in known}
        for family in sorted({_family(rule) for rule in rules})
    }
    return own + _tell_from_chance(compared, families, level / 2)


def _tell_from_chance(
    compared: Sequence[Ballot], members: Mapping[str, Set[str]], level: float
) -> list[Kind]:
    """The kinds whose comparisons a coin would hardly give; `members` has the rules of each."""
    kinds, p_values = [], []
    for name, rules in members.items():
        leads = [ballot.lead(rules) for ballot in compared]
        kind = Kind(name=name, chosen=sum(x > 0 for x in leads), rejected=sum(x < 0 for x in leads))
        number = kind.chosen + kind.rejected
        # The smallest p-value of so few comparisons; it does not depend on what was chosen.
        if 2 * 0.5**number <= level:
            kinds.append(kind)
            p_values.append(binomtest(kind.chosen, number).pvalue)
    if not kinds:
        return []
    adjusted = false_discovery_control(p_values)
    return [kind for kind, p_value in zip(kinds, adjusted, strict=True) if p_value <= level]


def fit_offsets(
    rules: Sequence[str], kinds: Sequence[Kind], votes: Votes, config: EditDpoConfig
) -> tuple[Offsets, History]:
    """The offsets of kinds at the maximum of the posterior, by L-BFGS, and the loss at each step."""
    offsets = Offsets(rules, kinds)
    if not kinds:
        return offsets, ()
    optimizer = torch.optim.LBFGS(offsets.parameters(), max_iter=1, line_search_fn="strong_wolfe")

    def posterior() -> torch.Tensor:
        """Minus the logarithm of the posterior, up to a constant, in nats."""
        optimizer.zero_grad()
        losses, _ = _losses(offsets, votes, config)
        loss = losses.sum() + offsets.values.square().sum() / (2 * config.prior_sd**2)
        loss.backward()
        return loss

    history: list[dict[str, float]] = []
    for step in range(1, config.most_steps + 1):
        loss = optimizer.step(posterior).item() / len(votes.ballots)
        history.append({"step": float(step), "loss": loss})
        if step > 1 and abs(loss - history[-2]["loss"]) < 1e-6:
            break
    return offsets, tuple(history)


def _decided_by_tagger(ballot: Ballot, rules: Sequence[str], tokenizer: Tokenizer) -> Ballot | None:
    """A ballot with the decisions on rules that the tagger knows. None when these decisions say nothing, or
    when the tagger reads the message in several windows.
    """
    known = set(rules)

    def keep(decisions: Decisions) -> Decisions:
        return tuple((edit, accepted) for edit, accepted in decisions if edit.rule in known)

    kept = Ballot(
        ballot.message, ballot.split, keep(ballot.preferred), keep(ballot.other), keep(ballot.corrected)
    )
    says_nothing = kept.preferred == kept.other and not kept.corrected
    if says_nothing or len(tagging.tokenize(tokenizer, ballot.message).ids) > tagging.WINDOW_TOKENS:
        return None
    return kept


@torch.no_grad()
def read_votes(
    model: tagger.Model, tokenizer: Tokenizer, rules: Sequence[str], ballots: list[Ballot]
) -> Votes:
    """The decisions of ballots, with the logits of the start."""
    index = {rule: i for i, rule in enumerate(rules)}
    rows = [
        Example(
            ballot.message,
            ballot.split == "validation",
            edits=[
                (*edit.words, index[edit.rule], int(accepted))
                for decisions in (ballot.preferred, ballot.other, ballot.corrected)
                for edit, accepted in decisions
            ],
        )
        for ballot in ballots
    ]
    logits, indices, accepted = [], [], []
    for i in range(0, len(rows), _BATCH):
        batch = tagger.collate(tokenizer, rows[i : i + _BATCH])
        states = model.states(batch.ids, batch.mask).flatten(0, 1)  # (batch * tokens, width)
        logits.append(model.edit_logits(batch.edit_weights @ states, batch.edit_rules))
        indices.append(batch.edit_rules)
        accepted.append(batch.edit_labels)
    return Votes(ballots, torch.cat(logits), torch.cat(indices), 2 * torch.cat(accepted) - 1)


def _losses(offsets: Offsets, votes: Votes, config: EditDpoConfig) -> tuple[torch.Tensor, list[float]]:
    """The loss of each ballot, (ballots,), and the margins of the comparisons, in nats."""
    start = logsigmoid(votes.signs * votes.logits)  # log p_start of each decision, (decisions,)
    now = logsigmoid(votes.signs * (votes.logits + offsets.of_rules()[votes.rules]))
    ratios = now - start
    losses, margins, first = [], [], 0
    for ballot in votes.ballots:
        middle = first + len(ballot.preferred)
        last = middle + len(ballot.other) + len(ballot.corrected)
        if ballot.corrected:
            losses.append(-now[first:last].mean())
        else:
            margin = config.beta * (ratios[first:middle].sum() - ratios[middle:last].sum())
            losses.append(-logsigmoid(margin) * (1.0 if ballot.is_comparison else config.rating_weight))
            if ballot.is_comparison:
                margins.append(margin.item())
        first = last
    return torch.stack(losses), margins


@torch.no_grad()
def _evaluate(offsets: Offsets, votes: Votes, config: EditDpoConfig) -> tuple[float, float | None]:
    """The mean loss of the votes, and the share of comparisons with a positive margin."""
    losses, margins = _losses(offsets, votes, config)
    share = sum(margin > 0 for margin in margins) / len(margins) if margins else None
    return losses.mean().item(), share


if __name__ == "__main__":
    result = main(configs.from_command_line(EditDpoConfig, sys.argv[1:]))
    learned = ", ".join(f"{kind.name} {kind.offset:+.1f}" for kind in result.kinds) or "nothing"
    print(
        f"learned: {learned}; held-out loss {result.start_loss:.3f} -> {result.held_out_loss:.3f} on "
        f"{result.feedback['validation']} pieces of feedback, in {result.seconds:.0f} s; wrote {result.out}"
    )

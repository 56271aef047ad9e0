"""Trains the tagger of the edit writer: LoRA on MiniLM, with linear heads for parts and edits.

    python -m models.tagger configs/tagger.yaml

It learns from labels: what each part of a message does (`data/seed/roles/`), whether a proposed edit fits
its place (`data/seed/accepted/`), which words only hurt (`data/seed/stings/`), and which words a summary
loses (`data/seed/summaries/`). The loss is the sum of the cross-entropies of the heads, each a mean over its
places; stings have a mean of their own, so that they do not outweigh the other edits. The weights of the
epoch with the lowest held-out loss are kept. A run takes minutes, so it has no checkpoints.
"""

import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from ctranslate2.converters import TransformersConverter
from peft import LoraConfig, PeftModel, get_peft_model
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm
from transformers import AutoModel

import configs
from data import corpus
from models import curation, loading, shipped, training, version_file
from models.edits import tagging, writer
from models.edits.soften import stings

HEADS_FILE, RULES_FILE = "heads.safetensors", "rules.json"
_TARGETS = ["query", "key", "value", "dense"]
_INTENSITIES = {1: 0, 2: 3, 3: 1}  # of the first summary that loses a part, by the importance of the part


class TaggerConfig(configs.StageConfig):
    """The labels, and the settings of the run."""

    roles: Path = corpus.SEED / "roles"
    accepted: Annotated[Path | None, Field(description="labels of edits; none when unset")] = (
        corpus.SEED / "accepted"
    )
    edits: Path = Field(
        corpus.SEED / "edits", description="the messages that the labels of parts and edits are of"
    )
    stings: Annotated[Path | None, Field(description="messages with cuts that hurt; none when unset")] = (
        corpus.SEED / "stings"
    )
    summaries: Annotated[Path | None, Field(description="messages with cuts; none when unset")] = (
        corpus.SEED / "summaries"
    )
    out: Path = Path("artifacts/tagger")
    version: Annotated[Path | None, Field(description="the version folder to export; none when unset")] = None
    epochs: Annotated[int, Field(ge=1)] = 8
    batch_size: Annotated[int, Field(ge=1, description="messages")] = 16
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-4
    lora_rank: Annotated[int, Field(ge=1)] = 16
    held_out_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: int = 0


class TaggerResult(BaseModel):
    """Held-out figures of the kept epoch: shares of places that get the label's value, and the losses in
    nats; and how many labels there were. `derived_cuts` are parts whose importance served as the label of a
    cut.
    """

    model_config = ConfigDict(frozen=True)

    out: Path
    messages: int
    held_out: int
    parts: int
    edits: int
    stings: int
    cuts: int
    derived_cuts: int
    epoch: int
    held_out_losses: tuple[float, ...]
    role: float
    need: float
    cut: float
    edit: float | None
    edit_accepted: float | None
    sting: float | None
    sting_accepted: float | None
    seconds: float


@dataclass(frozen=True)
class Example:
    """A message with its labelled places.

    `parts` are (start, end, role, need), `edits` are (start, end, rule or -1, accepted), and so are `stings`,
    which are deletions of what may only hurt. `cuts` are (start, end, intensity of the first summary that
    loses them, or 0). So are `derived_cuts`, by the importance of parts, for a message without labelled cuts.
    """

    message: str
    held_out: bool
    parts: list[tuple[int, int, int, int]] = field(default_factory=list)
    edits: list[tuple[int, int, int, int]] = field(default_factory=list)
    stings: list[tuple[int, int, int, int]] = field(default_factory=list)
    cuts: list[tuple[int, int, int]] = field(default_factory=list)
    derived_cuts: list[tuple[int, int, int]] = field(default_factory=list)


class Model(nn.Module):
    """MiniLM and the heads. Places of a batch are given by their token weights, (places, batch * tokens)."""

    def __init__(self, encoder: Any, rules: int) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.hidden_size
        self.role = nn.Linear(width, len(tagging.ROLES))
        self.need = nn.Linear(width, len(tagging.NEEDS))
        self.cut = nn.Linear(width, tagging.CUTS)
        # An edit's logit is (w + w_rule) . state + b + b_rule: what all rules share, and what one rule adds.
        self.edit = nn.Linear(width, 1)
        self.rule_weight = nn.Parameter(torch.zeros(rules, width))
        self.rule_bias = nn.Parameter(torch.zeros(rules))

    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The token states of a batch, (batch, tokens, width)."""
        output: torch.Tensor = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return output

    def edit_logits(self, states: torch.Tensor, rules: torch.Tensor) -> torch.Tensor:
        """The logits of edits, (edits,), from the states of their places, (edits, width), and their rules,
        (edits,).
        """
        known = (rules >= 0).float()
        weight, bias = self.rule_weight[rules.clamp_min(0)], self.rule_bias[rules.clamp_min(0)]
        own = (weight * states).sum(-1) + bias
        shared: torch.Tensor = self.edit(states)[:, 0]
        return shared + known * own


def is_held_out(id: str, share: float) -> bool:
    """Whether a message is held out: by a hash of its id, so it stays so when the labels grow."""
    return blake2b(f"tagger\0{id}".encode(), digest_size=4).digest()[0] / 256 < share


def read_examples(
    config: TaggerConfig, rules: Sequence[str] | None = None
) -> tuple[list[Example], Sequence[str]]:
    """The labelled messages, and the names of the rules in their order: `rules`, or all that have labels."""
    labels: dict[str, list[corpus.LabelledMessage]] = defaultdict(list)
    for folder, kind in (
        (config.roles, corpus.LabelledParts),
        (config.accepted, corpus.LabelledEdits),
        (config.stings, corpus.LabelledStings),
        (config.summaries, corpus.LabelledSummary),
    ):
        for row in corpus.read_lines(folder, kind) if folder else []:
            labels[row.id].append(row)
    if rules is None:
        every = [row for rows in labels.values() for row in rows]
        named = {edit.rule for row in every if isinstance(row, corpus.LabelledEdits) for edit in row.edits}
        has_stings = any(isinstance(row, corpus.LabelledStings) for row in every)
        rules = sorted(named | set(stings.RULES.values() if has_stings else ()))
    index = {rule: i for i, rule in enumerate(rules)}
    texts = {original.id: original.text for original in corpus.read(config.edits)}
    examples = []
    for id, rows in sorted(labels.items()):
        text = next((row.text for row in rows if row.text), None) or texts[id]
        example = Example(text, is_held_out(id, config.held_out_share))
        for row in rows:
            match row:
                case corpus.LabelledParts():
                    example.parts.extend(
                        (part.start, part.end, tagging.ROLES.index(part.role), tagging.NEEDS.index(part.need))
                        for part in row.parts
                    )
                case corpus.LabelledEdits():
                    example.edits.extend(
                        (edit.start, edit.end, index.get(edit.rule, -1), int(edit.accepted))
                        for edit in row.edits
                    )
                case corpus.LabelledStings():
                    example.stings.extend(
                        (cut.start, cut.end, index.get(rule, -1), int(0 < cut.intensity <= level))
                        for cut in row.cuts
                        for level, rule in stings.RULES.items()
                    )
                case corpus.LabelledSummary():
                    example.cuts.extend((cut.start, cut.end, cut.intensity) for cut in row.cuts)
        if not example.cuts:
            example.derived_cuts.extend(
                (part.start, part.end, _INTENSITIES[part.importance])
                for row in rows
                if isinstance(row, corpus.LabelledParts)
                for part in row.parts
                if part.importance is not None
            )
        examples.append(example)
    return examples, rules


@dataclass(frozen=True)
class Batch:
    """Messages as tensors: ids and mask (batch, tokens), and the places of their labels.

    `part_weights` is (parts, batch * tokens): a row averages the tokens of a part. Labels are (parts, 2):
    role, need. `edit_weights`, `edit_rules` and `edit_labels` are the same for edits and stings, which
    `is_sting` tells apart, `cut_weights` and `cut_labels` for cuts.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    part_weights: torch.Tensor
    part_labels: torch.Tensor
    edit_weights: torch.Tensor
    edit_rules: torch.Tensor
    edit_labels: torch.Tensor
    is_sting: torch.Tensor
    cut_weights: torch.Tensor
    cut_labels: torch.Tensor


def collate(tokenizer: Any, examples: Sequence[Example]) -> Batch:
    """A batch of examples; of a message longer than a window only the first window is read."""
    tokens = [tagging.tokenize(tokenizer, example.message) for example in examples]
    windows = [tagging.split_windows(each)[0] for each in tokens]
    width = max(len(each.ids) for each in windows) + 2
    cls, sep, pad = (tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[PAD]"))
    ids = torch.full((len(examples), width), pad)
    mask = torch.zeros((len(examples), width), dtype=torch.long)
    rows = defaultdict[str, list[Any]](list)
    for i, (example, window) in enumerate(zip(examples, windows, strict=True)):
        length = len(window.ids) + 2
        ids[i, :length] = torch.tensor([cls, *window.ids, sep])
        mask[i, :length] = 1
        end = int(window.offsets[-1, 1])
        for start, stop, *labels in example.parts:
            if stop <= end:
                rows["parts"].append(_weights(window, i, width, start, stop, len(examples)))
                rows["part_labels"].append(labels)
        for places, is_sting in ((example.edits, False), (example.stings, True)):
            for start, stop, rule, label in places:
                if stop <= end:
                    rows["edits"].append(_weights(window, i, width, start, stop, len(examples)))
                    rows["rules"].append(rule)
                    rows["edit_labels"].append(label)
                    rows["is_sting"].append(is_sting)
        for start, stop, intensity in (*example.cuts, *example.derived_cuts):
            if stop <= end:
                rows["cuts"].append(_weights(window, i, width, start, stop, len(examples)))
                rows["cut_labels"].append(intensity)
    nowhere = torch.zeros(0, len(examples) * width)
    return Batch(
        ids,
        mask,
        torch.stack(rows["parts"]) if rows["parts"] else nowhere,
        torch.tensor(rows["part_labels"], dtype=torch.long).reshape(-1, 2),
        torch.stack(rows["edits"]) if rows["edits"] else nowhere,
        torch.tensor(rows["rules"], dtype=torch.long),
        torch.tensor(rows["edit_labels"], dtype=torch.float32),
        torch.tensor(rows["is_sting"], dtype=torch.bool),
        torch.stack(rows["cuts"]) if rows["cuts"] else nowhere,
        torch.tensor(rows["cut_labels"], dtype=torch.long),
    )


def _weights(tokens: tagging.Tokens, row: int, width: int, start: int, end: int, batch: int) -> torch.Tensor:
    """The weights that average the tokens of a place, (batch * width,)."""
    touched = tokens.at(start, end)
    weights = torch.zeros(batch * width)
    weights[row * width + 1 + torch.from_numpy(np.asarray(touched))] = 1 / len(touched)
    return weights


def losses(model: Model, batch: Batch) -> tuple[torch.Tensor, dict[str, tuple[int, int]]]:
    """The loss of a batch, and (right, all) places by head."""
    states = model.states(batch.ids, batch.mask).flatten(0, 1)  # (batch * tokens, width)
    loss, right = torch.zeros(()), {}
    if len(batch.part_labels):
        parts = batch.part_weights @ states  # (parts, width)
        for i, name in enumerate(("role", "need")):
            logits, labels = getattr(model, name)(parts), batch.part_labels[:, i]
            loss = loss + nn.functional.cross_entropy(logits, labels)
            right[name] = (int((logits.argmax(-1) == labels).sum()), len(labels))
    if len(batch.cut_labels):
        logits = model.cut(batch.cut_weights @ states)
        loss = loss + nn.functional.cross_entropy(logits, batch.cut_labels)
        right["cut"] = (int((logits.argmax(-1) == batch.cut_labels).sum()), len(logits))
    if len(batch.edit_labels):
        logits = model.edit_logits(batch.edit_weights @ states, batch.edit_rules)
        each = nn.functional.binary_cross_entropy_with_logits(logits, batch.edit_labels, reduction="none")
        for name, group in (("edit", ~batch.is_sting), ("sting", batch.is_sting)):
            if group.any():
                loss = loss + each[group].mean()
                accepted, labels = logits[group] > 0, batch.edit_labels[group]
                right[name] = (int((accepted == (labels > 0)).sum()), len(labels))
                right[f"{name}_accepted"] = (int(labels[accepted].sum()), int(accepted.sum()))
    return loss, right


def _evaluate(model: Model, batches: Sequence[Batch]) -> tuple[float, dict[str, float]]:
    """The mean held-out loss, and the share of right places by head."""
    model.eval()
    total, counts = 0.0, dict[str, list[int]]()
    with torch.inference_mode():
        for batch in batches:
            loss, right = losses(model, batch)
            total += float(loss)
            for name, (good, places) in right.items():
                count = counts.setdefault(name, [0, 0])
                count[0] += good
                count[1] += places
    model.train()
    return total / len(batches), {name: good / max(1, places) for name, (good, places) in counts.items()}


def main(config: TaggerConfig) -> TaggerResult:
    """Train, and write the adapter, the heads, `rules.json` and `metrics.json` to `config.out`.

    Raises ValueError when no message is held out or none is left to train on.
    """
    started = time.monotonic()
    examples, rules = read_examples(config)
    train = [example for example in examples if not example.held_out]
    held_out = [example for example in examples if example.held_out]
    if not train or not held_out:
        raise ValueError(
            f"of {len(examples)} labelled messages {len(held_out)} are held out: label more messages, or "
            "change held_out_share"
        )
    torch.manual_seed(config.seed)
    folder = curation.encoder_folder()
    tokenizer = tagging.load_tokenizer(folder)
    lora = LoraConfig(
        r=config.lora_rank, lora_alpha=2 * config.lora_rank, lora_dropout=0.1, target_modules=_TARGETS
    )
    model = Model(get_peft_model(_load_encoder(), lora), len(rules))
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        weight_decay=0.01,
    )
    steps = config.epochs * -(-len(train) // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=steps, pct_start=0.1
    )
    checks = [
        collate(tokenizer, held_out[i : i + config.batch_size])
        for i in range(0, len(held_out), config.batch_size)
    ]
    random = np.random.default_rng(config.seed)
    held_out_losses: list[float] = []
    best: dict[str, float] = {}
    partial = config.out.with_name(config.out.name + ".partial")
    with tqdm(total=steps, desc="training the tagger") as bar:
        for epoch in range(config.epochs):
            order = random.permutation(len(train))
            for i in range(0, len(order), config.batch_size):
                batch = collate(tokenizer, [train[j] for j in order[i : i + config.batch_size]])
                loss, _ = losses(model, batch)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                bar.update()
            held_out_loss, shares = _evaluate(model, checks)
            if held_out_loss < min(held_out_losses, default=np.inf):
                best = shares | {"epoch": epoch + 1}
                save(model, rules, partial)
            held_out_losses.append(held_out_loss)
            bar.set_postfix(held_out=f"{held_out_loss:.3f}", role=f"{shares.get('role', 0):.2f}")
    result = TaggerResult(
        out=config.out,
        messages=len(train),
        held_out=len(held_out),
        parts=sum(len(example.parts) for example in examples),
        edits=sum(len(example.edits) for example in examples),
        stings=sum(len(example.stings) for example in examples) // len(stings.RULES),
        cuts=sum(len(example.cuts) for example in examples),
        derived_cuts=sum(len(example.derived_cuts) for example in examples),
        epoch=int(best["epoch"]),
        held_out_losses=tuple(held_out_losses),
        role=best["role"],
        need=best["need"],
        cut=best["cut"],
        edit=best.get("edit"),
        edit_accepted=best.get("edit_accepted"),
        sting=best.get("sting"),
        sting_accepted=best.get("sting_accepted"),
        seconds=time.monotonic() - started,
    )
    (partial / training.METRICS_FILE).write_text(result.model_dump_json(indent=1), encoding="utf-8")
    shutil.rmtree(config.out, ignore_errors=True)
    partial.replace(config.out)
    if config.version is not None:
        export(config.out, config.version)
    return result


def save(model: Model, rules: Sequence[str], folder: Path) -> None:
    """Write the adapter, the heads and `rules.json`; an existing folder is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # The adapter only. Otherwise peft looks for the config of the base, in a folder of another machine.
    model.encoder.save_pretrained(str(folder), save_embedding_layers=False)
    heads = {
        f"{name}.{kind}": tensor.detach().contiguous().clone()
        for name in ("role", "need", "cut", "edit")
        for kind, tensor in getattr(model, name).named_parameters()
    }
    heads["rule.weight"] = model.rule_weight.detach().clone()
    heads["rule.bias"] = model.rule_bias.detach().clone()
    save_file(heads, str(folder / HEADS_FILE))
    (folder / RULES_FILE).write_text(json.dumps(list(rules), indent=0), encoding="utf-8")


def load(folder: Path) -> tuple[Model, list[str]]:
    """The model of a tagger's folder, which can be trained further, and the names of its rules in order.

    Raises ValueError when the folder has no adapter.
    """
    _check(folder)
    rules: list[str] = json.loads((folder / RULES_FILE).read_text(encoding="utf-8"))
    model = Model(PeftModel.from_pretrained(_load_encoder(), str(folder), is_trainable=True), len(rules))
    heads = load_file(str(folder / HEADS_FILE))
    model.rule_weight.data, model.rule_bias.data = heads.pop("rule.weight"), heads.pop("rule.bias")
    model.load_state_dict(heads, strict=False)
    return model, rules


def _check(folder: Path) -> None:
    if not (folder / "adapter_model.safetensors").is_file():
        raise ValueError(f"{folder} is no tagger: it has no adapter; train one with models.tagger")


def _load_encoder() -> Any:
    return AutoModel.from_pretrained(
        str(curation.encoder_folder()), use_safetensors=True, trust_remote_code=False
    )


def export(tagger: Path, out: Path) -> Path:
    """Write the version folder of a tagger: the merged encoder in int8, its heads, rules and `version.json`.

    An existing `out` is replaced, and only by a complete folder. Raises ValueError when `tagger` has no
    adapter.
    """
    _check(tagger)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    target, merged = partial / writer.FOLDER, partial / "merged"
    target.mkdir(parents=True)
    folder = curation.encoder_folder()
    # In float32, so that the adapter is rounded once, together with the encoder.
    PeftModel.from_pretrained(_load_encoder(), str(tagger)).merge_and_unload().save_pretrained(str(merged))
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy2(folder / name, merged)
    TransformersConverter(str(merged)).convert(str(target / "ctranslate2"), quantization="int8")
    shutil.rmtree(merged)
    shutil.copy2(folder / "tokenizer.json", target)
    for name in (HEADS_FILE, RULES_FILE):
        shutil.copy2(tagger / name, target)
    version = {
        "base": shipped.BASE,
        # Of the weights alone: the rules are those of the code that runs the version.
        "policy": loading.policy_digest(folder, tagger),
        "quantization": "int8",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "form": "edits",
        "languages": ["en", "ja"],
    }
    (partial / version_file.NAME).write_text(json.dumps(version, indent=1), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.replace(out)
    return out


if __name__ == "__main__":
    result = main(configs.from_command_line(TaggerConfig, sys.argv[1:]))
    print(
        f"held out: roles {result.role:.1%}, needs {result.need:.1%}, cuts {result.cut:.1%}, in "
        f"{result.seconds:.0f} s; wrote {result.out}"
    )

"""Has rewrites read by blind readers: writes the sheets, then joins the labels.

    python -m models.reading configs/reading.yaml

Run it again after each step; it does the next one and says what is needed:

1. It rewrites every message of the folders by every system and writes `sheet.jsonl`: message, request and
   rewrite in random order, without the system. Equal rewrites of a message are on the sheet once.
2. Two readers each write a file `first.jsonl` and `second.jsonl`, one line a row of the sheet: `key` and
   `label` (data/seed/labels/guideline.md).
3. It writes `differences.jsonl`, a sheet of the rows that got different labels, for a third reader, who
   writes `third.jsonl`.
4. It writes `labels.jsonl`, which `models.labels` reads.
"""

import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

import configs
from data.corpus import Label, ReadRewrite
from data.records import PROTECTED, Protection
from models import drafts, rules, teacher, tone
from models.evaluation import draw_cases, read_policy, test_cases, written_by
from models.scoreboard import Case
from models.sheets import ReadingError, SheetRow, make_row
from models.teacher import TeacherConfig
from models.teacher_requests import Request


class System(configs.StageConfig):
    """A version, the fact protection with which it rewrites, and whether the tone scorer chooses a draft.

    Or a file of rewrites that were written before: a line each, with `message` (its id) and `rewrite`. Or
    the first drafts of a teacher, by the file of its config (`models.teacher`).
    """

    version: Path | None = None
    rewrites: Path | None = None
    teacher: Path | None = None
    protection: Protection = PROTECTED
    chosen_by_tone: bool = False

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if [self.version, self.rewrites, self.teacher].count(None) != 2:
            raise ValueError("give a system one of these: a version, a file of rewrites, or a teacher")
        return self


class ReadingConfig(configs.StageConfig):
    """The messages, the systems that rewrite them, and the folder of the sheets."""

    folders: Annotated[tuple[Path, ...], Field(min_length=1, description="messages with reference rewrites")]
    systems: Annotated[dict[str, System], Field(description="models by the name of their system")]
    rules: Annotated[bool, Field(description="the rule baseline is read, too")] = True
    references: Annotated[bool, Field(description="the reference rewrites are read, too")] = True
    most_cases: Annotated[int | None, Field(ge=1, description="of each folder; all when unset")] = None
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 128
    out: Path = Path("artifacts/reading")
    seed: int = 0


class _ReadRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    label: Label


def write_rewrites(config: ReadingConfig) -> dict[str, list[tuple[Case, str]]]:
    """The (case, rewrite) pairs by system."""
    cases = [
        case
        for folder in config.folders
        for case in draw_cases(test_cases(folder), config.most_cases, config.seed)
    ]
    rewrites = {name: _rewrites_of(system, cases, config) for name, system in config.systems.items()}
    if config.rules:
        rewrites["rules"] = [rules.rewrite(case.text, case.transform_type, case.intensity) for case in cases]
    if config.references:
        rewrites["reference"] = [case.reference for case in cases]
    return {name: list(zip(cases, texts, strict=True)) for name, texts in rewrites.items()}


def _rewrites_of(system: System, cases: Sequence[Case], config: ReadingConfig) -> list[str]:
    """A system's rewrite of each case. Raises ReadingError when its file has none for one of them."""
    if system.version is not None:
        judge = tone.rule_score if system.chosen_by_tone else None
        write = written_by(system.version, config.max_new_tokens, system.protection, judge)
        return write([(case.text, case.transform_type, case.intensity) for case in cases])
    if system.teacher is not None:
        requests = [Request(case.text, case.transform_type, case.intensity) for case in cases]
        return teacher.write_first_drafts(configs.load(TeacherConfig, system.teacher), requests)
    assert system.rewrites is not None
    lines = system.rewrites.read_text(encoding="utf-8").splitlines()
    by_message = {row["message"]: row["rewrite"] for row in map(json.loads, lines)}
    if absent := [case.id for case in cases if case.id not in by_message]:
        raise ReadingError(
            f"{system.rewrites} has no rewrite of {len(absent)} messages, the first is {absent[0]}"
        )
    return [by_message[case.id] for case in cases]


def _name_policy(system: System) -> str | None:
    if system.teacher is not None:
        return drafts.name_policy(configs.load(TeacherConfig, system.teacher))
    return read_policy(system.version) if system.version is not None else None


def _sheet_row(case: Case, rewrite: str) -> SheetRow:
    return make_row(case.text, case.transform_type, case.intensity, rewrite)


def make_sheet(rewrites: Mapping[str, Sequence[tuple[Case, str]]], seed: int) -> list[SheetRow]:
    """The rows that readers see: all systems' rewrites without their system, shuffled, equal ones once."""
    rows = {
        row.key: row
        for pairs in rewrites.values()
        for case, text in pairs
        for row in (_sheet_row(case, text),)
    }
    sheet = sorted(rows.values(), key=lambda row: row.key)
    random.Random(seed).shuffle(sheet)
    return sheet


def read_reader(file: Path, sheet: Sequence[SheetRow]) -> dict[str, Label]:
    """A reader's labels by key. Raises ReadingError unless the file has each row of the sheet once."""
    keys = {row.key for row in sheet}
    labels: dict[str, Label] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = TypeAdapter(_ReadRow).validate_json(line)
        except ValidationError as error:
            raise ReadingError(f"{file}:{number}: {error.errors()[0]['msg']}: {line[:80]}") from error
        if row.key not in keys or row.key in labels:
            fault = "twice" if row.key in labels else "not on the sheet"
            raise ReadingError(f"{file}:{number}: the key {row.key} is {fault}")
        labels[row.key] = row.label
    if missing := sorted(keys - labels.keys()):
        raise ReadingError(
            f"{file}: {len(missing)} of {len(keys)} rows have no label, the first is {missing[0]}"
        )
    return labels


def join(
    rewrites: Mapping[str, Sequence[tuple[Case, str]]],
    policies: Mapping[str, str],
    first: Mapping[str, Label],
    second: Mapping[str, Label],
    third: Mapping[str, Label],
) -> list[ReadRewrite]:
    """One labelled row for each system and message; equal rewrites share their labels.

    `policies` has the digest of the weights by system, for those that have weights.
    """
    rows: list[ReadRewrite] = []
    for system, pairs in rewrites.items():
        for case, text in pairs:
            key = _sheet_row(case, text).key
            rows.append(
                ReadRewrite(
                    id=f"label-{len(rows) + 1:04}",
                    message=case.id,
                    system=system,
                    policy=policies.get(system),
                    transform_type=case.transform_type,
                    intensity=case.intensity,
                    text=case.text,
                    rewrite=text,
                    first=first[key],
                    second=second[key],
                    third=third.get(key),
                )
            )
    return rows


def _write(file: Path, rows: Sequence[BaseModel]) -> None:
    lines = [row.model_dump_json(exclude_none=True) for row in rows]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main(config: ReadingConfig) -> str:
    """Do the next step of a reading, and return what is needed for the one after it."""
    config.out.mkdir(parents=True, exist_ok=True)
    files = {name: config.out / f"{name}.jsonl" for name in ("first", "second", "third")}
    rewrites = write_rewrites(config)
    sheet = make_sheet(rewrites, config.seed)
    _write(config.out / "sheet.jsonl", sheet)
    if absent := [str(files[name]) for name in ("first", "second") if not files[name].exists()]:
        return (
            f"{len(sheet)} rows are on {config.out / 'sheet.jsonl'}; a reader each writes {', '.join(absent)}"
        )
    first, second = (read_reader(files[name], sheet) for name in ("first", "second"))
    differences = [row for row in sheet if first[row.key] != second[row.key]]
    _write(config.out / "differences.jsonl", differences)
    if differences and not files["third"].exists():
        return f"two readers differ on {len(differences)} rows; a third reader writes {files['third']}"
    third = read_reader(files["third"], differences) if differences else {}
    policies = {name: policy for name, system in config.systems.items() if (policy := _name_policy(system))}
    _write(config.out / "labels.jsonl", join(rewrites, policies, first, second, third))
    return f"labels: {config.out / 'labels.jsonl'}"


if __name__ == "__main__":
    print(main(configs.from_command_line(ReadingConfig, sys.argv[1:])))

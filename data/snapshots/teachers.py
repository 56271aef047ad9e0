"""Teachers: language models that rewrite messages for models to learn from.

A teacher's rewrites are a snapshot of their own, beside the snapshots of people's feedback. Its
`teacher.json` says who made it and under which licence. Its rows have the votes of the people whose messages
they are about, so that an erasure rewrites it, too.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_FILE = "teacher.json"
ANSWERS = "teacher.partial"  # in a folder of snapshots: a teacher's answers, and drafts that did not pass
PARTIAL = "of_teacher.partial"  # there, too: a teacher's snapshot while it is written
UNFINISHED = (ANSWERS, PARTIAL)  # a teacher may be at work while `collect` runs; an erasure removes both
PREFIX = "teacher:"  # of the version in a teacher's pairs, before the model's name


class Teacher(BaseModel):
    """Who made a snapshot's rows, for which messages, and what became of the drafts.

    `answers_as` has the names that the endpoint gives the model in its answers. Hosts have no keys. `prompt`
    is a digest of the prompt. `seed` and `snapshots` name the parts of the seed corpus and the snapshots that
    the messages are from. `drafts` counts drafts by their fate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    answers_as: tuple[str, ...]
    host: str
    prompt: str
    temperature: float
    licence: Annotated[str, Field(min_length=1)]
    judge: str
    judge_host: str
    is_own_judge: bool
    seed: tuple[str, ...]
    snapshots: tuple[str, ...]
    requests: int
    drafts: Mapping[str, int]
    made_on: date

    def save(self, folder: Path) -> None:
        """Write `teacher.json` into a snapshot's folder."""
        (folder / _FILE).write_text(self.model_dump_json(indent=1), encoding="utf-8")


def read(folder: Path) -> Teacher | None:
    """The teacher of a snapshot; None when it is made of people's feedback."""
    file = folder / _FILE
    return Teacher.model_validate_json(file.read_text(encoding="utf-8")) if file.exists() else None


def format_card(digest: str, counts: Mapping[str, int], teacher: Teacher) -> str:
    """The card of a teacher's snapshot, in Markdown; `counts` are those of its rows and people."""
    origins = [f"the seed corpus ({', '.join(teacher.seed)})"] if teacher.seed else []
    if teacher.snapshots:
        names = ", ".join(teacher.snapshots)
        origins.append(f"{counts['people']} people who consent to training, redacted (snapshots {names})")
    judge = "the teacher itself" if teacher.is_own_judge else f"`{teacher.judge}` at {teacher.judge_host}"
    names = ", ".join(teacher.answers_as)
    fates = "\n".join(f"| {fate} | {count} |" for fate, count in sorted(teacher.drafts.items()))
    return f"""# Snapshot {digest}

{counts["demonstrations"]} demonstrations and {counts["pairs"]} preference pairs that a language model made.
No person wrote, edited or chose them.

- **Teacher**: `{teacher.model}` at {teacher.host}, which answers as `{names}`, at temperature
  {teacher.temperature:g}, with the prompt `{teacher.prompt}`, on {teacher.made_on}.
- **Licence** of its rewrites: {teacher.licence}
- **Judge**: {judge}. A rewrite is here if the judge prefers it to the message itself, whichever it sees
  first, and if it passes the checks of `models/drafts.py`. Readers labelled other rewrites of this teacher,
  and the judge agreed with them (`models/validity.py`).
- **Messages** of {" and of ".join(origins)}: {teacher.requests} requests. None is held out for a test.
- **Pairs** have the version `{PREFIX}{teacher.model}`, so that they differ from people's.
- **Erasure**: a row lists the votes through which its message came here. If one of their people asks to be
  forgotten, the row is removed.

What became of the drafts when the snapshot was made:

| fate | drafts |
|---|---|
{fates}
"""

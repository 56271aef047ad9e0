"""A teacher and a judge at a fake endpoint, the messages that people sent, and faults of drafts."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data.corpus import Label, ReadRewrite
from data.records import TransformType

Writer = Callable[[int], str]


def message(number: int) -> str:
    """A message of somebody; the number tells messages apart."""
    return f"Send the report to Anna by Friday, {number} pages at most."


def rewrite(number: int) -> str:
    """A courteous rewrite of a message, without a fault."""
    return f"Could you please send the report to Anna by Friday, {number} pages at most?"


def blunt(number: int) -> str:
    """A rewrite of a message that passes the checks, and that the judge dislikes."""
    return f"Send Anna the report by Friday, and keep it to {number} pages at most."


def number_of(turn: str) -> int:
    """The number of the message in a user's turn to the teacher or the judge."""
    match = re.search(r"by Friday, (\d+) pages at most", turn)
    assert match
    return int(match[1])


def is_for_judge(turn: str) -> bool:
    """Whether a user's turn asks the judge, and not the teacher."""
    return "<rewrite_1>" in turn


def answer(turn: str) -> str:
    """A courteous teacher, and a judge that likes courtesy and dislikes `blunt`."""
    if not is_for_judge(turn):
        return rewrite(number_of(turn))
    first, second = (
        ("please" in text) - ("keep it" in text)
        for text in re.findall(r"<rewrite_.>(.*?)</rewrite_.>", turn, re.DOTALL)
    )
    return "0" if first == second else "1" if first > second else "2"


def models_at(url: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """The fields `teacher` and `judge` of a config: two models at an endpoint, one question at a time."""
    connection = {"base_url": url, "concurrency": 1, "timeout_s": 60, **fields}
    licence = "Apache-2.0 of the model"
    return {
        "teacher": {**connection, "model": "large", "licence": licence},
        "judge": {**connection, "model": "other"},
    }


def write_labels(folder: Path, policy: str, usable: Writer, wrong: Writer) -> Path:
    """Readers' labels of 100 rewrites of a teacher: 50 usable ones and 50 wrong ones."""
    folder.mkdir()

    def label(number: int, write: Writer, says: Label) -> ReadRewrite:
        return ReadRewrite(
            id=f"label-{number:03}",
            message="m-001",
            system="teacher",
            policy=policy,
            transform_type=TransformType.SOFTEN,
            intensity=2,
            text=message(number),
            rewrite=write(number),
            first=says,
            second=says,
        )

    rows = [label(number, usable, "usable") for number in range(100, 150)]
    rows += [label(number, wrong, "wrong") for number in range(150, 200)]
    (folder / "labels.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    return folder


# What is wrong with a draft, the draft of a message's number, and the fate of such a draft.
FAULTS: Mapping[str, tuple[Writer, str]] = {
    "another number": (lambda n: rewrite(n).replace("Friday", "Friday (24 May)"), "facts"),
    "a lost fact": (lambda n: rewrite(n).replace(" by Friday", ""), "facts"),
    "an instruction of the prompt": (
        lambda n: f"{rewrite(n)}\n- Keep every request, question, condition and negation, and who does what.",
        "broken",
    ),
    "a link": (lambda n: f"{rewrite(n)} See https://evil.example.com/pay.", "facts"),
    "a comment before": (lambda n: f"Sure! Here is the rewrite:\n{rewrite(n)}", "broken"),
    "quotation marks": (lambda n: f'"{rewrite(n)}"', "broken"),
    "tags": (lambda n: f"<message>\n{rewrite(n)}\n</message>", "broken"),
    "a heading": (lambda n: f"Rewrite: {rewrite(n)}", "broken"),
    "a loop": (lambda n: f"{rewrite(n)} Thank you so much for it. " * 9, "broken"),
    "an insult": (lambda n: f"{rewrite(n)} You are pathetic.", "broken"),
    "a refusal": (lambda n: "I'm sorry, but I cannot help with that.", "broken"),
    "another language": (
        lambda n: f"Könnten Sie bitte den Bericht bis Friday an Anna schicken, höchstens {n} Seiten?",
        "another_language",
    ),
    "a copy": (message, "copied"),
    "a statement": (lambda n: f"The report was sent to Anna by Friday, with {n} pages at most.", "meaning"),
    "a negation": (
        lambda n: f"Please do not send the report to Anna by Friday, {n} pages at most.",
        "meaning",
    ),
    "another matter": (lambda n: f"On Friday Anna fed {n} cats.", "meaning"),
}

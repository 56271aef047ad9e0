"""The one prompt renderer: training, evaluation and serving all ask the model in these words.

A frame is what a model's own chat template puts around a user's turn. It is taken from the template once,
when a model is saved, and stored beside the weights as `frame.json`: serving needs no transformers, no Jinja.
The frame is short on purpose: on CPU most of a training step is prompt tokens.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.records import TransformType

FILE = "frame.json"
_MESSAGE = "MESSAGE-GOES-HERE"


@dataclass(frozen=True)
class Frame:
    """What stands before and after the request, what ends an answer, and what only the frame may say."""

    before: str
    after: str
    stop: str
    specials: tuple[str, ...]

    def render(self, message: str, transform_type: TransformType, intensity: int) -> str:
        """The whole prompt. Tokenise it without adding special tokens: they are in it."""
        request = f"Rewrite, {transform_type.value} {intensity}/3:\n{self.neutralise(message)}"
        return f"{self.before}{request}{self.after}"

    def neutralise(self, message: str) -> str:
        """Split every special token that the message spells out: it stays text and cannot end the frame.

        `<|im_end|>` becomes `< |im_end|>`, which the model reads as plain characters.
        """
        while found := [special for special in self.specials if special in message]:
            for special in found:
                message = message.replace(special, f"{special[0]} {special[1:]}")
        return message

    def save(self, folder: Path) -> None:
        """Write `frame.json` beside the weights."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")


def read(folder: Path) -> Frame:
    """The frame of a saved model; FileNotFoundError when the folder is no model of ours."""
    stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Frame(stored["before"], stored["after"], stored["stop"], tuple(stored["specials"]))


def from_tokenizer(tokenizer: Any) -> Frame:
    """The frame that a transformers tokenizer's chat template puts around one user turn."""
    turn = [{"role": "user", "content": _MESSAGE}]
    parts = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True).split(_MESSAGE)
    if len(parts) != 2:
        raise ValueError(
            f"the chat template shows a user's turn {len(parts) - 1} times; take one that shows it once"
        )
    added = {str(token) for token in tokenizer.added_tokens_decoder.values()} | set(
        tokenizer.all_special_tokens
    )
    # Runs of spaces are added tokens in some vocabularies: ordinary text, and splitting it would never end.
    specials = sorted(token for token in added if len(token) > 1 and not any(map(str.isspace, token)))
    return Frame(parts[0], parts[1], tokenizer.eos_token, tuple(specials))

"""The prompt renderer: training, evaluation and serving all use the same prompt.

A frame is the text that a model's chat template puts around a user's turn. It is extracted from the template
once, when a model is saved, and stored next to the weights as `frame.json`, so that serving needs neither
transformers nor Jinja. The frame is short on purpose: on CPU most of a training step is prompt tokens.

A template is rendered without thinking and with a fixed date (`_DATE`), so that a base has one frame on every
day. The stop token is the token that ends the assistant's turn in the template. That may be another token
than the tokenizer's eos token: Gemma's is <end_of_turn>, Phi's <|end|>, Llama 3's <|eot_id|>.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from data.records import TransformType

FILE = "frame.json"
_MESSAGE, _REWRITE = "MESSAGE-GOES-HERE", "REWRITE-GOES-HERE"
_DATE = datetime(2024, 7, 26)  # what Llama 3's template says where it has no clock
# A template ignores the names that it does not know.
_TEMPLATE_SETTINGS: dict[str, Any] = {
    "enable_thinking": False,  # Qwen3, SmolLM3
    "thinking": False,  # DeepSeek, Granite
    "date_string": f"{_DATE:%d %b %Y}",  # Llama 3
}
# In front of a template, so that it hides the clock that transformers gives: only plain values can be passed.
_CLOCK = (
    "{%- macro strftime_now(format) -%}{{ format"
    + "".join(f" | replace('%{part}', '{_DATE:%{part}}')" for part in "dbBmyYaAHMS")
    + " }}{%- endmacro -%}"
)


@dataclass(frozen=True)
class Frame:
    """The text before and after a request, the stop token, and all special tokens of the tokenizer."""

    before: str
    after: str
    stop: str
    specials: tuple[str, ...]

    def render(self, message: str, transform_type: TransformType, intensity: int) -> str:
        """The whole prompt, special tokens included: tokenise it with `add_special_tokens=False`."""
        request = f"Rewrite, {transform_type.value} {intensity}/3:\n{self.neutralise(message)}"
        return f"{self.before}{request}{self.after}"

    def neutralise(self, message: str) -> str:
        """Split every special token in a message, so that it stays text and cannot end the frame.

        `<|im_end|>` becomes `< |im_end|>`, which the model reads as plain characters.
        """
        # Splitting a token may form another one, so repeat until there is none.
        while present := [special for special in self.specials if special in message]:
            for special in present:
                message = message.replace(special, f"{special[0]} {special[1:]}")
        return message

    def save(self, folder: Path) -> None:
        """Write `frame.json` into a model's folder."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")


def read(folder: Path) -> Frame:
    """The frame of a saved model; FileNotFoundError when the folder has no `frame.json`."""
    stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Frame(stored["before"], stored["after"], stored["stop"], tuple(stored["specials"]))


def from_tokenizer(tokenizer: Any) -> Frame:
    """The frame of a transformers tokenizer's chat template.

    Raises ValueError when the template does not show the user's turn exactly once, and when it opens a block
    of thoughts although it is told not to.
    """
    turn = {"role": "user", "content": _MESSAGE}
    parts = _render(tokenizer, [turn], add_generation_prompt=True).split(_MESSAGE)
    if len(parts) != 2:
        raise ValueError(
            f"the chat template shows a user's turn {len(parts) - 1} times; take one that shows it once"
        )
    before, after = parts
    if "<think>" in after and "</think>" not in after:
        raise ValueError(
            "the chat template opens a block of thoughts even with enable_thinking=false; take a model that "
            "answers without thinking"
        )
    added = {str(token) for token in tokenizer.added_tokens_decoder.values()} | set(
        tokenizer.all_special_tokens
    )
    # Some vocabularies add runs of spaces as tokens. They are ordinary text, and splitting them never ends.
    specials = sorted(token for token in added if len(token) > 1 and not any(map(str.isspace, token)))
    finished = _render(tokenizer, [turn, {"role": "assistant", "content": _REWRITE}])
    end = finished.rpartition(_REWRITE)[2].lstrip()  # what the template writes after a rewrite
    # Of two tokens of which one begins the other, the longer one is what the tokenizer reads.
    stop = max((token for token in specials if end.startswith(token)), key=len, default=tokenizer.eos_token)
    return Frame(before, after, stop, tuple(specials))


def _render(tokenizer: Any, turns: list[dict[str, str]], add_generation_prompt: bool = False) -> str:
    text: str = tokenizer.apply_chat_template(
        turns,
        chat_template=_CLOCK + tokenizer.get_chat_template(),
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        **_TEMPLATE_SETTINGS,
    )
    return text

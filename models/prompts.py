"""The prompt renderer: training, evaluation and serving all use the same prompt.

A prompt has two versions. `frame-1` is the request alone, for models that were trained on it. `frame-2` (in
`frame-2.yaml`) also has instructions and two examples in the message's language, for models that were not.

A frame is the text that a model's chat template puts around a user's turn. It is extracted from the template
once, when a model is saved, and stored next to the weights as `frame.json`, so that serving needs neither
transformers nor Jinja. The frame is short on purpose: on CPU most of a training step is prompt tokens.

A template is rendered without thinking and with a fixed date (`_DATE`), so that a base has one frame on every
day. The stop token is the token that ends the assistant's turn in the template. That may be another token
than the tokenizer's eos token: Gemma's is <end_of_turn>, Phi's <|end|>, Llama 3's <|eot_id|>.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from data.records import Prompt, TransformType
from models import languages

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
_FRAME_2 = Path(__file__).with_name("frame-2.yaml")
_TAG = re.compile(r"</?message>", re.IGNORECASE)  # between which frame-2 quotes a message


class Turns(NamedTuple):
    """What a chat model is shown: the system's turn, which may be empty, and the user's turn."""

    system: str
    user: str


# Terms of the message that a dictionary explains, with their explanations.
Explained = Sequence[tuple[str, str]]


def turns(
    prompt: Prompt, message: str, transform_type: TransformType, intensity: int, explained: Explained = ()
) -> Turns:
    """The turns that ask for a rewrite. In `frame-2` the message cannot end its quotation: its own tags are
    split, `</message>` becomes `< /message>`. `frame-1` has no room for explanations.
    """
    if prompt == "frame-1":
        return Turns("", f"Rewrite, {transform_type.value} {intensity}/3:\n{message}")
    frame, language = _frame_2(), languages.identify(message)
    kind = frame["types"][transform_type.value]
    examples = [
        frame["example"].format(intensity=strength, message=original, rewrite=rewrite)
        for strength, original, rewrite in kind["examples"]["ja" if language == "ja" else "en"]
    ]
    system = frame["system"].format(
        means=kind["means"],
        intensity=intensity,
        strength=frame["strengths"][intensity],
        forbids=kind["forbids"],
        language=frame["languages"].get(language, frame["languages"]["other"]),
        examples="\n".join(examples).strip(),
    )
    if explained:
        lines = "\n".join(f"- {term}: {explanation}" for term, explanation in explained)
        uses = frame["uses"]
        use = uses.get(transform_type.value, uses["other"])
        part = frame["terms"].format(terms=neutralise(lines, _TAG.findall(lines)), use=use)
        system = f"{system.strip()}\n\n{part}"
    return Turns(
        system.strip(), frame["user"].format(message=neutralise(message, _TAG.findall(message))).strip()
    )


def quotes_prompt(message: str, rewrite: str, transform_type: TransformType) -> bool:
    """Whether a rewrite has a tag, an instruction or the message of an example of `frame-2`, and the message
    has not. Small models copy them.
    """
    frame = _frame_2()
    instructions, _, _ = frame["system"].partition("Examples:")
    examples = frame["types"][transform_type.value]["examples"]
    quoted = [line for line in instructions.splitlines() if line and "{" not in line]
    quoted += [original for shown in examples.values() for _, original, _ in shown]
    quoted += [frame["terms"].partition("\n")[0], *frame["uses"].values()]
    tags = {tag.lower() for tag in _TAG.findall(rewrite)} - {tag.lower() for tag in _TAG.findall(message)}
    return bool(tags) or any(line in rewrite and line not in message for line in quoted)


@cache
def _frame_2() -> dict[str, Any]:
    frame: dict[str, Any] = yaml.safe_load(_FRAME_2.read_text(encoding="utf-8"))
    return frame


def neutralise(message: str, specials: Iterable[str]) -> str:
    """Split every special token in a message, so that it stays text and cannot end the frame.

    `<|im_end|>` becomes `< |im_end|>`, which the model reads as plain characters.
    """
    # Splitting a token may form another one, so repeat until there is none.
    while present := [special for special in specials if special in message]:
        for special in present:
            message = message.replace(special, f"{special[0]} {special[1:]}")
    return message


@dataclass(frozen=True)
class Frame:
    """The text before and after a request, the stop token, and all special tokens of the tokenizer."""

    before: str
    after: str
    stop: str
    specials: tuple[str, ...]

    def render(
        self,
        message: str,
        transform_type: TransformType,
        intensity: int,
        prompt: Prompt = "frame-1",
        explained: Explained = (),
    ) -> str:
        """The whole prompt, special tokens included: tokenise it with `add_special_tokens=False`."""
        harmless = [(self.neutralise(term), self.neutralise(text)) for term, text in explained]
        system, user = turns(prompt, self.neutralise(message), transform_type, intensity, harmless)
        # One turn, as in training: some chat templates have no turn of a system.
        request = f"{system}\n\n{user}" if system else user
        return f"{self.before}{request}{self.after}"

    def neutralise(self, message: str) -> str:
        """Split every special token of the tokenizer in a message, see `neutralise`."""
        return neutralise(message, self.specials)

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

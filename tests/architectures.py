"""Tiny models of the architectures that people bring, each with a chat template of its kind.

The templates are ours. They have the shape of the model hub's: roles, ends of turns, thinking, dates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# A finished turn has a block of thoughts, and the model opens one unless it is told not to think.
_THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
_DATED = (
    "{{ bos_token }}{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}"
    "{% endif %}<|start_header_id|>system<|end_header_id|>\n\nToday: {{ date_string }}\n\n<|eot_id|>"
    "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_WITHOUT_SYSTEM = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('this template has no system role') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
# Without a new turn the eos token ends the conversation, after the token that ends the turn.
_ENDED_TWICE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)
_INSTRUCTED = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


@dataclass(frozen=True)
class Architecture:
    """A family of models: transformers' name of it, its template, its special tokens, and its end of turn."""

    kind: str
    template: str
    eos: str
    turn_end: str
    others: tuple[str, ...]
    pad: str | None = None
    bos: str | None = None
    unk: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


ARCHITECTURES = {
    "qwen2": Architecture(
        "qwen2", _CHATML, "<|im_end|>", "<|im_end|>", ("<|im_start|>", "<|endoftext|>"), "<|endoftext|>"
    ),
    "qwen3": Architecture(
        "qwen3",
        _THINKING,
        "<|im_end|>",
        "<|im_end|>",
        ("<|im_start|>", "<|endoftext|>", "<think>", "</think>"),
        "<|endoftext|>",
        settings={"head_dim": 16},
    ),
    "llama": Architecture(
        "llama",
        _DATED,
        "<|end_of_text|>",
        "<|eot_id|>",
        ("<|start_header_id|>", "<|end_header_id|>"),
        bos="<|begin_of_text|>",
    ),
    "gemma2": Architecture(
        "gemma2",
        _WITHOUT_SYSTEM,
        "<eos>",
        "<end_of_turn>",
        ("<start_of_turn>",),
        "<pad>",
        "<bos>",
        "<unk>",
        {"head_dim": 16, "query_pre_attn_scalar": 16},
    ),
    "gemma3": Architecture(
        "gemma3_text",
        _WITHOUT_SYSTEM,
        "<eos>",
        "<end_of_turn>",
        ("<start_of_turn>",),
        "<pad>",
        "<bos>",
        "<unk>",
        {"head_dim": 16, "query_pre_attn_scalar": 16},
    ),
    "phi3": Architecture(
        "phi3", _ENDED_TWICE, "<|endoftext|>", "<|end|>", ("<|user|>", "<|assistant|>"), "<|endoftext|>"
    ),
    "mistral": Architecture(
        "mistral",
        _INSTRUCTED,
        "</s>",
        "</s>",
        ("[INST]", "[/INST]"),
        bos="<s>",
        unk="<unk>",
        settings={"head_dim": 16},
    ),
}


def build(
    name: str, folder: Path, texts: Sequence[str], dtype: str = "bfloat16", spread: float = 0.02
) -> Path:
    """Write a checkpoint as a model hub has it, random weights of two layers; return its folder.

    `texts` train the tokenizer; `spread` is the standard deviation of the weights.
    """
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    family = ARCHITECTURES[name]
    named = [family.eos, family.turn_end, *family.others, family.pad, family.bos, family.unk]
    specials = list(dict.fromkeys(token for token in named if token is not None))
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        BpeTrainer(
            vocab_size=512,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    named_tokens = {"eos_token": family.eos, "pad_token": family.pad, "bos_token": family.bos}
    named_tokens["unk_token"] = family.unk
    tokenizer: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe, **{key: token for key, token in named_tokens.items() if token is not None}
    )
    tokenizer.chat_template = family.template
    config = AutoConfig.for_model(
        family.kind,
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=family.kind != "phi3",
        initializer_range=spread,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **family.settings,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=getattr(torch, dtype)
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

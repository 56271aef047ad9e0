"""Two engines with one shape: `load` a version folder, then `generate(spec, items)`, in the items' order.

CTranslate2 serves: int8 on CPU, `tokenizers` and `ctranslate2` are all it imports. transformers is the plain
one, needs torch, and is there to compare with. Both sample what a seed says, whatever else is in the batch
save items of the same seed.
"""

import gc
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
from tokenizers import Encoding, Tokenizer

from data.records import Engine, Spec
from models import facts, prompts
from serving.inference.client import Item, Rewritten

# The start of a batch is read in one go only up to its shortest prompt, so that much padding costs more than
# larger batches save: of 32 messages sorted by length, batches of 8 gave the most tokens a second.
_BATCH = 8
_WORKERS = 2

# The longest prompt that is read: time and memory grow with its square, and 8,000 characters of some scripts
# are 30,000 tokens. English has about four characters a token.
MOST_PROMPT_TOKENS = 2048

_DRAW_ANEW = 2**32 - 1  # CTranslate2's own default: each worker thread takes a seed from the system
_seeding = threading.Lock()


def load(folder: Path, engine: Engine) -> "CTranslate2Engine | TransformersEngine":
    """The engine that a spec names, with a version's weights: 0.2 s for 135M parameters in int8."""
    return CTranslate2Engine(folder) if engine == "ctranslate2" else TransformersEngine(folder)


class _Texts:
    """A version's tokenizer and frame: items to prompts, tokens to rewrites."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._frame = prompts.read(folder)
        self.stop = self._frame.stop
        stop_id = self._tokenizer.token_to_id(self.stop)
        if stop_id is None:
            raise ValueError(
                f"{folder}: its tokenizer does not know the frame's {self.stop!r}; export it again"
            )
        self.stop_id = stop_id

    def rewrite(
        self,
        spec: Spec,
        items: Sequence[Item],
        generate: Callable[[Spec, Sequence[tuple[Item, Encoding]]], list[list[int]]],
    ) -> list[Rewritten]:
        """Rewrites of items in their order; `generate` gets those that can be read, with their prompts."""
        prompts_ = [
            self._tokenizer.encode(
                self._frame.render(item.text, item.transform_type, item.intensity), add_special_tokens=False
            )
            for item in items
        ]
        short = [place for place, prompt in enumerate(prompts_) if len(prompt) <= MOST_PROMPT_TOKENS]
        said = generate(spec, [(items[place], prompts_[place]) for place in short]) if short else []
        ids = dict(zip(short, said, strict=True))
        return [
            self._rewritten(item, ids[place]) if place in ids else _refused(len(prompts_[place]))
            for place, item in enumerate(items)
        ]

    def _rewritten(self, item: Item, ids: list[int]) -> Rewritten:
        """What the model said, up to the stop token. A rewrite that lost facts is reported, not changed."""
        finished = self.stop_id in ids
        said = ids[: ids.index(self.stop_id)] if finished else ids
        # A tokenizer of bytes can say NUL, which no database keeps as text.
        text = self._tokenizer.decode(said).replace("\0", "").strip()
        lost = facts.missing(item.text, text)
        return Rewritten(text=text, facts_missing=lost, tokens=len(said), finished=finished)


def _refused(tokens: int) -> Rewritten:
    refusal = f"it has {tokens:,} tokens; this model reads at most {MOST_PROMPT_TOKENS:,}"
    return Rewritten(text="", facts_missing=[], tokens=0, finished=False, refusal=refusal)


class CTranslate2Engine:
    """Quantised weights on CPU, two batches at a time. Safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        self._texts = _Texts(folder)
        self._weights = str(folder / "ctranslate2")
        self._generator = self._open(_WORKERS)

    def generate(self, spec: Spec, items: Sequence[Item]) -> list[Rewritten]:
        """Rewrite items together, save sampled ones with a seed, which are generated seed by seed."""
        return self._texts.rewrite(spec, items, self._generate)

    def _generate(self, spec: Spec, asked: Sequence[tuple[Item, Encoding]]) -> list[list[int]]:
        places: dict[int | None, list[int]] = {}
        for place, (item, _) in enumerate(asked):
            places.setdefault(item.seed if spec.temperature > 0 else None, []).append(place)
        ids: dict[int, list[int]] = {}
        for seed, alike in places.items():
            batch = [asked[place][1].tokens for place in alike]
            if seed is None:
                drawn = self._run(self._generator, spec, batch, -(-len(batch) // _WORKERS))
            else:
                drawn = self._run(self._seeded(seed), spec, batch, len(batch))
            ids.update(zip(alike, drawn, strict=True))
        return [ids[place] for place in range(len(asked))]

    def close(self) -> None:
        """Free the weights. No generation may be running."""
        self._generator.unload_model()

    def _open(self, workers: int) -> ctranslate2.Generator:
        return ctranslate2.Generator(self._weights, inter_threads=workers, intra_threads=1)

    def _seeded(self, seed: int) -> ctranslate2.Generator:
        """A generator whose one worker draws from `seed`.

        The library's seed is global, and a worker thread reads it at its first draw and never again. So a
        seed takes a new worker, and one token drawn from it while nobody else can change the seed.
        """
        with _seeding:
            ctranslate2.set_random_seed(seed)
            generator = self._open(1)
            generator.generate_batch([[self._texts.stop]], max_length=1, sampling_topk=2)
            ctranslate2.set_random_seed(_DRAW_ANEW)
        return generator

    def _run(
        self, generator: ctranslate2.Generator, spec: Spec, batch: list[list[str]], worker_share: int
    ) -> list[list[int]]:
        sampled = spec.temperature > 0
        results = generator.generate_batch(
            batch,
            max_batch_size=min(_BATCH, worker_share),
            max_length=spec.max_new_tokens,
            sampling_temperature=spec.temperature if sampled else 1.0,
            sampling_topk=spec.top_k if sampled else 1,
            end_token=self._texts.stop,
            return_end_token=True,
            include_prompt_in_result=False,
        )
        return [result.sequences_ids[0] for result in results]


class TransformersEngine:
    """The merged, unquantised weights under plain `generate`."""

    def __init__(self, folder: Path) -> None:
        # Imported here, so that a service without torch can serve the other engine.
        from models import loading

        self._texts = _Texts(folder)
        self._model: Any = loading.load_model(folder / "transformers")

    def generate(self, spec: Spec, items: Sequence[Item]) -> list[Rewritten]:
        """Rewrite items together in one batch."""
        return self._texts.rewrite(spec, items, self._generate)

    def _generate(self, spec: Spec, asked: Sequence[tuple[Item, Encoding]]) -> list[list[int]]:
        import torch
        from transformers import GenerationConfig

        by_seed = {item.seed: torch.Generator() for item, _ in asked}
        for seed, draw in by_seed.items():
            draw.seed() if seed is None else draw.manual_seed(seed)
        draws = [by_seed[item.seed] for item, _ in asked]

        def sample(_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            """Gumbel-max: the largest logit plus Gumbel noise is a draw; each seed has noise of its own."""
            best = scores.topk(min(spec.top_k, scores.shape[-1]), dim=-1)  # (batch, top_k)
            uniform = torch.stack([torch.rand(best.values.shape[-1], generator=draw) for draw in draws])
            noise = -torch.log(-torch.log(uniform.clamp_min(1e-20)))
            chosen = (best.values / spec.temperature + noise).argmax(-1, keepdim=True)
            return torch.full_like(scores, -torch.inf).scatter(1, best.indices.gather(1, chosen), 0.0)

        ids = [prompt.ids for _, prompt in asked]
        width = max(map(len, ids))
        stop = self._texts.stop_id
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=torch.tensor([[stop] * (width - len(row)) + row for row in ids]),
                attention_mask=torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids]),
                generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                    max_new_tokens=spec.max_new_tokens, do_sample=False, eos_token_id=stop, pad_token_id=stop
                ),
                logits_processor=[sample] if spec.temperature > 0 else [],
            )
        rows: list[list[int]] = out[:, width:].tolist()
        return rows

    def close(self) -> None:
        """Free the weights. No generation may be running."""
        del self._model
        gc.collect()  # its modules refer to each other

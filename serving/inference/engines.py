"""Two engines with one shape: `load` a version folder, then `generate(spec, items)`, in the items' order.

CTranslate2 serves: int8 on CPU, `tokenizers` and `ctranslate2` are all it imports. transformers is the plain
one, needs torch, and is there to compare with. Both sample what a seed says, whatever else is in the batch
save items of the same seed.
"""

import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
from tokenizers import Encoding, Tokenizer

from data.records import Engine, Spec
from models import prompts, protection
from models.protection import Draft, Kept
from serving.inference.client import Item, Rewritten

# The start of a batch is read in one go only up to its shortest prompt, so that much padding costs more than
# larger batches save: of 32 messages sorted by length, batches of 8 gave the most tokens a second.
_BATCH = 8
_WORKERS = 2

# The longest prompt that is read: time and memory grow with its square, and 8,000 characters of some scripts
# are 30,000 tokens. English has about four characters a token.
MOST_PROMPT_TOKENS = 2048

# Token ids for (item, prompt) tuples: one list each, or with retries so many others.
_Generate = Callable[[Spec, Sequence[tuple[Item, Encoding]], int], list[list[list[int]]]]

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

    def rewrite(self, spec: Spec, items: Sequence[Item], generate: _Generate) -> list[Rewritten]:
        """Rewrites of items in their order, their facts protected as the spec says; `generate` gets those
        that can be read.
        """
        whole = [self._prompt(item, item.text) for item in items]
        short = [place for place, prompt in enumerate(whole) if len(prompt) <= MOST_PROMPT_TOKENS]

        def prompt(place: int, text: str) -> Encoding:
            item = items[place]
            return whole[place] if text == item.text else self._prompt(item, text)  # masked

        def write(texts: Mapping[int, str], retries: int) -> dict[int, list[Draft]]:
            asked = [(items[short[i]], prompt(short[i], text)) for i, text in texts.items()]
            said = generate(spec, asked, retries)
            return {i: [self._draft(ids) for ids in of_one] for i, of_one in zip(texts, said, strict=True)}

        asked = [(items[i].text, items[i].transform_type, items[i].intensity) for i in short]
        kept = protection.rewrite(asked, spec.protection, write)
        by_place = dict(zip(short, kept, strict=True))
        return [
            _rewritten(by_place[place]) if place in by_place else _refused(len(whole[place]))
            for place in range(len(items))
        ]

    def _prompt(self, item: Item, text: str) -> Encoding:
        prompt = self._frame.render(text, item.transform_type, item.intensity)
        return self._tokenizer.encode(prompt, add_special_tokens=False)

    def _draft(self, ids: list[int]) -> Draft:
        """What the model said, up to the stop token."""
        finished = self.stop_id in ids
        said = ids[: ids.index(self.stop_id)] if finished else ids
        # A tokenizer of bytes can say NUL, which no database keeps as text.
        return Draft(self._tokenizer.decode(said).replace("\0", "").strip(), len(said), finished)


def _seed(seed: int, retries: int) -> int:
    """What a seed means when a rewrite is tried again: another one, the same each time."""
    return (seed + 1) % _DRAW_ANEW if retries else seed


def _rewritten(kept: Kept) -> Rewritten:
    """A rewrite that lost facts all the same is reported, not changed."""
    return Rewritten(text=kept.text, facts_missing=kept.missing, tokens=kept.tokens, finished=kept.finished)


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

    def _generate(
        self, spec: Spec, asked: Sequence[tuple[Item, Encoding]], retries: int
    ) -> list[list[list[int]]]:
        places: dict[int | None, list[int]] = {}
        for place, (item, _) in enumerate(asked):
            places.setdefault(item.seed if spec.temperature > 0 else None, []).append(place)
        ids: dict[int, list[list[int]]] = {}
        for seed, alike in places.items():
            batch = [asked[place][1].tokens for place in alike]
            if seed is None:
                drawn = self._run(self._generator, spec, batch, retries, -(-len(batch) // _WORKERS))
            else:
                drawn = self._run(self._seeded(_seed(seed, retries)), spec, batch, retries, len(batch))
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
        self,
        generator: ctranslate2.Generator,
        spec: Spec,
        batch: list[list[str]],
        retries: int,
        worker_share: int,
    ) -> list[list[list[int]]]:
        sampled = spec.temperature > 0
        # Greedily, the others start with the next likely tokens; the first of them is what was said before.
        alternatives = retries > 0 and not sampled
        results = generator.generate_batch(
            batch,
            # Alternatives to prompts of different lengths come with the ends of the longer ones, and the
            # length counts the prompt then.
            max_batch_size=1 if alternatives else min(_BATCH, worker_share),
            max_length=spec.max_new_tokens + (max(map(len, batch)) if alternatives else 0),
            sampling_temperature=spec.temperature if sampled else 1.0,
            sampling_topk=spec.top_k if sampled else 1,
            num_hypotheses=retries + 1 if alternatives else max(1, retries),
            return_alternatives=alternatives,
            end_token=self._texts.stop,
            return_end_token=True,
            include_prompt_in_result=False,
        )
        return [
            [ids[: spec.max_new_tokens] for ids in result.sequences_ids[int(alternatives) :]]
            for result in results
        ]


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

    def _generate(
        self, spec: Spec, asked: Sequence[tuple[Item, Encoding]], retries: int
    ) -> list[list[list[int]]]:
        import torch

        prompts_ = [prompt.ids for _, prompt in asked]
        drafts = max(1, retries)
        if spec.temperature > 0:
            seeds = [None if item.seed is None else _seed(item.seed, retries) for item, _ in asked]
            said = self._run(
                spec,
                [ids for ids in prompts_ for _ in range(drafts)],
                [seed for seed in seeds for _ in range(drafts)],
            )
        elif not retries:
            said = self._run(spec, prompts_)
        else:  # the others start with the next likely tokens
            starts = []
            for ids in prompts_:
                with torch.inference_mode():
                    likeliest = self._model(torch.tensor([ids])).logits[0, -1].topk(retries + 1).indices
                starts += [(ids, first) for first in likeliest.tolist()[1:]]
            going_on = self._run(spec, [[*ids, first] for ids, first in starts])
            said = [
                [first, *more][: spec.max_new_tokens]
                for (_, first), more in zip(starts, going_on, strict=True)
            ]
        return [said[i : i + drafts] for i in range(0, len(said), drafts)]

    def _run(
        self, spec: Spec, prompts_: list[list[int]], seeds: Sequence[int | None] = ()
    ) -> list[list[int]]:
        """What the model says after each prompt, greedily without seeds; rows of one seed draw from one
        stream.
        """
        import torch
        from transformers import GenerationConfig

        by_seed = {seed: torch.Generator() for seed in seeds}
        for seed, draw in by_seed.items():
            draw.seed() if seed is None else draw.manual_seed(seed)
        draws = [by_seed[seed] for seed in seeds]

        def sample(_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            """Gumbel-max: the largest logit plus Gumbel noise is a draw; each seed has noise of its own."""
            best = scores.topk(min(spec.top_k, scores.shape[-1]), dim=-1)  # (batch, top_k)
            uniform = torch.stack([torch.rand(best.values.shape[-1], generator=draw) for draw in draws])
            noise = -torch.log(-torch.log(uniform.clamp_min(1e-20)))
            chosen = (best.values / spec.temperature + noise).argmax(-1, keepdim=True)
            return torch.full_like(scores, -torch.inf).scatter(1, best.indices.gather(1, chosen), 0.0)

        width = max(map(len, prompts_))
        stop = self._texts.stop_id
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=torch.tensor([[stop] * (width - len(row)) + row for row in prompts_]),
                attention_mask=torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts_]),
                generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                    max_new_tokens=spec.max_new_tokens, do_sample=False, eos_token_id=stop, pad_token_id=stop
                ),
                logits_processor=[sample] if seeds else [],
            )
        rows: list[list[int]] = out[:, width:].tolist()
        return rows

    def close(self) -> None:
        """Free the weights. No generation may be running."""
        del self._model
        gc.collect()  # its modules refer to each other

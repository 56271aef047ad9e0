"""The engines have one shape: `load` a version folder, then `generate(spec, items, previews)`, in the items'
order. An item may have a preview, which shows its first draft while it is written, or nothing; when its
reader leaves, the draft ends, and no retry begins. `batch_size` is the most items of a call, and
`concurrent_batches` the most calls at the same time: more would make messages wait, and no faster.

Two write text. CTranslate2 is for serving: int8, with no imports but `tokenizers` and `ctranslate2`.
transformers is the reference to compare with, and needs torch. In both, a seed determines its samples,
whatever else is in the batch except for items with the same seed. A version of edits has an engine of its own
(`edits_engine`), and so has a model that we did not train (`llm_engine`).
"""

import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import ctranslate2
from tokenizers import Encoding, Tokenizer
from tokenizers.decoders import DecodeStream

from configs.settings import Device
from data.reasons import reason
from data.records import Engine, Form, Protection, Spec, Term
from models import devices, prompts, protection, version_file
from models.preview import Preview, Previews, select_previews
from models.protection import Draft, Kept, Request
from serving.inference.client import Item, Rewritten, unwritable
from serving.inference.edits_engine import EditsEngine
from serving.inference.llm_engine import LlmEngine

# The library reads a batch in one step only up to the end of its shortest prompt, so padding can cost more
# than a larger batch saves. Of 32 messages sorted by length, batches of 8 gave the most tokens a second.
_BATCH = 8

# The longest prompt that is read: time and memory grow with its square, and 8,000 characters of some scripts
# are 30,000 tokens. English has about four characters a token.
MAX_PROMPT_TOKENS = 2048

# Gets each token of a draft as it is written; True ends the draft.
_Feed = Callable[[int], bool]
# Token ids for (item, prompt) tuples: one list for each, or with retries so many alternatives. Without
# retries a prompt may have a feed.
_Generate = Callable[[Spec, Sequence[tuple[Item, Encoding]], int, Mapping[int, _Feed]], list[list[list[int]]]]

_RANDOM_SEED = 2**32 - 1  # CTranslate2's default: each worker thread takes a seed from the system
_seeding = threading.Lock()


def load(folder: Path, engine: Engine, device: Device = "auto") -> "AnyEngine":
    """The engine that a spec names, with a version's weights: 0.2 s for 135M parameters in int8. Versions of
    edits, which write on the CPU, and of models that we did not train have one engine, whichever is named.
    """
    version = version_file.read(folder)
    if version.form == "edits":
        return EditsEngine(folder)
    if version.is_llm:
        return LlmEngine(folder)
    if engine not in ("ctranslate2", "transformers"):
        raise ValueError(f"{folder.name} has weights of ours: set the spec's engine to {version.engine!r}")
    kind = CTranslate2Engine if engine == "ctranslate2" else TransformersEngine
    return kind(folder, device)


class _Texts:
    """A version's tokenizer and prompt frame: makes prompts of items, and rewrites of tokens."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._frame = prompts.read(folder)
        self._version = version_file.read(folder)
        self.stop = self._frame.stop
        stop_id = self._tokenizer.token_to_id(self.stop)
        if stop_id is None:
            raise ValueError(
                f"{folder}: its tokenizer does not know the frame's {self.stop!r}; export it again"
            )
        self.stop_id = stop_id

    def rewrite(
        self, spec: Spec, items: Sequence[Item], previews: Previews, generate: _Generate
    ) -> list[Rewritten]:
        """Rewrites of items, in their order, with facts protected as the spec says. `generate` gets the items
        in a language that the version writes whose prompt is short enough.
        """
        encodings = {
            i: self._prompt(spec, item, item.text)
            for i, item in enumerate(items)
            if self._version.writes_language_of(item.text)
        }
        readable = [i for i, prompt in encodings.items() if len(prompt) <= MAX_PROMPT_TOKENS]

        def prompt(i: int, text: str) -> Encoding:
            return encodings[i] if text == items[i].text else self._prompt(spec, items[i], text)  # masked

        messages = [(items[i].text, items[i].transform_type, items[i].intensity) for i in readable]
        terms = [items[i].terms for i in readable]
        preview_of = select_previews(previews, readable)

        def write(texts: Mapping[int, str], retries: int) -> dict[int, list[Draft]]:
            abandoned = {j for j, preview in preview_of.items() if preview.is_abandoned}
            texts = {j: text for j, text in texts.items() if j not in abandoned}
            batch = [(items[readable[j]], prompt(readable[j], text)) for j, text in texts.items()]
            feeds = {}
            if not retries:
                feeds = {
                    place: self._feed(messages[j], spec.protection, preview_of[j], terms[j])
                    for place, j in enumerate(texts)
                    if j in preview_of
                }
            outputs = generate(spec, batch, retries, feeds) if batch else []
            return {
                j: [
                    self._draft(ids)._replace(prompt_tokens=0 if number else len(encoding))
                    for number, ids in enumerate(drafts)
                ]
                for j, (_, encoding), drafts in zip(texts, batch, outputs, strict=True)
            }

        rewrites = protection.rewrite(messages, spec.protection, write, terms=terms)
        kept = dict(zip(readable, rewrites, strict=True))

        def result(i: int) -> Rewritten:
            if i in kept:
                return _rewritten(kept[i])
            return _refused(len(encodings[i])) if i in encodings else unwritable(items[i])

        return [result(i) for i in range(len(items))]

    def _prompt(self, spec: Spec, item: Item, text: str) -> Encoding:
        explained = protection.list_explained(item.text, spec.protection, item.terms)
        prompt = self._frame.render(text, item.transform_type, item.intensity, spec.prompt, explained)
        return self._tokenizer.encode(prompt, add_special_tokens=False)

    def _feed(
        self, message: Request, level: Protection, preview: Preview, terms: Sequence[Term] = ()
    ) -> _Feed:
        """What shows a first draft to its reader, token by token, and ends it when they have left."""
        if not preview.is_shown:
            return lambda _: preview.is_abandoned
        show = protection.show_to(preview, message, level, terms=terms)
        decode = DecodeStream(skip_special_tokens=True)
        draft = ""

        def feed(token_id: int) -> bool:
            nonlocal draft
            if token_id == self.stop_id or (piece := decode.step(self._tokenizer, token_id)) is None:
                return preview.is_abandoned
            draft += piece.replace("\0", "")
            return show(draft)

        return feed

    def _draft(self, ids: list[int]) -> Draft:
        """The text of generated tokens, up to the stop token."""
        finished = self.stop_id in ids
        text_ids = ids[: ids.index(self.stop_id)] if finished else ids
        # A byte-level tokenizer can generate NUL, which Postgres cannot store as text.
        return Draft(self._tokenizer.decode(text_ids).replace("\0", "").strip(), len(text_ids), finished)


def _seed(seed: int, retries: int) -> int:
    """The seed for a retry of a rewrite: another one, but the same each time."""
    return (seed + 1) % _RANDOM_SEED if retries else seed


def _rewritten(kept: Kept) -> Rewritten:
    """A rewrite that lost facts although they were protected is reported, not changed."""
    return Rewritten(
        text=kept.text,
        facts_missing=kept.missing,
        tokens=kept.tokens,
        finished=kept.finished,
        unchanged=kept.unchanged,
        prompt_tokens=kept.prompt_tokens,
    )


def _refused(tokens: int) -> Rewritten:
    refusal = reason("text_too_long_for_model", tokens=tokens, limit=MAX_PROMPT_TOKENS)
    return Rewritten(text="", facts_missing=[], tokens=0, finished=False, refusal=refusal)


class CTranslate2Engine:
    """Quantised weights. Safe to call from several threads."""

    form: ClassVar[Form] = "text"
    warm_up_tokens: ClassVar[int] = 1

    def __init__(self, folder: Path, device: Device = "auto") -> None:
        self._texts = _Texts(folder)
        self._folder, self._device = folder, device
        self._generator = devices.open_generator(folder, device)
        self.batch_size, self.concurrent_batches = 32, 2
        if self._generator.device == "cpu":
            # A batch keeps all processors busy, and each is answered as a whole: a second batch beside it, or
            # a larger one, would make its messages wait longer and be no faster.
            self.batch_size, self.concurrent_batches = _BATCH * self._generator.num_generators, 1

    def generate(self, spec: Spec, items: Sequence[Item], previews: Previews = ()) -> list[Rewritten]:
        """Rewrite items together. Sampled items with a seed are generated seed by seed."""
        return self._texts.rewrite(spec, items, previews, self._generate)

    def _generate(
        self,
        spec: Spec,
        batch: Sequence[tuple[Item, Encoding]],
        retries: int,
        feeds: Mapping[int, _Feed] = MappingProxyType({}),
    ) -> list[list[list[int]]]:
        by_seed: dict[int | None, list[int]] = {}
        for i, (item, _) in enumerate(batch):
            by_seed.setdefault(item.seed if spec.temperature > 0 else None, []).append(i)
        ids: dict[int, list[list[int]]] = {}
        for seed, indices in by_seed.items():
            tokens = [batch[i][1].tokens for i in indices]
            fed = {place: feeds[i] for place, i in enumerate(indices) if i in feeds}
            if seed is None:
                drawn = self._run(self._generator, spec, tokens, retries, self._share(tokens), fed)
            else:
                generator = self._seeded(_seed(seed, retries))
                drawn = self._run(generator, spec, tokens, retries, len(tokens), fed)
            ids.update(zip(indices, drawn, strict=True))
        return [ids[i] for i in range(len(batch))]

    def close(self) -> None:
        """Free the weights. No generation may be running."""
        self._generator.unload_model()

    def _share(self, tokens: Sequence[object]) -> int:
        """The number of prompts for each worker."""
        workers: int = self._generator.num_generators
        return -(-len(tokens) // workers)

    def _seeded(self, seed: int) -> ctranslate2.Generator:
        """A generator whose one worker draws from `seed`.

        The library's seed is global, and a worker thread reads it once, at its first draw. So each seed needs
        a new worker, which draws one token while the lock keeps the seed unchanged.
        """
        with _seeding:
            ctranslate2.set_random_seed(seed)
            generator = devices.open_generator(self._folder, self._device, workers=1)
            generator.generate_batch([[self._texts.stop]], max_length=1, sampling_topk=2)
            ctranslate2.set_random_seed(_RANDOM_SEED)
        return generator

    def _run(
        self,
        generator: ctranslate2.Generator,
        spec: Spec,
        batch: list[list[str]],
        retries: int,
        worker_share: int,
        feeds: Mapping[int, _Feed],
    ) -> list[list[list[int]]]:
        def step(result: ctranslate2.GenerationStepResult) -> bool:
            # `batch_id` is the place in `batch`, also where the library has split and sorted it; not with
            # alternatives, for which it is no number of ours.
            feed = feeds.get(result.batch_id)
            return feed is not None and feed(result.token_id)

        sampled = spec.temperature > 0
        # Without sampling, alternatives start with the next likely tokens; the first is the original rewrite.
        alternatives = retries > 0 and not sampled
        results = generator.generate_batch(
            batch,
            # In a batch, alternatives to shorter prompts would contain the ends of the longer ones. With
            # alternatives the length counts the prompt, too.
            max_batch_size=1 if alternatives else min(_BATCH, worker_share),
            max_length=spec.max_new_tokens + (max(map(len, batch)) if alternatives else 0),
            sampling_temperature=spec.temperature if sampled else 1.0,
            sampling_topk=spec.top_k if sampled else 1,
            num_hypotheses=retries + 1 if alternatives else max(1, retries),
            return_alternatives=alternatives,
            end_token=self._texts.stop,
            return_end_token=True,
            include_prompt_in_result=False,
            callback=step if feeds else None,
        )
        return [
            [ids[: spec.max_new_tokens] for ids in result.sequences_ids[int(alternatives) :]]
            for result in results
        ]


class TransformersEngine:
    """The merged, unquantised weights with transformers' own `generate`."""

    form: ClassVar[Form] = "text"
    warm_up_tokens: ClassVar[int] = 1
    batch_size: ClassVar[int] = 32
    concurrent_batches: ClassVar[int] = 2

    def __init__(self, folder: Path, device: Device = "auto") -> None:
        # Imported here, so that a service without torch can serve the other engine.
        import torch

        from models import loading

        self._texts = _Texts(folder)
        target = devices.torch_device(device)
        # As they were merged on CPU: in float32, unless the export says bf16.
        dtype = "auto" if target == "cpu" else torch.bfloat16
        model: Any = loading.load_model(folder / "transformers", dtype=dtype)
        self._model = model.to(target)

    def generate(self, spec: Spec, items: Sequence[Item], previews: Previews = ()) -> list[Rewritten]:
        """Rewrite items together in one batch."""
        return self._texts.rewrite(spec, items, previews, self._generate)

    def _generate(
        self,
        spec: Spec,
        batch: Sequence[tuple[Item, Encoding]],
        retries: int,
        feeds: Mapping[int, _Feed] = MappingProxyType({}),
    ) -> list[list[list[int]]]:
        import torch

        prompt_ids = [prompt.ids for _, prompt in batch]
        drafts = max(1, retries)
        if spec.temperature > 0:
            seeds = [None if item.seed is None else _seed(item.seed, retries) for item, _ in batch]
            outputs = self._run(
                spec,
                [ids for ids in prompt_ids for _ in range(drafts)],
                [seed for seed in seeds for _ in range(drafts)],
                feeds,
            )
        elif not retries:
            outputs = self._run(spec, prompt_ids, feeds=feeds)
        else:  # the alternatives start with the next likely tokens
            starts = []
            for ids in prompt_ids:
                with torch.inference_mode():
                    prompt = torch.tensor([ids], device=self._model.device)
                    likeliest = self._model(prompt).logits[0, -1].topk(retries + 1).indices
                starts += [(ids, first) for first in likeliest.tolist()[1:]]
            rests = self._run(spec, [[*ids, first] for ids, first in starts])
            outputs = [
                [first, *rest][: spec.max_new_tokens] for (_, first), rest in zip(starts, rests, strict=True)
            ]
        return [outputs[i : i + drafts] for i in range(0, len(outputs), drafts)]

    def _run(
        self,
        spec: Spec,
        prompt_ids: list[list[int]],
        seeds: Sequence[int | None] = (),
        feeds: Mapping[int, _Feed] = MappingProxyType({}),
    ) -> list[list[int]]:
        """The generated ids after each prompt, (batch, new tokens). Greedy without seeds; rows with one seed
        share one random stream.
        """
        import torch
        from transformers import GenerationConfig, StoppingCriteriaList

        by_seed = {seed: torch.Generator() for seed in seeds}
        for seed, generator in by_seed.items():
            generator.seed() if seed is None else generator.manual_seed(seed)
        generators = [by_seed[seed] for seed in seeds]

        def sample(_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            """Gumbel-max: the token with the largest logit plus Gumbel noise is a sample; noise by seed."""
            best = scores.topk(min(spec.top_k, scores.shape[-1]), dim=-1)  # (batch, top_k)
            uniform = torch.stack([torch.rand(best.values.shape[-1], generator=each) for each in generators])
            # On the CPU, so that a seed gives the same numbers on every device.
            noise = -torch.log(-torch.log(uniform.clamp_min(1e-20))).to(scores.device)
            chosen = (best.values / spec.temperature + noise).argmax(-1, keepdim=True)
            return torch.full_like(scores, -torch.inf).scatter(1, best.indices.gather(1, chosen), 0.0)

        width = max(map(len, prompt_ids))
        stop = self._texts.stop_id

        # A streamer of the library takes one prompt only, and cannot end it.
        def step(ids: torch.Tensor, _scores: torch.Tensor) -> torch.Tensor:
            """Which rows end, (batch,): those whose reader has left."""
            newest = ids[:, -1].tolist()  # (batch,); the stop token again in rows that have ended
            ends = [place in feeds and feeds[place](token) for place, token in enumerate(newest)]
            return torch.tensor(ends, device=ids.device)

        with torch.inference_mode():
            out = self._model.generate(
                input_ids=torch.tensor(
                    [[stop] * (width - len(row)) + row for row in prompt_ids], device=self._model.device
                ),
                attention_mask=torch.tensor(
                    [[0] * (width - len(row)) + [1] * len(row) for row in prompt_ids],
                    device=self._model.device,
                ),
                generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                    max_new_tokens=spec.max_new_tokens, do_sample=False, eos_token_id=stop, pad_token_id=stop
                ),
                logits_processor=[sample] if seeds else [],
                stopping_criteria=StoppingCriteriaList([step] if feeds else []),
            )
        rows: list[list[int]] = out[:, width:].tolist()
        return rows

    def close(self) -> None:
        """Free the weights. No generation may be running."""
        del self._model
        gc.collect()  # its modules refer to each other


AnyEngine = CTranslate2Engine | TransformersEngine | EditsEngine | LlmEngine

# %% [markdown]
# # A language model of your own, in shadow
#
# Can a model that was not trained here take the champion's place, and at what cost? This notebook lets a
# variant of it rewrite recent messages in shadow: no person sees the rewrites. It compares faults, time and
# price with the shipped version. With the small model from pip it takes under a minute on an idle machine.

# %%
# %matplotlib inline
import os

import pandas as pd
from IPython.display import HTML, display

from data.reasons import reason
from data.records import Protection, TransformType
from models import costs, llm, prompts, protection
from models.gate import Margins
from pipelines import llm_version, replay, shadow
from pipelines.replay_plot import draw_replay
from serving import differences
from serving.inference.llm_engine import LlmEngine
from simulation import sample

# Your copy of configs/llm.yaml has the model, its endpoint or file, prices and budget (docs/other_models.md).
# Overrides change it: ["endpoint={base_url: http://127.0.0.1:11434/v1, model: 'qwen3:8b', input_usd: 0}"]
CONFIG, OVERRIDES = os.environ.get("LLM_CONFIG"), list[str]()
# Without both, llama.cpp serves SmolLM2 here, with these prices (USD per million tokens) and this budget.
STAND_IN = {"input_usd": 0.15, "output_usd": 0.60, "daily_tokens": 40_000}
PROTECTION = Protection(masks=True, retries=5 if CONFIG or OVERRIDES else 1)  # one retry, for speed
MESSAGES, CPU_USD = shadow.MIN_MESSAGES, 0.04  # replayed messages; USD for an hour of one CPU core
pd.options.display.max_colwidth, pd.options.display.float_format = 400, "{:,.6g}".format
OUT = (settings := sample.open_settings()).artifacts / "own_model"

# %% [markdown]
# ## What such a variant is made of
#
# An arm of an experiment is a *spec*: version, prompt, decoding, engine and fact protection, so everything
# that determines a rewrite. `llm.write` asks the model once and writes the version folder, as the
# registration does. The folder has no key. `answers_as` and `described` say which model answered: if the
# endpoint shows another one later, the version fails and says so.

# %%
config, server = llm_version.open_model(CONFIG, OVERRIDES, STAND_IN)
llm.write(config.model(), config.languages, OUT / "mine", config.gguf)
model = llm.read(OUT / "mine")
spec = model.spec("mine", PROTECTION)
print("spec", spec.digest, spec.model_dump_json(indent=1), "\nllm.json", model.model_dump_json(indent=1))

# %% [markdown]
# Two prompts of one model are two variants. `frame-1` is the request alone, for models that were trained on
# it. `frame-2` tells any other model what the transform type means, how strong the change should be and what
# is not allowed, with two examples. You pay for its length with each draft. Facts are masked first, so a
# vendor does not see them.

# %%
message = "Anna, you broke the export again. Send PAY-4512 to Ben by Friday 14:00, I'm tired of asking."
masked = protection.mask(message)
for prompt in ("frame-1", "frame-2"):
    print(f"=== {prompt}", *prompts.turns(prompt, masked.text, TransformType.SOFTEN, 2), sep="\n")
pd.Series(masked.hidden, name="fact").to_frame()

# %% [markdown]
# ## One rewrite
#
# The engine is that of the inference service. Each row is a draft as the model wrote it. A draft that talks
# about the message or quotes the prompt *is no rewrite*, and one whose mask hides no fact *has a wrong mask*:
# both are refused. If the first draft is refused or loses a fact, others are written, and the one that lost
# the fewest facts is sent. If all are refused, the message itself is sent, and `unchanged` says why.

# %%
engine, drafts = LlmEngine(OUT / "mine"), list[protection.DraftResult]()
request = shadow.ReplayedMessage(message, TransformType.SOFTEN, 2)
[rewritten] = engine.generate(spec, [request.item], observe=drafts.append)
display(pd.DataFrame(drafts, columns=protection.DraftResult._fields).drop(columns=["message", "number"]))
pd.Series(rewritten.model_dump() | {"unchanged": rewritten.unchanged}, name="the answer").to_frame()

# %% [markdown]
# ## In shadow
#
# A shadow run lets a challenger, here your model, rewrite recent messages of people who consent to training;
# an endpoint elsewhere gets them, with masked facts. The shipped version stands for the champion. Read the
# faults first (`models.fidelity`), then the time that a person waits when no cache has the answer. Numbers
# hide how a rewrite reads, so the last tables show the five pairs with the most faults of your model.

# %%
messages, volume = replay.read_traffic(settings, MESSAGES)
champion = replay.run(*replay.open_shipped(settings), messages)
challenger = replay.run(engine, spec, messages)
sides = {"champion": champion, "challenger": challenger}
display(pd.DataFrame({name: replay.summarise(messages, side) for name, side in sides.items()}))
display(draw_replay(messages, champion, challenger))
pairs = replay.list_pairs(messages, champion, challenger)[:5]
display(HTML(differences.tabulate(pairs, *sides)))
pd.DataFrame(pairs)[["outcome", "faults", "facts_lost"]]

# %% [markdown]
# A shadow run refuses only a clear difference: the whole 95 % interval is on the wrong side of 0, and the
# mean exceeds a margin of the gate. With few messages a bad model may pass, too.

# %%
comparison = shadow.compare(replay.by_champion(messages, champion), [each.answer for each in challenger])
print(*comparison.reasons or ["The check finds no reason to refuse this model."], sep="\n")
pd.DataFrame(comparison.describe())

# %% [markdown]
# ## What it costs
#
# A vendor takes money for the tokens of all drafts; a model on your machine takes CPU time. An answer from a
# cache costs neither. CPU seconds are those of this process: a model that llama.cpp runs here is in them, a
# model elsewhere is not. The intervals are over messages. When `daily_tokens` are spent, the champion
# answers, and an experiment's guardrail `fell_back` counts that.

# %%
used = {name: costs.measure([each.use for each in side], model.endpoint) for name, side in sides.items()}
print(f"{volume.answers_a_month:,.0f} answers a month, {volume.hit_rate:.0%} of them from a cache.")
print(costs.describe_budget(model.endpoint, used["challenger"], volume.outputs_a_day))
pd.DataFrame({name: cost.describe(volume, CPU_USD) for name, cost in used.items()})

# %% [markdown]
# ## From here to an experiment
#
# The stack (`make up`) needs the key in its environment, and `mine.yaml` is your config. The first command
# evaluates the model on held-out messages, in some hundred requests, and registers it. The others draft an
# experiment and start it after a shadow run. Without a draft, the flow `experiment` starts one.
#
# ```sh
# . .tonebridge/env && export OPENAI_API_KEY=... && .venv/bin/python -m pipelines.llm_version mine.yaml
# AT=localhost:8080/api/v1/experiments; AS="-H X-API-Key:$KEY -H Content-Type:application/json"
# curl -s $AT $AS -H "Idempotency-Key: $(uuidgen)" \
#   -d '{"name": "mine", "hypothesis": "It is better.", "challengers": ["v7"]}'
# curl -s -X POST $AT/$ID/start $AS -H "Idempotency-Key: $(uuidgen)"
# ```
#
# Below are the sentences with which a draft or a start is refused, and the limits of the gate.

# %%
engine.close()
refusals = ("not_accepted", "version_erased", "is_champion", "no_champion", "shadow_unsound")
print(*(reason(code, version="v7") for code in refusals), sep="\n")
pd.Series(Margins().model_dump(exclude={"seed"}), name="limit of the gate").to_frame()

# %% [markdown]
# ## What to do next
#
# - Another prompt is another variant: set `prompt: frame-1` in your config, and run this notebook again.
# - [05_experiment](05_experiment.py) reads the experiment that you start. Its metric *cost* is the price.
# - [docs/other_models.md](../docs/other_models.md): vendors, vLLM, Ollama, llama.cpp, and what is protected.
# - Weights you train: [03_training](03_training.py), [docs/your-own-model.md](../docs/your-own-model.md).

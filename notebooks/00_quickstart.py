# %% [markdown]
# # Quickstart: the whole loop in a notebook
#
# A message becomes a rewrite, people vote on rewrites, votes become a snapshot, a snapshot trains a
# challenger, and a challenger that passes the gate is released. This notebook runs that loop once, by the
# functions that the scheduled flows call. It needs no server, and it takes two to three minutes. It uses the
# tagger in the folder `champion/`: 22 million parameters, which accept or refuse edits of a message.
# Everything is written to `artifacts/notebooks/00`, so a running installation does not change.

# %%
# %matplotlib inline
import os
import shutil

import pandas as pd
from IPython.display import Image

import configs
from configs.settings import Settings
from data.records import Demonstration, PreferencePair, Spec
from data.snapshots import shards
from data.traffic.routing import Routing
from models import edit_dpo, evaluation, tagger, versions
from models.edits.writer import rules_digest
from serving.inference import engines, release
from serving.inference.client import Item
from simulation import simulated_votes

pd.options.display.max_colwidth = None
os.chdir(configs.ROOT)  # paths in the yaml files are relative to it
folder = Settings().artifacts / "notebooks" / "00"
shutil.rmtree(folder, ignore_errors=True)  # each run starts from the beginning
settings = Settings(
    state=folder / "state", mlflow_uri=f"sqlite:///{folder.absolute()}/mlflow.db", artifact_location=None
)

# %% [markdown]
# ## A message and its rewrites
#
# A *version folder* is what the inference service loads. A *spec* names a version and all else that decides
# its texts. **Read**: intensity 0 returns the message, and each step changes more. The facts stay.

# %%
champion = tagger.export(settings.champion, folder / "v1")
engine, spec = engines.load(champion, "ctranslate2"), Spec(version="v1", form="edits", rules=rules_digest())
message = "You broke the build again. Fix it before the release at 5 pm."
items = [Item(text=message, transform_type="soften", intensity=intensity) for intensity in range(4)]
pd.DataFrame({"rewrite": [row.text for row in engine.generate(spec, items)]}).rename_axis("intensity")

# %% [markdown]
# ## A vote
#
# People compare two samples without knowing what is different. Samples draw each uncertain edit anew, so two
# of them differ. Here you prefer the first one: change the value and run the rest again.

# %%
pair = [Item(text=message, transform_type="soften", intensity=2, seed=seed) for seed in (0, 5)]
first, second = [row.text for row in engine.generate(Routing(champion=spec).sampled, pair)]
vote = simulated_votes.make_own_vote(pair[0], first, second, preferred="first")
engine.close()
pd.DataFrame({"rewrite": [first, second]}, index=["first", "second"])

# %% [markdown]
# ## A snapshot
#
# One vote teaches nothing, so 600 simulated people vote, too (their taste is in `simulation/taste.py`). A
# *snapshot* is the data set that all usable votes become: redacted, capped by person, and split, so that no
# message is both trained on and held out. **Read**: `votes` counted, and `votes_left_out` did not, most of
# them because a vote rests on a phrase that nobody else wrote.

# %%
votes = simulated_votes.VotesConfig(version=champion, people=600, out=folder / "votes")
made = simulated_votes.main(votes, own=[vote])
pd.Series(made.counts, name="rows").loc[lambda rows: rows > 0].to_frame()

# %% [markdown]
# Preference pairs teach which of two rewrites is better. Demonstrations are what people wrote instead.

# %%
pairs = [row.model_dump() for row in shards.read(votes.out, PreferencePair)]
pd.DataFrame(pairs)[["text", "transform_type", "intensity", "chosen", "rejected"]].head(3)

# %%
corrections = [row.model_dump() for row in shards.read(votes.out, Demonstration)]
pd.DataFrame(corrections)[["text", "transform_type", "intensity", "rewrite"]].head(3)

# %% [markdown]
# ## Training
#
# Direct preference optimisation of the tagger's decisions takes seconds. It first tests which kinds of edits
# people prefer or reject, since most differences are chance. **Read**: in how many comparisons the rewrite
# with more edits of the kind was chosen or rejected; `offset` is what the log-odds of such an edit gain, in
# nats.

# %%
fixed = [f"snapshots=[{votes.out}]", f"out={folder / 'run' / 'edit_dpo'}"]
trained = edit_dpo.main(configs.load(edit_dpo.EditDpoConfig, "configs/edit_dpo.yaml", fixed))
pd.DataFrame([kind.model_dump() for kind in trained.kinds])

# %% [markdown]
# ## Evaluation
#
# The challenger and the champion rewrite the same held-out messages. The gate accepts a challenger whose
# intervals exclude harm; it does not require a gain, because people decide that in an experiment. The flow
# measures 168 cases, and we measure 126. **Read**: points are means, and lines are 95 % intervals.

# %%
challenger = tagger.export(trained.out, folder / "run" / "version")
fixed = [f"version={challenger}", f"champion={champion}", f"out={folder / 'run' / 'evaluation'}"]
fixed += [f"base_version={folder / 'base'}", "most_cases=126", "intensity_messages=6"]
evaluated = evaluation.main(configs.load(evaluation.EvaluateConfig, "configs/evaluate.yaml", fixed))
Image(folder / "run" / "evaluation" / "scores.png")

# %%
pd.Series({"accepted": evaluated.verdict.accepted, "reasons": " ".join(map(str, evaluated.verdict.reasons))})

# %% [markdown]
# What did the votes change? These are held-out messages that the two versions rewrite differently.

# %%
rows = pd.read_json(folder / "run" / "evaluation" / "outputs.jsonl", lines=True)
for name in ("champion", "challenger"):
    rows[name] = [texts[f"{name}_protected"]["text"] for texts in rows["rewrites"]]
rows[rows["champion"] != rows["challenger"]][["transform_type", "intensity", "champion", "challenger"]].head(
    3
)

# %% [markdown]
# ## Release
#
# MLflow registers the version with its metrics and files, and the model store of the inference service gets
# its folder. In an installation `pipelines.promote` releases a version, tells every gateway, and waits until
# each of them uses it. **Read**: the released version answers.

# %%
name = versions.register(settings.registry_uri, settings.artifact_store, folder / "run", evaluated, {})
release.publish(challenger, name, settings)
engine = engines.load(release.find(name, settings), "ctranslate2")
pd.DataFrame({name: [row.text for row in engine.generate(spec, items)]}).rename_axis("intensity")

# %% [markdown]
# ## What to do next
#
# - `make demo` runs the same loop with all services, an experiment included; `make up` starts them for use.
# - [01_feedback](01_feedback.py) shows what people say, and [03_training](03_training.py) trains a language
#   model.
# - [docs/training.md](../docs/training.md) explains the gate, and [docs/edits.md](../docs/edits.md) the
#   tagger.

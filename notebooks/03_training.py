# %% [markdown]
# # Training a variant by hand
# This notebook trains a variant of the language model by hand: from a snapshot of people's votes through SFT
# and DPO to an exported version. What is in the snapshot? Does the training go well? What does the variant
# write, and is it better than the flow's versions? What did one changed setting do? It takes two to three
# minutes with few steps on few rows, so read it for the method, and not for the model's quality.

# %%
# %matplotlib inline
import os

import pandas as pd
from IPython.display import Markdown

import configs
from data.reasons import render
from models import curves, dpo, evaluation, export, methods, score_plots, scoreboard, sft, training, versions
from pipelines import by_hand, train
from serving.inference.client import Item
from simulation import sample, simulated_votes

pd.options.display.max_colwidth = 300
os.chdir(configs.ROOT)  # paths in the yaml files are relative to it
settings = sample.find_settings()
workspace = by_hand.open_workspace(settings, settings.artifacts / "notebooks" / "03")
run = workspace.folder / "notebook-03"

# %% [markdown]
# ## The snapshot
# A snapshot is the data set that a training gets from people. Personal data is redacted, nobody has too many
# votes, and some rows are held out. Read its card first: how many people voted, and what was left out. The
# cell takes the newest snapshot of the installation. Without an installation, simulated people vote on what
# the shipped champion writes. SFT learns from demonstrations, DPO from pairs (second table). A run by hand is
# in no lineage, so an erasure does not find it: delete its folder when somebody is erased.

# %%
people = simulated_votes.VotesConfig(version=workspace.champion, people=300, out=workspace.folder / "votes")
snapshot = simulated_votes.find_or_make(settings, people)
Markdown((snapshot / "README.md").read_text(encoding="utf-8"))

# %%
pd.Series(methods.feedback([snapshot]).model_dump(), name="rows").to_frame()

# %% [markdown]
# ## SFT, with curves while it runs
# All settings are those of `configs/sft.yaml`, except the ones named here. In Jupyter the figure is drawn
# again at each entry of the log. Watch three things: The held-out loss (`eval_loss`) falls with the loss. (If
# it rises, the model learns rows by heart.) The learning rate rises in the first steps, and then falls. The
# gradient norm and the entropy stay in their healthy range, which is shaded; a run that leaves it is stopped.
# You may interrupt or kill the kernel, and run the cells again. The run then continues from its last
# checkpoint, because its name is a hash of its settings and its rows. `resumed_from_step` says where.

# %%
data = [f"snapshots=[{snapshot}]", f"checkpoints={workspace.folder / 'checkpoints'}"]
few = ["steps=6", "evaluate_every_steps=3", "checkpoint_every_steps=3", "batch_size=4", "max_tokens=128"]
sft_config = train.stage_config("sft", [*data, *few, "validation_rows=8", f"out={run / 'sft'}"], ())
with training.add_callback(curves.Live(curves.SFT, sft_config.healthy)):
    after_sft = sft.main(sft_config)

# %%
real = train.stage_config("sft", [], ())
minutes = after_sft.seconds / 60 * real.steps / sft_config.steps * real.batch_size / sft_config.batch_size
Markdown(
    f"Held-out loss: {after_sft.held_out_loss_before:.2f} before, {after_sft.held_out_loss_after:.2f} after "
    f"(nats a token); resumed from step {after_sft.resumed_from_step}. A real run has {real.steps} steps of "
    f"{real.batch_size} rows, each of up to {real.max_tokens} tokens: here at least {minutes:.0f} minutes."
)

# %% [markdown]
# ## DPO, from that adapter
# DPO continues from the SFT adapter and learns to prefer what people chose. A frozen copy of the adapter is
# the reference. The margin says how much more the chosen rewrite has gained than the rejected one; it should
# rise. If it rises while both log-ratios fall, both rewrites become unlikely, which is DPO's usual failure.
# The KL divergence says how far the policy has moved. It is estimated on pairs that the policy has not
# written, so it may be below zero. The interval of the accuracy says how little so few held-out pairs show.

# %%
few = ["steps=6", "evaluate_every_steps=3", "checkpoint_every_steps=3", "batch_size=2", "validation_pairs=3"]
dpo_config = train.stage_config("dpo", [*data, *few, f"adapter={run / 'sft'}", f"out={run / 'dpo'}"], ())
with training.add_callback(curves.Live(curves.DPO, dpo_config.healthy)):
    after_dpo = dpo.main(dpo_config)

# %%
right = round(after_dpo.held_out_accuracy * after_dpo.validation_pairs)
accuracy = scoreboard.estimate_share(right, after_dpo.validation_pairs)
names = {"train_pairs", "validation_pairs", "held_out_margin", "chosen_log_ratio", "kl_nats"}
pd.Series(after_dpo.model_dump(include=names) | {"accuracy": accuracy}, name="DPO").to_frame()

# %% [markdown]
# ## Export, and a rewrite
# The export merges the adapter into the base and quantises it to int8, as the service needs it. Then the
# service's engine rewrites a message by this version and by the shipped champion, with the facts protected.

# %%
export.main(train.stage_config("export", [f"adapter={run / 'dpo'}", f"out={run / 'version'}"], ()))
item = Item(text="Fix the login page by Monday, you broke it again.", transform_type="soften", intensity=2)
folders = {"by hand": run / "version", "shipped champion": workspace.champion}
texts = {name: by_hand.rewrite(folder, [item])[0].text for name, folder in folders.items()}
pd.Series({"message": item.text, **texts}, name="text").to_frame()

# %% [markdown]
# ## Compared in MLflow
# The evaluation is that of the flow, with the gate, on fewer messages. The run is logged like the runs of the
# flow, with its settings as parameters, but without weights. Table and figure have the newest runs, with the
# scores of what people would receive and 95 % intervals; each run was measured on messages of its own. The
# gate rejects a version unless the data exclude a loss, and few messages exclude little.

# %%
paths = [f"version={run / 'version'}", f"champion={workspace.champion}", f"out={run / 'evaluation'}"]
few = [f"base_version={settings.artifacts / 'base-version'}", "most_cases=14", "intensity_messages=1"]
evaluate = train.stage_config("evaluate", [*paths, *few, "max_new_tokens=48"], ())
evaluated = evaluation.main(evaluate)
stages = {"sft": sft_config, "dpo": dpo_config, "evaluate": evaluate}
by_hand.log_run(workspace, run, evaluated, {"method": "sft+dpo", "snapshot": snapshot.name}, stages)
Markdown(f"Runs: `{workspace.registry_uri}`. The gate: {render(evaluated.verdict.reasons) or 'accepted'}")

# %%
scores = ("facts_kept", "meaning", "tone_moved", "copy_rate", "composite")
runs = versions.read_runs(workspace.registry_uri, workspace.artifact_store)
rows = [(each.label, each.evaluation.systems["challenger_protected"]) for each in runs]
pd.DataFrame([{name: str(row[name]) for name in scores} for _, row in rows], [label for label, _ in rows])

# %%
score_plots.draw_scores(rows, scores)

# %% [markdown]
# ## What one setting did
# A second SFT has a tenth of the learning rate, and all else is the same. Both are measured on the same
# held-out messages. Each message gives one difference, so it does not matter that some messages are harder.
# The interval is a bootstrap over messages. If it contains 0, chance may explain the difference. It is about
# other messages and not about other seeds: for those, train both with several values of `seed`.

# %%
changed = {"learning_rate": sft_config.learning_rate / 10, "out": workspace.folder / "other-sft"}
sft.main(other := sft_config.model_copy(update=changed))
measured = sft_config.model_copy(update={"validation_rows": 24})
first, second = (sft.held_out_losses(measured, config.out) for config in (sft_config, other))
differences = [second[message] - first[message] for message in first]
label = "held-out loss at a tenth of the learning rate, minus that at all of it (nats a token)"
score_plots.draw_differences(differences, scoreboard.estimate(differences), label)

# %% [markdown]
# ## What to do next
# - Train for real: `models.sft`, `models.dpo`, `models.export`, `models.evaluation` (`docs/training.md`).
# - Search a setting instead of changing one: `make tune`. Take a larger base: `docs/your-own-model.md`.
# - Let the flow train on the snapshot, since only its versions can be tested on people: `README.md` has the
#   command. Then read what they write in `02_rewrites`, and ask people in `05_experiment`.

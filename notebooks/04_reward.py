# %% [markdown]
# # Audit of the reward model and of the judges
# A judge gives a rewrite a number, and training, choosing and deciding follow that number. This notebook asks
# whether they may: does a judge rank what readers call usable above what they call wrong, are its
# probabilities true, does it pay for length, and which bad texts does it rate as high as good ones? It takes
# about a minute on two cores, half of it to train a small reward model, once; your own may take longer.

# %%
# %matplotlib inline
import os

import pandas as pd
from IPython.display import Markdown

import configs
from data import corpus
from models import audit, calibration, evaluation, labels, length_bias, probes, shipped
from simulation import audited_reward, sample, taste_report

pd.options.display.max_colwidth = None
os.chdir(configs.ROOT)  # paths in the yaml files are relative to it
CURRENT = labels.CHAMPION  # the system whose rewrites people get, by its name in the labels
MOST_POLICIES = 4  # that are measured, the ones that were read last; None for all takes a minute more
LLM = None  # the name of a model at OPENAI_BASE_URL, which is then audited too: two questions for each text

# %% [markdown]
# ## Which judges there are
# The table is read from the sources: what a judge sees (the parameters of its function) and which functions
# call it, with the first sentence of their docstrings. A judge that only reports cannot harm training.

# %%
pd.DataFrame(audit.list_uses()).set_index(["judge", "sees", "used_in"])

# %% [markdown]
# The reward model is the newest one of your installation, or else a small one, which is trained here. The
# held-out pairs are of messages that it has not learned from.

# %%
settings = sample.find_settings()
audited = audited_reward.load(settings)
print(f"{audited.origin}; {len(audited.held_out)} held-out pairs")

# %% [markdown]
# ## Validity on fresh labels
# The AUC is the probability that a judge ranks a usable rewrite above a wrong one, here with its 95 %
# interval: 0.5 is a coin. Training and the gate use a judge only where it is valid (`models/validity.py`), by
# labels of the very policy, since each policy errs in its own way. `taste` is how much simulated people like
# a rewrite: their votes drive the demo, and say nothing about quality ([taste.md](../docs/taste.md)).

# %%
read = labels.read_all()
rows = audit.choose_rows(read, CURRENT, MOST_POLICIES)
scores = audit.score(rows, audited.model, LLM)
scores["taste"] = [taste_report.like(row) for row in rows]
validities = audit.validate_all(rows, scores, {"reward": audited.messages})
table = pd.DataFrame([{**dict(each), "AUC": str(each.auc)} for each in validities])
table.pivot_table(index="policy", columns="judge", values="AUC", aggfunc="first", sort=False)

# %% [markdown]
# What follows for the current policy from all its labels, and last what the gate finds for the shipped
# version: it takes the labels only of what the version still writes, since the rules may have changed.

# %%
current = [each for each in validities if each.policy == CURRENT]
gate = evaluation.measure_validity(evaluation.EvaluateConfig(version=shipped.export_once(settings)))
Markdown("\n".join(f"- **{each.judge}**: {each.refusal or 'valid'}" for each in [*current, gate]))

# %% [markdown]
# ## Calibration
# First the reward model: where it gives the side that it prefers 70 %, people should choose this side in 70 %
# of the held-out pairs. A point below the dotted line is too sure; its number counts pairs. By chance alone
# the calibration error is above 0, so it has a limit.

# %%
preferences = audit.prefer(audited.held_out, audited.model, LLM)
calibrations = {"reward": calibration.measure_choices(preferences["reward"])}
calibration.draw(calibrations["reward"], "Reward model", "probability of the preferred side", "share chosen")

# %% [markdown]
# Then the composite, read as the probability that a reader calls a rewrite of the current policy usable. The
# other scores that name a probability are in the table. A judge whose Brier score (mean squared error) is
# above that of a constant says less about a rewrite than the share of usable ones does.

# %%
calibrations |= audit.calibrate(rows, scores, CURRENT)
calibration.draw(calibrations["composite"], "Composite", "score", "share that readers call usable")

# %%
pd.DataFrame(calibrations.values(), index=list(calibrations)).drop(columns="bins").round(3)

# %% [markdown]
# ## Length
# A long rewrite may be better, so a correlation with length alone is no bias. The left plot compares rewrites
# with the same label and transform type, so a correlation there is the judge's own preference. (For readers
# it says whether usable rewrites are longer.) The right plot shows how often the longer side of a pair wins.
# If it wins more often by the judge than by people, training on the judge makes rewrites longer.

# %%
effects = length_bias.correlate(rows, scores)
longer = length_bias.count_longer(audited.held_out, {"people": [1.0] * len(audited.held_out), **preferences})
length_bias.draw(effects, longer)

# %% [markdown]
# ## Probes
# A policy that is trained by a judge finds the texts that the judge overrates. So each usable rewrite of the
# current policy is spoiled in several ways, and the plot shows how often the spoiled text scores no lower
# than the rewrite it was made from. A kind whose interval is right of the dotted line fools the judge. The
# table has the mean scores.

# %%
usable = probes.choose_usable(rows, CURRENT)
steering = [row.text for row in corpus.read_lines(corpus.SEED / "injections", corpus.Injection)]
made = probes.make(usable, steering)
probe_scores = audit.score(made, audited.model, LLM)
fooled = probes.measure(made, probe_scores, audit.score(usable, audited.model, LLM))
probes.draw(fooled)

# %%
means = pd.DataFrame(fooled).pivot_table(index="kind", columns="judge", values="mean", sort=False)
means.loc["usable rewrites"] = {each.judge: each.usable_mean for each in fooled if each.kind == "nothing"}
means.round(2)

# %% [markdown]
# ## Verdict
# These sentences follow from the numbers above. A judge that may not train or gate can still be a surrogate
# in an experiment: votes correct it, so it only has to agree with people more often than a coin does.

# %%
everything = [row for row in read if row.system == CURRENT]
verdicts = audit.conclude(current, calibrations, effects, fooled, preferences, everything)
Markdown(audit.write_verdicts(verdicts))

# %% [markdown]
# The next judge needs this many usable and wrong labels until the interval of its AUC is +/- 0.05. The number
# depends on its true AUC. The last column says how many rewrites must be read to get them, if the shares of
# the labels are those of the current policy.

# %%
decided = current[0].usable + current[0].wrong
needed = {auc: audit.count_labels(auc, current[0].usable / decided) for auc in (0.7, 0.8, 0.85, 0.9, 0.95)}
reads = {auc: round(number * len(everything) / decided) for auc, number in needed.items()}
pd.DataFrame({"usable and wrong labels": needed, "rewrites to read": reads}).rename_axis("true AUC")

# %% [markdown]
# ## What to do next
# Have rewrites read: `python -m models.reading configs/reading.yaml`. `02_rewrites` shows what is behind a
# number, and `03_training` trains a larger reward model. The docs say
# [how often the limits err](../docs/training.md#which-judges-are-valid) and
# [how votes correct a judge](../docs/experiments.md#a-judge-beside-the-votes).

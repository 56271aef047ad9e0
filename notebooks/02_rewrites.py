# %% [markdown]
# # Rewrites
#
# What did the versions write, how good is it, and how do two versions differ? Do you judge rewrites as the
# readers did? This notebook browses an installation's outputs, shows what readers said, puts two versions
# side by side, and lets you label a batch blind. It takes half a minute, and a minute more when it first
# makes the sample.

# %%
# %matplotlib inline
import random

import pandas as pd
from IPython.display import HTML, Markdown

from data.traffic import rewrites
from models import blind_batch, label_shares, labels, output_shares, side_by_side
from serving import differences
from simulation import sample

SEED = 0  # another one draws other examples, messages and batches
settings = sample.open_settings()

# %% [markdown]
# ## What the installation wrote
#
# Read some texts before you count. These are the newest outputs of your own organisation, of one transform
# type and intensity; change both, or name a `version`. `unchanged` says why a text is the message itself.
# People who agreed to training did not agree that colleagues read what they wrote. So `hide_written` leaves
# only the texts of messages that ship with the system (the sample has no others).

# %%
newest = rewrites.read_newest(settings, "soften", intensity=2, most=6)
table = pd.DataFrame(rewrites.hide_written(newest))[["at", "version", "message", "text", "unchanged"]]
table.style.format(escape="html").set_properties(**{"text-align": "left"}).hide(axis="index")

# %% [markdown]
# Two things can be counted without a reader: answers that are the message itself, and rewrites that lost a
# name, a number, a date or a link (`models.facts`). The table is about the version that wrote the newest of
# these outputs. Brackets hold the 95 % interval in percent. At intensity 0 every answer should be the
# message. Above that, an unchanged answer is right only where there was nothing to do. A summary may lose
# facts, with the part that it drops; any other type that loses some has a fault.

# %%
counted = output_shares.summarise(rewrites.read_newest(settings, version=newest[0].version, most=5000))
print(f"Version {newest[0].version}:")
pd.DataFrame(output_shares.tabulate(counted))

# %% [markdown]
# ## What readers said
#
# Only a reader can say whether a rewrite is good. Two of them labelled these rewrites blind, by a written
# guideline: *usable* (the writer would send it), *timid* (true, but it hardly does what was requested),
# *wrong* (the recipient would believe or do something else), *broken* (no message). A third one settled their
# differences. **The readers were runs of a language model, not people.**
# [docs/quality.md](../docs/quality.md) says what each system is. A cell has the count, the share and its 95 %
# interval. Compare systems only where they rewrote the same messages: `champion` with `champion_before`, and
# `first_reading`, `script`, `policy`, `uncopied`, `rules` and `reference` with each other.

# %%
read = labels.read_all()
by_system = label_shares.count_labels(read, [row.system for row in read])
pd.DataFrame.from_dict(label_shares.tabulate(by_system), orient="index")

# %%
label_shares.draw(by_system, "What readers said, by system")

# %% [markdown]
# A version may be good at one transform type and bad at another. This is the champion by transform type. Few
# rewrites of each were read, so look at the intervals first.

# %%
champion = sorted((row for row in read if row.system == labels.CHAMPION), key=lambda row: row.transform_type)
by_type = label_shares.count_labels(champion, [row.transform_type.value for row in champion])
pd.DataFrame.from_dict(label_shares.tabulate(by_type), orient="index")

# %% [markdown]
# Two examples of each label, drawn from the champion and from `policy`, the free text of a small language
# model. The last columns are the labels of both readers. Would you say something else?

# %%
mixed = [row for row in read if row.system in ("champion", "policy")]
groups = {label: [row for row in mixed if row.label == label] for label in labels.LABELS}
Markdown("\n\n".join(f"**{name}**\n\n{labels.draw_examples(rows, 2, SEED)}" for name, rows in groups.items()))

# %% [markdown]
# ## Two versions side by side
#
# Look only at the rewrites that differ. Both versions rewrite the same messages of the champion's reading, on
# which none has trained. A name is `rules` (the baseline of a dozen rules), `shipped` (the version in
# `champion/`), or a version of the registry, such as `v3`. Words that the other version does not have are
# struck through on the left and underlined on the right; in Japanese the marked parts are runs of one script.

# %%
FIRST, SECOND = "rules", "shipped"
requests = [(row.text, row.transform_type, row.intensity) for row in random.Random(SEED).sample(champion, 40)]
pairs = side_by_side.list_differing(FIRST, SECOND, requests, settings)
print(f"{len(pairs)} of {len(requests)} rewrites differ. The first ten of them:")
HTML(differences.tabulate(pairs[:10], FIRST, SECOND))

# %% [markdown]
# ## Label a batch blind
#
# Do you mean by *usable* what the readers mean? Find out before you rely on their labels, or on a judge that
# was measured by them. The batch has rewrites of four systems, mixed and without their names, and no message
# twice. Read the guideline first. Then fill in the column `label` in a spreadsheet or an editor, and change
# nothing else. The file is written once, so your labels stay.

# %%
SYSTEMS = ("champion", "policy", "rules", "reference")
batch = blind_batch.draw(blind_batch.by_system(row for row in read if row.system in SYSTEMS), 80, SEED)
file = blind_batch.write(batch, settings.artifacts / "notebooks" / f"batch-{SEED}.csv")
print(f"Guideline: {blind_batch.GUIDELINE}\nBatch: {file}")

# %% [markdown]
# **No person has filled in the file that is read here.** It is a copy of the batch with the labels of the
# second reader, in another order of rows, so that this notebook runs without you. Write `MINE = file` to read
# your own. An unknown label, a missing row or a changed text is refused, and the error names the row.

# %%
MINE, others = file.with_name("batch-of-second-reader.csv"), blind_batch.collect(batch, read)
copy = pd.read_csv(file, dtype=str, keep_default_na=False).sample(frac=1, random_state=SEED)
copy.assign(label=copy["id"].map(others["second reader"])).to_csv(MINE, index=False)
mine = blind_batch.read(MINE, batch)

# %% [markdown]
# Cohen's kappa is 1 for full agreement, and 0 for what chance would give. With the second reader it is 1 only
# because these are that reader's labels. With the first reader it shows how far two readers of one guideline
# agree; two runs of one model agree more than two people would. The judge is `models.fidelity`: usable
# without a fault, timid for a copy, otherwise wrong or broken. (`models.judge` compares two rewrites, so it
# gives no labels.)

# %%
agreements = {name: blind_batch.measure(mine, given) for name, given in others.items()}
pd.DataFrame(agreements.values(), index=list(agreements)).drop(columns="confusion")

# %% [markdown]
# Where do you and the judge differ? Rows are your labels, columns the judge's. What you call *wrong* and the
# judge *usable* costs most: a version that learns from this judge would learn to write it.

# %%
pd.DataFrame(agreements[blind_batch.JUDGE].confusion, index=labels.LABELS, columns=labels.LABELS)

# %% [markdown]
# ## What to do next
#
# - `04_reward` asks whether a judge is valid, on fresh labels; `01_feedback` shows what people's votes say.
# - `python -m models.reading configs/reading.yaml` has all rewrites of new versions read by two readers.
# - [docs/edits.md](../docs/edits.md) says why rewrites are timid or wrong, and what would mend it.

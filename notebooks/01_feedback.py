# %% [markdown]
# # Feedback: what people say, and whether a model may learn from it
#
# How much do people vote, and who does? Do they agree? Do they choose a text for its place or its length?
# Which votes count, and why do the others not? Do people write differently than before? This notebook
# answers from Postgres and from the files of a snapshot, by the functions of the flow `collect` and of the
# dashboard's page *Data*. It takes half a minute, and one or two minutes more when it first makes the sample.

# %%
# %matplotlib inline
import os

import pandas as pd
from IPython.display import SVG, display
from sqlalchemy.orm import Session

import configs
from data import database
from data.reasons import render
from data.snapshots import counting, drift, redacted_texts, validation, weekly_messages
from data.traffic import participation
from pipelines import collect, feedback_plots, quality
from serving.dashboard import charts
from simulation import sample

WEEKS = 6
pd.options.display.max_colwidth, pd.options.display.precision = None, 2
os.chdir(configs.ROOT)  # paths in the yaml files are relative to it
settings = sample.open_settings()
engine = database.engine_of(settings).execution_options(postgresql_readonly=True)  # nothing here writes to it
organisation = collect.find_organisation_id(engine, settings.organisation)

# %% [markdown]
# ## How much people say
#
# All that a model learns from people comes from votes. A *thumb*, a *rating* and an *edit* (a correction) are
# about one rewrite; in a *comparison* a person chose one of two. **Read**: a kind that suddenly ends often
# has a technical cause, and a model learns little about a transform type on which few people vote. `share` is
# the share of the answers on which their person voted. The last week ends with the newest vote. The plot is
# the dashboard's, with the votes of all organisations; the tables have those of your own.

# %%
with Session(engine) as session:
    until = participation.find_end(session, organisation)
    since = until - WEEKS * participation.WEEK
    weekly = pd.DataFrame(participation.count_by_week(session, organisation, until, WEEKS))
    daily = participation.count_votes(session, until)
    answered = pd.DataFrame(participation.count_answered(session, organisation, since))
    by_person = participation.count_by_person(session, organisation, since)
display(weekly.pivot_table("votes", "week_ends", "kind", "sum", fill_value=0).rename("{:%d %b %Y}".format))
display(answered)
plot = charts.draw_stacked(daily.days, daily.counts, "Votes per day, by kind", "votes a day")
SVG(charts.with_light_colours(plot))

# %% [markdown]
# A few people often cast most of the votes. **Read**: the further the curve is above the dashed line, the
# more the votes are the taste of these few. Therefore a snapshot caps the votes of a person.

# %%
print(f"{sum(n > 0 for n in by_person)} of the {len(by_person)} people who got a rewrite voted.")
feedback_plots.draw_concentration(by_person)

# %% [markdown]
# ## What they say
#
# **Read**: `edit_distance` is the median share of a rewrite that a correction changes. Do not compare
# versions here, since they answered at different times; [05_experiment](05_experiment.py) compares them.
# Comments and corrections say why, so read some. They are redacted. A correction is shown only if its message
# ships with the system ([nobody agreed to be read](../docs/privacy.md#who-reads-an-answer) by colleagues).

# %%
with Session(engine) as session:
    display(pd.DataFrame(participation.count_by_version(session, organisation, since)))
    display(pd.DataFrame(redacted_texts.read_comments(session, organisation, most=4)))
    corrections = redacted_texts.read_corrections(session, organisation, most=3)
pd.DataFrame(corrections)

# %% [markdown]
# ## From votes to a snapshot
#
# The flow `collect` does this every night. Here the snapshot goes to the artifacts folder, and neither
# Postgres nor DVC learns of it. **Read**: a share of all messages is for evidence. People compare versions on
# them, so no version may train on them.

# %%
config, folder = configs.load(collect.CollectConfig, collect.CONFIG), settings.artifacts / "notebooks" / "01"
made, measured, reasons = collect.write_snapshot(engine, organisation, folder, config)
print(f"{made.counts['votes']} votes of {made.counts['people']} people count. The others do not, because ...")
pd.DataFrame([(counting.WHY[code], n) for code, n in measured.left_out.items()], columns=["because", "votes"])

# %% [markdown]
# May a model learn from these votes? *Krippendorff's alpha* says how far people who judged the same texts
# agree: 1 is full agreement, 0 is chance. The order of two texts is random, so the one shown first should win
# half of the comparisons. **Read** intervals before values: a limit is broken only where a whole interval is
# beyond it. With few cases alpha is unknown. The figures are those of the snapshot's page, `quality.html`.

# %%
print(f"Rejected: {render(reasons)}" if reasons else "Accepted: a version may be trained on this snapshot.")
display(pd.DataFrame(quality.list_measures(measured, config)).set_index("name"))
display(*quality.draw_figures(measured, config, config.votes_a_person).values())

# %% [markdown]
# ## The same from the files of a snapshot
#
# A snapshot needs no database: `dvc pull` gets its folder, and its Parquet files have what each vote says.
# The same function measures them, so you can judge a snapshot again, by other limits. What was left out is
# not in the files, nor are the messages before redaction, whose similarity the flow measures. All else is
# equal.

# %%
alone, absent = collect.assess_folder(made.folder, measured.champion, config), {*validation.NOT_IN_FILES}
assert alone.model_dump(exclude=absent) == measured.model_dump(exclude=absent)
rows = {name: quality.list_measures(q, config)[:7] for name, q in (("Postgres", measured), ("files", alone))}
pd.DataFrame({name: {row.name: row.measured for row in of} for name, of in rows.items()})

# %% [markdown]
# ## Do people write differently than before?
#
# A version learned from older messages. The *population stability index* compares the messages of a week with
# those of the four weeks before; it is 0 for equal distributions. **Read**: an index that chance can explain
# (shaded) says nothing. The dashboard raises an alarm at the upper line. The table has the trait with the
# highest index of the newest week, and what changed. Topics are not measured.

# %%
with Session(engine) as session:
    messages = weekly_messages.count_messages(session, organisation, until)
drifts = messages.measure_drift()
display(feedback_plots.draw_drift(messages.ends[drift.BEFORE :], drifts))
most = max(drifts, key=lambda trait: drifts[trait][-1].psi or 0)
shares = pd.DataFrame(messages.compute_shares()[most], columns=[most, "newest week", "four weeks before"])
shares.style.format("{:.1%}", subset=["newest week", "four weeks before"]).hide()

# %% [markdown]
# ## What a rejected snapshot says
#
# The limits are in `configs/collect.yaml`, and an override changes one. This limit is half of what was
# measured. So the flow would end as *Refused* with this sentence, and nothing would train on the snapshot.

# %%
strict = [f"most_of_one_type={measured.largest_type[1] / 2:.2f}", "least_rows=1"]
refused = validation.refusals(measured, configs.load(collect.CollectConfig, collect.CONFIG, strict))
print(render(collect.explain_rejection(made, refused)))

# %% [markdown]
# ## What to do next
#
# - [02_rewrites](02_rewrites.py) shows rewrites, and [03_training](03_training.py) trains on a snapshot.
# - The dashboard's page *Data* has these numbers every day: [docs/dashboard.md](../docs/dashboard.md).
# - [docs/training.md](../docs/training.md#what-a-snapshot-is) says when a snapshot is refused.

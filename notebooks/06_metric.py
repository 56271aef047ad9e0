# %% [markdown]
# # A metric of one's own
#
# You care about a number that the system does not ship. How do you define it, is it a good metric, and how
# does it get onto the dashboard? This notebook takes one idea through all steps, on the users of the newest
# experiment. It takes less than half a minute. Whatever it writes to the database, it rolls back.

# %%
# %matplotlib inline
import os

import pandas as pd
from IPython.display import HTML, SVG, display
from sqlalchemy.orm import Session

import configs
from data import database
from experiments import aa_tests, examples, metric_choice, metric_plots, own_metrics, readings, unit_values
from pipelines import other_plan
from serving.dashboard import metric_charts, preview
from simulation import sample

pd.options.display.max_colwidth = None
os.chdir(configs.ROOT)  # paths in the yaml files are relative to it
settings = sample.open_settings()
engine, folder = database.engine_of(settings), settings.artifacts / "notebooks" / "06"

# %% [markdown]
# ## The idea
#
# A rewrite should save work. It does not if its user dislikes it, corrects it or requests it again. Shipped
# metrics count these one by one; the idea is a metric of all three, *needed work*. Its expression may name
# these columns: what a unit (a user, or an organisation) did in the window after its first answer, and
# `before_` it. **Read**: `unknown` is the share of units without a value. Most columns are counts with many
# zeros, which makes means noisy.

# %%
with Session(engine) as session:
    page = readings.read_newest_page(session)
    assert page.plan is not None
    units = unit_values.read(session, page.id, page.plan, {})
print(f"{page.name}: {len(units.ids)} users whose windows of {page.plan.window_hours:g} hours have closed")
pd.DataFrame(metric_choice.describe(units)).round(3)

# %% [markdown]
# ## The definition
#
# `share: true` promises that a user's value lies between 0 and 1. People can dislike an answer *and* correct
# it, so the sum may exceed the answers; then the user counts as 1. The second metric is an amount, for
# comparison. A segment may use only what is known when a user enters. Postgres computes all of it for three
# example users, as when the flows start. A process with a wrong file ends at its start. It says why, as here
# for two wrong expressions.

# %%
folder.mkdir(parents=True, exist_ok=True)
(folder / "metrics.yaml").write_text("""
metrics:
  needed_work: {kind: ratio, of: "complaints + edits + repeats", per: answers, share: true, better: lower,
    says: "share of answers that people disliked, corrected or requested again"}
  requests_a_user: {kind: mean, of: requests, cap: 5, better: higher, says: requests of a user in the window}
segments:
  in_chat: "channel = 'chat'"
""")
own = configs.load(own_metrics.Definitions, folder / "metrics.yaml")
own_metrics.check(engine, own)
for of in ("complaint + edits", "sum(edits) / answers"):
    print(own_metrics.find_fault({"metrics": {"wrong": {**dict(own.metrics["requests_a_user"]), "of": of}}}))

# %% [markdown]
# ## What its values look like
#
# Many zeros need many users, and a few large values decide a mean. A *cap* (winsorising) limits what one user
# counts. **Read**: `users` are those that detect the same relative effect, over those without a cap. A lower
# cap needs fewer, and sees less of what heavy users do.

# %%
plan = page.plan.with_own(own)
with Session(engine) as session:
    units = unit_values.read(session, page.id, plan, plan.all_metrics)
    sights = metric_choice.list_sights(session, plan, len(units.ids))
display(pd.DataFrame(metric_choice.winsorise(units.quantities["requests"])).round(3))
metric_plots.draw_distributions(units, own.metrics)

# %% [markdown]
# ## Is it a good metric?
#
# **Does it see anything?** **Read**: as many users as above detect the difference `detectable` with the
# plan's power, given how much recent users differ. A metric that sees only a doubling guards little.

# %%
pd.DataFrame(sights).round(3)

# %% [markdown]
# **Does it name false winners?** In an A/A test a hash splits the users of one arm at random, hundreds of
# times. The fixed-horizon test should be wrong in a share of alpha (dashed). The confidence sequence holds
# for all analyses together, so at one it is wrong less often. The third test takes answers for users, a
# typical mistake: answers of one user are alike. Lines are exact intervals; no point means too little data.

# %%
SVG(metric_charts.draw_aa_tests(aa_tests.split(units, plan), plan.alpha))

# %% [markdown]
# ## In an analysis
#
# A plan is fixed, so no running experiment gets a new metric. What would this one have shown with it? The
# code of the flow counts and analyses it from its start, in a transaction that is rolled back. **Read**:
# right of 0 the challenger is better. The unit is `detectable`, here by these users, so that metrics can be
# compared. Holm's correction of `p` counts all metrics but the primary one: each that you add makes the
# others' `p` larger. CUPED removed the part `explained` of the variance; the interval is narrower by about
# half of it. A metric with too little data is missing; an amount without an upper limit needs the most. The
# last table divides the primary effect; `shrunk` is drawn towards that of all users.

# %%
trial = other_plan.try_metrics(engine, settings, page, own)
gains = metric_choice.list_gains(trial.result, plan)
display(pd.DataFrame(gains).round(3), SVG(metric_charts.draw_gains(gains)))
parts = [(kind, name, of) for kind, each in trial.breakdowns.items() for name, of in each.segments.items()]
pd.DataFrame([{"segment": f"{kind} = {name}", **dict(of)} for kind, name, of in parts])

# %% [markdown]
# ## The rewrites behind it
#
# Read the answers that add most to each quantity. Did they need work? Only messages that ship with the system
# have their text here, since nobody has agreed that colleagues read what they wrote.

# %%
with Session(engine) as session:
    rows = examples.list_behind(session, page, own.metrics["needed_work"], settings.organisation)
pd.DataFrame(rows)

# %% [markdown]
# ## To the dashboard
#
# Set `TONEBRIDGE_METRICS_FILE` to the file before `make up` (elsewhere for gateways, dashboard and flows,
# which read it when they start). Later drafts copy its definitions into their plans. Running experiments
# keep theirs, ended ones stay as they are, and the holdout has shipped metrics only. This is the dashboard's
# page of the metric, made by its own code in the transaction above; the folder has the whole page.

# %%
(folder / "needed_work.html").write_text(trial.pages["needed_work"])
display(*map(SVG, preview.list_charts(trial.pages["needed_work"])))
HTML(preview.cut(trial.pages["needed_work"], "ways"))

# %% [markdown]
# ## What to do next
#
# - Change the expression and run again; [docs/experiments.md](../docs/experiments.md) says what it may have.
# - Draft an experiment whose plan names it as primary metric or guardrail; the form tells what it can show.
# - [05_experiment](05_experiment.py) follows an experiment from its rows to the decision.

# %% [markdown]
# # An experiment, from raw rows to the decision
#
# Do the rows of an experiment give the numbers on its page? How did it come to its decision? Would another
# prior, window or rule to stop have changed it? What can the next one show? How often is the procedure right,
# if you are? It takes half a minute, and a minute more to make the sample. Its database session cannot write.

# %%
# %matplotlib inline
import os

import pandas as pd
from IPython.display import SVG, Markdown, display

import configs
from data import database
from experiments import evidence, forecasting, history, plots, readings, recount, what_if
from experiments.calibration import procedure, report, scenarios
from serving.dashboard import charts
from simulation import sample

pd.options.display.max_colwidth = None
os.chdir(configs.ROOT)  # paths in the yaml files are relative to it
settings = sample.open_settings()
session = database.open_snapshot(settings)

# %% [markdown]
# ## Which experiment, and its plan
#
# The newest that has compared its arms; `readings.read_experiment_page(session, id)` reads another. The plan
# was settled before the start. [docs/experiments.md](../docs/experiments.md) explains the terms.

# %%
page = readings.read_newest_page(session)
recounted = recount.recount(session, page, settings.organisation)  # the evidence, as below
plan, challenger = recounted.plan, page.challenger.name
Markdown("\n- ".join([f"**{page.name}**, {page.status}, begun {page.started_at:%F}", *plan.describe()]))

# %% [markdown]
# ## From raw rows
#
# One query of exposures, answers, failures and votes gives a row for each user: arm and epoch of the first
# exposure, when the window closes, and each metric's value; `_before` is that of the time before. **Read**:
# the second table has means by hand. The page compares within epochs, and CUPED takes out the users' past.

# %%
users = pd.DataFrame(recounted.tabulate())
metrics = ["satisfaction", "satisfaction_before", "complained", "service_seconds"]
display(users[["arm", "epoch", "entered_at", "closes_at", "is_counted", *metrics]].head(3))
counts = {"exposed": ("user", "count"), "counted": ("is_counted", "sum"), "voters": ("satisfaction", "count")}
users.groupby(["epoch", "arm"]).agg(**counts, **{name: (name, "mean") for name in metrics[:3]}).round(3)

# %% [markdown]
# Now the functions of the flow compute all from these rows: estimates, CUPED, confidence sequence,
# sample-ratio check, win rate, decision. The page reads sums instead, to which each analysis added what was
# new. Both must agree to the last digit. If the `assert` fails, a number on the dashboard is wrong.

# %%
compared = recount.compare_with_page(recounted, page)
assert all(row.is_equal for row in compared), [row for row in compared if not row.is_equal]
print(f"{len(compared)} findings of the dashboard come out of the rows, to the last digit. Some of them:")
parts = r"exposed|closed|win_rate|comparison\.int|primary\.(?:diff|int|p$|variance)|ratio_p|action"
pd.DataFrame(compared, columns=recount.Compared._fields).loc[lambda table: table.name.str.contains(parts)]

# %% [markdown]
# ## How it came to its decision
#
# The first two charts are the dashboard's. **Read**: all intervals of a band hold together, and a difference
# is shown when the band leaves the dashed line. The table says since when each requirement to ship was met;
# the last row is what the experiment waited for.

# %%
effects = evidence.read_effects_over_time(session, page.id, challenger)
wins = evidence.read_win_rates_over_time(session, page.id, challenger)
unit, votes = f"difference in {plan.primary}", f"share of votes for {challenger}"
display(SVG(charts.with_light_colours(charts.draw_effect(effects, "Effect over time", unit))))
SVG(charts.with_light_colours(charts.draw_effect(wins, "Votes over time", votes, 0.5, percent=True)))

# %%
analyses = evidence.read_over_time(session, page.id)
met = pd.DataFrame(evidence.find_met_since(analyses, challenger, recounted.running))
display(met.assign(requirement=met.requirement.map(str)))
Markdown("\n".join(f"- {reason}" for reason in recounted.decision.reasons))

# %% [markdown]
# ## What if?
#
# **Another adjustment or window.** "By ..." gives both arms equal shares of each kind of user. A short window
# misses late votes; a long one has fewer users. If the answer depends on the choice, there are too few users.

# %%
ways = what_if.list_ways(session, page, hours=(24, 72, 168))
rows = [charts.Ranged(name, way.difference, *way.interval) for name, way in ways.items() if way is not None]
SVG(charts.with_light_colours(charts.draw_ranges({"": rows}, "Effects", unit, limits=[0])))

# %% [markdown]
# **Another prior.** The page's chance to win has a flat prior: effects of any size are equally likely. Most
# changes do little, so a sceptic expects effects around 0. How much doubt does it take until you do not ship?

# %%
effect, better = recounted.get_effect(challenger), plan.all_metrics[plan.primary].better
spreads = [times * plan.harm_margin for times in (float("inf"), 2, 1, 0.5)]  # of the prior
pd.DataFrame([what_if.apply_prior(effect, better, 0, x) for x in spreads], [f"0 ± {x:g}" for x in spreads])

# %% [markdown]
# **Peeking.** A usual test holds for one analysis, at a time fixed in advance. Its p-values are smaller, and
# that tempts. Shuffle the arms of the same users: then there is no effect, and whoever names a winner is
# wrong. **Read**: the share of 400 such experiments with a winner; the plan allows `alpha`.

# %%
display(plots.draw_p_values(analyses, challenger, plan.alpha))
shuffled = what_if.shuffle_arms(recounted, challenger, [at for at, _ in analyses], experiments=400)
pd.DataFrame({rule: dict(report.estimate_rate(hits)) for rule, hits in shuffled._asdict().items()}).T

# %% [markdown]
# ## Power for the next
#
# By the traffic of the last weeks, for this plan with fewer or more days. **Read**: it finds an effect of
# `detectable` with the plan's power; `n_star` needs the fewest users; 28 days exclude a loss of `smallest`;
# days of None are more than two years. The days allow for intervals that begin late, as those of rare
# events do. The table of requirements above has the days that it took.

# %%
lengths = {days: plan.model_copy(update={"maximum_days": days}) for days in (14, 28, 56, 112)}
known = plan.all_metrics, history.read(session), readings.read_past(session).metrics
session.close()  # Postgres need not keep the state of that moment any longer
forecasts = {days: forecasting.forecast(longer, *known) for days, longer in lengths.items()}
display(pd.DataFrame(map(dict, forecasts.values()), index=lengths).drop(columns=["margins", "warnings"]))
pd.DataFrame({name: dict(margin) for name, margin in forecasts[28].margins.items()}).T

# %% [markdown]
# ## The whole procedure, by your own assumptions
#
# Here the truth is known: write what you believe of a challenger, and how many users come. The code that
# decides real experiments decides these. **Read**: brackets are exact 95 % intervals. Path coverage is the
# share of runs whose intervals were right at every analysis; to know it well takes hundreds of runs.

# %%
good = scenarios.Experience(satisfaction=0.87)  # the champion has 0.80
gain = scenarios.Scenario("", challenger=good, wins=0.55, losses=0.35, users=20_000, users_a_day=150)
mine = {"a gain": gain, "a gain, 60 % slower": gain._replace(challenger=good._replace(slowness=1.6))}
runs = {name: procedure.simulate_scenario(each, plan, 30, seconds=10) for name, each in mine.items()}
Markdown("\n".join(report.format_procedure(runs)))

# %% [markdown]
# ## What to do next
#
# Change a scenario, or the plan by `plan.model_copy(update={...})`, and run its cells again; thousands of
# runs are in [docs/calibration.md](../docs/calibration.md). [06_metric](06_metric.py) adds your own metric.

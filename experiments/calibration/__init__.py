"""Tests the statistical guarantees of experiments on simulated experiments whose true effect is known.

- `config`: the fields of configs/calibrate.yaml, and constants of the design.
- `populations`: the users of each setting, and their outcomes in both arms.
- `analyses`: analyses of many experiments at once, as arrays.
- `between_users`: experiments between users, with their controls.
- `side_by_side`: blind comparisons of two texts.
- `sample_ratios`: assignments whose users do not split evenly.
- `information`: when intervals may begin.
- `pasts`: ratios and latencies that are adjusted for what their users did before.
- `stratified`: effects that are weighted by stratum.
- `capped`: amounts with a cap that is a percentile of the time before.
- `changes`: curves of effects that fade, differ by weekday, or stay.
- `launch_series`: launches one after another, and what of them is no better.
- `rankings`: the ranking of several versions.
- `judges`: a judge as surrogate, corrected by people's votes.
- `bandits`: the regret and the decision errors of each rule for the weights.
- `scenarios`: installations and challengers, and what their users live through.
- `procedure`: whole experiments in these scenarios, from the start to the decision that ends them.
- `segments`: breakdowns of experiments without any effect; a command of its own.
- `report`: the figures with their Monte-Carlo intervals, and the targets that they miss.
- `plot`: the report as a plot of six panels.
- `run`: simulates every setting in worker processes, and writes the report.
- `__main__`: the command.
"""

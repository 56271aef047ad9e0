"""Evidence: which of two versions people are better served by, and what follows from it.

- `lifecycle`: statuses, actions and what follows what; `drafts`, `decisions`: what people asked for.
- `plan`: what is settled before the start; `metrics`: what is measured of a user; `own_metrics`: what an
  operator adds; `expressions`: their SQL, from a closed list, over `columns`; `known_values`: what they are
  when some columns are known; `caps`: the most that one user counts; `assignment`: who is in which arm.
- `outcomes`: what users did, summed up in SQL; `stored_sums`: reads these sums; `user_days`: what users did
  on earlier days; `votes`: blind votes, by person and by message; `ranking`: all versions by these votes.
- `surrogate`: the win rate from votes and a judge; `judgements`: the judge's preferences, stored.
- `estimators`: from sums to values with errors.
- `analysis`: from values to evidence; `recommendation`: what to do, and why; `evidence`: both, stored;
  `running`: for how long users were let in; `progress`: how far it is to ship.
- `effects`: the difference of two arms; `strata`: the same with equal shares of each stratum; `sequential`:
  anytime-valid intervals; `validity`: whether an experiment can be believed; `breakdown`: segments;
  `novelty`: effects that change with time; `bandit`: weights that learn; `power`: users needed; `history`:
  recent traffic, which `recent_users` measures; `outlook`: what a plan can show of it, which `forecasting`
  computes; `launches`: alpha over launches; `gains`: what promotions have gained over a version that is held
  out.
- `readings`: what the pages on experiments read; `page_effects`: the effects on them; `examples`:
  the answers behind a metric.
- `unit_values`: the units' quantities, for those who look for a metric; `metric_choice`: what it can see;
  `aa_tests`: whether it names false winners; `metric_plots`: how its values are distributed.
- `unit_rows`: what each unit did, read again; `recount`: the evidence computed anew from these rows;
  `what_if`: other priors, windows, rules to stop; `plots`: figures that the pages do not have.
- `calibration/`: whether all of this keeps its promises.
"""

"""Evidence: which of two versions people are better served by, and what follows from it.

- `lifecycle`: statuses, actions and what follows what; `drafts`, `decisions`: what people asked for.
- `plan`: what is settled before the start; `metrics`: what is measured of a user; `own_metrics`: what an
  operator adds; `expressions`: their SQL, from a closed list; `assignment`: who is in which arm.
- `outcomes`: what users did, summed up in SQL; `votes`: blind votes, by person and by message; `ranking`: all
  versions by these votes.
- `estimators`: from sums to values with errors.
- `analysis`: from values to evidence; `recommendation`: what to do, and why; `evidence`: both, stored.
- `effects`: the difference of two arms; `sequential`: anytime-valid intervals; `validity`: whether an
  experiment can be believed; `breakdown`: segments; `bandit`: weights that learn; `power`: users needed;
  `launches`: alpha over launches.
- `readings`: what the pages on experiments read; `examples`: the answers behind a metric.
- `calibration/`: whether all of this keeps its promises.
"""

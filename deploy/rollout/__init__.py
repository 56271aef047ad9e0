"""Rollouts of a new release, watched and taken back by themselves. docs/rollouts.md.

`evidence`: whether a canary breaks a promise. `promises`: what is promised, and how it is counted.
`rollout`: the procedure. `simulation`: how often it decides rightly. `deploy.compose` has the servers, and a
trial with containers: `make rollout`.
"""

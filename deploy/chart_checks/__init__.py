"""Checks of the Helm chart: `make chart` renders it, without a cluster, and looks at what comes out.

- `check`: the command.
- `rules`: what our objects keep: probes, secrets, policies, budgets.
- `work_pools`: the Jobs that Prefect's workers make.
- `tools`: Helm and the other programs; `models/`: the types of custom resources, from npm.
"""

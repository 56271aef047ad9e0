"""Deploys a release to a cluster with the Helm chart, for the workflows of GitHub: docs/releasing.md.

- `__main__`: the commands `verify`, `deploy`, `rollback` and `programs`.
- `signatures`: which digests a release has, by its signatures.
- `access`: signs in to a cluster by a token of the workflow's, without a secret.
- `installation`: Helm and Argo Rollouts: the upgrade, waiting for it, and the way back.
- `role.yaml`: what the workflow may do in its namespace.
"""

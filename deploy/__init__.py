"""How an installation is deployed, watched and restored. No process of the software imports anything of it.

- `Containerfile`, with `requirements` (the packages of extras) and `runtime` (what it copies of the base):
  one image for each set of extras; `mlflow-accounts.ini`: MLflow's sign-in in it. `.containerignore` of the
  checkout is what a build may read.
- `catalog`: which images there are; `images`: their builds; `debian_base`: a base without a registry;
  `engine`: calls podman.
- `trial`: an installation of containers that answers a message; `stores.Containerfile`: its Postgres and
  Valkey; `traffic`: its callers; `residents`: the memory of its processes.
- `wheels`: whether every locked package has a wheel for ARM64.
- `signing`: lists, signs and verifies an image against a registry, as a release does.
- `release`: checks a release before its tag.
- `delivery/`: deploys a release to a cluster, for the workflows of GitHub.
- `compose/`: the whole system on one host. `edge/`: rules of Cloudflare before it.
- `rollout/`: rollouts of a new release, watched and taken back by themselves.
- `chart`: the Helm chart; its file `processes.yaml` says what the software asks of a cluster.
- `chart_checks/`: renders the chart and checks what comes out.
- `capacity`: requests a second of a gateway with the limits of small machines.
- `monitoring/`: what watches an installation: Prometheus, Alertmanager, Grafana.
- `logging/`: ships lines of the log to Loki, and alerts on them.
- `backup/`: backups of an installation, its restore, and a drill.
- `requirements-tools.txt`: programs that these and the release use, in an environment of their own.
"""

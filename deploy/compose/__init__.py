"""The whole system on one host by Docker Compose or podman-compose: docs/compose.md.

- `compose.yaml`: its services; `haproxy.cfg`: the proxy, the only way in; `prometheus.yaml`: what Prometheus
  reads; `databases.sql`: the databases besides ours; `certificates/`: for TLS at the proxy. The folder
  profiles has files that change it for more or fewer requests (docs/costs.md).
- `env_file`: makes `.env`, with random secrets, and replaces one of them.
- `programs`: calls Docker Compose or podman-compose; `installation`: starts, upgrades and takes back an
  installation, in the right order. `python3 -m deploy.compose up` needs Python alone.
- `canary`: the servers as a rollout sees them (`deploy.rollout`); `watcher`: takes the canary back when the
  rollout is killed.
- `trial`: starts an installation, uses it, upgrades it under load, and removes it: `make compose-test`;
  `journey`: its people and its experiment; `secrecy`: which secret is for which service.
- `rollout_trial`: rolls releases out under load, a healthy one and broken ones: `make rollout`; `faults/`:
  what makes them broken.
- `stand-ins.Containerfile`: Postgres, Valkey, HAProxy and Prometheus without a registry; its entrypoint.
"""

"""When things happen, and in what order: Prefect flows and the processes of one machine.

- `collect`: votes become a snapshot; `quality`: its page.
- `train`: a snapshot becomes a version that passes the gate, or does not.
- `shadow`: a version answers unseen before its experiment.
- `experiment`: analyses running experiments; `carry_out`: carries out what was decided.
- `holdout`: users who stay with an old champion.
- `promote`: a version goes live; `retention`: old answers and retired weights are deleted.
- `tracking`: ended experiments in MLflow.
- `deployments`: the schedules.
- `tune`: searches the fields of a training stage.
- `local`: Postgres, Valkey and every process of one machine; `sample_experiment`: an ended experiment to look
  at.
- `single_page`: HTML pages that are one file.
"""

"""The Prefect flows, and the processes of one machine.

- `collect`: writes a snapshot of the votes; `quality`: writes the page of its quality and draws its figures;
  `feedback_plots`: figures of who votes and of drift.
- `train`: trains a version on a snapshot, evaluates it and registers it; `registration`: the last of these.
- `by_hand`: what training by hand shares with the flow.
- `llm_version`: registers a model that was not trained here as a version.
- `champion`: makes the folder champion/; `first_release`: releases it in a new installation.
- `shadow`: replays recent messages through a challenger before its experiment. No person sees the answers.
- `replay`: does so in one process, with time, tokens and price, for a person who looks at a version;
  `replay_plot`: its figure.
- `judging`: lets a judge compare the rewrites of champion and challenger; `preparation`: does so, and
  measures the traffic, apart from decisions.
- `experiment`: starts and analyses experiments; `carry_out`: carries out decisions on them.
- `other_plan`: an experiment as if it had had another plan, in a transaction that is rolled back.
- `holdout`: keeps a few users on an old champion.
- `promote`: makes a version champion; `retention`: deletes old answers and retired weights.
- `forget`: carries out the erasures that people ask for.
- `artifact_records`: takes folders out of MLflow's records of earlier releases.
- `tracking`: writes ended experiments to MLflow; `tracking_plots`: draws their plots.
- `run_reasons`: labels flow runs with the reasons for their states.
- `deployments`: registers the flows with their schedules, and runs those that no work pool runs;
  `crashed_runs`: finds runs that have lost their process.
- `tune`: searches the fields of a training stage.
- `local`: Postgres, Valkey and the processes of one machine; `environments`: what each process may know;
  `up`: the command that runs them all; `sample_experiment`: an ended experiment to look at.
- `notebooks`: opens JupyterLab, and writes the pages of the notebooks.
- `settings_page`: writes the page of all settings; `settings_readers`: finds which processes read which.
- `single_page`: writes HTML pages that are one file each.
"""

"""Ships lines of the log to Loki, and alerts on them: `config.alloy` is for Grafana Alloy, `alerts.yaml` for
the ruler of Loki. `check.js` checks the syntax of the alerts; `make node` installs its parser.
"""

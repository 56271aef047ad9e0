"""What watches an installation: Prometheus, Alertmanager and Grafana (docs/monitoring.md).

- `prometheus.yml`: what is scraped; `rules/levels.yml`: objectives, burn rates; `rules/alerts.yml`: alerts.
- `alertmanager.yml`: whom an alert reaches.
- `panels`: makes a dashboard of Grafana; `dashboards`: those that there are, and their files, `dashboards/`.
"""

from pathlib import Path

FOLDER = Path(__file__).parent

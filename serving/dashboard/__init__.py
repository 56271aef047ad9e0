"""Pages for product owners, data scientists and administrators; they write only through the gateway's API.

- `app`: the process; `parts`: the objects that it is made of. `pages/`: one file a page.
- `problems`: the errors of its own.
- `visit`: who visits, and what they may see. `serving.sites` has the rest of what its pages share.
- `loop_metrics`: the numbers of the loop for Prometheus, which one process exports for all.
- `attention`: what the navigation marks: webhooks that somebody has to mend, new feedback on the app.
- `preview`: pages without the process, for notebooks; `metric_charts`: plots for those who choose a metric.
- `charts`: plots; `lineage`: what a version was made from; `services`: MLflow and Prefect.
"""

"""Pages for product owners, data scientists and administrators; they write only through the gateway's API.

- `app`: the process; `parts`: the objects that it is made of. `pages/`: one file a page.
- `entry`: signing in and out; `problems`: errors as pages.
- `visit`: who visits, and the page that they get; `session`: sessions in Redis; `api`: the gateway's client.
- `attention`: which webhooks the navigation marks, because somebody has to mend them.
- `words`: languages, numbers and dates; `reasons`: why something was decided, in the reader's language.
- `preview`: pages without the process, for notebooks; `metric_charts`: plots for those who choose a metric.
- `charts`: plots; `lineage`: what a version was made from; `services`: MLflow and Prefect.
"""

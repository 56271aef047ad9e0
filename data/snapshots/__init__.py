"""Feedback as data sets that models are trained on.

- `votes`: feedback as rows, read from Postgres.
- `staging`: the rows in DuckDB, with their near-duplicates.
- `unusual_phrases`: phrases that few people wrote.
- `counting`: which votes count.
- `splits`: which rows are held out.
- `shards`: Parquet files with a digest.
- `snapshot`: makes one, from votes to files.
- `validation`: whether it may be trained on.
- `archive`: DVC.
- `drift`: how it differs from the one before.
"""

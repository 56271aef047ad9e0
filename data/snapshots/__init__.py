"""Makes feedback into data sets (snapshots) that models are trained on.

- `votes`: feedback as rows, read from Postgres.
- `staging`: the votes in a DuckDB file, with their phrases and n-grams.
- `unusual_phrases`: phrases that few people wrote.
- `counting`: which votes count.
- `splits`: which votes are held out for validation.
- `shards`: the Parquet files of a snapshot, with a digest.
- `snapshot`: makes a snapshot, from votes to files.
- `folders`: where the folder of a snapshot is.
- `teachers`: who made a snapshot that a language model wrote.
- `validation`: whether a snapshot may be trained on.
- `archive`: snapshots under DVC.
- `drift`: how messages change from week to week; `weekly_messages`: the messages of each week.
- `redacted_texts`: comments and corrections for people to read.
"""

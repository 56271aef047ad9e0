"""Backup and restore of an installation: `python -m deploy.backup`, explained in docs/backup.md.

- `postgres`: the programs of Postgres, its login for backups, and where its write-ahead log (WAL) is.
- `repository`: restic, which encrypts and stores everything; `faults`: what can go wrong.
- `base_backups`: full and incremental backups, and which are kept; `stream`: WAL and files, all the time.
- `erased`: who has been erased since, from ids that are kept outside of the database.
- `restore`: a database at a moment, and the files; `recovery`: Postgres replays WAL up to it.
- `verification`: counts of rows and digests of what was restored.
- `drill`: an installation is lost and restored: `make drill`. `drill_data`: what is in it.

`pgbackrest.conf` is for larger databases: pgBackRest in place of `base`, `stream` and `recovery`.
"""

"""Forgets a person, or one rewrite of theirs: rows, caches, snapshots and what was trained on them.

- `whom`: the person to forget, by a key, a token, an address or an id.
- `work_orders`: what is to be done, who asked for it, and how far it is.
- `rows`: Postgres' rows.
- `one_output`: the rows of one output.
- `copies`: what is outside these rows: outputs cached in Redis, snapshots, run folders.
- `orders`: versions that were trained on the person, to retrain or to retire.
- `erase`: an erasure from beginning to end, and its rehearsal.
- `__main__`: the command.
"""

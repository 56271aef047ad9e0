"""What people wrote and voted, and everything else that is stored.

- `records`: the words of the domain, as types; `reasons`: why something was decided, in every language.
- `tables`: every table; `migrations/`: how they came about; `database`: connections and tenants.
- `corpus`: the seed corpus in `seed/`, with its data card; `normal_form`: Unicode normal forms in bounded
  time.
- `people/`: who may use an installation. `traffic/`: requests and feedback. `redaction/`: personal data
  leaves texts.
- `jobs/`: the queue. `webhooks/`: events for addresses outside.
- `snapshots/`: feedback as data sets. `erasure/`: a person is forgotten everywhere.
"""

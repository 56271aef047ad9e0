"""What people wrote and voted, and everything else that is stored.

- `records`: the words of the domain, as types; `fields`: types of fields that many documents have; `reasons`:
  why something was decided, in every language.
- `tables`: every table; `migrations/`: how they came about; `database`: connections and tenants; `startup`:
  what a process checks of them when it starts. `redis_meter`: clients of Redis that count their commands.
- `worker_processes`: pools of processes that end with the one that started them.
- `corpus`: the seed corpus in `seed/`, with its data card; `normal_form`: Unicode normal forms in bounded
  time; `terms`: finds the terms of dictionaries in a message.
- `rules/`: conditions, and the rewrite of a message that they propose.
- `people/`: who may use an installation. `traffic/`: requests and feedback. `redaction/`: personal data
  leaves texts.
- `jobs/`: the queue. `webhooks/`: events for addresses outside. `channels/`: connected chat workspaces, and
  the people there. `inbound/`: messages of other tools.
- `snapshots/`: feedback as data sets. `erasure/`: a person is forgotten everywhere.
"""

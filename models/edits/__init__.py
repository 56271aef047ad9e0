"""The edit writer: it rewrites a message by small edits from a closed list, each of which can be refused.

- `script`: an edit, a list of edits that fit together, and how they are applied.
- `soften`, `clarify`, `terminology`, `background`: propose edits of an English message. Parts of their rules
  are in modules such as `soften_orders`.
- `segments`: the parts of a message; `arrange`: structure, summarize and requirements arrange them.
- `shorten`: proposes edits of what a summary keeps.
- `japanese`: the same for Japanese.
- `writer`: all transform types; the tagger (`models.tagger`) decides among what they propose.

Nothing here imports a heavy library, because the inference service uses it.
"""

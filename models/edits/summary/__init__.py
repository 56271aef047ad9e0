"""Summaries: an English message without the parts that matter least, and with shorter sentences.

Nothing is written anew. Parts are dropped in the order of what they cost until the summary is short enough
for its intensity. Only a dropped part or the end of a clause takes its facts with it.

Modules
    rules       a summary of a message
    units       what is kept or dropped together
    costs       what a summary loses without a unit
    background  units that only tell how the point came about
    choice      the units that stay
    anaphora    what a unit does not name itself
    tails       ends of clauses that go
    prose       the units that stay, as text
"""

from models.edits.summary.rules import drop, summarize

__all__ = ["drop", "summarize"]

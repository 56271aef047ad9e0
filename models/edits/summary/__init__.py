"""Summaries: an English message without the words that matter least, and with shorter sentences.

Nothing is written anew. The tagger says of each cut, a clause or a phrase, how likely a summary keeps it.
Cuts go in this order until the summary is short enough for its intensity. Only a cut takes its facts with
it.

Modules
    rules       a summary of a message
    units       cuts that stay or go together
    choice      the units that stay
    courtesies  greetings and closings
    anaphora    what a unit does not name itself
    prose       the units that stay, as text
"""

from models.edits.summary.rules import summarize

__all__ = ["summarize"]

"""Shortens English text inside its sentences, for summaries. `shorten.yaml` has the phrases.

Modules
    rules          proposes all edits, and the closed list of rules
    text           places in a text, and deletions with their commas and capitals
    phrases        the phrases of `shorten.yaml`
    requests       long requests
    words          empty words
    contractions   short forms
    asides         what stands in brackets or between commas
    clauses        clauses that only describe or explain
    topics         a first sentence that only says what was looked at
    reports        how the writer knows something
    remarks        feelings, comparisons, and what went well beside the point
    notes          sentences as notes
    verbs          short forms of verbs, and subjects that stand twice
    details        what a sentence says beside its point
"""

from models.edits.shorten.rules import RULES, propose

__all__ = ["RULES", "propose"]

"""Proposes notes of what an English message refers to and does not name, for clarify and background.

`references.yaml` has the words.

    rules         proposes all notes, the most important references first

Reading
    before        what stands before a reference
    reference     a reference, and what all kinds share

Kinds
    persons       "he", "his version"
    groups        "they", "people"
    things        "it", "that", "the late shift thing"
    adverbs       "there", "same as last time"
    several       "the other report", "the second candidate", "the new one"
    actors        "someone", "it needs to go back"
"""

from models.edits.references.rules import propose

__all__ = ["propose"]

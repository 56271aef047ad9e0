"""Rewrites Japanese messages by edits, all transform types. The tables are in files of this folder.

Modules
    rules         the rewrite of a message by transform type
    grammar       sentences and verb forms
    polite        polite ends of sentences
    phrases       tables of phrases
    parts         sentences and clauses, and what each does in the message

Transform types
    soften/       orders, blame and harsh words
    clarify       plain words for vague ones, notes of what is not stated
    background    notes of what an outsider lacks
    terminology   explanations of terms
    structure     points with labels
    requirements  needs, wishes, limits and what is open
    summary       fewer words
"""

from models.edits.japanese.rules import propose, rewrite

__all__ = ["propose", "rewrite"]

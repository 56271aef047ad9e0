"""Rewrites Japanese messages by edits, all transform types. The tables are in files of this folder.

Modules
    rules     the rewrite of a message by transform type
    grammar   verb forms and endings
    phrases   tables of phrases
    soften/   orders, blame and harsh words
    notes     clarify, background and terminology
    lines     structure, requirements and summarize
"""

from models.edits.japanese.rules import propose, rewrite

__all__ = ["propose", "rewrite"]

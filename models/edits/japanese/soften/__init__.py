"""Edits that make a Japanese message friendlier: polite requests, polite ends, no blame.

    rules         proposes all edits, sentence by sentence
    draft         a sentence that is being softened

Rules
    orders        orders, bans, requests and wishes
    blame         reproaches
    questions     questions
    statements    harsh and plain ends, faults
    harshness     anger and harsh words
    greetings     the opening of a request, greetings and closings
"""

from models.edits.japanese.soften.rules import soften

__all__ = ["soften"]

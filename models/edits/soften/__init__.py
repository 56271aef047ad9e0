"""Softens an English message: orders become requests, blame and harsh words milder ones.

`soften.yaml` has the words, `idioms.yaml` sarcasm and insults, `jabs.yaml` jabs and swearing,
`statements.yaml` harsh sentences without a harsh word.

    rules         proposes all edits, sentence by sentence

Reading
    draft         a message with its sentences, and the edits so far
    words         the tables of `soften.yaml`, `idioms.yaml` and `jabs.yaml`, verb forms, cues
    imperatives   what is an order
    clauses       where a clause starts and ends
    inversion     the word order of questions

Rules
    orders        orders
    requests      requests inside a sentence
    questions     questions that blame
    wishes        wishes and needs
    refusals      refusals
    threats       threats and ultimatums
    policies      rules that a message announces
    statements    harsh statements and questions of `statements.yaml`
    complaints    complaints and blame
    hedges        hedges in front of a complaint
    harshness     harsh words and phrases
    stings        cuts that may only hurt
    openings      fixed fronts of blame, and empty ends
    verbless      complaints without a verb
    greetings     greetings and thanks
"""

from models.edits.soften.greetings import without_idle_thanks
from models.edits.soften.rules import propose

__all__ = ["propose", "without_idle_thanks"]

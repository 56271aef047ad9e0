"""Softens an English message: orders become requests, blame and harsh words milder ones.

`soften.yaml` has the words.

    rules         proposes all edits, sentence by sentence

Reading
    draft         a message with its sentences, and the edits so far
    words         the tables of `soften.yaml`, verb forms, cues
    imperatives   what is an order
    clauses       where a clause starts and ends
    inversion     the word order of questions

Rules
    orders        orders
    requests      requests inside a sentence
    questions     questions that blame
    wishes        wishes and needs
    refusals      refusals
    complaints    complaints and blame
    hedges        hedges in front of a complaint
    harshness     harsh words and phrases
    openings      sentences without a verb, and empty ends
    greetings     greetings and thanks
"""

from models.edits.soften.rules import propose

__all__ = ["propose"]

"""The edit writer: it rewrites a message by small edits from a closed list, each of which can be refused.

Nothing here imports a heavy library, because the inference service uses it.

    writer        all transform types and languages; the tagger decides among what is proposed
    tagging       reads a message with the tagger, which `models.tagger` trains
    script        an edit, edits that fit together, and how they are applied

Proposals for English messages
    soften/       orders to requests, blame and harsh words to milder ones
    clarify/      plain words for vague ones, notes of what is not stated
    references/   notes of what a message refers to and does not name
    background/   notes of what an outsider lacks
    terminology/  explanations of terms
    glossary      the terms of `glossary.tsv`, and how each is spelled
    word_lists    lists of words in yaml files

Parts of English messages
    segments      sentences and clauses
    cuts          the smallest runs of words that may go
    parts         what each does in the message, and which belong together
    evidence      what the words of a clause do: order, ask, doubt
    points        parts that can stand alone in a list
    itemise       lists within a sentence
    notes         points that stand between commas
    structure     points with labels
    needs         what a part is in a list of requirements
    wanted        what the words of a part want, limit or doubt whatever the tagger says
    entries       entries of a list of requirements
    requirements  needs, limits and what is open
    summary/      what matters, as prose
    shorten/      shorter words for what a summary keeps

    japanese/     all of this for Japanese
"""

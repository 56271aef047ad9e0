"""The analysis of a message: how it will be read, by which of its words, and which rewrite would help.

Nothing here that the gateway uses imports a heavy library, keeps a message, or takes more than linear time.

    analysing     the analysis of a message
    prose         what of a message is judged: neither code nor quotations
    words         finds the words and phrases of `words.yaml`
    requests      what a sentence asks for
    deadlines     finds deadlines and their dates
    terms         finds terms that the message does not explain
    hurting       whether a sentence hurts (`hurting.json`)
    findings      all findings of a message
    features      the numbers from which levels are computed
    aspects       which aspects there are, and the features of each
    levels        the probability of each level (`levels.json`)
    labels        what readers said of messages
    fit           fits `hurting.json` and `levels.json`
    measure       measures all of it on readers' labels
"""

from models.analysis.analysing import Analysis, Level, Suggestion, analyse
from models.analysis.findings import Finding, FindingKind

__all__ = ["Analysis", "Finding", "FindingKind", "Level", "Suggestion", "analyse"]

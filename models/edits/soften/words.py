"""Words that the rules of `soften` look up: tables of three yaml files, verb forms, cues."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml


class Tables(NamedTuple):
    """The tables of `soften.yaml`, `idioms.yaml` and `jabs.yaml`, with the forms of their verbs."""

    verbs: frozenset[str]
    ambiguous: frozenset[str]
    objects: frozenset[str]
    no_objects: frozenset[str]
    base_of_ing: dict[str, str]
    past: dict[str, str]
    pasts: frozenset[str]
    participle: dict[str, str]
    participles: frozenset[str]
    thirds: frozenset[str]
    any_predicate: re.Pattern[str]
    predicates: list[tuple[re.Pattern[str], str]]
    any_key: re.Pattern[str]  # in words without apostrophes
    phrases: list[tuple[list[str], re.Pattern[str], str]]
    blame: list[tuple[str, str, re.Pattern[str], str]]
    sentences: list[tuple[re.Pattern[str], str]]
    empty_words: re.Pattern[str]
    empty_tails: re.Pattern[str]
    empty_sentences: re.Pattern[str]
    loud: frozenset[str]
    classes: dict[str, frozenset[str]]


@cache
def tables() -> Tables:
    """The tables, those of `jabs.yaml` and `idioms.yaml` in front of those of `soften.yaml`; read once."""
    data, idioms, jabs = (
        yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))
        for name in ("soften.yaml", "idioms.yaml", "jabs.yaml")
    )
    for name in ("predicates", "phrases", "sentences", "empty_tails"):
        data[name] = jabs.get(name, []) + idioms[name] + data[name]
    empty_sentences = "|".join(
        [data["empty_sentences"], *idioms["empty_sentences"], *jabs["empty_sentences"]]
    )
    ambiguous = frozenset(data["ambiguous"].split())
    verbs = frozenset(data["verbs"].split()) - ambiguous
    irregular = {base: (past, participle) for base, past, participle in data["irregular"]}
    bases = sorted(verbs | ambiguous | set(irregular) - {"be"})
    classes = {name: frozenset(text.split()) for name, text in data["classes"].items()}
    doubling = classes["doubling"]
    past = {base: irregular[base][0] if base in irregular else _ed(base, doubling) for base in bases}
    participle = {base: irregular[base][1] if base in irregular else _ed(base, doubling) for base in bases}
    return Tables(
        verbs=verbs | {"be"},
        ambiguous=ambiguous,
        objects=frozenset(data["objects"].split()),
        no_objects=frozenset(data["no_objects"].split()),
        base_of_ing={_ing(base, doubling): base for base in bases},
        past=past,
        pasts=frozenset(past.values()),
        participle=participle,
        participles=frozenset(participle.values()) | {"been"},
        thirds=frozenset(third_form(base) for base in bases),
        any_predicate=_compile("|".join(pattern for pattern, _ in data["predicates"])),
        predicates=[(_compile(rf"{pattern}(?![\w-])"), text) for pattern, text in data["predicates"]],
        any_key=re.compile(
            "|".join(re.escape(_plain(key)) for row in data["phrases"] for key in row[0].split("|"))
        ),
        phrases=[
            (_plain(keys).split("|"), _compile(pattern), text) for keys, pattern, text in data["phrases"]
        ],
        blame=[(rule, key, _compile(pattern), text) for rule, key, pattern, text in data["blame"]],
        sentences=[(_compile(pattern), text) for pattern, text in data["sentences"]],
        empty_words=_compile(rf"(?<![\w-]){data['empty_words']}(?![\w-])"),
        empty_tails=_compile(rf"(?:{'|'.join(data['empty_tails'])})$"),
        empty_sentences=_compile(empty_sentences),
        loud=frozenset(data["loud"].split()),
        classes=classes,
    )


def _compile(pattern: str) -> re.Pattern[str]:
    """A pattern of the tables; chat leaves apostrophes out, so that each may be missing."""
    return re.compile(_LOOKBEHIND_OR_APOSTROPHE.sub(_loosen, pattern), re.I)


# Words in a lookbehind must have a fixed length.
_LOOKBEHIND_OR_APOSTROPHE = re.compile(r"\(\?<=[^()]*'[^()]*\)|\(\?<![^()]*\)|'")


def _loosen(match: re.Match[str]) -> str:
    text = match.group()
    if text.startswith("(?<="):
        return f"(?:{text}|{_plain(text)})"
    return "'?" if text == "'" else text


def _plain(text: str) -> str:
    """A text without apostrophes, as the keys of phrases are compared."""
    return text.replace("'", "")


def _ing(base: str, doubling: frozenset[str]) -> str:
    if base.endswith("ie"):
        return f"{base[:-2]}ying"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")) and base != "be":
        return f"{base[:-1]}ing"
    return f"{base}{base[-1]}ing" if base in doubling else f"{base}ing"


def _ed(base: str, doubling: frozenset[str]) -> str:
    if base.endswith("e"):
        return f"{base}d"
    if base.endswith("y") and base[-2:-1] not in "aeou":
        return f"{base[:-1]}ied"
    return f"{base}{base[-1]}ed" if base in doubling else f"{base}ed"


def third_form(base: str) -> str:
    """The form of a verb after "it": "takes" of "take"."""
    if base in {"have", "do", "go"}:
        return {"have": "has", "do": "does", "go": "goes"}[base]
    if base.endswith("y") and base[-2:-1] not in "aeou":
        return f"{base[:-1]}ies"
    return f"{base}es" if base.endswith(("s", "sh", "ch", "x", "z")) else f"{base}s"


def is_verb(word: str) -> bool:
    """Whether a word in lower case can be the base form of a verb."""
    words = tables()
    return word in words.verbs or word in words.ambiguous or word in words.past


def find_empty_tail(text: str) -> re.Match[str] | None:
    """The end of a sentence that adds nothing, such as "okay?"."""
    return tables().empty_tails.search(text, max(0, len(text) - _LONGEST_TAIL))


_LONGEST_TAIL = 70
# A date by which something is due.
DUE = re.compile(
    r"\b(?:by|before|until|today|tomorrow|tonight|now|asap|immediately|this (?:week|"
    r"morning|afternoon)|(?:mon|tues|wednes|thurs|fri)day)\b",
    re.I,
)
# A negation, also one without its apostrophe.
NOT = r"n't\b|\b(?:(?:is|are|was|were|do|does|did|has|have|had|could|would|should)nt|cant|wont)\b"
# A complaint has such words.
CUES = re.compile(
    rf"{NOT}|\b(?:not|no|never|nobody|nothing|none|still(?! (?:valid|open|works?|"
    r"working|fine|good|there|possible|free|available|on time|on track))|wrong|late|"
    r"broken|broke|breaks|fail\w*|missing|miss(?:ed|es)|lost|forgot|"
    r"bad|badly|worse|worst|wast\w+|(?<!-)down|too (?:long|short|late|slow|small|big|high|"
    r"low|many|much|expensive|few|little|loud|hot|cold|dark)|gone|crash\w*|errors?|"
    r"mistakes?|problems?|stuck|ignor\w+|delet\w+|overwr\w+|incomplete|"
    r"incorrect|unable|cold|dirty|delay\w*|overdue|expired|rejected|denied|declined|"
    r"cancel\w*|useless|terrible|mess|unusable|"
    r"unreadable|inconsistent|random|rude|blocks?|blocked|leaks?|leaked|dropped|behind|"
    r"too short|slow|empty|over budget|weak|poor|outdated|"
    r"out of date|complain\w*|skipped|closed(?! (?:with|at|on)\b)|duplicate\w*|unclear|confus\w+|"
    r"disappoint\w+|loses|hard to|mixed|double|unbalanced|"
    r"dangerous|illegal|gaps?|waiting (?:for )?(?:\w+ )?(?:days|weeks|months|hours)|third time"
    r"|second time|instead of|angry|upset|furious)\b",
    re.I,
)
# With such words a statement is no complaint, or is hedged already.
POSITIVE = re.compile(
    r"\b(?:unfortunately|afraid|sadly|i think|i believe|it looks like|it seems|sorry|"
    r"apolog\w+|no (?:problem|worries|rush|hurry|need|damage|data loss)|(?:not|nobody|no "
    r"one|nothing|isn't|wasn't|weren't|aren't) (?:was |is |are )?(?:affected|hurt|lost|"
    r"broken|in danger)|not (?:urgent|bad)|"
    r"thank\w*|hit (?:the|our) targets?|won(?!')|great|good|nice|glad|happy|welcome|perhaps|maybe"
    r"|probably|whenever|i guess|"
    r"congrat\w*|nothing (?:urgent|special|else|to worry)|don't worry|"
    r"excellent|fine|well|would like|don't need|doesn't need|do not need|don't have to|doesn't "
    r"have to|doesn't matter|not need\w*|not necessary|don't want|i feel|kind of|sort of|"
    r"not sure|i don't know|don't mind|if you|as i mentioned|i told you|i said|i asked|"
    r"i've asked|i want|i need)\b",
    re.I,
)
# A finite verb.
FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|does|do|did|can|will|isn't|aren't|wasn't|weren't|"
    r"hasn't|haven't|hadn't|doesn't|don't|didn't|can't|cannot|won't|"
    r"keeps?|needs?|looks?|makes?|says?|shows?|reads?|takes?|costs?|breaks?|fails?|"
    rf"blocks?|crashes|loses|misses|goes|comes|\w+ed|thats|its|im|ive|youre|theyre)\b|\w'(?:s|re"
    rf"|ve) \w|{NOT}",
    re.I,
)
# A message with such words is friendly already: a hedge would turn its good news into bad news.
KIND = re.compile(
    r"\b(?:thank you(?! for (?:finally|at last|not|nothing|[\w ']{2,40}, (?:only|just|merely)))"
    r"|thanks (?:for(?! (?:nothing|not|finally|breaking|deleting))|again|so|a lot|to you)|many thanks|"
    r"grateful|appreciate|(?<!even )(?<!not )sorry|i apologi[sz]e|apologies|"
    r"would you mind|when you (?:have|get) (?:a|some) (?:moment|minute|chance|"
    r"time)|hope (?:you(?!'?re (?:happy|proud)| realise| realize| understand| know|"
    r"[\w' ]{1,20} (?:explanation|excuse|reason)\b)|this|all)|dear|happy to|no rush|if it's not too much)\b",
    re.I,
)
# Praise, which is sarcastic beside a complaint.
PRAISE = re.compile(r"\b(?:(?:great|good) (?:work|job)(?! (?:on )?\w+ing)|well done|congrat\w*)\b", re.I)
# A message with such words has some courtesy already.
COURTEOUS = re.compile(
    r"\b(?:please|pls|plz|thanks?|thx|cheers|could you|could we|would you|would it|would be|can we"
    r"|i'd|hi|hello)\b",
    re.I,
)
# A message with such words blames, whatever its courtesy.
SHARP = re.compile(
    r"\b(?:you (?:never|always|keep|clearly|obviously|forgot|failed|ignored|promised|ha(?:ve|d) no"
    r"|should have)"
    rf"|you (?:\w+{NOT}|(?:do|did|have|are) not)|(?:third|fourth|fifth|last) time|no intention"
    r"|yet again|waste of|a joke|ridiculous|unacceptable|useless|not good enough|still waiting"
    r"|nobody (?:bothered|told))\b",
    re.I,
)

"""The glossary: terms of professional fields with their explanations, and how each is found in a message.

`glossary.tsv` has the terms, one entry a line, with these columns:

- terms: the spellings, separated by ", ". One with a capital is matched as written, others in any case. A
  hyphen also stands for a space, and a space for a hyphen. Regular plurals and verb forms, the other of the
  British and American spellings, and some forms without a hyphen or in small letters are added.
- field: the professional field, such as `finance`.
- specialised: 1 (known to most people at work), 2, or 3 (known to few outside of the field).
- kind: `n` a noun with a plural, `m` a noun without one, `a` an adjective or adverb, `v` a verb. Further
  letters: `!` the spellings are the four verb forms (base, past, -ing, -s); `o` the verb's gloss has an
  object; `f` the verb needs no word before it; `d` the word is an everyday verb too, so it must stand where
  a noun stands; `e` the short gloss is what the abbreviation stands for; `#` a number belongs to the term
  ("PO 4711"); `?` other terms of the field show the sense of an abbreviation too.
- short, fuller: the glosses. `{one/many}` gives the singular and the plural, `~` the plural s, and for verbs
  `{base/past/-ing/-s}` or `{regular*}`. The article of a singular gloss goes where a plural is explained.
- needs: words of which one must occur in the message; never: words of which none may.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from data.terms import plural

_GLOSSARY = Path(__file__).with_name("glossary.tsv")

# A run of letters and digits starts a term; the index has it as its key.
RUN = re.compile(r"[^\W_]+")

# Parts of words that British and American English spell differently.
_TWO_SPELLINGS = """
    isation/ization ised/ized ising/izing colour/color favour/favor honour/honor behaviour/behavior
    neighbour/neighbor odour/odor vapour/vapor centre/center fibre/fiber calibre/caliber licence/license
    mould/mold catalogue/catalog aluminium/aluminum labelling/labeling modelling/modeling
    levelling/leveling labelled/labeled haemo/hemo anaes/anes oedema/edema paed/ped artefact/artifact
    sulph/sulf ageing/aging enrolment/enrollment instalment/installment fulfilment/fulfillment
    manoeuvre/maneuver
"""
_BRITISH = dict(pair.split("/") for pair in _TWO_SPELLINGS.split())
_OTHER_ENGLISH = _BRITISH | {american: british for british, american in _BRITISH.items()}
_EITHER_ENGLISH = re.compile(rf"\b(?:{'|'.join(_OTHER_ENGLISH)})|(?<!s)(?:is|iz)(?:ation|ed|ing)")
# An abbreviation without a vowel is no word in small letters, either.
_NO_WORD = re.compile("[B-DF-HJ-NP-TV-XZ]{3,}")
_ENDS_IN_Y = re.compile("[b-df-hj-np-tv-z]y$")
# A noun that is a verb without its hyphen: "the cut-off", but "cut off".
_PARTICLE = re.compile(".*-(?:ahead|along|around|away|back|by|down|in|live|off|on|out|over|through|up)")


class Entry(NamedTuple):
    """An entry of the glossary; `terms` are its spellings with the form that each is (0 is the base form)."""

    order: int
    name: str
    terms: tuple[tuple[str, int], ...]
    field: str
    specialised: int
    kind: str
    short: str
    fuller: str
    needs: frozenset[str]
    never: frozenset[str]
    hyphenated: frozenset[str]  # nouns that are verbs without their hyphen

    def gloss(self, text: str, form: int) -> str:
        """A gloss in the form of the word that it explains."""
        if "v" not in self.kind and form:
            text = re.sub(r"^an? (?=[^~{]*[~{])", "", text)
        text = text.replace("~", "{/s}")

        def chosen(match: re.Match[str]) -> str:
            words = match.group(1)
            forms = _verb_forms(words[:-1]) if words.endswith("*") else words.split("/")
            return forms[min(form, len(forms) - 1)]

        return re.sub(r"\{([^{}]*)\}", chosen, text)

    def named(self, text: str, form: int) -> str:
        """A gloss, after the singular of the term where a plural is explained but the gloss has none."""
        is_singular = "n" in self.kind and form and not re.search("[~{]", text)
        return f"{self.name}: {self.gloss(text, form)}" if is_singular else self.gloss(text, form)


@functools.cache
def index() -> Mapping[str, tuple[tuple[str, list[tuple[Entry, int]]], ...]]:
    """The glossary by the first run of letters of each spelling, the longest spellings first."""
    terms: dict[str, list[tuple[Entry, int]]] = {}
    for entry in entries():
        for term, form in entry.terms:
            forms = terms.setdefault(term, [])
            if all(other is not entry for other, _ in forms):
                forms.append((entry, form))
    rows: dict[str, list[tuple[str, list[tuple[Entry, int]]]]] = {}
    for term in sorted(terms, key=len, reverse=True):
        match = RUN.match(term.lower())
        assert match, term
        rows.setdefault(match.group(), []).append((term, terms[term]))
    return {key: tuple(spellings) for key, spellings in rows.items()}


def entries() -> Iterator[Entry]:
    """The entries of `glossary.tsv`, in its order."""
    lines = _GLOSSARY.read_text(encoding="utf-8").splitlines()
    for order, line in enumerate(line for line in lines if line and not line.startswith("#")):
        terms, field, specialised, kind, short, fuller, needs, never = line.split("\t")
        names = terms.split(", ")
        spellings = tuple(_spellings(names, kind))
        own = (
            {word for spelling, _ in spellings for word in spelling.lower().split()} if needs + never else ()
        )
        yield Entry(
            order,
            names[0],
            spellings,
            field,
            int(specialised),
            kind,
            short,
            fuller,
            frozenset(needs.split()).difference(own),
            frozenset(never.split()).difference(own),
            frozenset(name.lower() for name in names if _PARTICLE.fullmatch(name)),
        )


def _spellings(terms: list[str], kind: str) -> Iterator[tuple[str, int]]:
    """All spellings of an entry with their forms; a hyphen is a space, as in the scanned message."""
    for number, term in enumerate(terms):
        if "v" in kind and "!" in kind:
            yield term.replace("-", " "), number % 4
            continue
        for spelling in _variants(term):
            if "v" in kind:
                first, _, rest = spelling.partition(" ")
                for form, word in enumerate(_verb_forms(first)):
                    yield f"{word} {rest}".rstrip(), form
                continue
            yield spelling, 0
            if "n" in kind:
                yield plural(spelling), 1


def _variants(term: str) -> Iterator[str]:
    """A term as people write it: also without its hyphen, in the other English, or in small letters."""
    first, hyphen, rest = term.partition("-")
    spelling = term.replace("-", " ")
    yield spelling
    if hyphen and len(first) > 2 and term.isascii() and (first + rest).isalpha() and term.islower():
        yield first + rest
    other = _EITHER_ENGLISH.sub(lambda match: _OTHER_ENGLISH[match.group()], spelling)
    if other != spelling:
        yield other
    if _NO_WORD.fullmatch(term):
        yield term.lower()


def _verb_forms(verb: str) -> list[str]:
    """A regular verb's base, past, -ing and -s form."""
    if verb.endswith("e"):
        return [verb, verb + "d", verb[:-1] + "ing", verb + "s"]
    if _ENDS_IN_Y.search(verb):
        return [verb, verb[:-1] + "ied", verb + "ing", verb[:-1] + "ies"]
    return [verb, verb + "ed", verb + "ing", plural(verb)]

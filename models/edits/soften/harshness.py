"""What is loud or harsh becomes milder or goes: capitals, rows of marks, words, whole sentences."""

import re
from typing import NamedTuple

from models.edits.script import Change, Edit
from models.edits.soften.draft import Draft, Sentence, split_sentences
from models.edits.soften.words import CUES, find_empty_tail, tables

_CAPITALS = re.compile(r"(?<![\w-])[A-Z][A-Z'’]*[A-Z](?![\w-])")
_NEXT_CAPITALS = re.compile(r" ([A-Z]{2,})(?![\w-])")
_WORD = re.compile(r"(?<![\w-])[A-Za-z][A-Za-z'’]+(?![\w-])")


def without_shouting(message: str) -> tuple[str, list[Change]]:
    """The message with its loud capitals as small letters, at the same places, and the changes that do so.

    A word of the list is loud alone; in a sentence of capitals every word is that is no likely acronym.
    """
    changes: list[Change] = []
    for sentence in split_sentences(message) if _CAPITALS.search(message) else ():
        changes += _lowered_words(message[sentence.start : sentence.end], sentence.start)
    calm = message
    for start, end, text in changes:
        calm = calm[:start] + text + calm[end:]
    return calm, changes


def _lowered_words(text: str, at: int) -> list[Change]:
    """The changes of the loud words of a sentence that starts at `at`."""
    capitals = list(_CAPITALS.finditer(text))
    is_shouted = len(capitals) >= 3 and len(capitals) * 10 >= len(_WORD.findall(text)) * 7
    changes = []
    for match in capitals:
        word = match.group()
        if word.lower() not in tables().loud and not (is_shouted and len(word) > 3):
            continue
        following = _NEXT_CAPITALS.match(text, match.end())
        if not is_shouted and following and following.group(1).lower() not in tables().loud:
            continue  # "NOT NULL" is a term
        is_capitalized = match.start() == 0 or word.lower() in tables().classes["days"]
        new = word.capitalize() if is_capitalized else re.sub(r"^i(?=['’])", "I", word.lower())
        changes.append(Change(at + match.start(), at + match.end(), new))
    return changes


def quieten(draft: Draft, sentence: Sentence) -> None:
    """Rows of marks become one mark, and an exclamation mark a point unless the sentence is friendly."""
    mark, is_friendly = draft.mark(sentence), _FRIENDLY.search(draft.text(sentence))
    if ("!" in mark and mark.strip("\"')]") != "!") or "??" in mark:
        calm = "?" if "?" in mark else "!" if is_friendly else "."
        draft.add("marks", 1, draft.end_with(calm, sentence))
    elif mark == "!" and not is_friendly:
        draft.add("marks", 1, Change(sentence.end, sentence.stop, "."))


_FRIENDLY = re.compile(
    r"\b(?:thank|thanks|thx|cheers|great|good|nice|welcome|congrat\w*|happy|hi|hello|hey|"
    r"morning|all|awesome|love\w*|glad|enjoy|"
    r"please|well done|best|perfect|wonderful|excellent)\b",
    re.I,
)
_PRAISE = re.compile(
    r"(?:oh,? |just |well,? )?(?:great|wonderful|fantastic|brilliant|lovely|perfect|"
    r"awesome|amazing|terrific)(?: stuff| timing)?|(?:nice|great|good|brilliant|excellent"
    r"|fantastic) (?:work|job|one|going)"
    r"|well (?:done|played)|bravo|congrat(?:s|ulations)|typical|classic|love (?:it|that)"
    r"|good for you|must be nice"
    r"|as (?:always|usual|ever)|just (?:great|what (?:i|we) needed)|exactly what (?:i|we) needed"
    r"|what a surprise",
    re.I,
)
_AGAIN = re.compile(r"again", re.I)
_WHOSE = re.compile(r"(?:and )?whose (?:job|task|responsibility|turn|shift|duty) ", re.I)
_GUESS_WHO = re.compile(r"\bguess who (?:gets|got|has|had|is|was)\b", re.I)


def drop_sentence(draft: Draft, index: int) -> bool:
    """A sentence without information goes or gets a milder form; "Again." joins the sentence before it."""
    sentence = draft.sentences[index]
    if not index:
        return _drop_first(draft, sentence) or _replace_sentence(draft, sentence)
    previous = draft.sentences[index - 1]
    is_adjacent = not draft.message[previous.stop : sentence.start].strip(" ")
    if _AGAIN.fullmatch(draft.text(sentence)):
        is_new = not re.search(r"\bagain\b", draft.text(previous).lower())
        if is_adjacent and draft.mark(previous) in {".", "!"} and is_new:
            draft.add("join_again", 1, Change(previous.end, sentence.end, ", again"))
        return True
    rule = _drop_rule(draft, sentence, previous)
    if not is_adjacent or rule is None:
        return _replace_sentence(draft, sentence)
    gap = Change(previous.stop, sentence.stop, "")
    if address := _ADDRESS.search(draft.text(sentence)):
        # The name stays: it joins the sentence before.
        name = Change(previous.end, previous.end, address.group())
        draft.edits.append(Edit(f"soften.{rule}", 1, (name, gap)))
        draft.is_softened = True
    elif draft.add(rule, 1, gap):
        draft.is_softened = True
    return True


def _drop_first(draft: Draft, first: Sentence) -> bool:
    """Drops the first sentence with the space behind it, if it is empty."""
    if len(draft.sentences) == 1 or not _is_empty(draft, first):
        return False
    rest = draft.message[first.stop :]
    stop = first.stop + len(rest) - len(rest.lstrip(" "))
    if draft.add("drop_sentence", 1, Change(first.start, stop, "")):
        draft.is_softened = True
    return True


def _drop_rule(draft: Draft, sentence: Sentence, previous: Sentence) -> str | None:
    """The rule that drops a sentence: it repeats the one before, is sarcastic or empty."""
    text, before = draft.text(sentence), draft.text(previous).lower()
    is_repeated = (
        len(text.split()) <= 3
        and draft.mark(previous) != "?"
        and draft.mark(sentence) in {".", "!"}
        and len(before) > len(text) + 8
        and re.search(rf"\b{re.escape(text.lower())}\b", before)
    )
    if is_repeated:
        return "drop_repeated"
    if text.lower() in {"me", "us", "muggins here"} and _GUESS_WHO.search(before):
        return "drop_repeated"
    if text.lower() in {"yours", "mine", "not mine"} and _WHOSE.match(before):
        return "drop_repeated"
    if not draft.is_friendly and _PRAISE.fullmatch(text) and CUES.search(before):
        return "drop_sarcasm"
    return "drop_sentence" if _is_empty(draft, sentence) else None


def _is_empty(draft: Draft, sentence: Sentence) -> bool:
    text = _ADDRESS.sub("", draft.text(sentence).strip(" ,"))
    return tables().empty_sentences.fullmatch(text) is not None


_ADDRESS = re.compile(r", [A-ZÀ-Ž][\w'-]+$")  # "Unacceptable, Marek."


def _replace_sentence(draft: Draft, sentence: Sentence) -> bool:
    """A whole sentence of the list gets its milder form."""
    for pattern, new in tables().sentences:
        if not pattern.fullmatch(draft.text(sentence)):
            continue
        end = sentence.stop if "!" in draft.mark(sentence) else sentence.end
        text = draft.cap(new) + ("." if end > sentence.end else "")
        draft.edits = [edit for edit in draft.edits if edit.start < sentence.start]
        if draft.add("sentence", 1, Change(sentence.start, end, text)):
            draft.is_softened = True
            return True
    return False


_PERSON = re.compile(r"\b(?:i|you|he|she|we)(?:'m|'re|'s| am| are| is| was| were)$", re.I)
_OF_PERSONS = re.compile(
    r"(?:quite )?upset|quite surprised|not up to|mistaken|a bit|not happy|not part|not something"
    r"|something for|not easy"
)
_BE = re.compile(r"\b(?:is|are|was|were|be|been|looks|seems)\s+|(?<=[A-Za-z])(?:'s|'re|'m)\s+", re.I)
_ADVERBS = re.compile(
    r"(?:also|still|again|just|so|always|now|simply|really|already|honestly|frankly|currently"
    r"|of course|obviously|"
    r"clearly|evidently) ",
    re.I,
)
_SECOND_ADVERB = re.compile(r"(?:also|still|again) ")
_OPENS_QUESTION = re.compile(
    r"(?:why|what|who|how|when|where|which|can|could|will|would|do|does|did|is|are|have|has|should)\b", re.I
)
_BINDS = re.compile(r"\b(?:an?|is|are|was|were|be|so|too|not|very|that|and|or)\s*$", re.I)
_MOST_WORDS = 13  # of a sentence are replaced


class _Words(NamedTuple):
    """The words of a sentence, and the places that are taken by an edit."""

    draft: Draft
    sentence: Sentence
    text: str
    taken: list[tuple[int, int]]

    def replace(self, rule: str, start: int, end: int, new: str) -> None:
        """Adds an edit of `text[start:end]` unless an edit before touches it."""
        if len(self.taken) >= _MOST_WORDS or any(start < b and a < end for a, b in self.taken):
            return
        if start == 0 and self.text[0].isupper():
            new = new[:1].upper() + new[1:]
        at = self.sentence.start
        if self.draft.add(rule, 1, Change(at + start, at + end, new)):
            self.taken.append((start, end))


def replace_harsh_words(draft: Draft, sentence: Sentence) -> bool:
    """Harsh words inside a sentence become milder or go; its front and its end belong to other rules."""
    edits = len(draft.edits)
    words = _Words(draft, sentence, draft.text(sentence), [])
    _replace_blame(words)
    _replace_phrases(words)
    _replace_predicates(words)
    _drop_empty_tail(words)
    _drop_empty_words(words)
    return len(draft.edits) > edits


def _replace_blame(words: _Words) -> None:
    lower = words.text.lower()
    for rule, key, pattern, new in tables().blame:
        for match in pattern.finditer(words.text) if key in lower else ():
            new_words = match.expand(new)
            new_words = new_words.replace(" I ", " i ") if words.draft.is_lower else new_words
            words.replace(rule, match.start(), match.end(), new_words)


def _replace_phrases(words: _Words) -> None:
    lower = words.text.lower().replace("'", "")
    if not tables().any_key.search(lower):
        return
    for keys, pattern, new in tables().phrases:
        for match in pattern.finditer(words.text) if any(key in lower for key in keys) else ():
            words.replace("phrase", match.start(), match.end(), match.expand(new))


def _replace_predicates(words: _Words) -> None:
    """Harsh words behind a form of "be" become milder; behind a person only some of them do."""
    text, lower = words.text, words.text.lower()
    for be in _BE.finditer(text):
        at = be.end()
        adverb = _ADVERBS.match(text, at)
        at = adverb.end() if adverb else at
        second = _SECOND_ADVERB.match(text, at)
        at = second.end() if second else at
        is_denied = lower[at - 4 : at] == "not " or "either " in lower[max(0, at - 80) : at]
        if is_denied or not tables().any_predicate.match(text, at):
            continue
        for pattern, new in tables().predicates:
            harsh = pattern.match(text, at)
            if harsh:
                is_person = _PERSON.search(text[max(0, be.end() - 30) : be.end()].rstrip())
                if not is_person or _OF_PERSONS.match(new):
                    words.replace("predicate", harsh.start(), harsh.end(), harsh.expand(new))
                break


def _drop_empty_tail(words: _Words) -> None:
    """The end of a sentence that adds nothing goes, such as "..., okay?"."""
    draft, sentence, text = words.draft, words.sentence, words.text
    tail = find_empty_tail(text)
    if not tail or tail.start() <= 8:
        return
    if "?" in draft.mark(sentence) and not _OPENS_QUESTION.match(text):
        draft.add("empty_tail", 1, Change(sentence.start + tail.start(), sentence.stop, "."))
    else:
        words.replace("empty_tail", tail.start(), tail.end(), "")


def _drop_empty_words(words: _Words) -> None:
    for match in tables().empty_words.finditer(words.text):
        before = words.text[max(0, match.start() - 12) : match.start()]
        after = words.text[match.end() : match.end() + 2]
        if match.start() > 0 and not _BINDS.search(before) and re.match(r" \w", after):
            words.replace("empty_word", match.start(), match.end() + 1, "")

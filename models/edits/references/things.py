"""Finds a thing or a matter that is not named: "it", "that", "the late shift thing"."""

import re
from collections.abc import Iterator

from models.edits.clarify.message import Message
from models.edits.references.before import has_noun, has_other_name, listed, read_before, strangers
from models.edits.references.reference import Reference, ends, matches

_OBJECT_VERB = (
    r"(?:send|sent|sends|fix|fixed|move|moved|moves|check|checked|change|changed|finish|finished|sign|"
    r"signed|approve|approved|review|reviewed|delete|deleted|reset|update|updated|share|shared|use|used|"
    r"restart|restarted|return|returned|print|printed|order|ordered|cancel|cancelled|deploy|deployed|merge|"
    r"merged|test|tested|put|need|needs|want|wants|found|find|open|opened|close|closed|try|tried|handle|"
    r"handled|install|installed|remove|removed|add|added|pay|paid|collect|bring|brought|pick|leave|left|"
    r"push|pushed|rename|postpone|rewrite|rewrote|redo|repair|repaired|replace|replaced|upload|uploaded|"
    r"forward|forwarded|has|have|lost|broke|start|started|stop|stopped|run|ran|book|booked|show|showed|"
    r"looked at|look at|looking at|look into|talk about|talked about|deal with|dealing with|work on|"
    r"working on|wait for|waiting for|responsible for|reply to|replied to|access to|access|revert|reverted|"
    r"rejected|reject|accept|accepted|like|likes|liked|discuss|discussed|present|ship|shipped|ordering|"
    r"sending|moving|changing|fixing|checking|saw|seen|missed|noticed|heard about|asked for|asking for|"
    r"agreed to|know about|knows about|knew about|told me about|sell|sold|borrow|borrowed|gave|give|"
    r"received|do|doing|lend|store|stored)"
)
_IT = re.compile(r"(?<![\w'-])it(?![\w-])", re.I)
_IT_OBJECT = re.compile(
    rf"\b{_OBJECT_VERB} (?:back |away |out |over |up )?(?P<word>it)(?=\s*[.!?;]|\s*$|,(?! and that)|"
    r" (?:to (?:room|the|my|our|your|me|him|her|them|us|[A-Z0-9])|for (?:me|us|the|him|her|them)|by|before|"
    r"after|again|back|today|tomorrow|now|yesterday|in (?:the|our|my)|on (?:the|my|our|mon|tues|wednes|"
    r"thurs|fri)|from|this|last|next|and|but|because|so|or|if|when|until|already|yet|soon|off|anymore|"
    r"any more|please|asap|changed|done|fixed|moved|removed|ready|with|as)\b)",
    re.I,
)
_IT_SUBJECT = re.compile(
    r"(?<![\w'-])(?P<word>it)(?:'(?P<short>s|ll)(?= (?:broken|wrong|down|missing|stuck|empty|gone|back|"
    r"there|ready|in (?:the|my|our)|on (?:the|my|our)|at (?:the|my|our)|still|not (?:working|ready|in|on|"
    r"there)|crashing|failing|working)\b)|(?= (?:is|was|isn't|wasn't|has been) (?:still |also |now |"
    r"already |not )?(?:wrong|broken|down|missing|stuck|empty|gone|back|there|ready|in (?:the|my|our)|"
    r"on (?:the|my|our)|crashing|failing|working|done|finished|signed|approved|lost|blank)\b| (?:works|"
    r"worked|doesn't work|failed|fails|crashed|crashes|keeps|stopped|needs to|should be in|arrived|"
    r"hasn't arrived|came|went|has to go|has to be|must be|should go|should stay|will be in|goes|(?:was|is|"
    r"wasn't|has) (?:never|not|already|only) (?:been )?(?:sent|approved|signed|paid|delivered|ordered|"
    r"finished|fixed|done|tested|agreed)|broke|hangs|runs|still)\b|(?P<where>(?<=where it) is\b)))",
    re.I,
)
_IT_ASKED = re.compile(
    r"it (?:done|ready|working|finished|fixed|broken|signed|approved|still (?:there|broken|down|open|in|"
    r"on)|back|gone|sent|work(?! for\b)|arrived?|been (?:sent|approved|signed|paid|fixed|done|ordered)|"
    r"in (?:the|our|my)|on (?:the|our|my))\b",
    re.I,
)
_NO_THING = re.compile(
    r"\bit(?:'s| is| was) (?:in (?:our|your|my) (?:interest|hands)|on (?:me|us|you)|at least|in fact|"
    r"back to|one of|still (?:early|possible|unclear|too|cold|raining|not clear|better|worth))|"
    r"\bit (?:keeps (?:raining|snowing|happening)|still (?:is|isn't|takes|makes)|goes without|came (?:to|"
    r"as)|works for|went (?:well|fine)|needs to be (?:said|clear)|must be (?:said|nice|possible|hard)|"
    r"has to be (?:said|possible))",
    re.I,
)
_DEMONSTRATIVE = re.compile(
    rf"\b(?:do|did|doing|{_OBJECT_VERB}) (?P<word>that|this|those|these)(?=\s*[.!?]|\s*$|,| (?:in (?:the|"
    r"our|my)|to (?:the|me|him|her|them|us)|on (?:the|my|our)|for (?:me|us|the|him|her|them)|by|before|"
    r"today|tomorrow|now|this|next|until|unless|if|when|again|anymore|any more|please|asap|too|soon|yet|"
    r"at the moment|right now)\b)",
    re.I,
)
_THAT_ALONE = re.compile(
    r"(?:(?:not |so )?(?:happy|ok|okay|fine|busy|unhappy|agree|done|ready) with (?P<with>that)(?=\s*[,.?!]|"
    r"\s*$)|(?:is|was) (?P<asked>that) (?:done|ready|fixed|sorted|approved|confirmed|finished|still (?:on|"
    r"open|there|the plan|valid|needed))\b|(?P<start>that) (?:didn't|doesn't|won't) (?:work|fit|help|"
    r"match)\b)",
    re.I,
)
_ATTACHED = re.compile(r"https?:|www\.|attach|below|fw[d:]?\b|forward|\bsee\b|screenshot|link|[\"“`>:]", re.I)
_MATTER = re.compile(
    r"(?<![\w'-])(?P<words>(?:the|that|this) (?P<first>[a-z-]{3,20}) (?P<second>[a-z-]{3,20})) thing"
    + ends(
        "is|was|again|at|from|on|by|before|today|tomorrow|and|but|because|so|needs|has|still|for|soon|with|"
        "this|next|last|first|if|sometime|some|please|asap|yet|now|tonight"
    ),
    re.I,
)
_DONE_THING = re.compile(
    r"\b(?:do|does|did|done|doing) (?P<words>the [a-z-]{3,20}(?: [a-z-]{3,20})? thing)"
    + ends("anymore|any more|for|again|now|today|this|with|and|but"),
    re.I,
)
_HANDED = re.compile(
    r"(?<![\w'-])the thing (?P<rest>(?:i|we|you|he|she|they) (?:sent|gave|told|showed|lent|asked|"
    r"promised) (?:you|me|us|him|her|them))" + ends("on|last|yesterday|before|this|by|and|today"),
    re.I,
)


def find_things(read: Message) -> Iterator[Reference]:
    """The first "it" where no noun before it can be meant."""
    first = _IT.search(read.text, read.body)
    if first is None:
        return
    before = read_before(read, first.start())
    strange = strangers(before)
    if strange > 1 or has_other_name(before):
        return
    if set(before.tokens) & {"this", "that", "one", "something", "anything", "which", "everything", "what"}:
        return
    last = before.tokens[-1] if before.tokens else ""
    if _NO_THING.match(read.text, first.start()) or (last == "put" and {"as", "to"} & set(before.tokens)):
        return
    obj = next(
        (match for match in matches(read, _IT_OBJECT, 3) if match.start("word") == first.start()),
        None,
    )
    subject = _IT_SUBJECT.match(read.text, first.start())
    predicate = _IT_ASKED.match(read.text, first.start())
    inverted = last in {"is", "was", "has", "will", "does", "did", "isn't", "hasn't"} and predicate
    where = last in {"where", "when"} and re.match(r"it is(?=\s*[.?!,]|$)", read.text[first.start() :], re.I)
    if not (obj or subject or where or inverted):
        return
    if strange == 1 and has_noun(before):
        return
    rule = "thing_unsure" if strange == 1 else "thing"
    end, tail = first.end(), ""
    if subject and subject.group("short"):
        end = subject.end("short")
        tail = " is" if subject.group("short") == "s" else " will"
    yield Reference(rule, "it", 1, first.start(), end, first.group(), "what is not stated", tail)


def find_demonstratives(read: Message) -> Iterator[Reference]:
    """That or this as an object in the first clause, where no noun stands before."""
    alone = _THAT_ALONE.match(read.text, read.body)
    if alone and alone.lastgroup and not _ATTACHED.search(read.text):
        at, end = alone.span(alone.lastgroup)
        yield Reference("that_start", "it", 1, at, end, read.text[at:end], "what is not stated")
        return
    match = _DEMONSTRATIVE.search(read.text, read.body, read.body + 120)
    if match is None or _ATTACHED.search(read.text):
        return
    at = match.start("word")
    before = read_before(read, at)
    if before.capitals or before.persons or len(before.tokens) > 9 or strangers(before):
        return
    if re.search(r"[.;?!\n]", read.text[read.body : at]) or set(before.tokens) & {
        "it",
        "they",
        "so",
        "because",
    }:
        return
    word = match.group("word")
    gap = "what is not stated" if word.lower() in {"that", "this"} else "which ones is not stated"
    rule = "that" if word.lower() in {"that", "those"} else "this_unsure"
    yield Reference(rule, "it", 1, at, match.end("word"), word, gap)


def find_matters(read: Message) -> Iterator[Reference]:
    """The late shift thing: a matter that is only hinted at."""
    match = _MATTER.search(read.text, read.body)
    handed = _HANDED.search(read.text, read.body)
    done = _DONE_THING.search(read.text, read.body)
    gap = "what exactly is not stated"
    if handed:
        plain = f"what {handed.group('rest')}"
        yield Reference("matter", "matter", 3, *handed.span(), plain, gap)
        return
    if done:
        words = done.group("words").lower().split()[1:-1]
        if not set(words) & listed("no_matter"):
            yield Reference("matter", "matter", 3, *done.span("words"), done.group("words"), gap)
        return
    if match and not {match.group("first").lower(), match.group("second").lower()} & listed("no_matter"):
        yield Reference("matter", "matter", 3, *match.span(), match.group(), gap)

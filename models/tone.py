"""Whether a rewrite did what was asked: how far it moved in its transform type's direction, calibrated.

`move` is a formula a type, over word lists; `tone_moved` weighs it with what shows that the rewrite is still
one of this message, into the probability that a reader says "yes, it did that". `models.tone_fit` fits
the weights on the training corpus and measures them on pairs that readers judged.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from data.records import TransformType
from models import facts
from models.scoring import (
    any_of,
    chatter,
    copy_rate,
    facts_kept,
    insult,
    length_ratio,
    repetition,
    sentences,
    words,
)

WEIGHTS = Path(__file__).with_suffix(".json")

_STOPWORD_TEXT = """
a about after all also am an and any are as at be been before but by can could did do does for from get
got had has have he her him his how i if in into is it its just let like may me more most my no not now
of off on one only or our out over own she so some such than that the their them then there these they
this those to too up us very was we were what when where which who why will with would you your i'm i'd
i'll i've it's don't we're we'd you're that's
"""
_STOPWORDS = frozenset(_STOPWORD_TEXT.split())

_COURTESY = any_of(
    r"""
    please, thanks?, thank you, could you, would you, could we, could i, can we, can i help, may i, shall
    we, would it, i'd, i would, we'd, appreciate, grateful, sorry, apologies, let's, together, happy to,
    glad, i know, i (?:can )?see, i understand, i hope, i noticed, i believe, i realise, i realize, we know,
    would help, help me, help us, would be (?:great|good|nice|helpful|lovely), when you (?:have|get), if you
    (?:can|could|like), kindly, feel free, may be, might, perhaps, a little, able to, great work, good work,
    well done, much better, easier, like to, not (?:quite|yet), seems?, hard for, next time, i'll, great
    help, many thanks, would be, i'm afraid, my apologies, reach out, welcome, enjoy\w*, pleasure, all
    right, work for you
    """
)
_HARSH = any_of(
    r"""
    stupid, idiots?, idiotic, ridiculous, absurd, terrible, awful, horrible, disgusting, useless, worthless,
    garbage, trash, rubbish, crap, damn, hell, nonsense, joke, mess, a lie, liar, lying, rude, lazy, sloppy,
    careless, incompetent, unacceptable, embarrassing, pathetic, insane, dumb, fed up, sick of, tired of,
    waste, wasting, excuses?, blame, your fault, every single, third time, how many times, i don't care, not
    my problem, do your job, last warning, or else, seriously, obviously, congratulations, why on earth,
    what were you, insult, never again, who (?:approved|told|decided|thought), you
    (?:never|always|people|guys|ignored|broke|promised|skipped), you've been sitting, look like, i told you,
    i want, makes no sense, no idea, hate, can't even, forget it, good luck, ruined, dumping ground
    """
)
_SHARP = any_of(
    r"""
    never, always, nobody, nothing, again, stop, don't, not, no, why (?:is|are|did|does|do|was|were), you
    said, i asked, told you, your team, will not, at all, wrong, bad, worse, worst, annoying, failed,
    enough, asking, sitting on, fault, i'm not, dead, blew, kill, you (?:still|didn't|don't|were
    supposed|keep), it's not, until you, or i(?:'m|'ll)?
    """
)
_IMPERATIVE = re.compile(
    r"^(?:add|answer|ask|book|bring|call|cancel|change|check|clean|close|come|cut|delete|deliver|do|drop|explain|file|find|finish|fix|get|give|"
    r"go|hand|keep|learn|leave|look|make|move|open|pay|pick|pull|push|put|read|remove|reply|rewrite|roll|run|send|ship|show|sign|sort|split|"
    r"start|stay|take|talk|tell|test|turn|undo|update|use|wait|wake|write)\b",
    re.IGNORECASE,
)
_HEDGE = any_of(
    r"""
    kind of, sort of, maybe, perhaps, probably, possibly, i think, i guess, i feel, i suppose, might, may or
    may not, could be, not (?:really |entirely |quite )?sure, a bit, a lot, somehow, something, somebody,
    someone, somewhere, some, things?, stuff, whatever, or so, or something, give or take, soon, soonish,
    soon-ish, later, at some point, sometime, the other, as discussed, the usual, and so on, etc, you know,
    basically, honestly, actually, really, just, anyway, well, like, hopefully, more or less, in a way,
    apparently, supposedly, weird, off, folks, better, nice, good, hmm, ok so, so yeah, i mean, to be
    (?:fair|frank|honest), long story, nearly, mostly, roughly, eventually, looked at
    """
)
_EXPLICIT = (
    any_of(
        r"""
    please, could you, would you, can you, i need, we need, i ask, asks? for, needs? to
    """
    ),
    any_of(
        r"""
    who, whom, which, when, what, how many, how much, by when, whether
    """
    ),
    any_of(
        r"""
    don't (?:yet )?know, not (?:yet )?(?:known|confirmed|decided|clear|named|set|certain), isn't (?:yet
    )?\w+ed, nobody (?:has|knows), no (?:date|decision|number|owner|name|answer), haven't, hasn't, can't
    (?:yet )?(?:say|tell|confirm), unconfirmed, yet, open
    """
    ),
    re.compile(r":\s"),
)
_NEED = any_of(
    r"""
    needs?, needed, must, required?, requires, requirement, ha(?:s|ve) to, should, goal, wanted, shall,
    requests?
    """
)
_ACCEPTED = any_of(
    r"""
    done when, done once, finished when, accept\w*, enough, counts? as, means, so that, no longer, each,
    every, at least, at most, within, until, met when, only (?:if|when|once), once, able to, must be true,
    before, test:, check:, in full, without, is (?:met|done|complete), no more than, ready when, when:,
    otherwise, by
    """
)
_OPEN = any_of(
    r"""
    open, still, not (?:yet )?(?:known|said|decided|clear|agreed|named|stated|settled), unknown, unclear, to
    be (?:agreed|decided|settled), yet, whether, undecided, unanswered, who (?:decides|owns|does|will|can),
    missing, to settle, to clarify, question
    """
)
_REASON = (
    any_of(r"because"),
    any_of(r"since"),
    any_of(r"so that, in order to"),
    any_of(r"therefore, hence, thus, consequently"),
    any_of(r"so"),
    any_of(r"(?:that|this|which) is why, that's why, the reason, reasons?"),
    any_of(r"as, given that, due to, owing to"),
    any_of(r"means, meaning, meant, matters?, that is"),
    any_of(r"otherwise, if not, without"),
    any_of(r"depends? on, relies on, leads? to"),
    any_of(
        r"""
    to (?:avoid|prevent|protect|let|make|catch|give|keep|find|show|help|know|see|learn|get)
    """
    ),
    any_of(r"until, before, once, whenever"),
)
_JARGON = any_of(
    r"""
    accruals?, accrue, actuals, api, attrition, auth, backend, backfills?, backfilling, backlog, backport,
    bandwidth, blast radius, blockers?, branch, burn rate, cache[ds]?, canary, cap table, capex,
    capitalised, carry-?over, certs?, churn, ci, clusters?, code freeze, colocate, commits?, comp, config,
    container, cron, cutover, daemon, dashboards?, data ?lake, deadlocks?, decouple, deferred,
    deploy(?:s|ed|ment|ing)?, deprecat\w+, descope, diff, dns, docker, downlevel, downtime, drift, e2e,
    egress, endpoints?, epic, error budget, escalat\w+, eta, evict\w*, failover, feature flags?, firewall,
    firmware, flaky, frontend, full-?stack, funnel, gateway, git, go-live, goroutine, greenfield, gross
    margin, handshake, headcount, heap, hotfix, idempoten\w+, inbound, indemnity, infra, ingress,
    instances?, intercompany, json, k8s, kanban, kubernetes, latency, lead time, legacy, linter, liveness,
    load balancer, lts, memory leak, merge[ds]?, metadata, metrics, microservices?, middleware, migration,
    monolith, mutex, namespace, nullable?, offsets?, on-?call, onboarding, onsite, opex, orchestrat\w+,
    p\d\d?, pagers?, parser, partition, payload, pen ?test, pipeline, pods?, poc, polling, pr, prod,
    production, prospect, pto, pull request, qa, quer(?:y|ies), queue, quota, race condition, rebase,
    reconcile, redlines?, redis, refactor\w*, refresh token, regression, release candidate, reorg,
    replicas?, repo, repository, reqs?, retention, retro, rfp, rollback, rolled? back, rollout, root cause,
    rpo, rsus?, rto, runbook, runway, saas, sandbox, scal(?:e|ing), schema, scope creep, sdk, serializ\w+,
    service credits?, sev\d, shard\w*, shim, sign-?off, sla, slippage, slo, sourcing, spec(?:s)?, sprint,
    sql, squash, ssh, sso, stack trace, stag(?:e|ing), stakeholders?, stale, stand-?up, storage bucket,
    story points?, subprocessor, sunset\w*, sync, tech(?:nical)? debt, tenants?, throughput, throttl\w+,
    timeouts?, tls, token, triage, ttl, upsell, upstream, uptime, ux, ui, vest(?:s|ed|ing)?, vm, vpn,
    webhooks?, wip, xml, yaml, zero-day, cve, phishing, mfa, 2fa, rbac, siem, soc 2, dpa, nda, msa, gdpr,
    escrow, liability, clause, counterparty, addendum, force majeure, ats, kpi, okrs?, mql, sql lead, arr,
    mrr, nrr, nps, qbr, cac, ltv, ebitda, cogs, ledger, invoice run, dunning, amorti[sz]\w+, depreciat\w+,
    write-?off, forecast
    """
)
_ACRONYM = re.compile(
    r"(?<![\w#-])(?!(?:OK|I|A|EU|US|UK|HR|IT|CV|CVS|ID|AM|PM|TV|CEO|NOT|ASAP|FYI|PDF)\b)[A-Z][A-Za-z]{0,2}[A-Z]\w{0,3}s?\b(?!-\d)"
)
_GLOSS = re.compile(
    r"\(|\bcall(?:ed)?\b|\bknown as\b|\bthat is\b|\bmeaning\b|\bshort for\b|\bi\.e\.|\bnamed\b", re.IGNORECASE
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|nobody|nothing|none|neither|nor|without|cannot|\w+n['’]t)\b", re.IGNORECASE
)
# One to five words. Each but the first needs a space before it: otherwise a long word is tried in all cuts.
_LABEL = re.compile(r"^\W{0,4}\w[\w'’/&-]*(?:\s\w[\w'’/&-]*){0,4}\s?(?:\([^)]*\)\s?)?:(?:\s+\S|$)")
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S")


def _contents(text: str) -> set[str]:
    """The words that carry content, cut to six letters so that inflections meet."""
    return {word[:6] for word in words(text) if word not in _STOPWORDS and len(word) > 2}


def _tone(text: str) -> tuple[float, float, float]:
    """Content words in all sentences, and of them those in courteous and those in harsh ones.

    A sentence is courteous or not, however many polite words it has; one with a sharp word or a bare
    imperative is half harsh. A bare "Please, please, thank you" carries no content and is left out.
    """
    every = courteous = harsh = 0.0
    for sentence in sentences(text):
        content = len(_contents(_COURTESY.sub(" ", sentence)))
        if content < 2:
            continue
        every += content
        courteous += content * (_COURTESY.search(sentence) is not None)
        sharp = _SHARP.search(sentence) or _IMPERATIVE.match(sentence)
        harsh += content * (1.0 if _HARSH.search(sentence) else 0.5 if sharp else 0.0)
    return every, courteous, harsh


def _soften(text: str, rewrite: str) -> float:
    every, courteous, harsh = _tone(text)
    every_after, courteous_after, harsh_after = _tone(rewrite)
    # Harshness is measured by the message's size on both sides: padding must not thin it out.
    gone = (harsh - harsh_after) / max(1.0, every)
    gained = courteous_after / max(1.0, every_after) - courteous / max(1.0, every)
    return (gone + gained) / 1.2


def _unexplained(text: str) -> int:
    """Technical terms and acronyms, each once, that no parenthesis or "called" stands near."""
    last = {match.group().lower(): match for match in [*_JARGON.finditer(text), *_ACRONYM.finditer(text)]}
    return sum(
        _GLOSS.search(text[max(0, match.start() - 25) : match.end() + 25]) is None for match in last.values()
    )


def _terminology(text: str, rewrite: str) -> float:
    before, after = _unexplained(text), _unexplained(rewrite)
    if before == 0:  # nothing of the list to explain: other words at most, for half the marks
        return 0.5 * _reworded(text, rewrite) - after
    return (before - after) / before


def _unclear(text: str) -> float:
    """Vague words, plus a point for every ten words by which a sentence is longer than 18, plus half a
    point a term.
    """
    run_on = sum(max(0, len(sentence.split()) - 18) / 10 for sentence in sentences(text))
    return len(_HEDGE.findall(text)) + run_on + 0.5 * _unexplained(text)


def _clarify(text: str, rewrite: str) -> float:
    before = _unclear(text)
    removed = (before - _unclear(rewrite)) / max(2.0, before)
    explicit = sum((p.search(rewrite) is not None) - (p.search(text) is not None) for p in _EXPLICIT) / 2
    return 0.6 * removed + 0.4 * max(-1.0, min(1.0, explicit))


def _laid_out(text: str) -> float:
    """0 for one paragraph; up to 1 for three or more lines that are labelled or listed."""
    lines = [line for line in text.splitlines() if line.strip()]
    marked = sum(bool(_LABEL.match(line) or _ITEM.match(line)) for line in lines)
    return min(1.0, (len(lines) - 1) / 2) * (0.4 + 0.6 * marked / max(1, len(lines)))


def _structure(text: str, rewrite: str) -> float:
    return _laid_out(rewrite) - _laid_out(text)


def _summarize(text: str, rewrite: str) -> float:
    if len(words(rewrite)) < 3:
        return -1.0
    shorter = 1 - length_ratio(text, rewrite)
    return shorter / 0.6 * (facts_kept(text, rewrite) if shorter > 0 else 1.0)


def _specified(text: str) -> float:
    """Which of need, acceptance and open point a text states, each by a sentence or line of three words or
    more.
    """
    said = [sentence for sentence in sentences(text) if len(sentence.split()) >= 3]
    return sum(any(p.search(sentence) for sentence in said) for p in (_NEED, _ACCEPTED, _OPEN)) / 3


def _requirements(text: str, rewrite: str) -> float:
    return (_specified(rewrite) - _specified(text)) / 0.67


def _reasons(text: str) -> float:
    return sum(pattern.search(text) is not None for pattern in _REASON)


def _told(text: str, rewrite: str) -> float:
    """Content words that the message does not have, up to eight, / 8."""
    return min(1.0, len(_contents(rewrite) - _contents(text)) / 8)


def _reworded(text: str, rewrite: str) -> float:
    """Content words of the message that other content words replace, up to five, / 5."""
    before, after = _contents(text), _contents(rewrite)
    return min(1.0, min(len(before - after), len(after - before)) / 5)


def _background(text: str, rewrite: str) -> float:
    reasons = (_reasons(rewrite) - _reasons(text)) / 2
    if reasons > 0:
        return 0.6 * min(1.0, reasons) + 0.4 * _told(text, rewrite)
    return 0.6 * max(-1.0, reasons) + (0.4 * _reworded(text, rewrite) if _reasons(rewrite) else 0.0)


_MOVES: dict[TransformType, Callable[[str, str], float]] = {
    TransformType.SOFTEN: _soften,
    TransformType.CLARIFY: _clarify,
    TransformType.STRUCTURE: _structure,
    TransformType.SUMMARIZE: _summarize,
    TransformType.TERMINOLOGY: _terminology,
    TransformType.REQUIREMENTS: _requirements,
    TransformType.BACKGROUND: _background,
}


# What share of a full move an intensity asks for: the reference rewrites of the seed corpus lie near these.
_ASKED = (0.4, 0.6, 0.8, 1.0)


def move(text: str, rewrite: str, transform_type: TransformType) -> float:
    """How far the rewrite moved in its transform type's direction, in [-1, 1]; a copy scores 0.

    soften        (harsh content words gone / all of the message's + rise of the courteous ones' share) / 1.2,
                  a word being what the sentence it stands in is
    clarify       0.6 * share of vague words, long sentences and unexplained terms removed
                  + 0.4 * newly explicit kinds (request, question, what is not known, list), two at most
    structure     rise of min(1, (lines - 1) / 2) * (0.4 + 0.6 * share of lines that are labelled or listed)
    summarize     words saved / 60 % of the words * facts kept
    terminology   share of technical terms and acronyms replaced or explained beside the term;
                  without any, 0.5 * content words replaced by others, five at most
    requirements  rise of stated kinds (need, acceptance, open point), two of three being a full move
    background    0.6 * new kinds of reason given, two at most
                  + 0.4 * new content words, eight at most (replaced ones, five, where no reason is new)

    Every part is capped, counts a kind once however often it is repeated, or is a share, so that neither
    length nor a heap of polite words pays. Blind to whether a given reason, requirement or explanation is
    true; to a softer word outside the lists; to a label that fits nothing.
    """
    return max(-1.0, min(1.0, _MOVES[transform_type](text, rewrite)))


def features(
    text: str, rewrite: str, transform_type: TransformType, intensity: int, meaning: float
) -> dict[str, float]:
    """What the probability is made of, each by its name.

    reached    `move` / what the intensity asks for, in [-1, 1]
    meaning    cosine of the embeddings
    copied     copy rate
    invented   share of the rewrite's content words that the message does not have
    dropped    share of the message's content words that the rewrite does not have
    repeated   repetition
    lost       share of the message's facts that the rewrite does not have
    strange    share of the rewrite's facts that the message does not have
    negations  difference of the numbers of negations, two at most
    question   1 when the rewrite asks and the message does not, -1 the other way round
    length     logarithm of the length ratio, in [-2, 2]

    and the type, by itself and times `reached` and `invented`, which mean more in some types than in others.
    """
    before, after = _contents(text), _contents(rewrite)
    said = [fact for _, fact in facts.extract(rewrite)]
    reached = max(-1.0, min(1.0, move(text, rewrite, transform_type) / _ASKED[intensity]))
    invented = len(after - before) / max(1, len(after))
    return {
        "reached": reached,
        "meaning": meaning,
        "copied": copy_rate(text, rewrite),
        "invented": invented,
        "dropped": len(before - after) / max(1, len(before)),
        "repeated": repetition(rewrite),
        "lost": 1 - facts_kept(text, rewrite),
        "strange": len(facts.lost(said, text)) / max(1, len(said)),
        "negations": min(2.0, abs(len(_NEGATION.findall(text)) - len(_NEGATION.findall(rewrite)))),
        "question": float("?" in rewrite) - float("?" in text),
        "length": max(-2.0, min(2.0, math.log(max(0.01, length_ratio(text, rewrite))))),
        f"is_{transform_type}": 1.0,
        f"reached_{transform_type}": reached,
        f"invented_{transform_type}": invented,
    }


@cache
def _weights() -> Mapping[str, float]:
    weights: dict[str, float] = json.loads(WEIGHTS.read_text(encoding="utf-8"))["weights"]
    return weights


def probability(weights: Mapping[str, float], found: Mapping[str, float]) -> float:
    """logistic(intercept + sum of weight * feature); a feature without a weight counts nothing."""
    return 1 / (1 + math.exp(-weights["intercept"] - sum(weights.get(k, 0.0) * v for k, v in found.items())))


def tone_moved(
    text: str, rewrite: str, transform_type: TransformType, intensity: int, meaning: float
) -> float:
    """The probability that a reader finds the rewrite to do what was asked, in [0, 1]; see `features`.

    `meaning` is `scoring.meaning` of the two texts. How often it is right stands in `tone.json`, beside the
    weights. Moving further than asked is not punished; `scoring.monotone` is for that.
    """
    return probability(_weights(), features(text, rewrite, transform_type, intensity, meaning))


_USUAL_MEANING = 0.85  # of rewrites by a tuned model


def rule_score(text: str, rewrite: str, transform_type: TransformType, intensity: int) -> float:
    """What rules alone say of a rewrite, without an embedding, in [0, 1]: 0 for chatter or an insult, else

    `tone_moved` at the usual meaning * (1 - repetition). Facts are not in it: they come first.
    """
    if chatter(text, rewrite) or insult(text, rewrite):
        return 0.0
    moved = tone_moved(text, rewrite, transform_type, intensity, _USUAL_MEANING)
    return moved * (1 - repetition(rewrite))

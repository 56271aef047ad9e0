"""Word lists of `models.tone`: general workplace English, written before any training run.

A list is a set of phrases, separated by commas; `scoring.any_of` compiles it. A phrase may hold a regular
expression. The weights in `tone.json` were fitted with these lists, so a change here needs a new fit, see
`models.tone_fit`.
"""

import re

from models.scoring import any_of

_STOPWORD_TEXT = """
a about after all also am an and any are as at be been before but by can could did do does for from get
got had has have he her him his how i if in into is it its just let like may me more most my no not now
of off on one only or our out over own she so some such than that the their them then there these they
this those to too up us very was we were what when where which who why will with would you your i'm i'd
i'll i've it's don't we're we'd you're that's
"""
STOPWORDS = frozenset(_STOPWORD_TEXT.split())

COURTESY = any_of(
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
HARSH = any_of(
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
SHARP = any_of(
    r"""
    never, always, nobody, nothing, again, stop, don't, not, no, why (?:is|are|did|does|do|was|were), you
    said, i asked, told you, your team, will not, at all, wrong, bad, worse, worst, annoying, failed,
    enough, asking, sitting on, fault, i'm not, dead, blew, kill, you (?:still|didn't|don't|were
    supposed|keep), it's not, until you, or i(?:'m|'ll)?
    """
)
IMPERATIVE = re.compile(
    r"^(?:add|answer|ask|book|bring|call|cancel|change|check|clean|close|come|cut|delete|deliver|do|drop|explain|file|find|finish|fix|get|give|"
    r"go|hand|keep|learn|leave|look|make|move|open|pay|pick|pull|push|put|read|remove|reply|rewrite|roll|run|send|ship|show|sign|sort|split|"
    r"start|stay|take|talk|tell|test|turn|undo|update|use|wait|wake|write)\b",
    re.IGNORECASE,
)
HEDGE = any_of(
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
EXPLICIT = (
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
NEED = any_of(
    r"""
    needs?, needed, must, required?, requires, requirement, ha(?:s|ve) to, should, goal, wanted, shall,
    requests?
    """
)
ACCEPTED = any_of(
    r"""
    done when, done once, finished when, accept\w*, enough, counts? as, means, so that, no longer, each,
    every, at least, at most, within, until, met when, only (?:if|when|once), once, able to, must be true,
    before, test:, check:, in full, without, is (?:met|done|complete), no more than, ready when, when:,
    otherwise, by
    """
)
OPEN = any_of(
    r"""
    open, still, not (?:yet )?(?:known|said|decided|clear|agreed|named|stated|settled), unknown, unclear, to
    be (?:agreed|decided|settled), yet, whether, undecided, unanswered, who (?:decides|owns|does|will|can),
    missing, to settle, to clarify, question
    """
)
REASON = (
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
JARGON = any_of(
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

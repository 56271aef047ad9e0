"""Reasons are codes with values instead of English sentences; the table of analyses is named so; drafts can be
discarded.

Sentences of before are recognised here, once. What is not recognised, such as what a person wrote, becomes the
reason `as_written`.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_STATUSES = "'draft', 'running', 'paused', 'shipped', 'rolled_back', 'stopped', 'holdout'"
_FAILURE = "why it could not be carried out"
_OUTCOME = "done, failed, or proposed: it waits for a person"
_OLD_OUTCOME = "done, failed: <why>, or proposed: it waits for a person"

_N = r"[+-]?[0-9][0-9.,e+-]*%?"
_EFFECT = rf"(?P<difference>{_N}), between (?P<low>{_N}) and (?P<high>{_N}) at (?P<level>{_N}) confidence"
_ESTIMATE = rf"(?P<mean>{_N}) \((?P<low>{_N}) to (?P<high>{_N})\)"
_VOTES = (
    rf"(?P<challenger_users>{_N}) of (?P<challenger_closed>{_N}) users of the challenger told,"
    rf" (?P<baseline_users>{_N}) of (?P<baseline_closed>{_N}) of the baseline"
)
# A pattern of an old sentence, the code, and the codes that follow from its optional parts.
_SENTENCES: list[tuple[str, str, dict[str, str]]] = [
    (r"People prefer the champion, so the challenger is withdrawn\.", "people_prefer_champion", {}),
    (r"Assignment or recording is broken: find the fault before shipping\.", "assignment_broken", {}),
    (rf"Users fare worse by more than the margin of (?P<margin>{_N})\.", "harm_primary", {}),
    (r"Users fare worse beyond the margin in (?P<metrics>[a-z][a-z0-9_ ]*)\.", "harm_in_metrics", {}),
    (r"The arms' users do not vote equally often: voters do not speak for all\.", "response_uneven", {}),
    (
        rf"People prefer the challenger; (?P<days>{_N}) of at least (?P<minimum_days>{_N}) days are over\.",
        "not_long_enough",
        {},
    ),
    (
        r"People prefer the challenger, and its users show no harm beyond the margin\.",
        "people_prefer_challenger",
        {},
    ),
    (rf"(?P<comparisons>{_N}) comparisons, the maximum, settle nothing\.", "maximum_comparisons", {}),
    (rf"(?P<days>{_N}) days, the maximum, settle nothing\.", "maximum_days", {}),
    (r"The comparisons do not settle it yet\.", "not_settled", {}),
    (rf"Side by side: no decided vote yet, (?P<ties>{_N}) ties\.", "side_by_side_none", {}),
    (
        rf"Side by side, (?P<people>{_N}) people chose the challenger (?P<wins>{_N}) times of (?P<decided>{_N}):"
        rf" (?P<rate>{_N}), between (?P<low>{_N}) and (?P<high>{_N}) at (?P<level>{_N}) confidence"
        rf"(?:, and above (?P<strict__low>{_N}) at the (?P<strict__level>{_N}) that shipping asks for)?"
        rf" \((?P<ties>{_N}) ties(?:; (?P<few__needed>{_N}) votes are needed)?\)\.",
        "side_by_side",
        {"strict": "side_by_side_strict", "few": "side_by_side_few"},
    ),
    (rf"Between users, nothing to compare yet: {_VOTES}\.", "between_users_none", {}),
    (
        r"Between users, (?P<verdict>better|worse|no clear difference|too few users): (?P<metric>[a-z0-9_]+)"
        rf" differs by {_EFFECT} \({_VOTES}(?:; (?P<few__needed>{_N}) in each arm are needed)?\)\.",
        "between_users",
        {"few": "between_users_few"},
    ),
    (
        rf"The shares of users who voted differ by {_EFFECT}; the limit is (?P<limit>{_N})\.",
        "response_difference",
        {},
    ),
    (
        rf"(?P<metric>[a-z0-9_]+) differs by {_EFFECT}; the margin is (?P<margin>{_N})\.",
        "metric_difference_margin",
        {},
    ),
    (rf"(?P<metric>[a-z0-9_]+) differs by {_EFFECT}\.", "metric_difference", {}),
    *(
        (
            rf"Users fell on baseline and challenger {judged}: (?P<baseline>{_N}) to (?P<challenger>{_N}),"
            rf" p = (?P<p>{_N}), limit (?P<limit>{_N})\.",
            code,
            {},
        )
        for judged, code in (("as planned", "sample_ratio_sound"), ("not as planned", "sample_ratio_broken"))
    ),
    (rf"(?P<users>{_N}) users later saw the other variant too\.", "users_moved", {}),
    (
        rf"(?P<users>{_N}) users later saw the other variant too, more than is healthy\.",
        "users_moved_many",
        {},
    ),
    (rf"Before they came, the arms' users voted differently: p = (?P<p>{_N})\.", "unequal_pasts", {}),
    (r"(?P<version>[a-z0-9][a-z0-9._-]*) passed the gate", "passed_gate", {}),
    (
        rf"(?P<share>{_N}) of the users for (?P<hours>{_N}) hours or more, and nothing shows harm",
        "ramp_due",
        {},
    ),
    (r"experiment of (?P<version>\S+)", "experiment_started", {}),
    (r"a tester was erased", "tester_erased", {}),
    (r"somebody whom the holdout learned from was erased", "holdout_erased", {}),
    (
        rf"it does not move tone more than a copy of the input does: {_ESTIMATE}; the lower end must be above 0",
        "gate_tone",
        {},
    ),
    (
        rf"it may lose too many facts that a copy keeps: facts_kept changes by {_ESTIMATE}; the lower end must"
        rf" be at least (?P<limit>{_N})",
        "gate_facts_against_copy",
        {},
    ),
    *(
        (
            rf"it may lose too {words} against the champion: {score} changes by {_ESTIMATE};"
            rf" the lower end must be at least (?P<limit>{_N})",
            code,
            {},
        )
        for words, score, code in (
            ("many facts", "facts_kept", "gate_facts"),
            ("much meaning", "meaning", "gate_meaning"),
        )
    ),
    *(
        (
            rf"it may {words} more than the champion: the share that does changes by {_ESTIMATE};"
            rf" the upper end must be at most (?P<limit>{_N})",
            code,
            {},
        )
        for words, code in (("chatter", "gate_chatter"), ("insult people", "gate_insult"))
    ),
    (
        rf"it is worse than the champion beyond noise: the composite changes by {_ESTIMATE}",
        "gate_composite",
        {},
    ),
    (
        rf"the reward was hacked: it rose from (?P<reward_before>{_N}) to (?P<reward_after>{_N}) while"
        rf" (?P<score>the share of facts kept|agreement with people's pairs) fell from (?P<before>{_N}) to"
        rf" (?P<after>{_N}); a fall of (?P<margin>{_N}) is allowed",
        "gate_hacked",
        {},
    ),
]
_SCORES = {"the share of facts kept": "facts_kept", "agreement with people's pairs": "agreement"}
_TEXTS = {"metric", "metrics", "verdict", "version"}


def _value(name: str, text: str) -> Any:
    if name == "metrics":
        return text.split(" and ")
    if name == "score":
        return _SCORES[text]
    if name in _TEXTS:
        return text
    text = text.rstrip(".")
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _reasons_at(text: str, at: int) -> tuple[list[dict[str, Any]], int] | None:
    for pattern, code, parts in _SENTENCES:
        match = re.compile(pattern + r"(?= |$)").match(text, at)
        if match is None:
            continue
        values = {name: _value(name, value) for name, value in match.groupdict().items() if value is not None}
        of_code = {name: value for name, value in values.items() if "__" not in name}
        if verdict := of_code.pop("verdict", None):
            code = f"between_users_{verdict.replace(' ', '_')}"
        reasons = [{"code": code, "values": of_code}]
        for part, part_code in parts.items():
            of_part = {
                name.removeprefix(f"{part}__"): value
                for name, value in values.items()
                if name.startswith(f"{part}__")
            }
            if of_part:
                reasons.append({"code": part_code, "values": of_part})
        return reasons, match.end()
    return None


def reasons_of(text: str) -> list[dict[str, Any]]:
    """The reasons that old sentences give, one after the other; the rest is one reason `as_written`."""
    reasons: list[dict[str, Any]] = []
    at = 0
    while at < len(text):
        recognised = _reasons_at(text, at)
        if recognised is None:
            reasons.append({"code": "as_written", "values": {"text": text[at:]}})
            break
        reasons += recognised[0]
        at = recognised[1] + 1
    return reasons


def _rewrite(table: str, key: str, column: str, new: str, convert: Callable[[Any], Any]) -> None:
    bind = op.get_bind()
    rows = bind.execute(sa.text(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL")).all()  # noqa: S608
    assign = " AND ".join(f"{name} = :k{n}" for n, name in enumerate(key.split(", ")))
    update = sa.text(f"UPDATE {table} SET {new} = CAST(:value AS jsonb) WHERE {assign}")  # noqa: S608
    for *keys, value in rows:
        parameters = {f"k{n}": part for n, part in enumerate(keys)}
        bind.execute(update, {"value": json.dumps(convert(value)), **parameters})


def _of_list(reasons: list[str]) -> list[dict[str, Any]]:
    return [reason for text in reasons for reason in reasons_of(text)]


def _of_evidence(evidence: dict[str, Any]) -> dict[str, Any]:
    decision = {**evidence["decision"], "reasons": _of_list(evidence["decision"]["reasons"])}
    return {**evidence, "decision": decision, "unbiased": evidence.get("unbiased")}


def _of_quality(quality: dict[str, Any]) -> dict[str, Any]:
    agreement = {
        name: {**found, "unknown_because": next(iter(reasons_of(found["unknown_because"] or "")), None)}
        for name, found in quality.get("agreement", {}).items()
    }
    return {**quality, "agreement": agreement}


def _of_old_quality(quality: dict[str, Any]) -> dict[str, Any]:
    agreement = {
        name: {
            **found,
            "unknown_because": (
                _sentences([found["unknown_because"]])[0] if found["unknown_because"] else None
            ),
        }
        for name, found in quality.get("agreement", {}).items()
    }
    return {**quality, "agreement": agreement}


def upgrade() -> None:
    op.rename_table("looks", "analyses")
    op.alter_column("analyses", "looked_at", new_column_name="analysed_at")
    op.execute("ALTER TABLE analyses RENAME CONSTRAINT pk_looks TO pk_analyses")
    op.execute("ALTER TABLE analyses RENAME CONSTRAINT fk_looks_experiment_id TO fk_analyses_experiment_id")
    _rewrite("analyses", "experiment_id, analysed_at", "evidence", "evidence", _of_evidence)
    for table, key in (("decisions", "id"), ("epochs", "number"), ("releases", "id")):
        op.add_column(table, sa.Column("reasons", JSONB(), server_default="[]", nullable=False))
        _rewrite(table, key, "reason", "reasons", reasons_of)
        op.alter_column(table, "reasons", server_default=None)
        op.drop_column(table, "reason")
    op.add_column("decisions", sa.Column("failure", JSONB(), comment=_FAILURE))
    op.execute(
        "UPDATE decisions SET outcome = 'failed', failure = jsonb_build_array(jsonb_build_object('code',"
        " 'as_written', 'values', jsonb_build_object('text', substr(outcome, length('failed: ') + 1))))"
        " WHERE outcome LIKE 'failed: %'"
    )
    op.alter_column("decisions", "outcome", existing_comment=_OLD_OUTCOME, comment=_OUTCOME)
    for table, key in (("versions", "name"), ("snapshots", "digest")):
        _rewrite(table, key, "reasons", "reasons", _of_list)
    _rewrite("snapshots", "digest", "quality", "quality", _of_quality)
    op.drop_constraint("ck_experiments_status", "experiments")
    op.create_check_constraint("status", "experiments", f"status IN ({_STATUSES}, 'discarded')")


def _sentences(reasons: list[dict[str, Any]] | None) -> list[str]:
    from data.reasons import load

    return [str(reason) for reason in load(reasons)]


def downgrade() -> None:
    op.execute("UPDATE experiments SET status = 'stopped' WHERE status = 'discarded'")
    op.drop_constraint("ck_experiments_status", "experiments")
    op.create_check_constraint("status", "experiments", f"status IN ({_STATUSES})")
    _rewrite("snapshots", "digest", "quality", "quality", _of_old_quality)
    for table, key in (("versions", "name"), ("snapshots", "digest")):
        _rewrite(table, key, "reasons", "reasons", _sentences)
    bind = op.get_bind()
    for row in bind.execute(sa.text("SELECT id, failure FROM decisions WHERE failure IS NOT NULL")).all():
        bind.execute(
            sa.text("UPDATE decisions SET outcome = :outcome WHERE id = :id"),
            {"id": row.id, "outcome": f"failed: {' '.join(_sentences(row.failure))}"},
        )
    op.drop_column("decisions", "failure")
    op.alter_column("decisions", "outcome", existing_comment=_OUTCOME, comment=_OLD_OUTCOME)
    for table, key in (("decisions", "id"), ("epochs", "number"), ("releases", "id")):
        op.add_column(table, sa.Column("reason", sa.Text(), server_default="", nullable=False))
        for row in bind.execute(sa.text(f"SELECT {key} AS key, reasons FROM {table}")).all():  # noqa: S608
            bind.execute(
                sa.text(f"UPDATE {table} SET reason = :reason WHERE {key} = :key"),  # noqa: S608
                {"key": row.key, "reason": " ".join(_sentences(row.reasons))},
            )
        op.alter_column(table, "reason", server_default=None)
        op.drop_column(table, "reasons")
    _rewrite(
        "analyses",
        "experiment_id, analysed_at",
        "evidence",
        "evidence",
        lambda evidence: {
            **evidence,
            "decision": {**evidence["decision"], "reasons": _sentences(evidence["decision"]["reasons"])},
        },
    )
    op.execute("ALTER TABLE analyses RENAME CONSTRAINT fk_analyses_experiment_id TO fk_looks_experiment_id")
    op.execute("ALTER TABLE analyses RENAME CONSTRAINT pk_analyses TO pk_looks")
    op.alter_column("analyses", "analysed_at", new_column_name="looked_at")
    op.rename_table("analyses", "looks")

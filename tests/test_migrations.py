"""The former release works on the tables that a migration leaves, and migrations hold up nobody.

From 0048 on a migration names its phase. `PHASE = "expand"` adds what the former release ignores. `PHASE =
"contract"` removes what no release uses from `UNUSED_SINCE` on, and is refused while the former release is
older. squawk, a linter of migrations for Postgres, knows most of what neither may do.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
import sqlglot
from alembic import op
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from packaging.version import Version
from sqlglot import exp

from data import database
from tests import former_release

FIRST = "0048"  # migrations before it ran when there was no former release
SCRIPTS = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
MODULES = {script.revision: script.module for script in SCRIPTS.walk_revisions()}

# Rules of squawk that are not for us.
_UNUSED_RULES = (
    "require-lock-timeout",  # env.py sets it
    "require-statement-timeout",  # a long statement is no harm as long as it holds no lock that others need
    "prefer-text-field",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
)
# Only a contract migration removes these.
_REMOVALS = (
    "ban-drop-column", "ban-drop-table", "ban-drop-constraint", "ban-drop-default", "ban-drop-not-null",
    "ban-drop-function", "ban-drop-view", "ban-drop-type",
)  # fmt: skip
# Statements that sqlglot does not parse, a function in PL/pgSQL among them, and that take nothing away.
_ADDITIONS = ("CREATE POLICY", "CREATE TRIGGER", "CREATE CONSTRAINT TRIGGER", "CREATE FUNCTION")
_NEW_TABLE_ONLY = re.compile(r"ALTER TABLE (\w+) ENABLE ROW LEVEL SECURITY")


def write_sql(upgrade: Callable[[], None]) -> str:
    """The statements of a migration, in its transaction. Alembic writes them, and needs no database."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "literal_binds": True, "output_buffer": written}
    )
    with Operations.context(context):
        upgrade()
    return f"BEGIN;\n{written.getvalue()}COMMIT;\n"


def lint(sql: str, *excluded: str) -> list[str]:
    """What squawk refuses, as `rule: message`."""
    program = shutil.which("squawk", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "install the extra `dev`: it has squawk-cli"
    command = [program, "--reporter", "json", "--pg-version", "18.0", "--exclude", ",".join(excluded)]
    ran = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    return [f"{fault['rule_name']}: {fault['message']}" for fault in json.loads(ran.stdout)]


def find_other_removals(sql: str) -> list[str]:
    """What squawk has no rules for: statements that take rows, rights or objects from the former release,
    change values that it wrote, or hide what they do. An UPDATE may fill columns that the migration adds.
    """
    removals = []
    tables: set[str] = set()
    columns: set[tuple[str, str]] = set()
    for statement in sqlglot.parse(sql, dialect="postgres"):
        assert statement is not None
        text = statement.sql("postgres")
        match statement:
            case exp.Create(kind="TABLE"):
                tables.add(statement.find(exp.Table).name)
            case exp.Alter():
                added = statement.find_all(exp.ColumnDef)
                columns |= {(statement.this.name, column.name) for column in added}
            case exp.Revoke():
                # Postgres lets everybody execute a new function; a migration takes that back.
                if [each.name.upper() for each in statement.args["principals"]] != ["PUBLIC"]:
                    removals.append(text)
            case exp.Command():
                new_table = _NEW_TABLE_ONLY.match(text)
                if not text.startswith(_ADDITIONS) and not (new_table and new_table[1] in tables):
                    removals.append(text)
            case exp.TruncateTable():
                removals.append(text)
            case exp.Drop():
                if statement.args["kind"] != "INDEX":
                    removals.append(text)
        for change in statement.find_all(exp.Update, exp.Delete, exp.Merge):
            table = change.this.name
            assigned = {(table, each.this.name) for each in change.expressions}
            if table not in tables and not (isinstance(change, exp.Update) and assigned <= columns):
                removals.append(text)
    return removals


def find_faults(module: ModuleType | SimpleNamespace, former: Version) -> list[str]:
    """Why a migration is refused."""
    phase = getattr(module, "PHASE", None)
    try:
        sql = write_sql(module.upgrade)
    except Exception as error:
        return [f"it reads rows in Python, so its statements are not known: write them in SQL ({error!r})"]
    if phase == "expand":
        return [
            *lint(sql, *_UNUSED_RULES),
            *(f"the former release may need what this changes: {each}" for each in find_other_removals(sql)),
        ]
    if phase == "contract" and hasattr(module, "UNUSED_SINCE"):
        unused_since = Version(module.UNUSED_SINCE)
        if former < unused_since:
            return [f"the former release is {former}, and uses what it removes: {unused_since} does not"]
        return lint(sql, *_UNUSED_RULES, *_REMOVALS)
    return ['it names no phase: write PHASE = "expand", or "contract" with UNUSED_SINCE']


def test_every_migration_keeps_to_its_phase() -> None:
    former = Version(former_release.read().version)
    faults = {
        revision: find_faults(module, former) for revision, module in MODULES.items() if revision >= FIRST
    }
    assert [revision for revision in faults if faults[revision]] == [], faults


def migration(upgrade: Callable[[], None], phase: str | None = "expand", **constants: str) -> SimpleNamespace:
    """A migration that does this."""
    return SimpleNamespace(upgrade=upgrade, **({"PHASE": phase} if phase else {}), **constants)


def add(*columns: sa.Column[Any]) -> Callable[[], None]:
    return lambda: [op.add_column("outputs", column) for column in columns] and None


def run(*statements: str) -> Callable[[], None]:
    return lambda: [op.execute(statement) for statement in statements] and None


def build_index() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_outputs_release", "outputs", ["release"], postgresql_concurrently=True, if_not_exists=True
        )


def make_table() -> None:
    op.create_table(
        "shifts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("organisation_id", sa.Uuid(), sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("name", sa.String(20), nullable=False),
        sa.CheckConstraint("name <> ''", name="name"),
    )
    op.create_index("ix_shifts_organisation_id", "shifts", ["organisation_id"])
    op.execute("ALTER TABLE shifts ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY mine ON shifts FOR ALL TO tonebridge_online USING (true)")
    op.execute("GRANT SELECT, INSERT ON shifts TO tonebridge_online")
    op.execute("INSERT INTO shifts SELECT id, id, 'first' FROM organisations")
    op.execute("UPDATE shifts SET name = 'second'")


_FUNCTION = "CREATE FUNCTION count_shifts() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM shifts $$"
RELEASE = sa.Column("release", sa.Text(), nullable=True, comment="of the software")

EXPANSIONS: dict[str, Callable[[], None]] = {
    "a column": add(RELEASE),
    "a column with a default": add(sa.Column("release", sa.Text(), server_default="", nullable=False)),
    "a column that is filled": run(
        "ALTER TABLE outputs ADD COLUMN release text", "UPDATE outputs SET release = version"
    ),
    "a default": run("ALTER TABLE outputs ALTER COLUMN version SET DEFAULT ''"),
    "a table": make_table,
    "an index": build_index,
    "a check of new rows": run(
        "ALTER TABLE outputs ADD CONSTRAINT ck_release CHECK (release <> '') NOT VALID"
    ),
    "a function": run(_FUNCTION, "REVOKE EXECUTE ON FUNCTION count_shifts FROM PUBLIC"),
    "a trigger": run(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "CREATE TRIGGER keep BEFORE INSERT ON units FOR EACH ROW EXECUTE FUNCTION keep()",
    ),
}


@pytest.mark.parametrize("name", EXPANSIONS)
def test_what_the_former_release_ignores_is_an_expansion(name: str) -> None:
    assert find_faults(migration(EXPANSIONS[name]), Version("1.0")) == []


BROKEN: dict[str, tuple[str, str]] = {  # a statement, and what the refusal says
    "drops a column": ("ALTER TABLE outputs DROP COLUMN seed", "ban-drop-column"),
    "drops a table": ("DROP TABLE comments", "ban-drop-table"),
    "drops a function": ("DROP FUNCTION find_inbound_tenant(uuid)", "ban-drop-function"),
    "drops a default": ("ALTER TABLE users ALTER COLUMN created_at DROP DEFAULT", "ban-drop-default"),
    "drops a policy": ("DROP POLICY mine ON outputs", "DROP POLICY"),
    "drops a trigger": ("DROP TRIGGER notice ON outputs", "DROP TRIGGER"),
    "allows NULL in a column": ("ALTER TABLE outputs ALTER COLUMN text DROP NOT NULL", "ban-drop-not-null"),
    "renames a column": ("ALTER TABLE outputs RENAME COLUMN text TO rewrite", "renaming-column"),
    "renames a table": ("ALTER TABLE outputs RENAME TO rewrites", "renaming-table"),
    "renames a value": ("ALTER TYPE state RENAME VALUE 'done' TO 'ended'", "renaming-object"),
    "narrows a type": ("ALTER TABLE users ALTER COLUMN key_id TYPE varchar(8)", "changing-column-type"),
    "needs a column": ("ALTER TABLE outputs ADD COLUMN release text NOT NULL", "adding-required-field"),
    "refuses NULL": ("ALTER TABLE outputs ALTER COLUMN seed SET NOT NULL", "adding-not-nullable-field"),
    "checks all rows": (
        "ALTER TABLE outputs ADD CONSTRAINT ck CHECK (intensity < 3)", "constraint-missing-not-valid",
    ),
    "refers to another table": (
        "ALTER TABLE outputs ADD CONSTRAINT fk FOREIGN KEY (version) REFERENCES versions (name)",
        "constraint-missing-not-valid",
    ),
    "locks a table for an index": (
        "CREATE INDEX ix ON outputs (version)",
        "require-concurrent-index-creation",
    ),
    "builds an index in a transaction": (
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix ON outputs (version)",
        "ban-concurrent-index-creation-in-transaction",
    ),
    "rewrites rows": ("UPDATE snapshots SET path = 'data/snapshots/' || digest", "UPDATE snapshots"),
    "rewrites rows in a subquery": (
        "WITH old AS (DELETE FROM jobs RETURNING id) SELECT count(*) FROM old", "DELETE FROM jobs",
    ),
    "deletes rows": ("DELETE FROM jobs WHERE kind = 'inbound'", "DELETE FROM jobs"),
    "truncates a table": ("TRUNCATE jobs", "TRUNCATE TABLE jobs"),
    "takes a right": ("REVOKE SELECT ON outputs FROM tonebridge_online", "REVOKE SELECT"),
    "hides rows": ("ALTER TABLE specs ENABLE ROW LEVEL SECURITY", "ENABLE ROW LEVEL SECURITY"),
    "hides its statements": ("DO $$ BEGIN DELETE FROM jobs; END $$", "DO $$"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_migration_that_breaks_the_former_release_is_refused(name: str) -> None:
    statement, refusal = BROKEN[name]
    (fault, *_) = find_faults(migration(run(statement)), Version("1.0"))
    assert refusal in fault


@pytest.mark.parametrize("phase", [None, "extend", "contract"])
def test_a_migration_without_its_phase_is_refused(phase: str | None) -> None:
    assert "it names no phase" in find_faults(migration(add(RELEASE), phase), Version("1.0"))[0]


def test_a_migration_that_reads_rows_in_python_is_refused() -> None:
    def upgrade() -> None:
        op.get_bind().execute(sa.text("SELECT id FROM users")).all()

    assert "it reads rows in Python" in find_faults(migration(upgrade), Version("1.0"))[0]


@pytest.mark.parametrize("statement", ["ALTER TABLE outputs DROP COLUMN seed", "UPDATE outputs SET seed = 1"])
def test_a_contraction_waits_until_the_former_release_does_without_it(statement: str) -> None:
    contraction = migration(run(statement), "contract", UNUSED_SINCE="0.3.0")
    assert find_faults(contraction, Version("0.3.0")) == []
    for former in ("0.2.9", "0.3.0.dev0"):
        (fault,) = find_faults(contraction, Version(former))
        assert f"the former release is {former}, and uses what it removes" in fault


def test_a_contraction_holds_up_nobody() -> None:
    contraction = migration(run("CREATE INDEX ix ON outputs (version)"), "contract", UNUSED_SINCE="0.1.0")
    assert "require-concurrent-index-creation" in find_faults(contraction, Version("0.1.0"))[0]


@pytest.mark.parametrize(("revision", "is_expansion"), [("0044", True), ("0046", False), ("0047", True)])
def test_of_the_migrations_before_the_rule(revision: str, is_expansion: bool) -> None:
    module = MODULES[revision]
    faults = find_faults(migration(module.upgrade), Version("1.0"))
    assert (faults == []) == is_expansion, faults

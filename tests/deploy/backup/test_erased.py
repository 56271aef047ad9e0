"""The file of ids outside of the database."""

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.tables import Feedback, Output, new_id
from data.traffic import answers
from deploy.backup import erased
from deploy.backup.erased import Erased
from deploy.backup.postgres import set_up
from tests.data.erasure.test_erase import World
from tests.deploy.backup.test_base_backups import NOON


def test_ids_stay_in_the_file_when_the_database_has_forgotten_them(database_url: str, tmp_path: Path) -> None:
    set_up(database_url, database_url)
    old, new = ({name: str(uuid.uuid4()) for name in ("id", "organisation_id", "user_id")} for _ in range(2))
    rows = [
        {**old, "requested_at": NOON.isoformat(), "keeps_account": False},
        {**new, "requested_at": (NOON + timedelta(days=9)).isoformat(), "keeps_account": True,
         "output_id": str(uuid.uuid4())},
    ]  # fmt: skip
    path = tmp_path / erased.NAME
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def ids() -> list[str]:
        return [json.loads(line)["id"] for line in path.read_text().splitlines()]

    assert erased.export(database_url, tmp_path) == path
    assert ids()[:2] == [old["id"], new["id"]]
    erased.drop_before(tmp_path, NOON + timedelta(days=1))
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["output_id"] for row in kept if row["id"] == new["id"]] == [rows[1]["output_id"]]
    assert old["id"] not in ids()


def test_one_output_is_erased_again_and_everything_else_of_the_person_stays(
    local: Settings, new_database: Callable[..., str], tmp_path: Path
) -> None:
    """As after a restore: the database does not know that it was erased."""
    url = new_database()
    asyncio.run(answers.ensure_partitions(url, datetime.now(UTC).date()))
    settings = local.model_copy(update={"database_url": url, "state": tmp_path / "state", "dvc_remote": None})
    engine = database.engine_of(settings)
    world = World(settings, engine)
    goes, stays = world.output("Fix it."), world.output("Fix that.")
    for output in (goes, stays):
        world.answer("ann", output)
        world.vote("ann", output, "thumb", thumb_up=True)
    request = Erased(new_id(), world.tenant, world.user("ann"), datetime.now(UTC), True, goes)
    assert erased.erase_again(settings, [request]) == 1
    with Session(engine) as session:
        outputs = select(Output.id).where(Output.organisation_id == world.tenant)
        assert session.scalars(outputs).all() == [stays]
        assert session.scalars(
            select(Feedback.output_id).where(Feedback.output_id.in_((goes, stays)))
        ).all() == [stays]
    assert erased.erase_again(settings, [request]) == 0, "it is done"
    set_up(url, url)
    erased.export(url, tmp_path)
    [known] = map(json.loads, (tmp_path / erased.NAME).read_text().splitlines())
    assert (known["user_id"], known["output_id"]) == (str(world.user("ann")), str(goes))
    engine.dispose()

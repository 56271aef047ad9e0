"""Experiments whose stored plan is not valid in this release."""

import uuid

from sqlalchemy.orm import Session

from data.records import PROTECTED, Spec
from data.tables import Experiment, StoredSpec, Variant, new_id
from tests.dashboards import Installation
from tests.serving.dashboard.texts import text_at


def _add_draft(installation: Installation) -> uuid.UUID:
    spec = Spec(version="v2", protection=PROTECTED)
    with Session(installation.engine) as session, session.begin():
        experiment = Experiment(
            id=new_id(), name="Old draft", hypothesis="x", salt="s", plan={"of_an_old_release": 1}
        )
        session.add(experiment)
        session.merge(StoredSpec(digest=spec.digest, spec=spec.model_dump(mode="json")))
        session.flush()
        session.add(
            Variant(experiment_id=experiment.id, name="v2", spec_digest=spec.digest, is_baseline=False)
        )
        return experiment.id


def test_the_list_and_the_page_say_that_a_plan_is_invalid(empty: Installation) -> None:
    experiment_id = _add_draft(empty)
    try:
        with empty.client("experimenter") as client:
            for address in ("/experiments", f"/experiments/{experiment_id}"):
                page = text_at(client, address)
                assert "Old draft" in page
                assert "The stored plan of this experiment is not valid in this release" in page
                assert "The field of_an_old_release is unknown" in page
            assert "Discard" in text_at(client, f"/experiments/{experiment_id}/discard")
            client.cookies.set("language", "ja")
            assert "保存されたプランはこのリリースでは無効なため" in text_at(client, "/experiments")
    finally:
        with Session(empty.engine) as session, session.begin():
            session.delete(session.get_one(Variant, (experiment_id, "v2")))
            session.flush()
            session.delete(session.get_one(Experiment, experiment_id))

"""The files of the dashboards are those that the code makes, and everything that they name exists."""

import json
import re

import pytest
import yaml

from deploy.monitoring import FOLDER
from deploy.monitoring.dashboards import FILES, PAGES, encode
from deploy.monitoring.panels import DOCS, Page

RULES = [
    rule
    for file in ("levels.yml", "alerts.yml")
    for group in yaml.safe_load((FOLDER / "rules" / file).read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_is_what_the_code_makes(page: Page) -> None:
    written = (FILES / f"{page.name}.json").read_text()
    assert written == encode(page), "run python -m deploy.monitoring.dashboards"
    board = json.loads(written)
    assert board["uid"] == f"tonebridge-{page.name}"
    for panel in board["panels"]:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        ids = [target["refId"] for target in panel["targets"]]
        assert all(ids), panel["title"]
        assert len(set(ids)) == len(ids), panel["title"]


def test_there_is_no_file_beside_them() -> None:
    assert {path.stem for path in FILES.iterdir()} == {page.name for page in PAGES}


def test_panels_lead_to_runbooks_of_alerts_that_exist() -> None:
    named = {alert for page in PAGES for panel in page.panels for alert in panel.alerts}
    assert named <= set(ALERTS)


def test_every_alert_has_a_runbook_with_its_parts() -> None:
    text = (FOLDER.parent.parent / "docs" / "runbooks.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"{DOCS}/runbooks.md#{name.lower()}"
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        for part in ("**Means**", "**Hurts**", "**Look**", "**Do**", "**Escalate**"):
            assert part in sections[name], (name, part)

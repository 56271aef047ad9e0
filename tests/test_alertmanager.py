"""amtool accepts the configuration, and every alert reaches who has to act on it."""

import re
import shutil
import subprocess

import pytest
import yaml

from deploy.monitoring import FOLDER

FILE = FOLDER / "alertmanager.yml"
ALERTS = [
    rule
    for group in yaml.safe_load((FOLDER / "rules" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]


def amtool(*words: str) -> str:
    path = shutil.which("amtool")
    if path is None:
        pytest.fail("there is no amtool: apt install prometheus-alertmanager")
    return subprocess.run([path, *words], check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_amtool_accepts_the_configuration() -> None:
    assert "SUCCESS" in amtool("check-config", str(FILE))


@pytest.mark.slow
@pytest.mark.parametrize("severity", ["page", "ticket", "heartbeat"])
def test_alerts_reach_the_receiver_of_their_severity(severity: str) -> None:
    some = [rule["alert"] for rule in ALERTS if rule["labels"]["severity"] == severity]
    for alert in (some[0], some[-1]):
        routed = amtool(
            "config", "routes", "test", f"--config.file={FILE}", f"--verify.receivers={severity}",
            f"alertname={alert}", f"severity={severity}", "job=gateway",
        )  # fmt: skip
        assert routed.strip() == severity


def test_every_alert_has_a_severity_that_is_routed() -> None:
    assert {rule["labels"]["severity"] for rule in ALERTS} == {"page", "ticket", "heartbeat"}


def test_what_inhibits_and_is_inhibited_are_alerts() -> None:
    names = [rule["alert"] for rule in ALERTS]
    for rule in yaml.safe_load(FILE.read_text())["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, _, pattern = matcher.partition(" ")
            if label == "alertname":
                for part in pattern.partition('"')[2].rstrip('"').split("|"):
                    assert any(re.fullmatch(part, name) for name in names), part

"""The trial of the images: what it runs, and what it does not accept."""

import pytest

from deploy.catalog import IMAGES
from deploy.traffic import Answers
from deploy.trial import HARDENED, SERVICES, Resident, Trial
from pipelines.local import process_names

FINE = Answers({200: 10}, 0, 1.0)


def a_trial(**changes: object) -> Trial:
    trial = Trial({"gateway": Resident("256m", 1.0)}, rewrite="Please fix it.", load=FINE, stopping=FINE)
    for name, value in changes.items():
        setattr(trial, name, value)
    return trial


def test_it_runs_every_process_in_its_image() -> None:
    assert sorted(service.process for service in SERVICES) == sorted(process_names())
    for service in SERVICES:
        assert service.process in IMAGES[service.image].processes


def test_the_gateway_has_256_mb_and_no_process_has_rights() -> None:
    assert {service.process: service.memory for service in SERVICES}["gateway"] == "256m"
    assert {"--read-only", "--cap-drop", "no-new-privileges"} <= set(HARDENED)


def test_a_good_trial_has_no_fault_and_can_be_written() -> None:
    trial = a_trial()
    assert trial.faults() == []
    assert trial.report()["load"] == {"statuses": {200: 10}, "broken": 0, "seconds": 1.0}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rewrite": ""}, "the message came back as it was"),
        ({"rewrite": Trial().message}, "the message came back as it was"),
        ({"load": Answers({200: 9}, 1, 1.0)}, "load: 1 broken answers; statuses {200: 9}"),
        ({"stopping": Answers({200: 9, 503: 1}, 0, 1.0)}, "stopping: 0 broken answers"),
        ({"processes": {"web": Resident("1m", 1.0, ran_out_of_memory=True)}}, "web ran out of memory"),
        ({"processes": {"web": Resident("1m", 1.0, exit_code=137)}}, "web did not end by SIGTERM"),
    ],
)
def test_a_fault_is_named(changes: dict[str, object], fault: str) -> None:
    [found] = a_trial(**changes).faults()
    assert found.startswith(fault)

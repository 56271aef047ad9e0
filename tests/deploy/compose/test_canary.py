"""The canary of a rollout behind the real proxy with its real configuration; a program stands for Compose."""

import http.client
import json
import time

import pytest

from deploy.compose import env_file
from deploy.compose.canary import ComposeFleet, weights
from deploy.compose.installation import GATEWAYS
from deploy.compose.programs import ComposeError
from deploy.rollout import promises
from deploy.rollout.evidence import Counts
from tests.deploy.compose.proxied import Installed


def _wait_until(installed: Installed, server: str, is_ready: bool) -> None:
    """Wait until the proxy finds a server ready, or not."""
    ports = json.loads((installed.folder / "ports.json").read_text())
    deadline = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", ports["proxy"], timeout=30)
        connection.request("GET", f"/up/{server}")
        status = connection.getresponse().status
        connection.close()
        if (status == 200) == is_ready:
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("percent", [5, 25, 50])
def test_the_canary_gets_its_share(installed: Installed, percent: int) -> None:
    assert "gateway-canary" not in installed.send(40)
    installed.fleet.shift(percent)
    answers = installed.send(400)
    assert answers["gateway-canary"] == pytest.approx(4 * percent, abs=8)
    assert set(answers) == {*GATEWAYS, "gateway-canary"}
    installed.fleet.shift(0)
    assert "gateway-canary" not in installed.send(40)


def test_blue_green_gives_it_all(installed: Installed) -> None:
    installed.fleet.shift(100)
    assert installed.send(40) == {"gateway-canary": 40}


def test_what_is_counted_is_the_canarys_or_the_others(installed: Installed) -> None:
    installed.servers["gateway-canary"].status = 500
    installed.fleet.shift(50)
    installed.send(100)
    seen = installed.fleet.observe()
    canary = seen.canary[promises.GATEWAY_ERRORS.name]["gateway-canary"]
    stable = seen.stable[promises.GATEWAY_ERRORS.name]
    assert canary.all == canary.bad == pytest.approx(50, abs=5)
    assert set(stable) == set(GATEWAYS)
    assert sum(each.all for each in stable.values()) == 100 - canary.all
    assert not any(each.bad for each in stable.values())
    assert seen.canary[promises.CACHED_SLOW.name] == {"gateway-canary": canary}
    assert seen.stable[promises.CACHED_SLOW.name] == {
        name: Counts(each.all, each.all) for name, each in stable.items()
    }
    assert seen.canary[promises.INFERENCE_ERRORS.name] == {"inference-canary": Counts(0, 0)}
    assert list(seen.canary[promises.VOTES.name].values()) == [Counts(7, 4)]
    assert list(seen.stable[promises.VOTES.name].values()) == [Counts(90, 20)]


def test_a_canary_that_ends_is_not_ready_and_costs_no_request(installed: Installed) -> None:
    installed.fleet.shift(50)
    canary = installed.servers["gateway-canary"]
    canary.shutdown()
    canary.server_close()
    answers = installed.send(40)
    assert set(answers) == set(GATEWAYS)
    seen = installed.fleet.observe()
    assert not seen.is_canary_ready
    assert seen.canary[promises.CACHED_SLOW.name] == {}


def test_a_canary_that_was_started_anew_is_not_ready(installed: Installed) -> None:
    assert installed.fleet.observe().is_canary_ready
    canary = installed.servers["gateway-canary"]
    canary.is_ready = False
    _wait_until(installed, "gateway-canary", is_ready=False)
    canary.is_ready = True
    _wait_until(installed, "gateway-canary", is_ready=True)
    assert not installed.fleet.observe().is_canary_ready


def test_begin_migrates_with_the_new_release_and_keeps_the_installations_own(installed: Installed) -> None:
    installed.fleet.begin()
    calls = installed.calls()
    migrate = next(call for call in calls if call.endswith("migrate"))
    assert migrate.startswith("v2 ")
    started = [call for call in calls if " up " in call]
    assert started == [
        f"v2 --profile rollout up -d --no-deps {canary}" for canary in ("gateway-canary", "inference-canary")
    ]
    assert calls.index(migrate) < calls.index(started[0])
    assert env_file.read(installed.compose.env_file)["TONEBRIDGE_VERSION"] == "v1"
    assert "gateway-canary" not in installed.send(20)


def test_going_back_takes_the_requests_first_and_what_was_written_last(installed: Installed) -> None:
    installed.fleet.begin()
    installed.fleet.shift(50)
    installed.fleet.go_back()
    stop, withdraw = installed.calls()[-2:]
    assert stop == "v2 --profile rollout stop gateway-canary inference-canary"
    assert withdraw.endswith("release python -m data.traffic.withdrawals v2")
    assert "gateway-canary" not in installed.send(20)
    assert not installed.fleet._canary.env_file.exists()


def test_a_migration_that_fails_leaves_no_canary(installed: Installed) -> None:
    (installed.folder / "fails---profile").touch()
    with pytest.raises(ComposeError, match="ended with code 3"):
        installed.fleet.begin()
    assert not any(" up " in call for call in installed.calls())


def test_going_forward_replaces_the_others_and_then_stops_the_canary(installed: Installed) -> None:
    installed.fleet.begin()
    installed.fleet.shift(50)
    installed.fleet.finish()
    calls = installed.calls()
    assert calls[-1] == "v2 --profile rollout stop gateway-canary inference-canary"
    assert calls.index("v2 up -d --no-deps gateway-1") < len(calls) - 1
    assert env_file.read(installed.compose.env_file)["TONEBRIDGE_VERSION"] == "v2"
    assert not installed.fleet._canary.env_file.exists()
    assert "gateway-canary" not in installed.send(20)


@pytest.mark.parametrize(
    ("version", "fault"),
    [("v1", "no release of its own"), ("latest", "no release of its own"), ("v2'; DROP", "no tag")],
)
def test_a_release_has_a_tag_of_its_own(installed: Installed, version: str, fault: str) -> None:
    with pytest.raises(ComposeError, match=fault):
        ComposeFleet(installed.compose, version)


def test_a_rollout_that_was_ended_while_it_replaced_servers_goes_on(installed: Installed) -> None:
    installed.fleet.begin()
    env_file.change(installed.compose.env_file, {"TONEBRIDGE_VERSION": "v2"})  # as the upgrade has done
    again = ComposeFleet(installed.compose, "v2", lambda _: None)
    again.begin()
    again.finish()
    with pytest.raises(ComposeError, match="no release of its own"):
        ComposeFleet(installed.compose, "v2")


@pytest.mark.parametrize("percent", [1, 5, 25, 50, 75, 95, 99])
def test_weights_give_the_share_and_are_allowed(percent: int) -> None:
    own, each = weights(percent, 2)
    assert 1 <= own <= 256
    assert 1 <= each <= 256
    assert 100 * own / (own + 2 * each) == pytest.approx(percent, abs=1.5)

"""A cluster is signed in to by a token of the workflow's, which is asked for anew before it expires."""

import base64
import json
from typing import TYPE_CHECKING

import pytest

from deploy.delivery import access

if TYPE_CHECKING:
    from tests.deploy.delivery.conftest import TokenServer


def test_a_token_is_for_one_audience_and_renewed_before_it_expires(token_server: "TokenServer") -> None:
    made = access.credential(token_server.url, "of-the-job", "tonebridge-staging")
    assert token_server.asked == ["/token?api-version=2.0&audience=tonebridge-staging"]
    assert made["kind"] == "ExecCredential"
    assert made["status"]["token"].count(".") == 2
    assert made["status"]["expirationTimestamp"] == "2096-10-02T07:05:40Z"


def test_kubectl_is_told_by_a_credential_on_standard_output(
    token_server: "TokenServer", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", token_server.url)
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
    access.main(["tonebridge-staging"])
    assert json.loads(capsys.readouterr().out)["apiVersion"] == "client.authentication.k8s.io/v1"


def test_a_refusal_names_the_audience(token_server: "TokenServer", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", token_server.url)
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-another-job")
    with pytest.raises(SystemExit, match=r"GitHub gives no token for tonebridge-staging: .*401"):
        access.main(["tonebridge-staging"])


def test_a_job_without_the_right_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    with pytest.raises(SystemExit, match="give the job the permission `id-token: write`"):
        access.main(["tonebridge-staging"])


def test_a_kubeconfig_has_no_secret_and_calls_this_module() -> None:
    config = access.kubeconfig("https://cluster.example.com", "", "tonebridge-staging", "chats")
    [cluster] = config["clusters"]
    assert cluster["cluster"] == {"server": "https://cluster.example.com"}, "the system's authorities"
    [user] = config["users"]
    assert set(user["user"]) == {"exec"}
    assert user["user"]["exec"]["args"] == ["-m", "deploy.delivery.access", "tonebridge-staging"]
    assert config["contexts"][0]["context"]["namespace"] == "chats"


def test_a_cluster_with_an_authority_of_its_own() -> None:
    config = access.kubeconfig("https://cluster.example.com", "-----BEGIN", "any", "chats")
    data = config["clusters"][0]["cluster"]["certificate-authority-data"]
    assert base64.b64decode(data) == b"-----BEGIN"

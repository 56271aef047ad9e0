"""The page docs/signatures.md: its numbers are computed again, and its programs run against a gateway."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import serving
from data.reasons import catalogue
from serving.gateway import signatures
from serving.gateway.online.front import PATH
from tests.serving.gateway.signatures.conftest import Signer
from tests.signing import sign

ROOT = Path(serving.__file__).parent.parent
PAGE = (ROOT / "docs" / "signatures.md").read_text(encoding="utf-8")
_, SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[:2]
LIBRARY, ALONE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXAMPLE = PAGE[PAGE.index("### An example") :]
BODY, BASE, HEADERS = re.findall(r"```(?:json|http)?\n(.*?)\n```", EXAMPLE, re.DOTALL)[:3]


def test_the_numbers_of_the_example_are_right() -> None:
    secret, keyid = re.findall(r"`([^`]+)`", EXAMPLE)[:2]
    values = dict(re.findall(r'(?m)^"([^"]+)": (.*)$', BASE))
    created, nonce = re.findall(r'created=(\d+).*nonce="(.*?)"', BASE)[0]
    made = sign(keyid, secret, values["@method"], values["@target-uri"], BODY.encode(), int(created), nonce)
    assert made == dict(line.split(": ", 1) for line in HEADERS.splitlines())
    assert values["@signature-params"] == made["Signature-Input"].removeprefix("sig1=")
    assert f"The body has {len(BODY)} bytes" in EXAMPLE


def test_what_the_page_says_is_what_the_code_does() -> None:
    assert f"at most {signatures.WINDOW_S} s before or after" in PAGE
    assert f"{signatures._SHORTEST} to {signatures._LONGEST} letters" in PAGE
    codes = set(re.findall(r'(?:SignatureError|UnavailableError)\(\s*"([a-z_]+)"', source()))
    listed = set(re.findall(r"`([a-z_]+)`", PAGE[PAGE.index("## Errors") :])) - {"error"}
    assert codes == {code for code in listed if code in catalogue()["reasons"]}


def source() -> str:
    return Path(signatures.__file__).read_text(encoding="utf-8")


def test_the_function_of_the_page_signs_as_ours_does() -> None:
    names: dict[str, Any] = {}
    exec(ALONE, names)
    made = names["sign"]("rs_1", "a secret", "POST", "https://a.example/b?c", b"{}")
    created, nonce = re.findall(r'created=(\d+).*nonce="(.*?)"', made["Signature-Input"])[0]
    assert made == sign("rs_1", "a secret", "POST", "https://a.example/b?c", b"{}", int(created), nonce)


@pytest.mark.parametrize(
    "command", [("bash", "-euc", SHELL), (sys.executable, "-c", LIBRARY)], ids=["shell", "python"]
)
async def test_a_program_of_the_page_is_answered(signer: Signer, command: tuple[str, ...]) -> None:
    assert f"http://localhost:8080{PATH}" in command[-1]
    program = command[-1].replace("http://localhost:8080", f"http://127.0.0.1:{signer.gateway.port}")
    variables = {"ROBOT": signer.key, "KEYID": signer.keyid, "SECRET": signer.secret}
    process = await asyncio.create_subprocess_exec(
        *command[:-1], program, stdout=asyncio.subprocess.PIPE, env={**os.environ, **variables}
    )
    printed, _ = await process.communicate()
    answer = json.loads(printed) if command[0] == "bash" else eval(printed)
    assert answer["transformed_text"] == "Please wait."

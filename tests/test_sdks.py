"""The SDKs as packages: the examples of their READMEs, and what of them is installed. The tests of the one in
TypeScript run in Node, against an installation of ours.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook

from serving.gateway import openapi_file
from tests import sdks
from tests.sdks import ROOT, Installation

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PYTHON = ROOT / "sdk" / "python"
EXAMPLES = re.findall(r"^```python\n(.+?)^```$", (PYTHON / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(live: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run an example in, and its environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TONEBRIDGE_URL", live.url)
    monkeypatch.setenv("TONEBRIDGE_API_KEY", live.key)
    return tmp_path


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("example", EXAMPLES[:5], ids=lambda code: code.split("\n")[-2].strip()[:30])
def test_an_example_in_python_runs(place: Path, example: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_the_example_of_webhooks_knows_what_is_signed() -> None:
    names: dict[str, object] = {}
    exec(compile(EXAMPLES[5], "README.md", "exec"), names)
    receive, secret = names["receive"], names["SECRET"]
    assert callable(receive)
    now = int(time.time())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now)}
    signature = Webhook(str(secret)).sign("msg_1", datetime.fromtimestamp(now, UTC), "{}")
    assert receive(b"{}", {**headers, "webhook-signature": signature}) == 204
    assert receive(b"{}", {**headers, "webhook-signature": "v1,AAAA"}) == 400


@pytest.mark.slow
def test_the_examples_in_python_fit_the_types(tmp_path: Path) -> None:
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"example{number}.py").write_text(example)
    strict = ["--strict", "--allow-untyped-defs", "--allow-untyped-calls", "--config-file="]
    command = [sys.executable, "-m", "mypy", *strict, "--cache-dir", str(tmp_path), str(tmp_path)]
    environment = {**os.environ, "MYPYPATH": str(PYTHON / "src")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_wheel_is_installed_and_its_command_runs(live: Installation, tmp_path: Path) -> None:
    """Without the network: what the wheel needs is that of this environment."""
    source, env, wheels = (tmp_path / name for name in ("source", "env", "wheels"))
    shutil.copytree(PYTHON, source)  # a build leaves files in it
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(source)]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = wheels.iterdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True, timeout=300)
    install = [*pip, "--python", str(env / "bin" / "python"), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, timeout=300)
    environment = {
        "TONEBRIDGE_URL": live.url,
        "TONEBRIDGE_API_KEY": live.key,
        "PYTHONPATH": sysconfig.get_path("purelib"),
    }
    command = [str(env / "bin" / "tonebridge"), "rewrite", "Fix it.", "--type", "soften"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.startswith("Please wait."), done.stderr


TYPESCRIPT = ROOT / "sdk" / "typescript"


def npm(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the TypeScript SDK; what it prints when it fails is shown."""
    if not (TYPESCRIPT / "node_modules").is_dir():
        pytest.fail("the TypeScript SDK is not set up: `make node` does it")
    done = subprocess.run(
        ["npm", "run", "--silent", *arguments],
        cwd=TYPESCRIPT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def built() -> None:
    """Compile the TypeScript SDK, by the strict rules of its tsconfig.json."""
    npm("build")


@pytest.mark.slow
@pytest.mark.usefixtures("built")
def test_the_client_in_typescript_calls_every_operation(live: Installation) -> None:
    live.proxy.requests.clear()
    npm(
        "test",
        URL_OF_GATEWAY=live.url,
        URL_OF_PROXY=live.proxy.url,
        URL_OF_CONTROL=live.control_url,
        API_KEY=live.key,
        METRICS_TOKEN=sdks.METRICS_TOKEN,
        OPERATIONS=json.dumps(list(sdks.operations().values())),
    )
    assert sdks.called(live.proxy.requests) == set(sdks.operations().values())


TS_EXAMPLES = re.findall(
    r"^```ts\n(.+?)^```$", (TYPESCRIPT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)


@pytest.mark.slow
@pytest.mark.usefixtures("built")
def test_the_examples_in_typescript_are_compiled_and_run(live: Installation) -> None:
    assert len(TS_EXAMPLES) == 6
    # Below the package, which they import by its name.
    with tempfile.TemporaryDirectory(dir=TYPESCRIPT, prefix=".examples-") as folder:
        names = [f"example{number}" for number in range(len(TS_EXAMPLES))]
        for name, example in zip(names, TS_EXAMPLES, strict=True):
            Path(folder, f"{name}.ts").write_text(example)
        # With the types of Node alone, those of a browser are not needed.
        options = {"rootDir": ".", "outDir": ".", "declaration": False, "types": ["node"], "lib": ["ES2022"]}
        config = {
            "extends": "../tsconfig.json",
            "compilerOptions": options,
            "include": ["*.ts"],
            "exclude": [],
        }
        Path(folder, "tsconfig.json").write_text(json.dumps(config))
        npm("build", "--", "--project", folder)
        environment = {
            **os.environ,
            "TONEBRIDGE_URL": live.url,
            "TONEBRIDGE_API_KEY": live.key,
        }
        for name in names:
            command = ["node", str(Path(folder, f"{name}.js"))]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr, bool(done.stdout)) == (0, "", True), name


@pytest.mark.slow
@pytest.mark.usefixtures("built")
def test_the_package_has_what_it_exports(tmp_path: Path) -> None:
    command = ["npm", "pack", "--silent", "--pack-destination", str(tmp_path)]
    subprocess.run(command, cwd=TYPESCRIPT, check=True, capture_output=True, timeout=300)
    [file] = tmp_path.glob("tonebridge-*.tgz")
    with tarfile.open(file) as package:
        names = set(package.getnames())
    assert {"package/dist/index.js", "package/dist/index.d.ts", "package/README.md"} <= names
    assert not any("test" in name or name.endswith((".mjs", "package-lock.json")) for name in names)


@pytest.mark.slow
def test_the_types_in_typescript_are_those_of_the_description() -> None:
    file = TYPESCRIPT / "src" / "generated" / "types.gen.ts"
    before = file.read_text(encoding="utf-8")
    try:
        npm("generate")
        assert file.read_text(encoding="utf-8") == before, "`make sdk` renews them"
    finally:
        file.write_text(before, encoding="utf-8")


def test_the_types_in_typescript_name_the_description_that_they_are_made_from() -> None:
    first = (TYPESCRIPT / "src" / "generated" / "types.gen.ts").read_text(encoding="utf-8").split("\n")[0]
    digest = sha256(openapi_file.FILE.read_bytes()).hexdigest()
    assert first.endswith(f"openapi.json {digest}"), "`make sdk` renews them"


def test_each_operation_has_a_method_in_typescript() -> None:
    code = (TYPESCRIPT / "src" / "client.ts").read_text(encoding="utf-8")
    methods = set(re.findall(r"^  (?:async )?\*?(\w+)\(", code, re.MULTILINE))
    names = [re.sub("_([a-z])", lambda letter: letter[1].upper(), id) for id in sdks.operations().values()]
    assert set(names) <= methods


def find_deprecated_methods(code: str) -> set[str]:
    """The methods whose comment says `@deprecated`."""
    commented = re.findall(
        r"^  /\*\*((?:(?!\*/).)*)\*/\n  (?:async )?\*?(\w+)\(", code, re.MULTILINE | re.DOTALL
    )
    return {name for comment, name in commented if "@deprecated" in comment}


def test_a_method_in_typescript_is_deprecated_when_its_operation_is() -> None:
    """The methods are written by hand, so the comment does not follow from the route by itself."""
    paths = json.loads(openapi_file.FILE.read_text(encoding="utf-8"))["paths"]
    deprecated = {
        re.sub("_([a-z])", lambda letter: letter[1].upper(), operation["operationId"])
        for operations in paths.values()
        for operation in operations.values()
        if operation.get("deprecated")
    }
    code = (TYPESCRIPT / "src" / "client.ts").read_text(encoding="utf-8")
    assert find_deprecated_methods(code) == deprecated
    comment = "  /** The progress of a batch. */\n  getBatch("
    assert comment in code
    marked = "  /**\n   * The progress of a batch.\n   * @deprecated Use `getJob`.\n   */\n  getBatch("
    assert find_deprecated_methods(code.replace(comment, marked)) == {"getBatch"}


@pytest.mark.parametrize("folder", ["typescript", "lint"])
def test_what_node_installs_is_locked(folder: str) -> None:
    package = json.loads((ROOT / "sdk" / folder / "package.json").read_text())
    lock = json.loads((ROOT / "sdk" / folder / "package-lock.json").read_text())
    assert "dependencies" not in package, "a client of browsers brings nothing along"
    assert lock["packages"][""]["devDependencies"] == package["devDependencies"]
    for name, locked in lock["packages"].items():
        if name:
            assert locked["integrity"].startswith("sha512-"), name
            resolved = locked.get("resolved", "https://registry.npmjs.org/")  # npm's own, unless it says so
            assert resolved.startswith("https://registry.npmjs.org/"), name


_IN_A_BROWSER = """async ([url, apiKey]) => {
  const { ToneBridge } = await import("/sdk/index.js");
  const client = new ToneBridge({ url, apiKey, signing: { keyid: "k", secret: "s" } });
  const plain = new ToneBridge({ url, apiKey });
  const message = { text: `Fix it. ${Math.random()}`, transform_type: "soften", intensity: 2 };
  const kinds = [];
  for await (const event of plain.stream(message)) kinds.push(event.kind);
  const socket = await plain.openSocket();
  await socket.subscribe("jobs");
  const { transformed_text: text } = await socket.transform(message);
  socket.close();
  const refused = await client.openSocket().catch((error) => error.message);
  return [kinds.at(-1), text, refused];
}"""


@pytest.mark.slow
@pytest.mark.usefixtures("built")
def test_the_client_in_typescript_runs_in_a_browser(live: Installation, browser: "Browser") -> None:
    page = browser.new_page()
    page.route("**/sdk/**/*.js", lambda route: route.fulfill(path=_dist(route.request.url)))
    page.goto(f"{live.url}/livez")  # the gateway's own page: another could not call it
    last, text, refused = page.evaluate(_IN_A_BROWSER, [live.url, live.key])
    page.close()
    assert (last, text) == ("answer", "Please wait.")
    assert "this WebSocket cannot be signed" in refused


def _dist(url: str) -> Path:
    return TYPESCRIPT / "dist" / url.partition("/sdk/")[2]

"""Which processes read which setting, as the code says: a process reads a setting when a module that it
imports does, and gets a secret only when `pipelines.environments` gives it one.
"""

import ast
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import SecretStr

import configs
from configs.settings import FormerSecret, Settings
from pipelines import local
from pipelines.environments import PRIVATE_NAMES, environment

PREFIX = "TONEBRIDGE_"
_UP, _MIGRATE = "make up", "migrate"  # beside the processes of the Procfile


def is_secret(name: str) -> bool:
    """Whether a setting is a secret, or may contain one, such as the password in a URL."""
    return f"{PREFIX}{name.upper()}" in PRIVATE_NAMES


class _Module(NamedTuple):
    """What a module names: other modules of the project, and settings."""

    imports: frozenset[str]
    settings: frozenset[str]


def find_readers() -> dict[str, list[str]]:
    """The processes that read each setting, in the order of their start."""
    readers: dict[str, list[str]] = {name: [] for name in Settings.model_fields}
    for process, modules, commands in _processes():
        read = set().union(*(_find_settings(module) for module in modules))
        read |= {name for name in readers if f"${PREFIX}{name.upper()}" in commands}
        given = _find_given(process)
        for name in readers:
            if name in read and (given is None or name in given or not is_secret(name)):
                readers[name].append(process)
    if unread := [name for name, processes in readers.items() if not processes]:
        raise ValueError(
            f"no process reads {', '.join(unread)}: remove it, or read it as `settings.{unread[0]}`"
        )
    return {name: [each for each in processes if each != _UP] or [_UP] for name, processes in readers.items()}


def _processes() -> Iterator[tuple[str, list[str], str]]:
    """Name, main modules and command of each process."""
    for name, command in local.read_procfile().items():
        words = command.split()
        modules = [words[words.index("-m") + 1]] if "-m" in words else []
        # BentoML imports the service by its name.
        yield name, [*modules, *["serving.inference.service"] * (name == "inference")], command
    yield _UP, ["pipelines.up"], ""
    yield _MIGRATE, ["data.database"], ""


def _find_given(process: str) -> set[str] | None:
    """The settings in the environment of a process; None when it has that of the operator."""
    if process in (_UP, _MIGRATE):
        return None
    with tempfile.TemporaryDirectory() as folder:
        given = environment(_everything(Path(folder)), process)
    return {name for name in Settings.model_fields if f"{PREFIX}{name.upper()}" in given}


def _everything(state: Path) -> Settings:
    """Settings with every secret, every address that may contain one, and every platform."""
    secret, values = SecretStr("x" * 32), dict[str, Any]()
    for name, field in Settings.model_fields.items():
        options = {getattr(option, "__origin__", option) for option in get_args(field.annotation)}
        if SecretStr in options and type(None) in options:
            values[name] = secret
        elif str in options and is_secret(name):
            values[name] = "postgresql://owner@127.0.0.1/none"
    return Settings(_env_file=None).model_copy(
        update={
            **values,
            "state": state,
            "former_receipt_secrets": (FormerSecret(secret=secret, until=datetime(2100, 1, 1, tzinfo=UTC)),),
            "slack_signing_secrets": (secret,),
            "slack_client_id": "1",
            "discord_public_keys": ("ab" * 32,),
            "discord_client_id": "1",
            "teams_app_id": "1",
            "teams_app_tenant": "1",
            "channels_url": "https://chat.example.com",
        }
    )


@cache
def _find_settings(main: str) -> frozenset[str]:
    """The settings that a module reads, with all modules that it imports."""
    waiting, seen, settings = [main], {main}, set[str]()
    while waiting:
        module = _read_module(waiting.pop())
        settings |= module.settings
        new = module.imports - seen
        seen |= new
        waiting += new
    return frozenset(settings)


# Names of variables and attributes that hold the settings. A setting of one word, such as `state`, is read
# from these only; other objects have such attributes, too.
_HOLDERS = frozenset({"settings", "_settings"})


@cache
def _read_module(module: str) -> _Module:
    path = configs.ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if module == "configs.settings" or not file.is_file():
        return _Module(frozenset(), frozenset())
    imports, settings, derived = set[str](), set[str](), _find_derived()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                imports |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(package), names=names, level=0):
                imports |= {package, *(f"{package}.{alias.name}" for alias in names)}
            case ast.Attribute(value=holder, attr=attribute) if attribute in derived:
                if "_" in attribute or _last_name(holder) in _HOLDERS:
                    settings |= derived[attribute]
            # As in `settings.secret("session_secret")`.
            case ast.Constant(value=str(secret)) if "_" in secret:
                settings.add(secret)
    imports |= {module.rpartition(".")[0]} - {""}  # its package
    ours = {each for each in imports if (configs.ROOT / each.partition(".")[0]).is_dir()}
    return _Module(frozenset(ours), frozenset(settings & Settings.model_fields.keys()))


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


@cache
def _find_derived() -> dict[str, frozenset[str]]:
    """Each attribute of the settings with the settings that it is made of."""
    derived = {name: frozenset({name}) for name in Settings.model_fields}
    tree = ast.parse((configs.ROOT / "configs" / "settings.py").read_text(encoding="utf-8"))
    methods = [
        method
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == Settings.__name__
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name != "secret"
    ]
    for _ in methods:  # one may be made of another
        for method in methods:
            used = {node.attr for node in ast.walk(method) if isinstance(node, ast.Attribute)}
            derived[method.name] = frozenset().union(*(derived.get(name, frozenset()) for name in used))
    return derived

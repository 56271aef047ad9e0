"""Makes what the Python SDK does not have by hand: the types, from the API's description, and the synchronous
client, from the asynchronous one. `make sdk` runs it.
"""

import re
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

SDK = Path(__file__).parent
DESCRIPTION = SDK / "openapi.json"
PACKAGE = SDK / "python" / "src" / "tonebridge"
_HEADER = '"""{docstring}"""\n\n# Made by `make sdk`. Do not change it here.\n'
# Text in the asynchronous client, and what stands in its place in the synchronous one.
_SYNCHRONOUS = [
    (r"from asyncio import (Condition.+), sleep", r"from threading import \1\nfrom time import sleep"),
    (r"from asyncio import sleep", "from time import sleep"),
    (r"AsyncGenerator\[(.+), None\]", r"Generator[\1, None, None]"),
    (r"Awaitable\[((?:[^\[\]]|\[[^\]]*\])+)\]", r"\1"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"`async with`", "`with`"),
    (r"\bawait ", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\b_async\b", "_sync"),
    (r"\baclosing\b", "closing"),
    (r"\baclose\b", "close"),
    (r"\baiter_bytes\b", "iter_bytes"),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"websockets\.asyncio\.client", "websockets.sync.client"),
    (r"another task\b", "another thread"),
    (r"The asynchronous client\. `_sync` is made from it by `make sdk`: change this one\.",
     "The synchronous client, made from `_async` by `make sdk`: change that one."),
]  # fmt: skip


def make_types(description: bytes) -> str:
    """The module with a type for each document of the API."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "openapi.json"), Path(folder, "types.py")
        source.write_bytes(description)
        options = ["--output-model-type", "typing.TypedDict", "--no-use-closed-typed-dict"]
        options += ["--enum-field-as-literal", "all", "--target-python-version", "3.11"]
        options += ["--use-schema-description", "--use-field-description", "--disable-timestamp"]
        options += ["--openapi-scopes", "schemas", "--formatters", "builtin"]
        command = [sys.executable, "-m", "datamodel_code_generator", "--input", str(source)]
        command += ["--input-file-type", "openapi", "--output", str(target), *options]
        subprocess.run(command, check=True)  # noqa: S603 (our own arguments)
        code = target.read_text(encoding="utf-8")
    code = re.sub(r"\A(#.*\n)+", "", code)
    docstring = f"The documents of the API. Made from openapi.json {sha256(description).hexdigest()}."
    return _format(_HEADER.format(docstring=docstring) + code)


def make_synchronous(source: str) -> str:
    """A module of the synchronous client, from the one of the asynchronous client."""
    for pattern, replacement in _SYNCHRONOUS:
        source = re.sub(pattern, replacement, source)
    return _format(source)


def _format(source: str) -> str:
    """As the project's formatter leaves it, without what is not used."""
    for arguments in (["check", "--fix", "--select=I,F401,F811,UP037"], ["format"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--no-cache"]
        command += ["--stdin-filename", str(PACKAGE / "made.py"), "-"]
        done = subprocess.run(command, check=True, input=source, text=True, capture_output=True)  # noqa: S603
        source = done.stdout
    return source


def main() -> None:
    """Write the files."""
    types = make_types(DESCRIPTION.read_bytes())
    (PACKAGE / "types.py").write_text(types, encoding="utf-8")
    for file in sorted((PACKAGE / "_async").glob("*.py")):
        made = make_synchronous(file.read_text(encoding="utf-8"))
        (PACKAGE / "_sync" / file.name).write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()

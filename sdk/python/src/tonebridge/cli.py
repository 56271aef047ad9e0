"""The command `tonebridge`: rewrites a message from a terminal or a script."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import get_args

from tonebridge import Retries, ToneBridge, __version__
from tonebridge.errors import ToneBridgeError, UnauthorizedError, UnreachableError
from tonebridge.types import TransformType

_RETRIES = Retries(attempts=3, total_s=20.0)  # somebody waits
_DEFAULT_URL = "http://127.0.0.1:8080"
FAILED, MISUSED, UNAUTHORIZED, UNREACHABLE = 1, 2, 3, 4
_EXIT_CODES = f"""exit codes:
  0  the rewrite is on standard output
  {FAILED}  the gateway refused the message, or failed, or standard output cannot write the rewrite;
     standard error says why
  {MISUSED}  the command was not understood
  {UNAUTHORIZED}  no API key, or not one in force
  {UNREACHABLE}  no answer from the gateway

environment:
  TONEBRIDGE_API_KEY  the key; it is no option, since other users of the machine see those
  TONEBRIDGE_URL      the gateway's address, by default {_DEFAULT_URL}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    text = _read_text(options, parser)
    if not os.environ.get("TONEBRIDGE_API_KEY"):
        print("tonebridge: set TONEBRIDGE_API_KEY to an API key; `make up` prints one", file=sys.stderr)
        return UNAUTHORIZED
    url = os.environ.get("TONEBRIDGE_URL") or _DEFAULT_URL
    try:
        client = ToneBridge(url, retries=_RETRIES)
    except ValueError as error:
        print(f"tonebridge: TONEBRIDGE_URL: {error}", file=sys.stderr)
        return MISUSED
    try:
        with client:
            _rewrite(client, text, options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads standard output has left, as `head` does. At its end Python would say so again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except UnicodeEncodeError as error:
        print(
            f"tonebridge: standard output has the encoding {error.encoding}, which cannot write the rewrite;"
            " set PYTHONIOENCODING=utf-8",
            file=sys.stderr,
        )
        return FAILED
    except ToneBridgeError as error:
        print(f"tonebridge: {error}", file=sys.stderr)
        if isinstance(error, UnauthorizedError):
            return UNAUTHORIZED
        return UNREACHABLE if isinstance(error, UnreachableError) else FAILED
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tonebridge",
        description="Rewrites workplace messages.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="rewrite")
    rewrite = commands.add_parser(
        "rewrite",
        help="rewrite a message",
        description="Rewrite a message; standard output gets the rewrite.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rewrite.add_argument("text", nargs="?", default="-", help="the message; - or none: standard input")
    rewrite.add_argument("--type", required=True, choices=get_args(TransformType), help="what to do with it")
    rewrite.add_argument(
        "--intensity", type=int, choices=range(4), default=2, help="how far to go; 2 if you say nothing"
    )
    rewrite.add_argument("--user", help="your name for the person who writes")
    form = rewrite.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the whole answer, with its receipt")
    form.add_argument("--stream", action="store_true", help="print the rewrite while it is written")
    return parser


def _read_text(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    text: str = options.text
    if text == "-" and sys.stdin.isatty():
        parser.error('give a message, such as tonebridge rewrite "Fix it." --type soften, or pipe one in')
    try:
        if text == "-":
            text = sys.stdin.read().removesuffix("\n")
        for part in (text, options.user or ""):
            part.encode()  # bytes that Python could not read are half characters in it
    except UnicodeError as error:
        parser.error(f"the message or the name is not text in the encoding of this terminal: {error}")
    return text


def _rewrite(client: ToneBridge, text: str, options: argparse.Namespace) -> None:
    if options.stream:
        _print_stream(client, text, options)
        return
    answer = client.transform(text, options.type, options.intensity, user_id=options.user)
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print(answer["transformed_text"])


def _print_stream(client: ToneBridge, text: str, options: argparse.Namespace) -> None:
    """Print a draft as it grows. One that is replaced stays, and the next one begins on a new line."""
    printed = ""
    with client.stream(text, options.type, options.intensity, user_id=options.user) as events:
        for event in events:
            if not event.draft.startswith(printed):
                print(flush=True)
                printed = ""
            print(event.draft.removeprefix(printed), end="", flush=True)
            printed = event.draft
    print()

"""Callers of gateways in containers: one message, a vote, a batch, and bounded loads."""

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MESSAGE = "You never test your code. Fix the login page before Monday."
_TIMEOUT_S = 30.0
_CALLERS = 8


class Answers(NamedTuple):
    """What callers got: answers by status, and how many requests got none or a broken one."""

    statuses: dict[int, int]
    broken: int
    seconds: float


def rewrite(url: str, key: str, text: str = MESSAGE, user: str = "ann") -> dict[str, Any]:
    """The answer to a message. OSError when there is none."""
    return call(url, key, "POST", "/api/v1/transform", json.loads(_body(text, user)))


def vote(url: str, key: str, receipt: str) -> None:
    """Vote for an answer. OSError when the vote is not accepted."""
    call(url, key, "POST", "/api/v1/feedback", {"receipt": receipt, "kind": "thumb", "up": True})


def rewrite_batch(url: str, key: str, messages: int, timeout_s: float = 120.0) -> float:
    """Have a batch of messages rewritten by the worker; the seconds until all are done. TimeoutError when
    they are not.
    """
    began = time.monotonic()
    items = [json.loads(_body(f"{MESSAGE} It is number {number}.")) for number in range(messages)]
    path = "/api/v1/jobs/batches"
    batch = call(url, key, "POST", path, {"items": items})
    while time.monotonic() < began + timeout_s:
        state = call(url, key, "GET", f"{path}/{batch['id']}")
        if state["done"] == messages:
            return time.monotonic() - began
        time.sleep(0.2)
    raise TimeoutError(
        f"the worker has done {state['done']} of {messages} messages in {timeout_s:.0f} s: {state}"
    )


def status_of(url: str, key: str, method: str, path: str) -> int:
    """The status of an answer to Ann."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, b'{"user_id": "ann"}', _headers(key))
        return connection.getresponse().status
    finally:
        connection.close()


def load(url: str, key: str, requests: int = 200) -> Answers:
    """Send as many requests by each of eight callers at once; every tenth message is new."""
    return _send(url, key, lambda number: number < requests)


def load_while(url: str, key: str, stop: Callable[[], object]) -> Answers:
    """Send requests, call `stop` after a second, and leave as a load balancer does: when /readyz says that
    the gateway is not ready. What was sent before that must be answered.
    """
    leaving = threading.Event()

    def watch() -> None:
        while _is_ready(url):
            time.sleep(0.05)
        leaving.set()

    threading.Thread(target=watch, daemon=True).start()
    stopping = threading.Timer(1.0, stop)
    stopping.start()
    answers = _send(url, key, lambda _: not leaving.is_set())
    stopping.join()
    return answers


def load_during(url: str, key: str, action: Callable[[], object], pause_s: float = 0.1) -> Answers:
    """Send requests to a proxy until `action` has ended, each with an Idempotency-Key, as clients do that may
    send a request again. Every caller waits `pause_s` between two. What `action` raises is raised afterwards.
    """
    done = threading.Event()
    failures: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:  # of another thread; raised below
            failures.append(error)
        finally:
            done.set()

    acting = threading.Thread(target=act)
    acting.start()
    answers = _send(url, key, lambda _: not done.wait(pause_s), has_idempotency_key=True)
    acting.join()
    if failures:
        raise failures[0]
    return answers


def _send(url: str, key: str, goes_on: Callable[[int], bool], has_idempotency_key: bool = False) -> Answers:
    statuses: Counter[int] = Counter()
    broken = 0
    lock = threading.Lock()
    address = urlsplit(url).netloc

    def send(caller: int) -> None:
        nonlocal broken
        number = 0
        while goes_on(number):
            new = f" I wrote {caller}-{number} times." if number % 10 == 0 else ""
            once = {"Idempotency-Key": str(uuid.uuid4())} if has_idempotency_key else {}
            try:
                status = _send_one(address, _headers(key) | once, f"{MESSAGE}{new}")
                with lock:
                    statuses[status] += 1
            except (OSError, http.client.HTTPException, ValueError):  # the last one: it is no JSON
                with lock:
                    broken += 1
            number += 1

    began = time.monotonic()
    threads = [threading.Thread(target=send, args=(caller,)) for caller in range(_CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Answers(dict(statuses), broken, round(time.monotonic() - began, 2))


def _send_one(address: str, headers: dict[str, str], text: str) -> int:
    """Send a message on a connection of its own; the status of the answer."""
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", "/api/v1/transform", _body(text), headers)
        response = connection.getresponse()
        json.loads(response.read())
        return response.status
    finally:
        connection.close()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2):  # noqa: S310
            return True
    except OSError:
        return False


def call(url: str, key: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer to a request with a body of JSON. OSError when it is refused, with the reason."""
    content = None if body is None else json.dumps(body).encode()
    headers = _headers(key) | {"Idempotency-Key": str(uuid.uuid4())}
    request = urllib.request.Request(f"{url}{path}", content, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        raise OSError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error


def _headers(key: str) -> dict[str, str]:
    return {"X-API-Key": key, "Content-Type": "application/json"}


def _body(text: str, user: str = "ann") -> bytes:
    return json.dumps({"text": text, "transform_type": "soften", "intensity": 2, "user_id": user}).encode()

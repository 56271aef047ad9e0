"""Errors for a server that speaks Sentry's protocol. Without TONEBRIDGE_SENTRY_DSN nothing is imported.

An event is made anew of a list of what it may have, instead of being freed of what it may not have: so a new
release of the library cannot add anything. It has the type of the error, and file, line and function of each
frame. It has no message of an exception, no values, no source lines, no request, no breadcrumbs.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from configs.settings import Settings
from serving.observability import faults
from serving.observability.lines import error_of

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

MOST_A_MINUTE = 30  # events of one process; what fails all the time says nothing new


def start(settings: Settings, process: str, release: str) -> None:
    """Send the errors that a process logs, and those that end a thread or the process. Nothing without an
    address.
    """
    if settings.sentry_dsn is None:
        return
    import sentry_sdk

    if sentry_sdk.is_initialized():
        return
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.integrations.threading import ThreadingIntegration

    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        release=release,
        environment=settings.environment,
        before_send=Rewriter(process, release, settings.environment),
        sample_rate=settings.sentry_share,
        # Those that watch frameworks read requests and statements.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
            ExcepthookIntegration(),
            ThreadingIntegration(propagate_scope=False),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda waiting, timeout_s: None),  # by default it prints
        ],
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        send_default_pii=False,
        max_breadcrumbs=0,
        traces_sample_rate=None,
        enable_logs=False,
        auto_session_tracking=False,
        propagate_traces=False,
        server_name=process,  # not the name of the machine
    )


class Rewriter:
    """Makes the events that are sent of those of the library, and drops those past `most` in a minute."""

    def __init__(
        self,
        process: str,
        release: str,
        environment: str,
        most: int = MOST_A_MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tags = {"process": process}
        self._release, self._environment = release, environment
        self._clock, self._sent = clock, deque[float](maxlen=most)

    def __call__(self, event: "Event", hint: "Hint") -> "Event | None":
        """The event that is sent; None for one too many."""
        now = self._clock()
        if len(self._sent) == self._sent.maxlen and now - self._sent[0] < 60:
            return None
        self._sent.append(now)
        record = hint.get("log_record")
        error = _find_error(hint, record)
        made: dict[str, Any] = {
            "event_id": event["event_id"],
            "timestamp": event["timestamp"],
            "platform": "python",
            "level": event.get("level", "error"),
            "release": self._release,
            "environment": self._environment,
            "server_name": self._tags["process"],
            "tags": self._tags,
        }
        if record is not None:
            made["logger"] = record.name
        if error is not None:
            newest_last = reversed(list(faults.chain(error)))
            made["exception"] = {"values": [_describe(each) for each in newest_last]}
        elif record is not None:
            # The place, and not the message, since a library may have put values into it.
            made["logentry"] = {"message": f"{record.name}: {record.funcName}, line {record.lineno}"}
        return made  # type: ignore[return-value]


def _find_error(hint: "Hint", record: logging.LogRecord | None) -> BaseException | None:
    if info := hint.get("exc_info"):
        error: BaseException | None = info[1]
        return error
    return error_of(record) if record is not None else None


def _describe(error: BaseException) -> dict[str, Any]:
    return {
        "type": type(error).__qualname__,
        "module": type(error).__module__,
        "value": faults.describe(error),
        "stacktrace": {
            "frames": [
                {
                    "filename": frame.file,
                    "lineno": frame.line,
                    "function": frame.function,
                    "in_app": frame.is_ours,
                }
                for frame in faults.frames(error.__traceback__)
            ]
        },
    }

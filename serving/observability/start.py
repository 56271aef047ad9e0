"""What a process calls first, so that all of it is observed in the same way."""

import logging
import sys
import threading
from importlib import metadata
from types import TracebackType

from configs import StartError
from configs.settings import Settings
from serving.observability import faults, sentry, spans
from serving.observability.lines import JsonLines, Text

log = logging.getLogger(__name__)

_EXPLAINED = (ValueError, RuntimeError, OSError, StartError)  # at the start they say what to do


def start(settings: Settings, process: str) -> None:
    """Log as the settings say, and `watch`. `process` is the name in the Procfile."""
    handler = logging.StreamHandler()
    handler.setFormatter(make_formatter(settings, process))
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger) and _remove_streams(logger):
            logger.propagate = True
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("httpx", "uvicorn.access"):  # they log addresses, with what people search for
        logging.getLogger(name).setLevel(logging.WARNING)
    if is_json(settings):
        logging.captureWarnings(True)
        sys.excepthook = _log_end
        threading.excepthook = _log_thread_end
    watch(settings, process)


def watch(settings: Settings, process: str) -> None:
    """Send errors and spans as the settings say. Once is enough, and again changes nothing."""
    release = find_release(settings)
    sentry.start(settings, process, release)
    spans.start(settings, process, release)


def make_formatter(settings: Settings, process: str) -> logging.Formatter:
    """The form of a process's lines."""
    return JsonLines(process, find_release(settings), spans.current_ids) if is_json(settings) else Text()


def is_json(settings: Settings) -> bool:
    """Whether lines are JSON: if the settings say so, else unless a person reads them at a terminal."""
    return settings.log_format == "json" if settings.log_format else not sys.stderr.isatty()


def find_release(settings: Settings) -> str:
    """The release of the software that runs."""
    if settings.release is not None:
        return settings.release
    try:
        return metadata.version("tonebridge-server")
    except metadata.PackageNotFoundError:
        return "unknown"


def _remove_streams(logger: logging.Logger) -> bool:
    """Remove what libraries print by themselves; whether there was any."""
    streams = [handler for handler in logger.handlers if type(handler) is logging.StreamHandler]
    for handler in streams:
        logger.removeHandler(handler)
    return bool(streams)


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    elif isinstance(error, _EXPLAINED) and not _has_begun(trace):
        log.critical("the process cannot start: %s", str(error))
    else:
        log.critical("the process ends", exc_info=(kind, error, trace))


def _has_begun(trace: TracebackType | None) -> bool:
    """Whether an error came from an event loop. Before, it is about a setting, and says what to set."""
    return any("asyncio/" in frame.file for frame in faults.frames(trace))


def _log_thread_end(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
        info = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        log.error("a thread has ended", exc_info=info)

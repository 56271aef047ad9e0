"""Worker processes for a computation that one Python process would do on one core."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


def make_pool(processes: int) -> ProcessPoolExecutor:
    """A pool of new interpreters. They end when this process ends, also by SIGKILL; those of a plain pool
    would wait for its next order for ever.
    """
    return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "this runs in a process of a pool"

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()

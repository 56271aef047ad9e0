"""When a delivery that a receiver did not take is tried again."""

import random

from data.jobs import queue
from data.jobs.queue import ClaimedJob, Failure
from data.webhooks.config import WebhooksConfig
from serving.worker.receivers import Refused

_SPREAD_S = 1.0  # over which the deliveries of a paused webhook come back


def compute_pause_s(config: WebhooksConfig, failures: int, refused: Refused) -> float:
    """For how long a receiver gets nothing after a refused delivery, if it has failed so often before."""
    if refused.retry_after_s is not None:
        return min(refused.retry_after_s, config.longest_retry_after_s)
    if refused.is_stalled:
        return min(config.longest_pause_s, 2.0 ** min(failures, 60)) * random.uniform(0.5, 1)
    return 0.0


def explain(config: WebhooksConfig, job: ClaimedJob, refused: Refused) -> Failure:
    """The failed attempt, and when the next one is."""
    delay_s = queue.compute_delay_s(job.failures, config.first_retry_s, config.longest_retry_s)
    delay_s = max(delay_s, min(refused.retry_after_s or 0.0, config.longest_retry_after_s))
    is_last = refused.is_final or refused.is_gone or job.attempts >= config.most_attempts
    return Failure(job, [refused.reason], None if is_last else delay_s)


def postpone(job: ClaimedJob, pause_s: float) -> Failure:
    """A delivery that waits until the pause of its receiver is over; that is no attempt."""
    return Failure(job, [], pause_s + random.uniform(0, _SPREAD_S), is_counted=False)

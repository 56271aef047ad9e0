"""The errors that only the dashboard's pages raise, as pages."""

from sqlalchemy.exc import OperationalError

from configs import ConfigError
from serving.dashboard.visit import NotAllowedError, Visit
from serving.sites.problems import Problem
from serving.validation import reasons_of

KINDS = (NotAllowedError, ConfigError, OperationalError)


def explain(error: Exception, here: Visit) -> Problem | None:
    """What the page of such an error says; None for another error."""
    say = here.words.say
    match error:
        case NotAllowedError():
            return Problem(403, say("This page is not for you"), str(error))
        case ConfigError():
            title = say("A file of settings is not valid")
            return Problem(500, title, here.words.reasons(reasons_of(error)))
        case OperationalError():
            detail = say("Postgres does not answer. The gateway goes on with what it knows.")
            return Problem(503, say("Try again shortly"), detail)
    return None

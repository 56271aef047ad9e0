"""How often passwords are tried, and how many are hashed at once.

Whoever signs in tries an address from a source (`serving.source`). An address *knows* a source when it has a
session that was opened from there: for as long as that lives, and 14 days more. Tries are held to buckets,
which all gateways share:

| bucket | of whom | at once | then | a day, at most |
|---|---|---|---|---|
| pair | an address from a source | 10 | 1 in 50 s | 1,738 |
| address | an address from all sources that it does not know | 50 | 1 in 10 s | 8,690 |
| source | a source, of addresses that do not know it | 60 | 1 a second | 86,460 |
| change | a signed-in account that changes its password | 10 | 1 in 50 s | 1,738 |

So from n sources that it does not know, an address is guessed at most min(1,738 n, 8,690) times a day, and
1,738 times more from each that it knows; a source guesses at most 86,460 times, however many addresses it
tries. Whoever has stolen a session can guess the password of its account 1,738 times.

Whom a flood keeps out: strangers exhaust the buckets of an address and of their sources, and the place where
passwords of strangers are hashed. Somebody who signs in where they have signed in before needs none of these,
and waits for other such people only; so does whoever changes their password. What a stranger can still do to
them, they must do from the same source: there an address and its guesser are the same to us. Whoever signs in
from a new source while many sources guess at their address has to wait.

Somebody who shares a source can learn whether an address has signed in from there: it is let through when
their own tries are not.
"""

import asyncio
import hmac
import uuid
from collections.abc import Callable
from hashlib import blake2b, sha256
from typing import TypeVar

from starlette.requests import Request

from data.people import accounts
from data.people.accounts import KnownAccount
from data.people.identities import Identity
from serving import source
from serving.gateway.auth import Caller
from serving.gateway.problems import TooManyRequestsError, UnavailableError
from serving.gateway.rate import Limiter, Plan

PAIR, ADDRESS, SOURCE = "sign in", "sign in: address", "sign in: source"
CHANGE = "change password"


def _plan(requests_per_s: float, burst: int) -> Plan:
    return Plan(requests_per_s=requests_per_s, burst=burst, concurrent=1, answers_a_month=None)


# The module's docstring reckons with these.
PLANS = {PAIR: _plan(0.02, 10), ADDRESS: _plan(0.1, 50), SOURCE: _plan(1.0, 60), CHANGE: _plan(0.02, 10)}

_ROUTE = "/api/v1/auth"
_MOST_WAITING = 100  # passwords to hash, in a gateway, of strangers or of people who are known

T = TypeVar("T")


class Guard:
    """Holds tries to their buckets; one per process, with a limiter that serves nothing else: names that
    strangers invent would take the place of its other leases.
    """

    def __init__(self, limiter: Limiter, secret: str, service_token: str) -> None:
        """`secret` keeps those who read Redis or Postgres from trying out who signs in from where. Whoever
        shows `service_token` signs somebody in for whom they speak: the dashboard.
        """
        self._limiter, self._service_token = limiter, service_token.encode()
        self._key = sha256(b"sources\0" + secret.encode()).digest()

    def source(self, request: Request) -> str:
        """Where a request comes from. The dashboard, and nobody else, may name its visitor's address."""
        token = request.headers.get("x-service-token", "").encode("latin-1")
        visitor = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
        if token and visitor and hmac.compare_digest(token, self._service_token):
            return source.group(visitor)
        return source.group(source.address(request))

    def pair(self, email: str, source: str) -> bytes:
        """What an address knows a source by."""
        return self._digest(f"{accounts.normalise_email(email)}\0{source}")

    async def admit(self, email: str, source: str, is_known: bool) -> None:
        """Let an address be tried from a source; TooManyRequestsError when that was tried too often, whether
        it has an account or not.
        """
        # The source first: it cannot fill Redis with pairs that it invents. The pair before the address: what
        # one source tries too often takes nothing from the others.
        if not is_known:
            await self._take(SOURCE, self._digest(source))
        await self._take(PAIR, self.pair(email, source))
        if not is_known:
            await self._take(ADDRESS, self._digest(accounts.normalise_email(email)))

    async def admit_change(self, account_id: uuid.UUID) -> None:
        """Let an account's password be tried by who has signed in; TooManyRequestsError when too often."""
        await self._take(CHANGE, account_id.bytes)

    async def _take(self, plan: str, name: bytes) -> None:
        trying = Caller(Identity(uuid.UUID(int=0), f"{plan}:{name.hex()}", "member", b"", plan))
        try:
            await self._limiter.take(trying, _ROUTE)
        except TooManyRequestsError as error:
            detail = "this was tried too often; wait a little before the next try"
            raise TooManyRequestsError(detail, int(error.headers["Retry-After"]), {}) from error

    def _digest(self, name: str) -> bytes:
        return blake2b(name.encode(), digest_size=16, key=self._key).digest()


class Passwords:
    """Hashes passwords beside the event loop: one of strangers and one of people who are known at a time;
    UnavailableError when too many wait.
    """

    def __init__(self) -> None:
        self._places = {is_known: asyncio.Semaphore(1) for is_known in (False, True)}
        self._waiting = {False: 0, True: 0}

    async def hash(self, password: str, is_known: bool) -> str:
        """As it is stored."""
        return await self._do(is_known, accounts.hash_password, password)

    async def opens_with(self, password: str, account: KnownAccount | None, is_known: bool) -> bool:
        """Whether it is the account's; as slow without one."""
        return await self._do(
            is_known, accounts.opens_with, password, account.password_hash if account else None
        )

    async def _do(self, is_known: bool, work: Callable[..., T], *arguments: str | None) -> T:
        if self._waiting[is_known] >= _MOST_WAITING:
            raise UnavailableError("too many people sign in at once")
        self._waiting[is_known] += 1
        try:
            async with self._places[is_known]:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting[is_known] -= 1

"""How often passwords are tried, and how many are hashed at once.

Every sign-in is a try of an address (e-mail) from a source (`serving.source`). An address *knows* a source
when it has a session that was opened from there, until 14 days after the session ends. Buckets, which all
gateways share, limit the tries:

| bucket | of whom | at once | then | a day, at most |
|---|---|---|---|---|
| pair | an address from a source | 10 | 1 in 50 s | 1,738 |
| address | an address from all sources that it does not know | 50 | 1 in 10 s | 8,690 |
| source | a source, of addresses that do not know it | 60 | 1 a second | 86,460 |
| change | a signed-in account that changes its password | 10 | 1 in 50 s | 1,738 |

So n sources that an address does not know can guess its password min(1,738 n, 8,690) times a day, and each
source that it knows 1,738 times more. A source has at most 86,460 guesses, however many addresses it tries. A
person with a stolen session can guess the password of its account 1,738 times.

What a flood does to others: strangers can exhaust the buckets of an address and of their own sources, and the
semaphore for hashing strangers' passwords. A person who signs in from a known source needs none of these, and
waits only for other such people; the same holds for a person who changes their password. A stranger can hold
them up only from the same source, where the two cannot be told apart. A person who signs in from a new source
while many sources guess at their address has to wait.

A person who shares a source can find out whether an address has signed in from there: its tries are admitted
while their own are refused.
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


# The numbers in the module's docstring follow from these.
PLANS = {PAIR: _plan(0.02, 10), ADDRESS: _plan(0.1, 50), SOURCE: _plan(1.0, 60), CHANGE: _plan(0.02, 10)}

_ROUTE = "/api/v1/auth"
_MAX_WAITING = 100  # passwords to hash in a gateway, each of strangers and of known people

T = TypeVar("T")


class Guard:
    """Limits tries; one per process, with a limiter of its own: names that strangers invent would push out
    other leases.
    """

    def __init__(self, limiter: Limiter, secret: str, service_token: str) -> None:
        """`secret` keys the digests, so that a reader of Redis or Postgres cannot test who signs in from
        where. A client with `service_token`, which is the dashboard, may name the address of its visitor.
        """
        self._limiter, self._service_token = limiter, service_token.encode()
        self._key = sha256(b"sources\0" + secret.encode()).digest()

    def source(self, request: Request) -> str:
        """The source of a request. Only the dashboard may name another address, its visitor's."""
        token = request.headers.get("x-service-token", "").encode("latin-1")
        visitor = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
        if token and visitor and hmac.compare_digest(token, self._service_token):
            return source.group(visitor)
        return source.group(source.address(request))

    def pair(self, email: str, source: str) -> bytes:
        """The digest by which an address knows a source."""
        return self._digest(f"{accounts.normalise_email(email)}\0{source}")

    async def admit(self, email: str, source: str, is_known: bool) -> None:
        """Take one try of an address from a source; TooManyRequestsError after too many tries, whether the
        address has an account or not.
        """
        # The source comes first, so that it cannot fill Redis with pairs that it invents. The pair comes
        # before the address, so that too many tries of one source take nothing from the others.
        if not is_known:
            await self._take(SOURCE, self._digest(source))
        await self._take(PAIR, self.pair(email, source))
        if not is_known:
            await self._take(ADDRESS, self._digest(accounts.normalise_email(email)))

    async def admit_change(self, account_id: uuid.UUID) -> None:
        """Take one try of an account's password by a session of it; TooManyRequestsError after too many."""
        await self._take(CHANGE, account_id.bytes)

    async def _take(self, plan: str, name: bytes) -> None:
        caller = Caller(Identity(uuid.UUID(int=0), f"{plan}:{name.hex()}", "member", b"", plan))
        try:
            await self._limiter.take(caller, _ROUTE)
        except TooManyRequestsError as error:
            raise TooManyRequestsError("tried_too_often").until(int(error.headers["Retry-After"])) from error

    def _digest(self, name: str) -> bytes:
        return blake2b(name.encode(), digest_size=16, key=self._key).digest()


class Passwords:
    """Hashes passwords in threads: one of strangers and one of known people at a time. UnavailableError when
    too many wait.
    """

    def __init__(self) -> None:
        self._semaphores = {is_known: asyncio.Semaphore(1) for is_known in (False, True)}
        self._waiting = {False: 0, True: 0}

    async def hash(self, password: str, is_known: bool) -> str:
        """The hash of a password, as it is stored."""
        return await self._do(is_known, accounts.hash_password, password)

    async def opens_with(self, password: str, account: KnownAccount | None, is_known: bool) -> bool:
        """Whether a password is the account's. Without an account it takes the same time, and is False."""
        return await self._do(
            is_known, accounts.opens_with, password, account.password_hash if account else None
        )

    async def _do(self, is_known: bool, work: Callable[..., T], *arguments: str | None) -> T:
        if self._waiting[is_known] >= _MAX_WAITING:
            raise UnavailableError("too_many_sign_ins")
        self._waiting[is_known] += 1
        try:
            async with self._semaphores[is_known]:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting[is_known] -= 1

"""How a call proves who makes it."""

import base64
import contextlib
import hashlib
import hmac
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

Secret = Callable[[], str]
"""Gives the secret as it is now: files may change while a worker runs."""

SIGNATURE_HEADER = "X-Sitehub-Signature"
BASIC = "Basic"


class Proof(msgspec.Struct, frozen=True):
    """What a call carries."""

    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    shown: frozenset[str] = frozenset()
    """Names whose values are no secrets."""

    def secrets(self) -> Iterator[str]:
        """What of it must not be shown: renewed or rotated meanwhile, its credentials don't know it any more."""
        for name, value in (*self.headers.items(), *self.query.items()):
            if name not in self.shown:
                yield from _secret_parts(value)


def _secret_parts(value: str) -> Iterator[str]:
    """The value, what stands behind its scheme, and the password within."""
    yield value
    scheme, _, rest = value.rpartition(" ")
    if scheme:
        yield rest
    if scheme == BASIC:
        with contextlib.suppress(Base64Error, UnicodeDecodeError):
            yield base64.b64decode(rest).decode().partition(":")[2]


class CredentialsError(Exception):
    """No proof can be had now: the authorization server is away, or refuses. The text holds no secret."""

    def __init__(self, text: str, *, is_repeated: bool) -> None:
        """`is_repeated`: this failure was already told to another call, and counts once."""
        super().__init__(text)
        self.is_repeated = is_repeated


class Credentials(Protocol):
    """Of one target."""

    def at_hand(self, body: bytes, now: float) -> Proof | None:
        """For one call with `body` at `now`, in seconds since 1970; None if it has to be waited for."""
        ...

    async def prove(self, body: bytes, now: float, timeout_seconds: float | None = None) -> Proof:
        """The same, waited for if it must be, at most so long; raises CredentialsError."""
        ...

    def refused(self, proof: Proof) -> bool:
        """Told that the target does not take `proof`, though it may once have; whether another can be had at once."""
        ...

    def secrets(self) -> Iterable[str]:
        """What must never be shown."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Headers and parameters of the configuration: API keys, bearer and ESRI tokens, whatever else."""

    headers: dict[str, Secret] = field(default_factory=dict)
    query: dict[str, Secret] = field(default_factory=dict)
    hidden: tuple[Secret, ...] = ()
    """What those are made of, if it must not be shown either."""
    shown: frozenset[str] = frozenset()
    """As in Proof."""

    def at_hand(self, body: bytes, now: float) -> Proof:  # noqa: ARG002 -- as Credentials
        """The same for each call, until a file changes."""
        headers = {name: get() for name, get in self.headers.items()}
        return Proof(headers, {name: get() for name, get in self.query.items()}, self.shown)

    async def prove(self, body: bytes, now: float, timeout_seconds: float | None = None) -> Proof:  # noqa: ARG002
        """Always at hand."""
        return self.at_hand(body, now)

    def refused(self, proof: Proof) -> bool:
        """Only what stands in files can have become another."""
        present = self.at_hand(b"", 0)
        return not (present.headers.items() <= proof.headers.items() and present.query.items() <= proof.query.items())

    def secrets(self) -> Iterable[str]:
        """The values, and what they are made of."""
        yield from self.at_hand(b"", 0).secrets()
        for get in self.hidden:
            yield get()

    async def close(self) -> None:
        """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A login, and what else each call carries; what both have is the login's."""

    login: Credentials
    extra: Fixed

    def at_hand(self, body: bytes, now: float) -> Proof | None:
        """Both."""
        login = self.login.at_hand(body, now)
        return None if login is None else self._both(login, body, now)

    async def prove(self, body: bytes, now: float, timeout_seconds: float | None = None) -> Proof:
        """Both."""
        return self._both(await self.login.prove(body, now, timeout_seconds), body, now)

    def _both(self, login: Proof, body: bytes, now: float) -> Proof:
        extra = self.extra.at_hand(body, now)
        shown = extra.shown.difference(login.headers, login.query)
        return Proof({**extra.headers, **login.headers}, {**extra.query, **login.query}, shown)

    def refused(self, proof: Proof) -> bool:
        """A key may stand in either."""
        return any([self.login.refused(proof), self.extra.refused(proof)])

    def secrets(self) -> Iterable[str]:
        """Of both."""
        yield from self.login.secrets()
        yield from self.extra.secrets()

    async def close(self) -> None:
        """Close the login."""
        await self.login.close()


def basic(username: Secret, password: Secret) -> Secret:
    """Value of the Authorization header of RFC 7617."""
    return lambda: f"{BASIC} " + base64.b64encode(f"{username()}:{password()}".encode()).decode()


def bearer(token: Secret) -> Secret:
    """Value of the Authorization header of RFC 6750."""
    return lambda: f"Bearer {token()}"


@dataclass(frozen=True, slots=True)
class Signed:
    """HMAC-SHA256 over the time and the body, so that neither can be changed or sent again much later.

    Header `X-Sitehub-Signature: t=<seconds since 1970>,v1=<hex of HMAC(secret, "<t>.<body>")>`.
    """

    secret: Secret

    def at_hand(self, body: bytes, now: float) -> Proof:
        """Of this body at this time."""
        stamp = str(int(now))
        digest = hmac.new(self.secret().encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return Proof({SIGNATURE_HEADER: f"t={stamp},v1={digest}"})

    async def prove(self, body: bytes, now: float, timeout_seconds: float | None = None) -> Proof:  # noqa: ARG002
        """Always at hand."""
        return self.at_hand(body, now)

    def refused(self, proof: Proof) -> bool:  # noqa: ARG002 -- as Credentials
        """A signature does not tell which key it is of: the next attempt signs with what the file has then."""
        return False

    def secrets(self) -> Iterable[str]:
        """The key."""
        yield self.secret()

    async def close(self) -> None:
        """Nothing to do."""

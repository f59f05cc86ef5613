"""How a call proves who makes it."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

Secret = Callable[[], str]
"""Gives the secret as it is now: files may change while a worker runs."""

SIGNATURE_HEADER = "X-Sitehub-Signature"


class Proof(msgspec.Struct, frozen=True):
    """What a call carries."""

    headers: dict[str, str] = {}
    query: dict[str, str] = {}


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

    async def prove(self, body: bytes, now: float) -> Proof:
        """The same, waited for if it must be; raises CredentialsError."""
        ...

    def refused(self, proof: Proof) -> None:
        """The target does not take `proof`, though it may have been right before."""
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
    """Names whose values are no secrets."""

    def at_hand(self, body: bytes, now: float) -> Proof:  # noqa: ARG002 -- as Credentials
        """The same for each call, until a file changes."""
        return Proof({name: get() for name, get in self.headers.items()}, {n: get() for n, get in self.query.items()})

    async def prove(self, body: bytes, now: float) -> Proof:
        """Always at hand."""
        return self.at_hand(body, now)

    def refused(self, proof: Proof) -> None:
        """Nothing can be renewed but what stands in files, which is read anew anyway."""

    def secrets(self) -> Iterable[str]:
        """The values; a bearer token and a password without what stands before them, too."""
        for name, get in (*self.headers.items(), *self.query.items()):
            if name not in self.shown:
                value = get()
                yield value
                yield value.rpartition(" ")[2]
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

    async def prove(self, body: bytes, now: float) -> Proof:
        """Both."""
        return self._both(await self.login.prove(body, now), body, now)

    def _both(self, login: Proof, body: bytes, now: float) -> Proof:
        extra = self.extra.at_hand(body, now)
        return Proof({**extra.headers, **login.headers}, {**extra.query, **login.query})

    def refused(self, proof: Proof) -> None:
        """It is the login that is refused."""
        self.login.refused(proof)

    def secrets(self) -> Iterable[str]:
        """Of both."""
        yield from self.login.secrets()
        yield from self.extra.secrets()

    async def close(self) -> None:
        """Close the login."""
        await self.login.close()


def basic(username: str, password: Secret) -> Secret:
    """Value of the Authorization header of RFC 7617."""
    return lambda: "Basic " + base64.b64encode(f"{username}:{password()}".encode()).decode()


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

    async def prove(self, body: bytes, now: float) -> Proof:
        """Always at hand."""
        return self.at_hand(body, now)

    def refused(self, proof: Proof) -> None:
        """Nothing can be renewed but what stands in a file, which is read anew anyway."""

    def secrets(self) -> Iterable[str]:
        """The key."""
        yield self.secret()

    async def close(self) -> None:
        """Nothing to do."""

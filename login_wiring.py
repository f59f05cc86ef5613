"""From a target's settings to its login, and to the headers and parameters beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sitehub.clients.credentials import Beside, Credentials, Fixed, Secret, Signed, basic, bearer
from sitehub.clients.oauth import Client, ClientCredentials
from sitehub.clients.tls import TlsFiles
from sitehub.rules.templates import placeholders
from sitehub.settings import Integration, Settings
from sitehub.settings.mistakes import KeyPath, dotted
from sitehub.settings.secrets import is_placeholder, is_secret_place
from sitehub.settings.target_authentication import NEEDED_KEYS, OPTIONAL_KEYS, TargetAuthentication

FIELDS_OF_CALLS = {name.lower(): name for name in ("Accept", "Content-Type", "User-Agent")}
"""Headers that each call has, and that a target's configuration may change."""


def credentials_of(settings: Settings, name: str) -> Credentials | str:
    """What each call to a target carries to prove who makes it, or why that can't be had."""
    block, target = settings.configuration.integrations[name], f"{name}_integration"
    login = _login(settings, block, target)
    extra = login if isinstance(login, str) else _extra(settings, block, target)
    if isinstance(login, str) or isinstance(extra, str):
        return f"{extra}"
    return Beside(login, extra) if extra.headers or extra.query else login


def rendered(given: dict[str, str]) -> dict[str, str]:
    """Those headers or parameters that are templates."""
    return {name: text for name, text in given.items() if any(placeholders(text))}


def rendered_headers(block: Integration) -> dict[str, str]:
    """Those headers that are templates."""
    spelt = _spellings(block)
    return {spelt.get(name.lower(), name): text for name, text in rendered(block.headers).items()}


def tls_files(block: Integration, *, believes_system: bool = False) -> TlsFiles:
    """Certificates of a target's connections."""
    return TlsFiles(block.tls.ca_file, block.tls.cert_file, block.tls.key_file, believes_system)


def _spellings(block: Integration) -> dict[str, str]:
    """Headers that a call has anyway, by their names in lower case: none is to be sent in two spellings."""
    part, name = _login_place(block.authentication)
    return {name.lower(): name, **FIELDS_OF_CALLS} if part == "headers" else FIELDS_OF_CALLS


def _login_place(login: TargetAuthentication) -> tuple[str, str]:
    """Where the proof stands, if the configuration could put something else there."""
    match login.type:
        case "api_key":
            return "headers", FIELDS_OF_CALLS.get(login.header_name.lower(), login.header_name)
        case "oauth2" | "bearer" | "basic":
            return "headers", "Authorization"
        case "token":
            return "query", "token"
        case "hmac" | "none":
            return "", ""


def _extra(settings: Settings, block: Integration, target: str) -> Fixed | str:
    """Configured headers and parameters, or why they can't be had."""
    spelt = _spellings(block)
    parts: dict[str, dict[str, Secret]] = {"headers": {}, "query": {}}
    shown, hidden = set[str](), set[str]()
    for part, given in (("headers", block.headers), ("query", block.query)):
        for written, text in given.items():
            name = spelt.get(written.lower(), written) if part == "headers" else written
            if written in rendered(given) or (part, name) == _login_place(block.authentication):
                continue  # it comes with each command, or is the login's
            path = (target, part, written)
            if (get := settings.live_secret(*path)) is None:
                return _missing(path)
            parts[part][name] = get
            (hidden if _is_secret(path, text) else shown).add(name)
    return Fixed(parts["headers"], parts["query"], shown=frozenset(shown - hidden))


@dataclass(slots=True)
class _Given:
    """What a login is made of."""

    texts: dict[str, Secret] = field(default_factory=dict)
    parameters: dict[str, Secret] = field(default_factory=dict)
    """Those of the token endpoint."""
    hidden: list[Secret] = field(default_factory=list)
    """Those that must not be shown."""


def _given(settings: Settings, login: TargetAuthentication, target: str) -> _Given | str:
    """What a login is made of, or why it can't be had."""
    given = _Given()
    for key, path, text in _texts(login, target):
        if (get := settings.live_secret(*path)) is None:
            return _missing(path)
        (given.parameters if key in OPTIONAL_KEYS.get(login.type, ()) else given.texts)[path[-1]] = get
        if _is_secret(path, text):
            given.hidden.append(get)
    return given


def _login(settings: Settings, block: Integration, target: str) -> Credentials | str:
    """A target's login, or why it can't be had."""
    login = block.authentication
    given = _given(settings, login, target)
    if isinstance(given, str):
        return given
    if login.type == "oauth2":
        return _client_credentials(block, given)
    texts, (_, place) = given.texts, _login_place(login)
    made: Credentials = Fixed()
    match login.type:
        case "api_key":
            made = Fixed({place: texts["api_key"]})
        case "bearer":
            made = Fixed({place: bearer(texts["token"])})
        case "basic":
            made = Fixed({place: basic(texts["username"], texts["password"])}, hidden=tuple(given.hidden))
        case "token":
            made = Fixed(query={place: texts["token"]})
        case "hmac":
            made = Signed(texts["secret"])
    return made


def _client_credentials(block: Integration, given: _Given) -> ClientCredentials | str:
    try:
        return ClientCredentials(
            given.texts["token_endpoint"](),
            Client(given.texts["client_id"], given.texts["client_secret"]),
            given.parameters,
            block.timeout / 1000,
            hidden=tuple(given.hidden),
            context=tls_files(block, believes_system=True).context,
        )
    except ValueError:  # of the environment: what stands in files has been checked
        return "the token_endpoint that the environment gives is no address of HTTP"


def _texts(login: TargetAuthentication, target: str) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """What a login is made of: its key, where it stands and what is written there, which may stand for a secret."""
    for key in (*NEEDED_KEYS[login.type], *OPTIONAL_KEYS.get(login.type, ())):
        match getattr(login, key):
            case str(text):
                yield key, (target, "authentication", key), text
            case dict(texts):
                yield from ((key, (target, "authentication", key, name), text) for name, text in texts.items())


def _missing(path: KeyPath) -> str:
    return f"the secret of {dotted(path)} is missing"


def _is_secret(path: KeyPath, written: str) -> bool:
    return is_secret_place(path) or is_placeholder(written)

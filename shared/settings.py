"""A service's environment, read once into a typed struct.

A field ``database_url`` is read from ``DATABASE_URL``. A missing or weak value stops the process
with one line that names the variable and never shows its value.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

Mode = Literal["local", "production"]
T = TypeVar("T", bound="Settings")

_DEFAULT_PASSWORDS = frozenset(
    {"", "admin", "changeme", "cinelog", "guest", "password", "postgres", "rabbitmq", "secret"}
)


class SettingsError(Exception):
    """A variable is missing or has an unusable value. The message is one line."""


class Secret(str):
    """Text that is not shown in a repr, so that printing or logging settings leaks nothing."""

    minimum: ClassVar[int] = 1
    distinct: ClassVar[int] = 1

    def __repr__(self) -> str:
        return "Secret(***)"

    @classmethod
    def parse(cls, value: str) -> Self:
        """Raises ValueError where the text is too short or too uniform to be a secret."""
        if len(value) < cls.minimum:
            raise ValueError(f"needs at least {cls.minimum} characters")
        if len(set(value)) < cls.distinct:
            raise ValueError("is too easy to guess; use random characters")
        return cls(value)


class Key(Secret):
    """A secret from which keys are made: at least 32 characters, 10 of them different."""

    minimum = 32
    distinct = 10


class Address(msgspec.Struct, frozen=True):
    """A listening address: ``127.0.0.1:8000``, ``[::1]:8000``."""

    host: str
    port: int

    @classmethod
    def parse(cls, value: str) -> Self:
        """Raises ValueError where the text is not ``host:port``."""
        host, _, port = value.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be host:port, such as 127.0.0.1:8000")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of every process. A service's own settings extend them."""

    cinelog_mode: Mode = "production"
    otel_exporter_otlp_endpoint: str | None = None


def load(kind: type[T], env: Mapping[str, str]) -> T:
    """Read ``kind`` from ``env``. Lists are separated by commas; empty means not set.

    Raises SettingsError, naming the variable.
    """
    raw: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        variable = field.name.upper()
        value = env.get(variable, "").strip()
        if value:
            raw[field.name] = _convert(variable, value, field.type)
        elif field.required:
            raise SettingsError(f"{variable} is not set")
    _refuse_half_of_a_pair(raw, kind)
    settings = kind(**raw)
    if settings.cinelog_mode == "production":
        _refuse_default_passwords(settings)
    return settings


def run(main: Callable[[], None]) -> NoReturn:
    """Call a process's ``main``; print a SettingsError as one line and exit with status 2."""
    try:
        main()
    except SettingsError as error:
        sys.stderr.write(f"cinelog: {error}\n")
        sys.exit(2)
    sys.exit(0)


def _convert(variable: str, value: str, kind: Any) -> Any:
    parser: Callable[[str], Any] | None = getattr(kind, "parse", None)
    if parser is not None:
        try:
            return parser(value)
        except ValueError as error:
            raise SettingsError(f"{variable}: {_without_value(error, value)}") from None
    items = msgspec.inspect.type_info(kind)
    several = isinstance(
        items, msgspec.inspect.ListType | msgspec.inspect.VarTupleType | msgspec.inspect.SetType
    )
    try:
        return msgspec.convert(
            [part.strip() for part in value.split(",") if part.strip()] if several else value,
            kind,
            strict=False,
            dec_hook=_parse,
        )
    except msgspec.ValidationError as error:
        raise SettingsError(f"{variable}: {_without_value(error, value)}") from None


def _parse(kind: type[Any], value: Any) -> Any:
    return kind.parse(value)


def _without_value(error: Exception, value: str) -> str:
    message = str(error).splitlines()[0]
    return "its value is not valid" if value in message else message


def _refuse_half_of_a_pair(raw: Mapping[str, Any], kind: type[Settings]) -> None:
    """An access key without its secret key, or the other way round, is no login."""
    names = {field.name for field in msgspec.structs.fields(kind)}
    for access_key in [name for name in names if name.endswith("access_key")]:
        secret_key = access_key.removesuffix("access_key") + "secret_key"
        missing = {access_key, secret_key} & names - raw.keys()
        if len(missing) == 1:
            (there,) = {access_key, secret_key} - missing
            raise SettingsError(f"{missing.pop().upper()} is not set, but {there.upper()} is")


def _refuse_default_passwords(settings: Settings) -> None:
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        if not isinstance(value, Secret):
            continue
        password = urlsplit(value).password if "://" in value else str(value)
        if password is not None and password.lower() in _DEFAULT_PASSWORDS:
            raise SettingsError(
                f"{field.name.upper()}: a default password is only accepted in local mode"
            )

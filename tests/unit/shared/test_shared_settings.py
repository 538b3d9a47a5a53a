"""Settings: every mistake is one line that names the variable and shows no value."""

from typing import Annotated

import msgspec
import pytest

from shared.settings import Address, Key, Secret, Settings, SettingsError, load, run

GOOD_KEY = "an unguessable text of 32 characters"


class Demo(Settings, frozen=True, kw_only=True):
    bind: Address
    database_url: Secret
    token_key: Key
    workers: Annotated[int, msgspec.Meta(ge=1)] = 2
    cors_origins: tuple[str, ...] = ()


ENV = {
    "BIND": "127.0.0.1:80",
    "DATABASE_URL": "postgresql://a:s3cret-pw@h/db",
    "TOKEN_KEY": GOOD_KEY,
}


def test_values_have_their_types() -> None:
    read = load(Demo, {**ENV, "WORKERS": "7", "CORS_ORIGINS": "https://a, https://b,"})
    assert (read.bind, read.workers) == (Address("127.0.0.1", 80), 7)
    assert read.cors_origins == ("https://a", "https://b")
    assert (read.cinelog_mode, read.otel_exporter_otlp_endpoint) == ("production", None)


def test_an_empty_variable_is_not_set() -> None:
    assert load(Demo, {**ENV, "WORKERS": ""}).workers == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BIND", None),
        ("BIND", "8080"),
        ("BIND", "h:99999"),
        ("DATABASE_URL", None),
        ("TOKEN_KEY", "tooshort"),
        ("TOKEN_KEY", "a" * 40),
        ("WORKERS", "none"),
        ("WORKERS", "0"),
        ("CINELOG_MODE", "staging"),
        ("DATABASE_URL", "postgresql://a:postgres@h/db"),
    ],
)
def test_a_mistake_names_its_variable(variable: str, value: str | None) -> None:
    env = {name: text for name, text in {**ENV, variable: value}.items() if text is not None}
    with pytest.raises(SettingsError) as raised:
        load(Demo, env)
    message = str(raised.value)
    assert variable in message
    assert "\n" not in message
    assert value is None or value not in message


def test_default_passwords_are_fine_on_ones_own_machine() -> None:
    env = {**ENV, "CINELOG_MODE": "local", "DATABASE_URL": "postgresql://a:postgres@h/db"}
    assert load(Demo, env).cinelog_mode == "local"


def test_secrets_are_not_shown() -> None:
    shown = repr(load(Demo, ENV))
    assert "s3cret-pw" not in shown
    assert GOOD_KEY not in shown


def test_addresses() -> None:
    assert Address.parse("[::1]:8000") == Address("::1", 8000)
    assert str(Address("::1", 8000)) == "[::1]:8000"
    assert str(Address("localhost", 1)) == "localhost:1"


def test_a_wrong_setting_ends_the_process_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main() -> None:
        raise SettingsError("BIND is not set")

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "cinelog: BIND is not set\n"


class Stored(Settings, frozen=True, kw_only=True):
    s3_access_key: str | None = None
    s3_secret_key: Secret | None = None
    backup_s3_access_key: str | None = None
    backup_s3_secret_key: Secret | None = None


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("S3_ACCESS_KEY", "S3_SECRET_KEY"),
        ("S3_SECRET_KEY", "S3_ACCESS_KEY"),
        ("BACKUP_S3_ACCESS_KEY", "BACKUP_S3_SECRET_KEY"),
    ],
)
def test_half_of_a_pair_of_keys_is_refused(given: str, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"^{missing} is not set, but {given} is$"):
        load(Stored, {given: "a-value"})


def test_no_keys_are_those_of_the_surroundings() -> None:
    assert load(Stored, {}).s3_access_key is None

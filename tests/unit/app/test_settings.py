"""Tests of the settings file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierwright.app.settings import load_settings
from tierwright.core.errors import SettingsError
from tierwright.gateway.config import Acknowledge

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = '[[backends]]\nname = "frontier"\nbase_url = "http://127.0.0.1:9/v1"\n'


def written(tmp_path: Path, text: str) -> Path:
    """A settings file."""
    path = tmp_path / "tierwright.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_empty_file_has_safe_defaults(tmp_path: Path) -> None:
    """Nothing said: loopback, a store and artifacts beside the file, no backend, replayed times not trusted."""
    settings = load_settings(written(tmp_path, ""), {})
    assert settings.server.host == "127.0.0.1"
    assert settings.store_url == f"sqlite:///{tmp_path / 'tierwright.db'}"
    assert settings.artifacts == tmp_path / "artifacts"
    assert settings.routing is None
    assert not settings.capture.accept_recorded_at


def test_secrets_come_from_the_environment_and_are_not_shown(tmp_path: Path) -> None:
    """`env:NAME` is resolved, and no repr of the settings shows the value."""
    settings = load_settings(written(tmp_path, BACKEND + 'api_key = "env:MY_KEY"\n'), {"MY_KEY": "sk-very-secret"})
    key = settings.backends[0].api_key
    assert key is not None
    assert key.reveal() == "sk-very-secret"
    assert "sk-very-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1\n", r"unknown field `prot` \(at server\)"),
        ('[server]\nport = "80"\n', r"Expected `int`, got `str` \(at server.port\)"),
        ("[server]\nport = 99999\n", "port must lie between 0 and 65535"),
        ("version = 2\n", "version 2 is not known"),
        ("[server\n", "not valid TOML"),
        (BACKEND + 'api_key = "sk-in-the-file"\n', "must be written as env:NAME"),
        (BACKEND + BACKEND, "two .* have the same name"),
        (BACKEND + '[routing]\ndefault_backend = "other"\n', "there is no such"),
        ('[economics]\nmachine_usd_per_hour = "cheap"\n', "must be an amount in US dollars"),
        (
            (
                '[[economics.prices]]\nmodel = "m"\ncurrency = "EUR"\ninput_usd_per_million = "1"\n'
                'output_usd_per_million = "2"\n'
            ),
            "the price of 'm' is in 'EUR'; all sums are in US dollars",
        ),
        ("[evaluation]\nmargin = 0.0\n", "evaluation.margin must lie above 0"),
        ('[capture]\nacknowledge = "commit"\nspool = ""\n', "needs a journal"),
        ('[capture]\nacknowledge = "sometimes"\n', "Invalid enum value 'sometimes' .*capture.acknowledge"),
        ('[[callers]]\nclient_id = "a"\nkey_sha256 = "xyz"\n', "64 lower-case hex digits"),
        (
            '[[callers]]\nclient_id = "a"\nkey_sha256 = "x"\ndata_class = "high"\n',
            "of caller 'a': there is no data class",
        ),
        ("[server]\nworkers = 0\n", "server.workers must lie between 1 and 32"),
        ("[server]\nworkers = 33\n", "server.workers must lie between 1 and 32"),
        ('[server]\nworkers = 2\n[capture]\nspool = ""\n', "set server.workers to 1"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    """Every mistake is refused with the key it is in, and a key in the file never appears in the message."""
    with pytest.raises(SettingsError, match=says) as raised:
        load_settings(written(tmp_path, text), {})
    assert "sk-in-the-file" not in str(raised.value)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:NOT_SET", "its key from the environment variable NOT_SET, which is not set"),
        ("file:nowhere", "its key from the file nowhere, which can't be read: No such file"),
    ],
)
def test_a_missing_key_is_said_to_who_needs_it(tmp_path: Path, reference: str, says: str) -> None:
    """Training, audits and reports ask no model server: they read the settings without its key."""
    (backend,) = load_settings(written(tmp_path, f'{BACKEND}api_key = "{reference}"\n'), {}).backends
    assert backend.api_key is not None
    with pytest.raises(SettingsError, match=says):
        backend.api_key.reveal()


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    """`file:PATH`, relative to the settings file, is read whenever the settings are: a key can be replaced."""
    secret = tmp_path / "keys" / "frontier"
    secret.parent.mkdir()
    text = BACKEND + 'api_key = "file:keys/frontier"\nheaders = { x-tenant = "file:keys/frontier", x-plain = "1" }\n'
    for key in ("sk-first", "sk-second"):
        secret.write_text(f"{key}\n", encoding="utf-8")
        (backend,) = load_settings(written(tmp_path, text), {}).backends
        assert backend.api_key is not None
        assert backend.api_key.reveal() == key
        assert backend.headers == {"x-tenant": key, "x-plain": "1"}


@pytest.mark.parametrize("content", [b"", b"\n", b"sk-1\nsk-2\n", b"sk\x00", b"\xff\xfe"])
def test_a_file_that_holds_no_single_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    """Nothing, two lines, control characters or no UTF-8: none of it appears in the message."""
    (tmp_path / "secret").write_bytes(content)
    (backend,) = load_settings(written(tmp_path, BACKEND + 'api_key = "file:secret"\n'), {}).backends
    assert backend.api_key is not None
    with pytest.raises(SettingsError, match="its key from the file secret") as raised:
        backend.api_key.reveal()
    assert "sk" not in str(raised.value)


def test_an_answer_waits_for_what_the_file_says(tmp_path: Path) -> None:
    """The journal unless the disk is asked for, and then the spool is where the file says."""
    assert load_settings(written(tmp_path, ""), {}).capture.acknowledge is Acknowledge.JOURNAL
    asked = load_settings(written(tmp_path, '[capture]\nacknowledge = "commit"\n'), {}).capture
    assert (asked.acknowledge, asked.spool) == (Acknowledge.COMMIT, tmp_path / "spool")


def test_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    """No file: the message names it and `tierwright init`."""
    with pytest.raises(SettingsError, match=r"nowhere.toml.*tierwright init"):
        load_settings(tmp_path / "nowhere.toml", {})

"""`tierwright key`: made, shown once, listed, revoked."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.conftest import Cli

KEY = re.compile(r"tw_live_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")


def test_a_key_is_shown_once_and_kept_as_a_hash(cli: Cli) -> None:
    """The text has the whole key on a line of its own; neither the list nor the database's file holds it."""
    made = cli("key", "create", "--client", "shop")
    assert made.code == 0, made.err
    (line,) = [line for line in made.out.splitlines() if KEY.fullmatch(line)]
    listed = cli("key", "list")
    assert line[8:16] in listed.out
    assert "good" in listed.out
    secret = line.removeprefix(line[:17])
    assert secret not in listed.out + cli("key", "list", "--json").out
    kept = b"".join(path.read_bytes() for path in cli.folder.rglob("*") if path.is_file())
    assert secret.encode() not in kept
    assert hashlib.sha256(line.encode()).hexdigest().encode() in kept


def test_every_option_is_kept(cli: Cli) -> None:
    """What `create` was told is what `list` tells."""
    made = cli(
        *("key", "create", "--client", "shop", "--model", "gpt-4o*", "--model", "o3", "--rpm", "60", "--tpm", "9000"),
        *("--concurrent", "3", "--budget-usd", "12.50", "--period", "week", "--expires-days", "30", "--no-content"),
        *("--data-class", "confidential", "--json"),
    )
    assert made.code == 0, made.err
    document = json.loads(made.out)
    assert KEY.fullmatch(document.pop("key")) is not None
    assert json.loads(cli("key", "list", "--json").out) == [document]
    assert document["models"] == ["gpt-4o*", "o3"]
    assert document["tasks"] is None
    assert document["keep_content"] is False
    assert document["data_class"] == "confidential"
    assert document["expires_at"] > document["created_at"]
    assert document["limits"] == {
        "requests_per_minute": 60,
        "tokens_per_minute": 9000,
        "concurrent_requests": 3,
        "budget_usd": 12.5,
        "budget_period": "week",
    }


def test_a_revoked_key_stays_listed(cli: Cli) -> None:
    """Two keys of one client are two; only the one that was named is revoked."""
    first, second = (json.loads(cli("key", "create", "--client", "shop", "--json").out) for _ in range(2))
    assert first["key"] != second["key"]
    assert cli("key", "revoke", first["id"]).code == 0
    states = {key["id"]: key["state"] for key in json.loads(cli("key", "list", "--json").out)}
    assert states == {first["id"]: "revoked", second["id"]: "good"}


def test_wrong_words_are_explained(cli: Cli) -> None:
    """A budget that is none, a task and a key that are not there, a caller without a name: exit code 2, no key made."""
    for words, says in (
        (("create", "--client", "shop", "--budget-usd", "much"), "--budget-usd is 'much'"),
        (("create", "--client", "shop", "--budget-usd", "NaN"), "US dollars above 0"),
        (("create", "--client", "shop", "--task", "nothing"), "no task 'nothing'"),
        (("create", "--client", " "), "name the application"),
        (("create", "--client", "shop", "--data-class", "secret"), "there is no data class 'secret'; there is public"),
        (("revoke", "abcd"), "no key 'abcd'"),
    ):
        ran = cli("key", *words)
        assert ran.code == 2
        assert says in ran.err
        assert "Traceback" not in ran.err
    assert json.loads(cli("key", "list", "--json").out) == []

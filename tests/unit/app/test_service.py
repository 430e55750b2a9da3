"""What of changed settings a running gateway takes, and what it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierwright.app.service import READ_ONCE, Service, waits_for_restart
from tierwright.app.settings import Settings, parse_settings
from tierwright.app.upstream_settings import shared_out
from tierwright.app.wiring import open_parts
from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKEND = '[[backends]]\nname = "{name}"\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["{model}"]\n'
BOTH = BACKEND.format(name="one", model="model-1") + BACKEND.format(name="two", model="model-2")


def parsed(folder: Path, text: str) -> Settings:
    """Settings as a file in the folder would give them."""
    return parse_settings(text.encode(), folder / "tierwright.toml", {})


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A gateway of two backends."""
    with open_parts(parsed(tmp_path, BOTH)) as parts:
        service = Service(parts)
        yield service
        service.close()


def test_a_backend_of_which_nothing_changed_keeps_its_connections(service: Service, tmp_path: Path) -> None:
    """It is the very object of before; a changed one, a new one and one renamed are others."""
    first = service.prepare(parsed(tmp_path, BOTH)).prepared.offer.backends
    changed = BOTH.replace('models = ["model-2"]', 'models = ["model-2", "model-3"]')
    second = service.prepare(parsed(tmp_path, changed)).prepared.offer.backends
    assert [one.backend is two.backend for one, two in zip(first, second, strict=True)] == [True, False]
    third = service.prepare(parsed(tmp_path, BOTH + BACKEND.format(name="three", model="model-3")))
    assert [one.backend for one in third.prepared.offer.backends[:2]] == [one.backend for one in first]


def test_settings_that_cannot_be_taken_change_nothing(service: Service, tmp_path: Path) -> None:
    """They are refused before anything is touched: the settings in force are the same object."""
    before = service.settings
    callers = '[[callers]]\nclient_id = "a"\nkey_sha256 = "{}"\n'.format("0" * 64)
    for text, says in (("", "names no model server"), (BOTH + callers + callers, "same client_id")):
        with pytest.raises(SettingsError, match=says):
            service.prepare(parsed(tmp_path, text))
    assert service.settings is before


def test_what_is_read_once_is_named(tmp_path: Path) -> None:
    """Each change that needs a restart is named, and what holds at once is not."""
    before = parsed(tmp_path, BOTH)
    after = parsed(
        tmp_path,
        BOTH.replace("model-2", "model-3")
        + '[server]\nport = 1\nmax_body_bytes = 5\n[store]\nurl = "sqlite:///other.db"\n'
        + '[capture]\nspool = "elsewhere"\n[routing]\nholdout_share = 0.5\n',
    )
    assert waits_for_restart(before, after) == ["store", "server.port", "capture.spool"]
    assert waits_for_restart(before, before) == []


def test_every_name_that_is_read_once_is_a_key_of_the_file(tmp_path: Path) -> None:
    """A key that is renamed can't be forgotten here."""
    file = parsed(tmp_path, "[privacy]").file
    for name in READ_ONCE:
        table, _, key = name.partition(".")
        assert hasattr(getattr(file, table), key) if key else hasattr(file, table), name


@pytest.mark.parametrize(("limit", "workers", "each"), [(64, 2, 32), (7, 2, 3), (4, 4, 1)])
def test_workers_share_a_backends_places(tmp_path: Path, limit: int, workers: int, each: int) -> None:
    """All together never have more than there are; the queues lose no place."""
    text = BACKEND.format(name="one", model="m") + f"max_connections = {limit}\nqueue_limit = 5\n"
    shared = shared_out(parsed(tmp_path, text).upstreams, workers).concurrency["one"]
    assert shared.limit == each
    assert shared.limit * workers <= limit
    assert shared.queue_limit * workers >= 5


def test_fewer_places_than_workers_are_refused(tmp_path: Path) -> None:
    """A worker without a place could answer nothing; the message says what to change."""
    text = BACKEND.format(name="one", model="m") + "max_connections = 2\n"
    with pytest.raises(SettingsError, match=r"'one'.*is 2.*3 workers.*raise it, or lower server\.workers"):
        shared_out(parsed(tmp_path, text).upstreams, 3)


def test_rules_that_change_make_another_gate_and_connections_of_its_own(tmp_path: Path) -> None:
    """Requests under way end by the gate that permitted them; rules that stay keep gate and connections."""
    gated = f"[privacy]\n{BOTH}"
    with open_parts(parsed(tmp_path, gated)) as parts:
        service = Service(parts)
        first = service.prepare(parsed(tmp_path, gated)).prepared.offer
        changed = service.prepare(parsed(tmp_path, f'{gated}[backends.privacy]\nregion = "eu"\n')).prepared.offer
        service.close()
    assert first.gate is not changed.gate
    assert not {id(one.backend) for one in first.backends} & {id(one.backend) for one in changed.backends}
    assert service.app.readiness()["privacy"] == {"gate": "refusing", "why": "closed"}


def test_the_gate_does_not_come_or_go_while_a_gateway_answers(service: Service, tmp_path: Path) -> None:
    """Taking the table out would open what was closed; the file is refused as a whole."""
    with pytest.raises(SettingsError, match="comes and goes with a start only"):
        service.prepare(parsed(tmp_path, f"[privacy]\n{BOTH}"))
    assert service.app.readiness()["privacy"] == {"gate": "off", "why": None}

"""`tierwright serve` as a process of its own, in front of a replayed frontier model, used by a real OpenAI client."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.acceptance.conftest import Cli
from tests.acceptance.servers import FRONTIER, Gateway, eventually, gateway, logged, replayed, settings
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.store.sql import SqlStore

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve")]

TASK = "ticket-triage"
LOCAL = "specialist"


@dataclass(frozen=True, slots=True)
class Shop:
    """A folder with a month of traffic, its largest task named and a specialist of it trained, and its frontier."""

    cli: Cli
    #: Base URL of the replayed frontier model, which answers at once.
    frontier: str
    log: Path
    version: str
    #: Logged requests of the task with the logged answer, and one that belongs to another task.
    tickets: list[tuple[dict[str, Any], str]]
    other: tuple[dict[str, Any], str]

    def store(self) -> SqlStore:
        """The store; to be closed."""
        return open_store(f"sqlite:///{self.cli.folder / 'tierwright.db'}")

    def kept(self) -> list[Inference]:
        """What the gateway captured, the imported log left out."""
        store = self.store()
        found = [inference for inference in store.scan() if inference.client_id == "shop"]
        store.close()
        return found

    def deploy(self, threshold: float) -> None:
        """Puts the version live from a confidence on, overruling the gate."""
        arguments = ("--threshold", str(threshold), "--approver", "ann", "--reason", "an acceptance test")
        ran = self.cli("deploy", "set", self.version, *arguments)
        assert ran.code == 0, ran.err

    def undeploy(self) -> None:
        """Takes the version off, if it serves."""
        self.cli("deploy", "set", self.version, "--stage", "retired")


@pytest.fixture(scope="module")
def shop(log: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The traffic imported and labelled, the largest task named, its n-gram specialist trained; the frontier runs."""
    traffic, key = log
    cli = Cli(tmp_path_factory.mktemp("shop"))
    with replayed(traffic, cli.folder, speedup="inf") as frontier:
        (cli.folder / "tierwright.toml").write_text(settings(frontier), encoding="utf-8")
        assert cli("traffic", "import", str(traffic)).code == 0
        largest = cli("task", "audit", "--no-scores", "--json").document["tasks"][0]["id"]
        assert cli("task", "name", largest, TASK).code == 0
        assert cli("feedback", "import", str(key)).code == 0
        trained = cli("model", "train", TASK, "--recipe", "ngram", "--json")
        assert trained.code == 0, trained.err
        tasks = logged(traffic, key)
        yield Shop(
            cli=cli,
            frontier=frontier,
            log=traffic,
            version=trained.document["version"],
            tickets=tasks[TASK][:20],
            other=tasks["product-copy"][0],
        )


@pytest.fixture
def serving(shop: Shop) -> Iterator[Gateway]:
    """The gateway in front of the frontier, nothing deployed."""
    shop.undeploy()
    with gateway(shop.cli.folder) as running:
        yield running


def test_openai_client_gets_the_frontiers_answers(shop: Shop, serving: Gateway) -> None:
    """Plain and streamed, the client gets the text the frontier gives, and the headers say who answered."""
    request, answer = shop.other
    text, headers = serving.ask(request)
    assert text == answer
    assert headers["x-tierwright-served-by"] == FRONTIER
    assert headers["x-tierwright-inference-id"].startswith("chatcmpl-")
    assert serving.stream(request) == answer
    assert [(model.id, model.owned_by) for model in serving.client.models.list()] == [("gpt-4o", FRONTIER)]


def test_callers_without_a_key_are_refused(shop: Shop, serving: Gateway) -> None:
    """A wrong key is answered with 401 and a stable code, and nothing is captured."""
    before = len(shop.kept())
    stranger = openai.OpenAI(base_url=f"{serving.address}/v1", api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError) as caught:
        stranger.chat.completions.create(**shop.other[0])
    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert serving.stop() == 0
    assert len(shop.kept()) == before


def test_specialist_goes_live_and_off_without_a_restart(shop: Shop, serving: Gateway) -> None:
    """Set live it answers within seconds; where it is not sure the frontier does; rolled back twice it is off."""
    requests = [request for request, _ in shop.tickets]
    probe = requests[0]
    assert serving.served_by(requests[:3]) == [FRONTIER] * 3

    shop.deploy(0.0)
    eventually(lambda: serving.served_by([probe]) == [LOCAL])
    for request, _ in shop.tickets:
        text, headers = serving.ask(request)
        assert headers["x-tierwright-served-by"] == LOCAL
        assert headers["x-tierwright-route-reason"] == "specialist"
        assert 0 <= float(headers["x-tierwright-confidence"]) <= 1
        assert list(json.loads(text)) == ["intent", "urgency"]
    assert json.loads(serving.stream(probe)) == json.loads(serving.ask(probe)[0])
    assert serving.served_by([shop.other[0]]) == [FRONTIER]

    shop.deploy(0.9999)
    eventually(lambda: serving.served_by([probe]) == [FRONTIER])
    text, headers = serving.ask(probe)
    assert (text, headers["x-tierwright-route-reason"]) == (shop.tickets[0][1], "low_confidence")
    assert float(headers["x-tierwright-confidence"]) < 0.9999

    back = shop.cli("deploy", "rollback", TASK, "--reason", "first step", "--json")
    assert (back.code, back.document["threshold"]) == (0, 0.0)
    eventually(lambda: serving.served_by([probe]) == [LOCAL])

    off = shop.cli("deploy", "rollback", TASK, "--reason", "second step", "--json")
    assert (off.code, off.document["stage"]) == (0, "retired")
    eventually(lambda: serving.served_by([probe]) == [FRONTIER])
    assert serving.ask(probe)[1]["x-tierwright-route-reason"] == "requested"


def test_confident_answers_are_local_and_the_rest_escalated(shop: Shop, serving: Gateway) -> None:
    """At a threshold between the confidences of two requests one is answered locally and the other escalated."""
    shop.deploy(0.0)
    eventually(lambda: serving.served_by([shop.tickets[0][0]]) == [LOCAL])
    confidence = {n: float(serving.ask(r)[1]["x-tierwright-confidence"]) for n, (r, _) in enumerate(shop.tickets)}
    threshold = (min(confidence.values()) + max(confidence.values())) / 2
    least = shop.tickets[min(confidence, key=confidence.__getitem__)]
    shop.deploy(threshold)
    eventually(lambda: serving.served_by([least[0]]) == [FRONTIER])
    served = serving.served_by([request for request, _ in shop.tickets])
    assert served == [LOCAL if confidence[n] >= threshold else FRONTIER for n in range(len(served))]
    assert set(served) == {LOCAL, FRONTIER}
    before = len(shop.kept())
    assert serving.ask(least[0])[0] == least[1]
    eventually(lambda: len(shop.kept()) > before)
    escalated = shop.kept()[-1]
    assert [call.backend for call in escalated.calls] == [LOCAL, FRONTIER]
    assert [call.answered for call in escalated.calls] == [False, True]


def test_savings_count_local_answers(shop: Shop, serving: Gateway) -> None:
    """What a specialist answered costs less than the incumbent would have, and the report says so."""
    shop.deploy(0.0)
    eventually(lambda: serving.served_by([shop.tickets[0][0]]) == [LOCAL])
    before = shop.cli("report", "savings", "--json").document
    serving.served_by([request for request, _ in shop.tickets])
    assert serving.stop() == 0
    after = shop.cli("report", "savings", "--json").document
    assert after["local_requests"] == before["local_requests"] + len(shop.tickets)
    saving = after["saving_usd"]
    assert saving["ci_low"] <= saving["value"] <= saving["ci_high"]
    assert before["saving_usd"]["value"] < saving["value"] < after["cost_before_usd"]


def test_sigterm_stores_everything_captured(shop: Shop, serving: Gateway) -> None:
    """Stopped right after the last answer, the process ends with 0 and every answer is in the store, exactly once."""
    before = {inference.id for inference in shop.kept()}
    ids = {serving.ask(request)[1]["x-tierwright-inference-id"] for request, _ in shop.tickets}
    assert serving.stop() == 0
    kept = [inference for inference in shop.kept() if inference.id not in before]
    assert {inference.id for inference in kept} == ids
    assert len(kept) == len(ids) == len(shop.tickets)
    assert all(inference.request and inference.response for inference in kept)


def test_sigterm_finishes_the_answer_under_way(shop: Shop, tmp_path: Path) -> None:
    """An answer that takes seconds arrives whole although the gateway was asked to stop, and is in the store."""
    (tmp_path / "tierwright.toml").write_text("", encoding="utf-8")
    request, answer = shop.other
    found: list[tuple[str, Mapping[str, str]]] = []
    with replayed(shop.log, tmp_path, speedup="1") as slow:
        (tmp_path / "tierwright.toml").write_text(settings(slow), encoding="utf-8")
        with gateway(tmp_path) as running:
            asking = threading.Thread(target=lambda: found.append(running.ask(request)))
            asking.start()
            eventually(lambda: running.readiness()["in_flight"] > 1)
            code = running.stop()
            asking.join(30)
    assert code == 0
    ((text, headers),) = found
    assert text == answer
    store = open_store(f"sqlite:///{tmp_path / 'tierwright.db'}")
    (kept,) = store.scan()
    store.close()
    assert kept.id == headers["x-tierwright-inference-id"]


def test_unreachable_frontier(shop: Shop) -> None:
    """Without its frontier the gateway answers 502 with a stable code, and the specialist what it may."""
    shop.undeploy()
    shop.deploy(0.0)
    (shop.cli.folder / "alone.toml").write_text(settings("http://127.0.0.1:9/v1"), encoding="utf-8")
    with gateway(shop.cli.folder, config="alone.toml") as running:
        assert running.served_by([request for request, _ in shop.tickets[:5]]) == [LOCAL] * 5
        with pytest.raises(openai.InternalServerError) as caught:
            running.ask(shop.other[0])
        assert (caught.value.status_code, caught.value.code) == (502, "upstream_unavailable")
        assert running.stop() == 0
    assert [inference.status for inference in shop.kept()[-6:]] == [200] * 5 + [502]


def test_address_file_that_cannot_be_written(shop: Shop) -> None:
    """A ready file in a folder that is not there: exit code 2 and one line, not a traceback."""
    ran = shop.cli("serve", "--ready-file", "no/such/folder/ready")
    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert "no/such/folder/ready" in ran.err

"""Drift and recalibration by the command line, on a store with five weeks of a deployed specialist's traffic."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.acceptance.conftest import Cli
from tests.fakes import (
    NOON,
    a_call,
    a_contract,
    a_deployment,
    a_request,
    a_response,
    a_task,
    an_inference,
    some_feedback,
)
from tests.unit.lifecycle.traffic_under_test import FILLER, TOPICS
from tierwright.app.ring import build, climb
from tierwright.app.settings import load_settings
from tierwright.app.wiring import ArtifactLoader, open_parts
from tierwright.core.ids import FeedbackId, InferenceId
from tierwright.core.inference import Route, RouteReason

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.app.wiring import Parts
    from tierwright.core.inference import Inference

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("drift")]

A_DAY = 40
GIFTS = ["gift voucher code expired", "voucher for a gift not accepted", "redeem my gift voucher"]


def asked(rng: np.random.Generator, gifts: float) -> tuple[str, str]:
    """A request's text and what a frontier model answers."""
    topic = sorted(TOPICS)[int(rng.integers(len(TOPICS)))]
    phrase = TOPICS[topic][int(rng.integers(4))]
    if rng.random() < gifts:
        topic, phrase = "vouchers", GIFTS[int(rng.integers(3))]
    words = [FILLER[place] for place in rng.integers(len(FILLER), size=5).tolist()]
    noise = ["".join(rng.choice(list("abcdefghijklmnop"), 6)) for _ in range(3)]
    return " ".join([*words[:3], phrase, *noise, *words[3:]]), topic


def days(
    rng: np.random.Generator, first: int, last: int, *, gifts: float = 0.0
) -> list[tuple[InferenceId, datetime, str, str]]:
    """Requests of some days, around the clock."""
    found = []
    for day in range(first, last):
        for place in range(A_DAY):
            at = NOON + timedelta(days=day, hours=24 * (place + float(rng.random())) / A_DAY)
            found.append((InferenceId(f"i-{day + 100:03d}-{place:03d}"), at, *asked(rng, gifts)))
    return found


def captured(one: tuple[InferenceId, datetime, str, str], **changes: object) -> Inference:
    """The inference of a request that the frontier model answered."""
    known, at, text, topic = one
    fields = {"request": a_request(text), "response": a_response(topic), "task_id": "task-1", **changes}
    return an_inference(id=known, created_at=at, **fields)


def fill(parts: Parts) -> None:
    """Two weeks that the specialist learns from, two weeks in service, one week with a new kind of request."""
    rng = np.random.default_rng(0)
    task = a_task(contract=a_contract(*sorted(TOPICS)))
    parts.store.put_task(task)
    parts.store.append([captured(one) for one in days(rng, -14, 0)])
    _, chosen = climb(parts, *build(parts, task), only="ngram", progress=lambda _: None)
    assert chosen is not None
    model = ArtifactLoader(parts).load(chosen)
    deployed = a_deployment(
        task_id=task.id, model_version_id=chosen.id, threshold=0.9, created_at=NOON, evaluation_id=None
    )
    parts.store.add_deployment(deployed)
    for served in (days(rng, 0, 14), days(rng, 14, 21, gifts=0.12)):
        rows = []
        for one, answer in zip(served, model.predict([text for _, _, text, _ in served]), strict=True):
            local = answer.confidence >= 0.9
            route = Route(
                reason=RouteReason.SPECIALIST if local else RouteReason.LOW_CONFIDENCE,
                deployment_id=deployed.id,
                confidence=answer.confidence,
                threshold=0.9,
            )
            call = a_call(model_version_id=chosen.id) if local else a_call()
            rows.append(replace(captured(one), route=route, calls=(call,)))
            if local:
                rows[-1] = replace(rows[-1], response=a_response(answer.output))
        parts.store.append(rows)
    labels = []
    for place, one in enumerate(parts.store.scan(since=NOON, until=NOON + timedelta(days=14))):
        if place % 2 == 0:
            text = json.loads(one.request or b"{}")["messages"][1]["content"]
            right = next(topic for topic, phrases in TOPICS.items() if any(phrase in text for phrase in phrases))
            labels.append(some_feedback(id=FeedbackId(f"f-{place}"), inference_id=one.id, output=right))
    parts.store.add_feedback(labels)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command line in a folder with that store."""
    found = Cli(tmp_path_factory.mktemp("drift"))
    found.settings('[training]\nencoder = ""\n')
    with open_parts(load_settings(found.folder / "tierwright.toml", os.environ)) as parts:
        fill(parts)
    return found


def test_new_kind_of_request_is_shown_and_training_proposed(cli: Cli) -> None:
    """The week with vouchers: a new group, labels outside of the contract, and `retrain` with the new data counted."""
    ran = cli("deploy", "drift", "card-intent", "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert found["baseline"] == "the first days of the specialist in service"
    assert (found["early"], found["late"]) == pytest.approx((14 * A_DAY, 7 * A_DAY), abs=2)
    assert {check["name"] for check in found["checks"]} == {"inputs", "confidence", "escalation", "answers"}
    assert found["intents"][0]["new"]
    assert {"voucher", "gift"} & set(found["intents"][0]["terms"])
    assert found["new_data"]["inferences"] == 21 * A_DAY
    assert found["new_data"]["human_labels"] == 7 * A_DAY
    assert found["new_data"]["new_labels"]["vouchers"] > 0.08 * 7 * A_DAY
    assert found["proposal"] == "retrain"
    assert "texts" not in found["intents"][0]
    assert "voucher" not in ran.err


def test_texts_are_shown_only_on_request(cli: Cli) -> None:
    """With --show-texts the new group's examples are printed, for people and in the document."""
    found = cli("deploy", "drift", "card-intent", "--show-texts", "--json").document
    assert all("voucher" in text for text in found["intents"][0]["texts"])
    said = cli("deploy", "drift", "card-intent", "--show-texts")
    assert said.code == 0
    assert "Proposal: retrain." in said.out
    assert found["intents"][0]["examples"][0] in said.out


def test_recalibration_is_a_version_of_its_own_and_each_one_spends_delta(cli: Cli) -> None:
    """The new version names its parent, has a certificate of its own, and leaves the next one less to spend."""
    before = cli("model", "list", "card-intent", "--json").document
    first = cli("model", "recalibrate", "card-intent", "--level", "0.15", "--json")
    assert first.code == 0, first.err
    found = first.document
    assert found["parent"] == before[0]["id"]
    assert found["version"] != found["parent"]
    assert found["certified"]
    assert (found["number"], found["spent"]) == (2, pytest.approx(0.05 * 6 / (np.pi * 2) ** 2))
    assert sum(found["labels"].values()) == 7 * A_DAY
    kept = cli("model", "show", found["version"], "--json").document
    assert (kept["threshold"], kept["dataset_id"]) == (found["threshold"], found["dataset"])
    rows = {row["version"]: row for row in cli("eval", "certificates", "--json").document}
    certificate = rows[found["version"]]
    assert (certificate["threshold"], certificate["delta"]) == (found["threshold"], found["spent"])
    again = cli("model", "recalibrate", found["parent"], "--level", "0.15", "--json").document
    assert again["number"] == 3
    assert again["spent"] < found["spent"]
    assert again["version"] != found["version"]
    serving = cli("deploy", "list", "--json").document
    assert [row["version"] for row in serving] == [found["parent"]]


def test_what_cannot_be_certified_says_so(cli: Cli) -> None:
    """An error rate below 0.1 % needs more labels than there are: exit code 1, and how many would do."""
    ran = cli("model", "recalibrate", "card-intent", "--level", "0.001", "--json")
    assert ran.code == 1
    assert not ran.document["certified"]
    assert ran.document["threshold"] is None
    assert ran.document["reason"]


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("deploy", "drift", "nothing"), 2, "nothing"),
        (("deploy", "drift", "card-intent", "--baseline-days", "0"), 2, "above 0"),
        (("deploy", "drift", "card-intent", "--since", "2031-01-01"), 1, "0 requests"),
        (("model", "recalibrate", "card-intent", "--level", "2"), 2, "between 0 and 1"),
        (("model", "recalibrate", "card-intent", "--since", "2025-09-20"), 1, "50 are needed"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, arguments: tuple[str, ...], code: int, what: str) -> None:
    """An unknown task, an empty baseline, no late traffic, an impossible level, no labels: each with the reason."""
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert what in ran.err

"""`tierwright serve` takes off a specialist whose labels were permuted in its artifact, and loses no request."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.servers import KEY, eventually, gateway, settings
from tests.acceptance.test_labelled_history import COLUMNS, IMPORT, history
from tests.integration.gateway.upstream import Upstream
from tests.unit.curation.logs import tickets
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli
    from tests.acceptance.servers import Gateway

pytestmark = pytest.mark.slow

PERIOD_S, LIMIT = 0.5, 0.25


def permute_labels(artifact: Path) -> None:
    """Turns each label into another one, and makes the manifest agree."""
    config, manifest = artifact / "config.json", artifact / "manifest.json"
    text = config.read_text(encoding="utf-8")
    names = ["account", "billing", "delivery", "returns"]
    assert all(f'"{name}"' in text for name in names)
    for name in names:
        text = text.replace(f'"{name}"', f'"@{name}"')
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        text = text.replace(f'"@{name}"', f'"{other}"')
    config.write_text(text, encoding="utf-8")
    document = json.loads(manifest.read_text(encoding="utf-8"))
    payload = config.read_bytes()
    document["files"]["config.json"] = {"sha256": hashlib.sha256(payload).hexdigest(), "size_bytes": len(payload)}
    manifest.write_text(json.dumps(document), encoding="utf-8")


def ask(running: Gateway, asked: list[tuple[str, str]], *, until_frontier: bool = False) -> list[tuple[str, bool]]:
    """Who answered each text, and whether rightly; every third answer is labelled by a person, whatever it is."""
    found: list[tuple[str, bool]] = []
    for place, (text, topic) in enumerate(asked):
        request = {"model": "task:tickets", "messages": [{"role": "user", "content": text}]}
        raw = running.client.chat.completions.with_raw_response.create(**request)
        answer = raw.parse()
        found.append((raw.headers["x-tierwright-served-by"], answer.choices[0].message.content == topic))
        if place % 3 == 0:
            word = {"inference_id": answer.id, "output": topic, "author": "audit:eva"}
            running.client.post("/feedback", body=word, cast_to=object)
        if until_frontier and raw.headers["x-tierwright-route-reason"] == "requested":
            break
    return found


def test_an_artifact_whose_labels_were_permuted(cli: Cli) -> None:
    """Trained and put live by the command line; permuted on disk; rolled back by the gateway, nothing lost."""
    with Upstream() as upstream:
        text = settings(upstream.url) + f"[monitor]\nperiod_s = {PERIOD_S}\nlimit = {LIMIT}\n"
        (cli.folder / "tierwright.toml").write_text(text, encoding="utf-8")
        file = history(cli.folder / "resolved.csv.gz", tickets(900, 31), ["train"] * 600 + ["TEST"] * 300)
        assert cli(*IMPORT, str(file), *COLUMNS, "--split", "part").code == 0
        trained = cli("model", "train", "tickets", "--recipe", "ngram", "--json")
        assert trained.code == 0, trained.err
        # Labelled history has no incumbent to compare with: a person decides, and the settings say what is allowed.
        deployed = cli("deploy", "set", "tickets", "--threshold", "0.5", "--approver", "eva", "--reason", "a trial")
        assert deployed.code == 0, deployed.err
        asked = tickets(900, 77)

        with gateway(cli.folder) as running:
            good = ask(running, asked[:90])
            assert running.readiness()["monitor"]["failures"] == 0
            assert running.stop() == 0
        assert sum(served == "specialist" for served, _ in good) > 45
        shown = cli("deploy", "monitor", "tickets", "--json")
        assert shown.code == 0, shown.err
        assert not shown.document["breached"]
        label = shown.document["rates"]["label"]
        assert 10 < label["n"] <= 30
        assert (label["limit"], label["limit_from"]) == (LIMIT, "the settings: monitor.limit")
        assert label["rate"]["ci_low"] <= label["rate"]["value"] <= label["rate"]["ci_high"]
        assert cli("deploy", "monitor", "tickets").code == 0
        assert cli("deploy", "watch", "--once", "--json").document["incidents"] == []

        store = open_store(f"sqlite:///{cli.folder / 'tierwright.db'}")
        permute_labels(store.versions()[0].path)
        before = store.count()
        with gateway(cli.folder) as running:
            bad = ask(running, asked[90:], until_frontier=True)
            assert bad[-1][0] != "specialist"
            eventually(lambda: store.count() == before + len(bad))
            assert running.readiness()["monitor"]["rolled_back"] == 1
            assert running.stop() == 0
        assert sum(served == "specialist" and not right for served, right in bad) < 200
        store.close()

    (incident,) = cli("deploy", "incidents", "--json").document
    assert (incident["task"], incident["signal"]) == ("tickets", "label")
    assert incident["e_value"] >= 1 / incident["delta"]
    # The rate is that of the whole service, good times included: it need not lie above the limit.
    assert incident["rate"]["ci_high"] > incident["limit"]
    assert incident["examples"]
    assert cli("deploy", "incidents").code == 0
    (now,) = cli("deploy", "list", "--json").document
    assert (now["id"], now["stage"]) == (incident["followed_by"], "retired")
    assert cli("deploy", "monitor", "tickets").code == 2
    assert KEY not in incident["summary"]

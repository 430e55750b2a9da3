"""Certificates on the command line: of files, and of a trained version on its way to live."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.unit.curation.logs import tickets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli

pytestmark = pytest.mark.slow

#: What every document of a certificate has.
KEYS = {"certified", "threshold", "coverage", "realised_risk", "labels_needed", "reason"}
ESTIMATE = {"value", "ci_low", "ci_high", "n", "level", "method"}


def files(folder: Path, n: int = 600) -> tuple[str, ...]:
    """Gold, candidate and baseline: errors rare at high confidence, tenants in the gold file."""
    generator = np.random.default_rng(11)
    right = np.array(["refund", "card", "login"])[generator.integers(0, 3, n)]
    sure = generator.random(n)
    candidate = np.where(generator.random(n) >= 0.4 * (1 - sure) ** 2, right, "other")
    baseline = np.where(generator.random(n) < 0.9, right, "other")
    gold = folder / "gold.csv"
    with gold.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "output", "tenant"), *((i, right[i], f"t{i % 2}") for i in range(n))])
    said = folder / "candidate.jsonl"
    rows: list[dict[str, Any]] = [
        {"id": str(i), "output": str(candidate[i]), "confidence": float(sure[i])} for i in range(n)
    ]
    said.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    other = folder / "baseline.csv"
    with other.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "output"), *((i, baseline[i]) for i in range(n))])
    return ("--gold", str(gold), "--candidate", str(said), "--baseline", str(other))


def test_files_are_certified_for_both_risks(cli: Cli) -> None:
    """The document has the stated keys; the risk seen lies below the level; a level out of reach ends with 1."""
    given = files(cli.folder)
    for risk, level in (("R1", "0.1"), ("R2", "0.03")):
        ran = cli("eval", "certify", *given, "--risk", risk, "--level", level, "--delta", "0.05", "--json")
        assert ran.code == 0, ran.err
        found = ran.document
        assert set(found) >= KEYS | {"risk", "level", "delta", "n", "seed", "dataset_id"}
        assert set(found["coverage"]) == set(found["realised_risk"]) == ESTIMATE
        assert (found["certified"], found["n"], found["risk"], found["level"]) == (True, 600, risk, float(level))
        assert found["realised_risk"]["value"] < float(level)
        assert found["labels_needed"] == {"R1": 29, "R2": 99}[risk]
    refused = cli("eval", "certify", *given, "--risk", "R2", "--level", "0.0001", "--json")
    assert refused.code == 1
    assert set(refused.document) >= KEYS
    assert refused.document["certified"] is False
    assert refused.document["threshold"] is None
    assert refused.document["reason"].startswith("cannot certify")


def test_each_tenant_by_itself(cli: Cli) -> None:
    """A certificate for each value of a column, and text for people."""
    given = files(cli.folder)
    ran = cli("eval", "certify", *given, "--level", "0.1", "--by", "tenant", "--family-wise", "--json")
    assert [one["group"] for one in ran.document["groups"]] == ["t0", "t1"]
    assert ran.document["certified"] is all(one["certified"] for one in ran.document["groups"])
    assert ran.code == (0 if ran.document["certified"] else 1)
    assert "tenant t0, 300 labelled examples" in cli("eval", "certify", *given, "--level", "0.1", "--by", "tenant").out


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"confidence": "nan"}, 2, "the confidence is no number from 0 to 1"),
        ({"id": "1"}, 2, "is there twice"),
        ({"confidence": ""}, 2, "there is no confidence"),
    ],
)
def test_bad_rows_are_refused_with_file_and_line(cli: Cli, change: dict[str, str], code: int, said: str) -> None:
    """NaN, a missing confidence and an id that is there twice."""
    given = files(cli.folder, 100)
    path = cli.folder / "bad.csv"
    rows = [{"id": str(i), "output": "card", "confidence": "0.5"} for i in range(100)]
    rows[41] |= change
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "output", "confidence"])
        writer.writeheader()
        writer.writerows(rows)
    ran = cli("eval", "certify", *given[:2], "--candidate", str(path), "--level", "0.1", "--json")
    assert ran.code == code
    assert said in ran.err
    assert "bad.csv, line 43" in ran.err


def test_what_is_missing_is_said(cli: Cli) -> None:
    """No files and no version, no baseline for R2, a gold file with one answer only, files beside a version."""
    given = files(cli.folder, 100)
    assert "name a trained version or its task, or two files" in cli("eval", "certify").err
    ran = cli("eval", "certify", *given[:4], "--risk", "R2")
    assert (ran.code, "name its file with --baseline" in ran.err) == (2, True)
    constant = cli.folder / "constant.csv"
    constant.write_text("id,output\n" + "".join(f"{i},card\n" for i in range(100)))
    ran = cli("eval", "certify", "--gold", str(constant), *given[2:4])
    assert (ran.code, "a constant answer would be certified" in ran.err) == (2, True)
    ran = cli("eval", "certify", "tickets", *given)
    assert (ran.code, "certified on its own test examples" in ran.err) == (2, True)


def test_a_version_goes_live_at_its_certified_threshold(cli: Cli) -> None:
    """Where it is required: without a certificate the gate refuses, with one it serves at exactly that threshold."""
    cli.settings("[evaluation]\nrequire_certificate = true\n")
    pairs = tickets(700, 31)
    with (cli.folder / "resolved.csv").open("w", newline="") as file:
        parts = ["train"] * 300 + ["test"] * 400
        csv.writer(file).writerows([("text", "topic", "part"), *((*p, s) for p, s in zip(pairs, parts, strict=True))])
    columns = ("--task", "tickets", "--input", "text", "--output", "topic", "--split", "part")
    assert cli("dataset", "import", str(cli.folder / "resolved.csv"), *columns).code == 0
    trained = cli("model", "train", "tickets", "--recipe", "ngram", "--json")
    assert trained.code == 0, trained.err
    refused = cli("deploy", "set", "tickets", "--threshold", "0.9")
    assert refused.code == 1
    assert "no certificate" in refused.err
    ran = cli("eval", "certify", "tickets", "--risk", "R1", "--level", "0.1", "--json")
    assert ran.code == 0, ran.out + ran.err
    found = ran.document
    assert set(found) >= KEYS | {"risk", "level", "delta", "n", "seed", "dataset_id", "version", "reference"}
    assert found["reference"] == "human"
    assert [one["id"] for one in cli("eval", "certificates", "--json").document] == [found["id"]]
    # There is no incumbent in labelled history, hence no experiment: a person decides on the certificate.
    live = cli("deploy", "set", "tickets", "--approver", "Ada", "--reason", "certified at 10 %", "--json")
    assert live.code == 0, live.err
    assert live.document["threshold"] == found["threshold"]
    assert "no certificate" not in live.document["reason"]

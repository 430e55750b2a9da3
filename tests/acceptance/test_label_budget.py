"""A label sheet and a judge by the command line: drawn, filled in, evaluated, judged, imported as feedback."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.acceptance.conftest import Cli
from tests.integration.gateway.upstream import Upstream, completion
from tierwright.app.label_sheets import evaluate_by_sheet
from tierwright.app.ring import version_of
from tierwright.app.settings import load_settings
from tierwright.app.wiring import open_parts
from tierwright.core.errors import InputError, NotEnoughData

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("label-budget")]

TASK, THRESHOLD, BUDGET = "ticket-triage", "0.05", "60"


@dataclass(frozen=True, slots=True)
class Trained:
    """A specialist that nobody has labelled anything for, and a sheet to fill in."""

    cli: Cli
    version: str
    dataset: str
    drawn: dict[str, Any]
    #: The right answers, by id.
    gold: dict[str, str]

    def filled(self, name: str) -> list[dict[str, Any]]:
        """The rows of the sheet with the right answers, also written to a file of this name."""
        lines = (self.cli.folder / "sheet.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [row | {"output": self.gold[row["id"]]} for row in map(json.loads, lines)]
        self.write(name, rows)
        return rows

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        """A file of rows."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.cli.folder / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def trained(log: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """From a log to a version by the first rung; the key stays aside for whoever labels."""
    traffic, key = log
    cli = Cli(tmp_path_factory.mktemp("label-budget"))
    cli.settings('[training]\nencoder = ""\n')
    assert cli("traffic", "import", str(traffic), "--json").code == 0
    largest = cli("task", "audit", "--no-scores", "--json").document["tasks"][0]["id"]
    assert cli("task", "name", largest, TASK).code == 0
    dataset = cli("dataset", "build", TASK, "--json").document["id"]
    version = cli("model", "train", TASK, "--recipe", "ngram", "--json").document["version"]
    ran = cli(
        "eval", "labels", version, "--budget", BUDGET, "--threshold", THRESHOLD, "--output", "sheet.jsonl", "--json"
    )
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in gzip.decompress(key.read_bytes()).splitlines()]
    gold = {row["id"]: row["gold"] for row in rows if row["gold"] is not None}
    return Trained(cli=cli, version=version, dataset=dataset, drawn=ran.document, gold=gold)


def test_sheet_holds_chances_and_no_answers(trained: Trained) -> None:
    """The document counts strata and chances, each row has its own, and no row shows what a model said."""
    found = trained.drawn
    assert (found["budget"], found["dataset_id"], found["candidate"]) == (60, trained.dataset, trained.version)
    strata = {part["stratum"]: part for part in found["strata"]}
    assert sum(part["drawn"] for part in strata.values()) == found["rows"] == 60
    rows = [json.loads(line) for line in (trained.cli.folder / "sheet.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        assert set(row) == {"id", "input", "output", "author", "stratum", "probability", "design"}
        assert (row["output"], row["probability"]) == ("", strata[row["stratum"]]["probability"])
    again = trained.cli("eval", "labels", trained.version, "--budget", BUDGET, "--output", "sheet.jsonl")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_labels_of_the_sheet_decide(trained: Trained) -> None:
    """`eval run --labels` keeps an evaluation by people's labels and says its method and what became of each row."""
    trained.filled("filled.jsonl")
    ran = trained.cli("eval", "run", trained.version, "--labels", "filled.jsonl", "--json")
    assert ran.code in {0, 1}, ran.err
    found = ran.document
    assert (found["metric"], found["reference"]) == ("accuracy", "human")
    assert "disagreement" in found["difference"]["method"]
    assert found["candidate_score"]["method"].startswith("stratified Wilson score")
    assert found["labels"]["differ"] + found["labels"]["agree"] == 60
    assert (found["labels"]["skipped"], found["labels"]["not_reached"]) == (0, 0)
    kept = trained.cli("eval", "show", found["id"], "--json").document
    assert kept["difference"] == found["difference"]


def test_rows_chosen_by_hand_are_refused(trained: Trained) -> None:
    """A sheet with a row taken out, with its design taken out, and one still empty, are refused with the reason."""
    rows = trained.filled("filled.jsonl")
    trained.write("short.jsonl", rows[1:])
    trained.write("bare.jsonl", [{"id": row["id"], "output": row["output"]} for row in rows])
    ran = trained.cli("eval", "run", trained.version, "--labels", "short.jsonl")
    assert (ran.code, "1 are missing" in ran.err) == (2, True), ran.err
    folder = trained.cli.folder
    with open_parts(load_settings(folder / "tierwright.toml", {})) as parts:
        version = version_of(parts, trained.version)
        with pytest.raises(InputError, match="is no label sheet"):
            evaluate_by_sheet(parts, version, folder / "bare.jsonl")
        with pytest.raises(NotEnoughData, match="go on labelling"):
            evaluate_by_sheet(parts, version, folder / "sheet.jsonl")
        with pytest.raises(InputError, match="was drawn for threshold"):
            evaluate_by_sheet(parts, version, folder / "filled.jsonl", threshold=0.9)


def test_a_judge_is_asked_about_disagreements_only(trained: Trained) -> None:
    """`eval judge` asks twice for each disagreement, goes on from its file, and says people's labels from its own."""
    differ = next(part["size"] for part in trained.drawn["strata"] if part["stratum"] == "differ")

    async def script(_: web.Request) -> web.StreamResponse:
        return web.json_response(completion('{"verdict": "1"}'))

    with Upstream() as server:
        server.script = script
        trained.cli.settings('[training]\nencoder = ""\n[judge]\nmodel = "gpt-4o"\n', base_url=server.url)
        ran = trained.cli(
            *("eval", "judge", trained.version, "--threshold", THRESHOLD, "--backend", "frontier", "--json")
        )
        assert len(server.seen) == 2 * differ
    found = ran.document
    assert (ran.code, found["metric"], found["basis"], found["allows_promotion"]) == (1, "judged", "judge_alone", False)
    assert (found["disagreements"], found["judge"]["pairs"], found["labelled"]) == (differ, differ, 0)
    # This judge always names the first answer: no pair is steady, all follow the order.
    assert (found["judge"]["steady"]["value"], found["judge"]["first_place"]["value"]) == (0.0, 1.0)
    assert found["calls"]["cost_usd"] == pytest.approx(2 * differ * 0.0003)
    trained.filled("filled.jsonl")
    ran = trained.cli("eval", "judge", trained.version, "--labels", "filled.jsonl", "--backend", "frontier", "--json")
    found = ran.document
    assert (found["calls"]["asked"], found["calls"]["known"]) == (0, 2 * differ)
    assert found["labelled"] == min(differ, 50)
    assert found["basis"] in {"labels", "prediction_powered"}


def test_sheet_is_imported_as_feedback_and_stays_apart(trained: Trained) -> None:
    """`feedback import` reads the sheet, `eval run` finds its labels there, and a dataset is built without them."""
    trained.filled("filled.jsonl")
    report = trained.cli("feedback", "import", "filled.jsonl", "--json").document
    assert (report["added"], report["unknown"], report["rejected"]) == (60, 0, 0)
    assert trained.cli("dataset", "build", TASK, "--json").document["id"] == trained.dataset
    found = trained.cli("eval", "run", trained.version, "--labels", "sheet.jsonl", "--json").document
    assert found["labels"]["differ"] + found["labels"]["agree"] == 60

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes import NOON, a_contract, a_dataset, an_estimate
from tests.unit.training.problems import an_example
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Split
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.training import ladder
from tierwright.training.ladder import Means, Step, choose, climb
from tierwright.training.recipe import FittedSpecialist, Unavailable
from tierwright.training.stopping import Gate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tierwright.training.ladder import Rung
    from tierwright.training.recipe import Recipe, TrainingSet

EXAMPLES = [an_example(number, f"text {number}", "a", None, labelled=True) for number in range(500)]
DATASET = a_dataset(contract=a_contract("a", "b"))


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A recipe that gets a fixed number of examples right; remembers what it was given."""

    name: str
    right: int
    given: list[TrainingSet] = field(default_factory=list)

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """The outcome that was set."""
        self.given.append(training)
        share = self.right / len(training.examples)
        return FittedSpecialist(
            id=self.name,
            path=artifacts / self.name,
            size_bytes=1,
            encoder=None,
            threshold=0.5,
            train_seconds=1.0,
            metrics={"accuracy": an_estimate(share), "cascade_accuracy": an_estimate(share)},
            validated={e.id: float(at < self.right) for at, e in enumerate(training.examples)},
        )


def _unavailable(_: Means) -> Recipe:
    raise Unavailable("say please")


def steps(monkeypatch: pytest.MonkeyPatch, **right: int | None) -> dict[str, Fixed]:
    """A ladder for labels with these recipes; None: one that can't be made."""
    made = {name: Fixed(name=name, right=hits) for name, hits in right.items() if hits is not None}

    def step(name: str) -> Step:
        make = _unavailable if name not in made else lambda _: made[name]
        return Step(recipe=name, kinds=frozenset({ContractKind.LABEL}), make=make)

    monkeypatch.setattr(ladder, "LADDER", tuple(step(name) for name in right))
    return made


def climbed(tmp_path: Path, **options: object) -> list[Rung]:
    """The rungs, from the shared examples."""
    means = Means(encoder=None, encoder_name="", artifacts=tmp_path, weights=tmp_path, threads=1, seed=1)
    defaults: dict[str, object] = {"means": means, "at": NOON, "gate": Gate(margin=0.01), "progress": lambda _: None}
    return climb(DATASET, EXAMPLES, **(defaults | options))  # type: ignore[arg-type]


def test_climbing_stops_after_a_rung_that_is_no_better(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What follows is in the list with the reason."""
    made = steps(monkeypatch, cheap=400, fair=450, dear=451, dearest=500)
    rungs = climbed(tmp_path)
    assert [rung.status for rung in rungs] == ["trained", "trained", "trained", "not needed"]
    assert rungs[3].why == "dear was not better than a cheaper rung by more than noise; --all climbs on"
    assert made["dearest"].given == []
    assert [rung.status for rung in climbed(tmp_path, everything=True)] == ["trained"] * 4


def test_a_rung_that_cannot_be_trained_here_does_not_stop_the_climb(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It says what is missing."""
    steps(monkeypatch, cheap=400, missing=None, dear=450)
    assert [(rung.status, rung.why) for rung in climbed(tmp_path)] == [
        ("trained", ""),
        ("skipped", "say please"),
        ("trained", ""),
    ]


def test_rungs_that_take_minutes_are_left_out_where_somebody_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are not even in the list."""
    steps(monkeypatch, cheap=400, dear=450)
    monkeypatch.setattr(ladder, "LADDER", (ladder.LADDER[0], replace(ladder.LADDER[1], slow=True)))
    means = Means(encoder=None, encoder_name="", artifacts=tmp_path, weights=tmp_path, threads=1, seed=1, quick=True)
    assert [rung.recipe for rung in climbed(tmp_path, means=means)] == ["cheap"]
    assert [rung.recipe for rung in climbed(tmp_path)] == ["cheap", "dear"]


def test_no_rung_sees_a_test_example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They belong to the experiment."""
    made = steps(monkeypatch, cheap=10)
    tested = [replace(EXAMPLES[0], split=Split.TEST), *EXAMPLES[1:]]
    means = Means(encoder=None, encoder_name="", artifacts=tmp_path, weights=tmp_path, threads=1, seed=1)
    climb(DATASET, tested, means=means, at=NOON, gate=Gate(margin=0.01), progress=lambda _: None)
    assert made["cheap"].given[0].examples == EXAMPLES[1:]


def test_only_one_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By name; an unknown one is refused with those there are."""
    steps(monkeypatch, cheap=400, dear=450)
    assert [rung.recipe for rung in climbed(tmp_path, only="dear")] == ["dear"]
    with pytest.raises(InputError, match="no recipe 'deer' for label answers; there are cheap, dear"):
        climbed(tmp_path, only="deer")


def test_answers_that_nothing_learns(tmp_path: Path) -> None:
    """Open answers stay where they are, and the message says so."""
    means = Means(encoder=None, encoder_name="", artifacts=tmp_path, weights=tmp_path, threads=1, seed=1)
    dataset = a_dataset(contract=OutputContract(kind=ContractKind.OPEN))
    with pytest.raises(NotEnoughData, match="no recipe learns open answers: leave the task on the frontier model"):
        climb(dataset, [], means=means, at=NOON, gate=Gate(margin=0.01), progress=lambda _: None)


def test_the_choice_is_the_cheapest_that_no_dearer_one_beats_by_half_a_point(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """0.2 points are not worth a dearer model, 4 points are."""
    steps(monkeypatch, cheap=450, fair=451, dear=471)
    chosen = choose(climbed(tmp_path, everything=True))
    assert chosen is not None
    assert chosen.recipe == "dear"
    steps(monkeypatch, cheap=450, fair=451)
    chosen = choose(climbed(tmp_path, everything=True))
    assert chosen is not None
    assert chosen.recipe == "cheap"

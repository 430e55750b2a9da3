"""The road of a specialist: onto traffic and off again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import a_version, after, an_estimate, an_evaluation
from tierwright.core.dataset import LabelSource
from tierwright.core.deployment import Deployment, Stage
from tierwright.core.errors import InputError, InvalidTransition
from tierwright.core.evaluation import Verdict
from tierwright.core.ids import DatasetId, ModelVersionId, TaskId
from tierwright.lifecycle.gate import GateRules
from tierwright.lifecycle.promotion import Proposal, Withdrawal, promote, retire, rollback

if TYPE_CHECKING:
    from collections.abc import Sequence

TASK = TaskId("task-1")


class DeploymentList:
    """A deployment log in memory."""

    def __init__(self) -> None:
        self.rows: list[Deployment] = []

    def add_deployment(self, deployment: Deployment) -> None:
        """Keeps the row."""
        self.rows.append(deployment)

    def deployments(self, task_id: TaskId | None = None) -> Sequence[Deployment]:
        """Newest first."""
        return [row for row in reversed(self.rows) if task_id in {None, row.task_id}]

    def steps(self) -> list[tuple[str, Stage, float]]:
        """Version, stage and threshold of each row, oldest first."""
        return [(row.model_version_id, row.stage, row.threshold) for row in self.rows]

    def go(self, version: str = "abc123", *, threshold: float = 0.8, stage: Stage = Stage.LIVE) -> Deployment:
        """Promotes a version on good evidence."""
        return promote(
            self,
            Proposal(
                version=a_version(id=ModelVersionId(version)),
                evaluation=an_evaluation(candidate=ModelVersionId(version), threshold=threshold),
                stage=stage,
                share=1.0 if stage is Stage.LIVE else 0.1,
                threshold=threshold,
            ),
            at=after(len(self.rows)),
            entropy=bytes([len(self.rows)] * 10),
        )

    def back(self) -> Deployment:
        """Rolls back."""
        return rollback(self, Withdrawal(task_id=TASK, reason="errors"), at=after(len(self.rows)), entropy=b"0" * 10)


@pytest.fixture
def log() -> DeploymentList:
    """An empty log."""
    return DeploymentList()


def a_proposal(**changes: Any) -> Proposal:
    """The version `a_version` builds goes live on the evaluation `an_evaluation` builds."""
    fields: dict[str, Any] = {
        "version": a_version(),
        "evaluation": an_evaluation(),
        "stage": Stage.LIVE,
        "threshold": 0.8,
    }
    return Proposal(**fields | changes)


def step(log: DeploymentList, *, rules: GateRules | None = None, **changes: Any) -> Deployment:
    """Promotes by such a proposal."""
    return promote(log, a_proposal(**changes), at=after(len(log.rows)), entropy=b"0123456789", rules=rules)


def test_good_evidence_puts_a_version_live(log: DeploymentList) -> None:
    """The row binds version, threshold and evaluation, and the gate itself decided."""
    found = step(log)
    assert log.rows == [found]
    assert (found.stage, found.share, found.threshold) == (Stage.LIVE, 1.0, 0.8)
    assert (found.evaluation_id, found.approver) == ("evaluation-1", None)
    assert found.created_at == after(0)
    assert len(found.id) == 32


@pytest.mark.parametrize("verdict", [Verdict.INFERIOR, Verdict.UNDECIDED])
def test_verdict_that_does_not_allow_it_is_refused(log: DeploymentList, verdict: Verdict) -> None:
    """Inferior and undecided are refused in words, with the interval and what to do, and nothing is written."""
    with pytest.raises(InvalidTransition, match=rf"verdict is {verdict.value}: accuracy differs .* collect more"):
        step(log, evaluation=an_evaluation(verdict=verdict))
    assert log.rows == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"candidate": ModelVersionId("other")}, "another version, other and not abc123"),
        ({"task_id": TaskId("task-2")}, "another task"),
        ({"dataset_id": DatasetId("dataset-2")}, "another dataset"),
        ({"policy": "specialist"}, "another policy"),
        ({"threshold": 0.81}, "another threshold, 0.81 and not 0.8"),
        ({"threshold": float("nan")}, "another threshold"),
    ],
)
def test_evidence_about_something_else_is_refused(log: DeploymentList, change: dict[str, Any], named: str) -> None:
    """An evaluation counts for exactly the version, data, policy and threshold it is about."""
    with pytest.raises(InvalidTransition, match=named):
        step(log, evaluation=an_evaluation(**change))
    assert log.rows == []


def test_missing_evidence_is_refused(log: DeploymentList) -> None:
    """Without an evaluation the message says how to get one."""
    with pytest.raises(InvalidTransition, match="run the controlled experiment first"):
        step(log, evaluation=None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"margin": 0.02}, "gives away up to 2 points"),
        ({"margin": float("nan")}, "gives away"),
        ({"local_share": an_estimate(0.03)}, "answer only 3.0% itself"),
        ({"local_share": an_estimate(float("nan"))}, "itself"),
        ({"difference": an_estimate(0.0, ci_low=-0.02)}, "does not follow from its own interval"),
        ({"difference": an_estimate(0.0, ci_low=float("nan"))}, "does not follow"),
    ],
)
def test_evidence_that_is_too_weak_is_refused(log: DeploymentList, change: dict[str, Any], named: str) -> None:
    """A wide margin, a tiny local share, a verdict its interval doesn't bear out and NaN are objections."""
    with pytest.raises(InvalidTransition, match=named):
        step(log, evaluation=an_evaluation(**change))


def test_agreement_is_accepted_or_not_as_configured(log: DeploymentList) -> None:
    """Agreement with the incumbent has its own margin and may be ruled out altogether."""
    evaluation = an_evaluation(
        reference=LabelSource.INCUMBENT, metric="agreement", verdict=Verdict.NON_INFERIOR, margin=0.02
    )
    with pytest.raises(InvalidTransition, match="wants people's labels"):
        step(log, evaluation=evaluation, rules=GateRules(accept_agreement=False))
    with pytest.raises(InvalidTransition, match="this gate at most 1:"):
        step(log, evaluation=evaluation)
    assert step(log, evaluation=evaluation, rules=GateRules(max_agreement_margin=0.02)).stage is Stage.LIVE


def test_person_may_override_with_a_reason(log: DeploymentList) -> None:
    """The row keeps who, why and what was objected, and the evaluation it went against."""
    found = step(log, evaluation=an_evaluation(verdict=Verdict.UNDECIDED), approver="ann", reason="pilot week")
    assert found.approver == "ann"
    assert found.reason.startswith("pilot week [overrides: the verdict is undecided")
    assert found.evaluation_id == "evaluation-1"


def test_override_without_evidence_claims_none(log: DeploymentList) -> None:
    """No evaluation, or one of another version, is not written down as the evidence."""
    assert step(log, evaluation=None, approver="ann", reason="trial").evaluation_id is None
    foreign = an_evaluation(candidate=ModelVersionId("other"))
    assert step(log, evaluation=foreign, approver="ann", reason="trial", threshold=0.7).evaluation_id is None


@pytest.mark.parametrize(("approver", "reason"), [("ann", "  "), (None, "because"), ("  ", "because")])
def test_override_needs_both_name_and_reason(log: DeploymentList, approver: str | None, reason: str) -> None:
    """A name without a reason, or a reason without a name, overrides nothing."""
    with pytest.raises(InvalidTransition, match="verdict is inferior"):
        step(log, evaluation=an_evaluation(verdict=Verdict.INFERIOR), approver=approver, reason=reason)
    assert log.rows == []


def test_same_step_twice_is_refused(log: DeploymentList) -> None:
    """A version that is live already is not put live again; another threshold is another step."""
    log.go()
    with pytest.raises(InvalidTransition, match="live for this task already"):
        log.go()
    assert log.go(threshold=0.9).threshold == 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": Stage.RETIRED}, "retire"),
        ({"share": 0.5}, "use canary"),
        ({"stage": Stage.CANARY}, "share of a canary is 1.0"),
        ({"stage": Stage.CANARY, "share": 0.0}, "share of a canary"),
        ({"stage": Stage.CANARY, "share": float("nan")}, "share of a canary"),
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": -0.1}, "threshold"),
    ],
)
def test_proposal_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    """Share and threshold must fit the stage, before any evidence is looked at."""
    with pytest.raises(InputError, match=message):
        a_proposal(**change)


def test_retirement_needs_no_evidence(log: DeploymentList) -> None:
    """Whatever serves can be taken off at once, with share 0, and only once."""
    log.go(stage=Stage.CANARY)
    found = retire(log, Withdrawal(task_id=TASK, reason="drift"), at=after(5), entropy=b"0" * 10)
    assert (found.stage, found.share, found.model_version_id) == (Stage.RETIRED, 0.0, "abc123")
    with pytest.raises(InvalidTransition, match="nothing to take off"):
        retire(log, Withdrawal(task_id=TASK, reason="drift"), at=after(6), entropy=b"0" * 10)


def test_retired_version_can_go_live_again(log: DeploymentList) -> None:
    """Retirement is not for ever, but the evidence is asked for again."""
    log.go()
    retire(log, Withdrawal(task_id=TASK, reason="drift"), at=after(5), entropy=b"0" * 10)
    assert log.go().stage is Stage.LIVE


def test_rollback_puts_the_previous_live_version_back(log: DeploymentList) -> None:
    """The row before is in force again, with its threshold and its evidence."""
    first = log.go("v1", threshold=0.7)
    log.go("v2")
    found = log.back()
    assert (found.model_version_id, found.stage, found.threshold) == ("v1", Stage.LIVE, 0.7)
    assert found.evaluation_id == first.evaluation_id
    assert found.reason == "errors"


def test_rollback_of_the_only_version_retires_it(log: DeploymentList) -> None:
    """With nothing to go back to, all traffic goes to the frontier model."""
    log.go("v1", stage=Stage.CANARY)
    log.go("v1")
    assert (log.back().stage, log.rows[-1].model_version_id) == (Stage.RETIRED, "v1")
    with pytest.raises(InvalidTransition, match="no specialist serves"):
        log.back()


def test_rollback_of_a_canary_goes_back_to_what_was_live(log: DeploymentList) -> None:
    """A canary was never live, so what was live before it is."""
    log.go("v1")
    log.go("v2", stage=Stage.CANARY)
    assert log.back().model_version_id == "v1"


def test_second_rollback_goes_further_back_and_never_forth(log: DeploymentList) -> None:
    """After v1, v2, v3 two rollbacks give v1, and a third retires: what failed is not come back to."""
    for version in ("v1", "v2", "v3"):
        log.go(version)
    assert [log.back().model_version_id, log.back().model_version_id, log.back().stage] == ["v2", "v1", Stage.RETIRED]


def test_rollback_of_a_threshold_goes_back_to_the_one_before(log: DeploymentList) -> None:
    """The same version at another threshold is another decision."""
    log.go("v1", threshold=0.9)
    log.go("v1", threshold=0.6)
    assert log.back().threshold == 0.9
    assert log.back().stage is Stage.RETIRED


def test_rollback_does_not_cross_a_retirement(log: DeploymentList) -> None:
    """What was retired was retired for a reason."""
    log.go("v1")
    retire(log, Withdrawal(task_id=TASK, reason="drift"), at=after(5), entropy=b"0" * 10)
    log.go("v2")
    assert log.back().stage is Stage.RETIRED


def test_tasks_do_not_touch_each_other(log: DeploymentList) -> None:
    """Another task's decisions are not gone back to."""
    log.go("v1")
    log.rows[0] = Deployment(
        id=log.rows[0].id,
        task_id=TaskId("task-2"),
        model_version_id=ModelVersionId("v1"),
        stage=Stage.LIVE,
        share=1.0,
        threshold=0.8,
        created_at=after(0),
        evaluation_id=None,
    )
    log.go("v2")
    assert log.back().stage is Stage.RETIRED
    assert log.steps()[0] == ("v1", Stage.LIVE, 0.8)

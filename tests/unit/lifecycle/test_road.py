"""The steps of the road: their order, what each must have shown, and who decides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.fakes import a_deployment, a_version, after, an_estimate, an_evaluation
from tests.unit.lifecycle.test_promotion import TASK, DeploymentList, a_proposal
from tierwright.core.deployment import Deployment, Stage
from tierwright.core.errors import InputError, InvalidTransition
from tierwright.core.ids import DeploymentId, ModelVersionId
from tierwright.economics.cascade import cascade_cost
from tierwright.lifecycle.promotion import RoadCheck, Withdrawal, end_shadow, promote, retire, rollback
from tierwright.lifecycle.road import RoadRules, StepEvidence, next_step, step_objections

REQUIRED = RoadRules(require=(Stage.SHADOW, Stage.CANARY))
EASY = RoadRules(require=(Stage.SHADOW, Stage.CANARY), min_requests=0, min_hours=0.0)


@pytest.fixture
def log() -> DeploymentList:
    """An empty log."""
    return DeploymentList()


def evidence_of(deployment: Deployment, **changes: Any) -> StepEvidence:
    """A step that has seen enough."""
    fields: dict[str, Any] = {
        "deployment": deployment,
        "requests": 500,
        "failed": 0,
        "hours": 30.0,
        "agreement": an_estimate(0.97),
    }
    return StepEvidence(**fields | changes)


def go(
    log: DeploymentList, stage: Stage, share: float = 1.0, *, road: RoadCheck | None = None, **changes: Any
) -> Deployment:
    """A step on good evaluation; what the last step has shown is as good, unless told otherwise."""
    proposal = a_proposal(stage=stage, share=share, **changes)
    if road is None:
        last = next((row for row in reversed(log.rows) if row.model_version_id == proposal.version.id), None)
        road = RoadCheck(rules=REQUIRED, evidence=None if last is None else evidence_of(last))
    return promote(log, proposal, at=after(len(log.rows)), entropy=bytes([len(log.rows)] * 10), road=road)


def test_the_whole_road_is_taken_step_by_step(log: DeploymentList) -> None:
    """Shadow, each share and live follow on each other, and each row keeps what the step before has shown."""
    go(log, Stage.SHADOW)
    go(log, Stage.CANARY, 0.05)
    go(log, Stage.CANARY, 0.2)
    go(log, Stage.CANARY, 0.5)
    last = go(log, Stage.LIVE)
    assert [(row.stage, row.share) for row in log.rows] == [
        (Stage.SHADOW, 1.0),
        (Stage.CANARY, 0.05),
        (Stage.CANARY, 0.2),
        (Stage.CANARY, 0.5),
        (Stage.LIVE, 1.0),
    ]
    assert last.reason == "[after canary at 50%: 500 requests, 0 failed, 30.0 h, agreement 97.0% [95.0%, 99.0%]]"
    assert last.evaluation_id == "evaluation-1"


def test_a_shadow_needs_no_evaluation(log: DeploymentList) -> None:
    """A version on trial answers nobody, so that nothing has to be shown before."""
    assert go(log, Stage.SHADOW, 0.3, evaluation=None).stage is Stage.SHADOW


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_shadow_has_a_share(share: float) -> None:
    """A share that is none is refused."""
    with pytest.raises(InputError, match="share of a shadow"):
        a_proposal(stage=Stage.SHADOW, share=share)


@pytest.mark.parametrize(
    ("before", "stage", "says"),
    [
        ((), Stage.LIVE, "has not been shadow.*has not been canary"),
        ((), Stage.CANARY, "has not been shadow"),
        ((Stage.SHADOW,), Stage.LIVE, "has not been canary"),
    ],
)
def test_no_required_stage_is_passed_by(
    log: DeploymentList, before: tuple[Stage, ...], stage: Stage, says: str
) -> None:
    """Not even somebody with a name and a reason skips what the settings require."""
    for one in before:
        go(log, one)
    rows = len(log.rows)
    with pytest.raises(InvalidTransition, match=says):
        go(log, stage, 1.0 if stage is Stage.LIVE else 0.05, approver="ann", reason="I know")
    assert len(log.rows) == rows


def test_no_share_is_passed_by(log: DeploymentList) -> None:
    """A canary goes to the next step and no further."""
    go(log, Stage.SHADOW)
    with pytest.raises(InvalidTransition, match=r"next step is 5% of the traffic, after 0%"):
        go(log, Stage.CANARY, 0.5)
    go(log, Stage.CANARY, 0.05)
    with pytest.raises(InvalidTransition, match=r"next step is 20% of the traffic, after 5%"):
        go(log, Stage.LIVE)


def test_by_default_live_follows_on_an_evaluation_alone(log: DeploymentList) -> None:
    """Without required stages the gate's evaluation is all that is asked for."""
    assert go(log, Stage.LIVE, road=RoadCheck(rules=RoadRules())).stage is Stage.LIVE


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        ({"requests": 199}, "199 of 200 requests"),
        ({"hours": 23.9}, "23.9 of 24 hours"),
        ({"hours": float("nan")}, "nan of 24 hours"),
        ({"failed": 6}, "failed at 6 of 500"),
    ],
)
def test_a_step_that_has_shown_too_little_holds(log: DeploymentList, shown: dict[str, Any], says: str) -> None:
    """Too few requests, too little time or too many failures are each said, and nothing is written."""
    shadow = go(log, Stage.SHADOW)
    check = RoadCheck(rules=REQUIRED, evidence=evidence_of(shadow, **shown))
    with pytest.raises(InvalidTransition, match=says):
        go(log, Stage.CANARY, 0.05, road=check)
    assert log.rows == [shadow]


def test_a_step_nobody_has_measured_has_shown_nothing(log: DeploymentList) -> None:
    """Missing evidence, or evidence of another deployment, is an objection."""
    shadow = go(log, Stage.SHADOW)
    other = evidence_of(a_deployment(id=DeploymentId("another")))
    for evidence in (None, other):
        with pytest.raises(InvalidTransition, match="nothing is known of the last step"):
            go(log, Stage.CANARY, 0.05, road=RoadCheck(rules=REQUIRED, evidence=evidence))
    assert log.rows == [shadow]


def test_a_person_may_overrule_what_a_step_has_not_shown(log: DeploymentList) -> None:
    """With a name and a reason the step is taken, and the row says what was overruled."""
    shadow = go(log, Stage.SHADOW)
    check = RoadCheck(rules=REQUIRED, evidence=evidence_of(shadow, requests=3))
    with pytest.raises(InvalidTransition, match="without a reason"):
        go(log, Stage.CANARY, 0.05, road=check, approver="ann")
    taken = go(log, Stage.CANARY, 0.05, road=check, approver="ann", reason="a quiet week")
    assert taken.reason.startswith("a quiet week [after shadow at 100%: 3 requests")
    assert "overrides: the last step has seen 3 of 200 requests" in taken.reason


def test_agreement_counts_by_its_lower_end() -> None:
    """The agreement that is certain must reach what is asked for; none at all does not."""
    rules = RoadRules(min_requests=0, min_hours=0.0, min_agreement=0.95)
    row = a_deployment(stage=Stage.SHADOW)
    assert step_objections(evidence_of(row, agreement=an_estimate(0.97)), rules) == ()
    (short,) = step_objections(evidence_of(row, agreement=an_estimate(0.96)), rules)
    assert "certain to be 94.0% only, not 95.0%" in short
    (none,) = step_objections(evidence_of(row, agreement=None), rules)
    assert "nothing was compared" in none


def test_only_named_people_decide(log: DeploymentList) -> None:
    """A stage that needs a name is refused without one and with one that is not on the list."""
    rules = RoadRules(approvers=("ann", "bob"), require_approver=(Stage.LIVE,))
    check = RoadCheck(rules=rules)
    with pytest.raises(InvalidTransition, match="one of ann, bob decides"):
        go(log, Stage.LIVE, road=check)
    with pytest.raises(InvalidTransition, match=r"eve is none of promotion\.approvers"):
        go(log, Stage.LIVE, road=check, approver="eve", reason="me too")
    assert go(log, Stage.CANARY, 0.1, road=check).approver is None
    assert go(log, Stage.LIVE, road=check, approver="bob").approver == "bob"


def test_a_specialist_that_does_not_pay_is_not_used(log: DeploymentList) -> None:
    """Where its own cost and what it passes on exceed the frontier model's, the gate says so in figures."""
    dear = cascade_cost(local_usd=Decimal("0.0002"), frontier_usd=Decimal("0.0003"), local_share=an_estimate(0.5))
    with pytest.raises(InvalidTransition, match=r"costs 0\.00035 US dollars .* 0\.0003 at the frontier model alone"):
        go(log, Stage.LIVE, road=RoadCheck(rules=RoadRules(), cost=dear))
    cheap = cascade_cost(local_usd=Decimal("0.0001"), frontier_usd=Decimal("0.0003"), local_share=an_estimate(0.5))
    assert go(log, Stage.LIVE, road=RoadCheck(rules=RoadRules(), cost=cheap)).stage is Stage.LIVE


def test_a_step_back_asks_for_nothing_new(log: DeploymentList) -> None:
    """A live version may go back to a share of the traffic at once."""
    for stage, share in ((Stage.SHADOW, 1.0), (Stage.CANARY, 0.05), (Stage.CANARY, 0.2), (Stage.CANARY, 0.5)):
        go(log, stage, share)
    go(log, Stage.LIVE)
    assert go(log, Stage.CANARY, 0.3, road=RoadCheck(rules=REQUIRED)).share == 0.3


def test_a_version_that_was_taken_off_begins_anew(log: DeploymentList) -> None:
    """What it had been through before it was retired, or rolled back from, does not count any more."""
    easy = RoadCheck(rules=EASY)
    for stage, share in ((Stage.SHADOW, 1.0), (Stage.CANARY, 0.05), (Stage.CANARY, 0.2), (Stage.CANARY, 0.5)):
        go(log, stage, share)
    retire(log, Withdrawal(task_id=TASK, reason="errors"), at=after(9), entropy=b"9" * 10)
    with pytest.raises(InvalidTransition, match="has not been shadow"):
        go(log, Stage.CANARY, 0.05, road=easy)


def test_a_version_that_was_rolled_back_from_begins_anew(log: DeploymentList) -> None:
    """The version that failed is not back on a share of the traffic in one step."""
    other = ModelVersionId("first")
    first = {"version": a_version(id=other), "evaluation": an_evaluation(candidate=other)}
    go(log, Stage.LIVE, road=RoadCheck(rules=RoadRules()), **first)
    for stage, share in ((Stage.SHADOW, 1.0), (Stage.CANARY, 0.05)):
        go(log, stage, share)
    rollback(log, Withdrawal(task_id=TASK, reason="errors"), at=after(9), entropy=b"9" * 10)
    assert log.rows[-1].model_version_id == other
    with pytest.raises(InvalidTransition, match="has not been shadow"):
        go(log, Stage.CANARY, 0.05)


def test_a_shadow_is_ended_without_touching_what_serves(log: DeploymentList) -> None:
    """What serves is said again; where nothing serves the trial is retired."""
    live = go(log, Stage.LIVE, road=RoadCheck(rules=RoadRules()))
    new = ModelVersionId("second")
    go(log, Stage.SHADOW, version=a_version(id=new), evaluation=None)
    ended = end_shadow(log, Withdrawal(task_id=TASK, reason="enough"), at=after(5), entropy=b"5" * 10)
    assert (ended.model_version_id, ended.stage, ended.evaluation_id) == (
        live.model_version_id,
        Stage.LIVE,
        live.evaluation_id,
    )
    with pytest.raises(InvalidTransition, match="nothing to end"):
        end_shadow(log, Withdrawal(task_id=TASK, reason="enough"), at=after(6), entropy=b"6" * 10)
    alone = DeploymentList()
    go(alone, Stage.SHADOW)
    ended = end_shadow(alone, Withdrawal(task_id=TASK, reason="enough"), at=after(5), entropy=b"5" * 10)
    assert ended.stage is Stage.RETIRED


def test_a_rollback_does_not_see_shadows(log: DeploymentList) -> None:
    """A version on trial is neither rolled back to nor taken for what serves."""
    first, second = ModelVersionId("first"), ModelVersionId("second")
    free = RoadCheck(rules=RoadRules())
    for name in (first, second):
        go(log, Stage.LIVE, road=free, version=a_version(id=name), evaluation=an_evaluation(candidate=name))
    go(log, Stage.SHADOW, road=free, version=a_version(id=ModelVersionId("third")), evaluation=None)
    back = rollback(log, Withdrawal(task_id=TASK, reason="errors"), at=after(9), entropy=b"9" * 10)
    assert (back.model_version_id, back.stage) == (first, Stage.LIVE)


def test_only_a_shadow_on_its_own_is_nothing_to_take_off(log: DeploymentList) -> None:
    """Retiring asks for a specialist that serves."""
    go(log, Stage.SHADOW)
    with pytest.raises(InvalidTransition, match="no specialist serves"):
        retire(log, Withdrawal(task_id=TASK, reason="x"), at=after(5), entropy=b"5" * 10)


@pytest.mark.parametrize(
    ("row", "step"),
    [
        ({"stage": Stage.SHADOW, "share": 1.0}, (Stage.CANARY, 0.05)),
        ({"stage": Stage.CANARY, "share": 0.05}, (Stage.CANARY, 0.2)),
        ({"stage": Stage.CANARY, "share": 0.1}, (Stage.CANARY, 0.2)),
        ({"stage": Stage.CANARY, "share": 0.5}, (Stage.LIVE, 1.0)),
    ],
)
def test_the_next_step_is_the_settings(row: dict[str, Any], step: tuple[Stage, float]) -> None:
    """From a shadow to the first share, from each share to the next greater one, then live."""
    current = a_deployment(**row)
    assert next_step([current], RoadRules()) == (current, *step)


def test_there_is_not_always_a_next_step() -> None:
    """Nothing, a retired and a live version have none, each in words."""
    for rows, says in (
        ([], "no specialist of this task is on the road"),
        ([a_deployment(stage=Stage.RETIRED)], "no specialist of this task is on the road"),
        ([a_deployment(stage=Stage.LIVE)], "is live, which is the last step"),
    ):
        with pytest.raises(InvalidTransition, match=says):
            next_step(rows, RoadRules())

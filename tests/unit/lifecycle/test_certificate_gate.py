"""A threshold that must have been certified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import NOON, a_certificate, a_version, an_evaluation
from tierwright.core.deployment import Deployment, Stage
from tierwright.core.errors import InvalidTransition
from tierwright.core.ids import ModelVersionId
from tierwright.lifecycle.gate import GateRules, uncertified
from tierwright.lifecycle.promotion import Proposal, promote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.ids import TaskId

STRICT = GateRules(require_certificate=True)


class NoDeployments:
    """A log in which nothing serves yet."""

    def __init__(self) -> None:
        self.rows: list[Deployment] = []

    def add_deployment(self, deployment: Deployment) -> None:
        """Keeps the row."""
        self.rows.append(deployment)

    def deployments(self, task_id: TaskId | None = None) -> Sequence[Deployment]:
        """None."""
        return []


def go(rules: GateRules, **changes: Any) -> Deployment:
    """Puts a version live on good evidence."""
    proposal = Proposal(version=a_version(), evaluation=an_evaluation(), stage=Stage.LIVE, threshold=0.8, **changes)
    return promote(NoDeployments(), proposal, at=NOON, entropy=b"0" * 10, rules=rules)


def test_a_certified_threshold_serves() -> None:
    """Exactly this version at exactly this threshold."""
    assert go(STRICT, certificate=a_certificate()).threshold == 0.8
    assert uncertified(a_certificate(), version=a_version(), threshold=0.8, rules=STRICT) == ()


def test_without_the_setting_no_certificate_is_asked_for() -> None:
    """Nor is a refusal held against the version."""
    assert go(GateRules()).threshold == 0.8
    assert uncertified(None, version=a_version(), threshold=0.8, rules=GateRules()) == ()


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (None, "no certificate"),
        (a_certificate(model_version_id=ModelVersionId("other")), "no certificate"),
        (a_certificate(threshold=None, reason="cannot certify: too few"), "refuses a threshold: cannot certify"),
        (a_certificate(threshold=0.7), "about the threshold 0.7 and not 0.8"),
    ],
)
def test_the_gate_objects_to_what_is_not_certified(certificate: Any, said: str) -> None:
    """Missing, another version's, a refusal, another threshold: each is said, and a person may overrule it."""
    with pytest.raises(InvalidTransition, match=said):
        go(STRICT, certificate=certificate)
    row = go(STRICT, certificate=certificate, approver="Ada", reason="a pilot")
    assert "overrides" in row.reason
    assert said.partition(":")[0] in row.reason

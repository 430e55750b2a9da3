"""The tables [promotion], [shadow] and [audit]: defaults, what they become, what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tierwright.app.road_settings import second_shared_out
from tierwright.app.settings import parse_settings
from tierwright.core.deployment import Stage
from tierwright.core.errors import SettingsError
from tierwright.gateway.lanes import Allowance

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.app.settings import Settings


def parsed(tmp_path: Path, text: str) -> Settings:
    """The settings that a text says."""
    return parse_settings(text.encode(), tmp_path / "tierwright.toml", {})


def test_nothing_is_audited_or_required_by_default(tmp_path: Path) -> None:
    """An empty file shadows nothing that is not deployed so, audits nothing and lets live follow on an evaluation."""
    found = parsed(tmp_path, "")
    assert found.second.audit_share == 0.0
    assert found.promotion.require == ()
    assert found.promotion.steps == (0.05, 0.2, 0.5, 1.0)


def test_every_key_is_taken(tmp_path: Path) -> None:
    """What the tables say arrives where the gateway and promotion look."""
    found = parsed(
        tmp_path,
        """
[routing]
audit_share = 0.02
[shadow]
requests_per_day = 50
seconds_per_day = 7.5
queue_limit = 3
[audit]
requests_per_day = 60
usd_per_day = "0.25"
[promotion]
require = ["shadow", "canary"]
steps = [0.1, 1.0]
min_requests = 5
approvers = ["ann"]
require_approver = ["live"]
""",
    )
    assert found.second.audit_share == 0.02
    assert found.second.shadow == Allowance(requests=50, seconds=7.5)
    assert found.second.audit == Allowance(requests=60, usd=Decimal("0.25"))
    assert found.second.queue_limit == 3
    assert found.promotion.require == (Stage.SHADOW, Stage.CANARY)
    assert (found.promotion.steps, found.promotion.min_requests) == ((0.1, 1.0), 5)
    assert found.promotion.require_approver == (Stage.LIVE,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[routing]\naudit_share = 1.5\n", "audit_share must lie between 0 and 1"),
        ("[shadow]\nrequests_per_day = -1\n", "shadow: requests_per_day must not be negative"),
        ("[shadow]\nqueue_limit = 0\n", "queue_limit must be above 0"),
        ('[audit]\nusd_per_day = "dear"\n', r"audit\.usd_per_day must be an amount"),
        ("[promotion]\nsteps = []\n", r"promotion\.steps must rise"),
        ("[promotion]\nsteps = [0.5, 0.2, 1.0]\n", r"promotion\.steps must rise"),
        ("[promotion]\nsteps = [0.5]\n", r"promotion\.steps must rise"),
        ("[promotion]\nsteps = [0.0, 1.0]\n", r"promotion\.steps must rise"),
        ('[promotion]\nrequire = ["live"]\n', r"promotion\.require may hold"),
        ('[promotion]\nrequire = ["alpha"]\n', "Invalid enum value"),
        ('[promotion]\nrequire_approver = ["retired"]\n', "taking a specialist off can't wait"),
        ("[promotion]\nmin_hours = nan\n", "min_requests and min_hours must not be negative"),
        ("[promotion]\nmin_agreement = 1.5\n", "must lie between 0 and 1"),
        ("[promotion]\nmin_request = 5\n", "unknown field"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """Each mistake is named with its key."""
    with pytest.raises(SettingsError, match=says):
        parsed(tmp_path, text)


def test_workers_share_a_days_allowance(tmp_path: Path) -> None:
    """All workers together use what one would, but for what rounding to whole requests adds."""
    config = second_shared_out(parsed(tmp_path, "[shadow]\nrequests_per_day = 10\n").second, 4)
    assert config.shadow == Allowance(requests=3, seconds=900.0)
    assert config.audit == Allowance(requests=250, usd=Decimal("0.25"))

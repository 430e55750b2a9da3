"""How traffic is cut into blocks of time that can be compared."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.unit.lifecycle.traffic_under_test import SINCE, traffic
from tierwright.core.errors import NotEnoughData
from tierwright.lifecycle.windows import cut


def test_days_are_permuted_apart_from_weekends() -> None:
    """Three weeks give 21 blocks, the late ones from 0 on: 5 of 15 working days and 2 of 6 others change sides."""
    found = cut(*traffic(), since=SINCE)
    assert found.unit == "days, working days and weekends apart"
    assert (found.early, found.late) == (14 * 24, 7 * 24)
    assert np.unique(found.blocks).tolist() == list(range(-14, 7))
    design = found.design(range(len(found.observed)))
    assert design.arrangements == 3003 * 15


def test_weekend_is_where_the_middle_of_a_block_lies() -> None:
    """Blocks begin at noon on a Monday: the one from Friday noon on has its middle on Saturday, and is a weekend's."""
    found = cut(*traffic(), since=SINCE)
    weekend = {int(block) for block, stratum in zip(found.blocks, found.strata, strict=True) if stratum and block >= 0}
    assert SINCE.weekday() == 0
    assert weekend == {4, 5}


def test_a_day_against_another_is_permuted_by_the_hour() -> None:
    """With a day on each side, hours change sides with the same hour of the other day."""
    found = cut(*traffic(early_days=1, late_days=1, a_day=240), since=SINCE)
    assert found.unit == "hours of the same time of day"
    assert found.design(range(len(found.observed))).arrangements >= 2**22


def test_part_of_a_day_is_left_out() -> None:
    """A late day that has only begun would compare its morning with whole days: it is not compared."""
    early, late = traffic(late_days=8)
    begun = [one for one in late if one.at < SINCE + timedelta(days=7, hours=6)]
    found = cut(early, begun, since=SINCE)
    assert found.late == 7 * 24
    assert max(one.at for one in found.observed) < SINCE + timedelta(days=7)


def test_too_little_traffic_is_refused() -> None:
    """Fewer than 50 requests on a side, or fewer than four hours, are NotEnoughData, with what to do."""
    early, late = traffic()
    with pytest.raises(NotEnoughData, match=r"20 requests .* after .* wait for more"):
        cut(early, late[:20], since=SINCE)
    with pytest.raises(NotEnoughData, match=r"0 requests .* before"):
        cut([], late, since=SINCE)
    burst = [one for one in traffic(early_days=1, late_days=1, a_day=1200)[1] if one.at < SINCE + timedelta(hours=2)]
    with pytest.raises(NotEnoughData, match="too few hours"):
        cut(early, burst, since=SINCE)


def test_requests_without_what_is_compared_are_refused() -> None:
    """A comparison of no request at all is NotEnoughData."""
    with pytest.raises(NotEnoughData, match="none of the requests"):
        cut(*traffic(), since=SINCE).design([])

"""Whether to answer a task oneself, and what would have to be true."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.economics.hosting_builder import hosted
from tierwright.core.errors import InputError
from tierwright.economics.appraisal import Decision, appraise
from tierwright.economics.assumptions import Assumption, exactly, read, with_value
from tierwright.economics.outlook import outlook

if TYPE_CHECKING:
    from tierwright.economics.appraisal import Appraisal


def assumed(**texts: str) -> dict[str, Assumption]:
    """The task of `hosted` as assumptions; $26.95 a month are saved."""
    base = hosted()
    whole = {
        field.name: exactly(field.name, getattr(base, field.name), "a test")
        for field in fields(base)
        if field.name not in texts
    }
    return whole | {name: read(name, text, "a test") for name, text in texts.items()}


def appraised(draws: int = 200, **texts: str) -> Appraisal:
    """The appraisal of that task."""
    return appraise(assumed(**texts), np.random.default_rng(1), draws=draws)


def test_without_ranges_there_is_nothing_to_be_unsure_of() -> None:
    """Every interval is the value itself; the value is what can be worked out by hand."""
    found = appraised()
    net = found.net_present_saving_usd
    assert (net.value, net.ci_low, net.ci_high) == (Decimal("323.4"),) * 3
    assert found.decision is Decision.SELF_HOST
    assert found.pays_share == 1
    even = found.break_even_calls
    assert even is not None
    assert (even.value, even.ci_low, even.ci_high, even.share) == (2192, 2192, 2192, 1.0)
    assert found.first_calls is not None
    assert found.first_calls.value == 731


def test_uncertain_prices_widen_every_interval() -> None:
    """The interval of the API's bill lies in what its range allows, and holds the value."""
    bill = appraised(api_usd_per_call="0.05 .. 0.1 .. 0.2").api_monthly_usd
    assert 50 <= bill.ci_low < bill.value == 100 < bill.ci_high <= 200
    # The 2.5 % point of the two-sided triangle: 0.05 (1 - sqrt(0.05)) below the value.
    assert float(bill.ci_low) == pytest.approx(100 - 50 * (1 - 0.05**0.5), abs=4)


def test_the_value_is_in_its_interval_even_where_all_ranges_point_one_way() -> None:
    """Eight costs that can only be higher than stated: the stated saving is the best end, and is shown as such."""
    lopsided = {
        name: f"{value} .. {value} .. {more}"
        for name, value, more in (
            ("machine_usd_per_hour", "0.1", "0.2"),
            ("hours_per_month", "0", "1"),
            ("labels", "0", "100"),
            ("trial_months", "0", "1"),
            ("holdout_share", "0", "0.1"),
            ("audit_share", "0", "0.1"),
            ("setup_hours", "0", "3"),
            ("colocation_usd_per_month", "0", "20"),
        )
    }
    net = appraised(**lopsided, usd_per_hour="10", usd_per_label="0.1").net_present_saving_usd
    assert net.ci_high == net.value
    assert net.ci_low < net.value


def test_a_break_even_that_some_draws_lack_has_no_upper_end() -> None:
    """Where the price may fall below what a full machine costs, a part of the draws never breaks even."""
    even = appraised(api_usd_per_call="0.04 .. 0.1 .. 0.12").break_even_calls
    assert even is not None
    assert even.ci_high is None
    assert 0.5 < even.share < 1
    assert appraised(api_usd_per_call="0.04 .. 0.05 .. 0.12").break_even_calls is None


def test_values_that_flip_the_decision_do_flip_it() -> None:
    """At each value found the saving has the other sign, a hundredth of the way before it still the first."""
    assumptions = assumed(api_usd_per_call="0.09 .. 0.1 .. 0.11", local_share="0.9 .. 1 .. 1", calls_per_month="900")
    found = appraise(assumptions, np.random.default_rng(1), draws=40)
    checked = 0
    for swing in found.swings:
        for flip in (swing.flips_below, swing.flips_above):
            if flip is not None:
                before = flip + (swing.value - flip) / 100
                assert outlook(with_value(assumptions, swing.name, flip)).net_present_saving_usd <= 0
                assert outlook(with_value(assumptions, swing.name, before)).net_present_saving_usd > 0
                checked += 1
    assert checked >= 5
    flips = {swing.name: swing for swing in found.swings}
    assert flips["local_share"].flips_below == pytest.approx(Decimal("0.8117"), abs=Decimal("0.001"))
    assert flips["machine_usd_per_hour"].flips_above == pytest.approx(
        Decimal(90) / Decimal("730.5"), abs=Decimal("0.001")
    )
    assert not flips["local_share"].flips_within
    assert flips["local_share"].flips_above is None


def test_the_widest_swing_comes_first() -> None:
    """By hand: 1,000 calls a month for 12 months at 9 to 11 cents are $240; a tenth of the calls is $120."""
    found = appraised(api_usd_per_call="0.09 .. 0.1 .. 0.11", local_share="0.9 .. 1 .. 1")
    assert [(s.name, s.width_usd) for s in found.swings[:2]] == [("api_usd_per_call", 240), ("local_share", 120)]


def test_falling_prices_eat_the_saving() -> None:
    """The faster the fall, the less is saved, the later it breaks even; by nine tenths a year it never does."""
    falls = appraised(horizon_months="36").price_falls
    savings = [fall.net_present_saving_usd for fall in falls]
    assert savings == sorted(savings, reverse=True)
    assert savings[0] > 0 > savings[-1]
    assert falls[0].last_break_even_calls == 2192
    assert falls[-1].last_break_even_calls is None


def test_curve_crosses_where_the_break_even_is() -> None:
    """Below the first volume the API is cheaper, above the last one's own, and both bills rise."""
    found = appraised()
    below = [point for point in found.curve if point.calls < 731]
    above = [point for point in found.curve if point.calls >= 2192]
    assert below
    assert above
    assert all(point.api_usd < point.own_usd for point in below)
    assert all(point.api_usd >= point.own_usd for point in above)
    assert [p.own_usd for p in found.curve] == sorted(p.own_usd for p in found.curve)


def test_too_few_draws_are_refused() -> None:
    """Ten draws have no 95 % interval."""
    with pytest.raises(InputError, match="10 draws"):
        appraised(draws=10)

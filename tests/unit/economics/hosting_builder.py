"""A task to host, any assumption changed by name."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tierwright.economics.hosting import Hosting

#: Thirty numbers make an example: how long that takes on a busy machine says nothing of what is tested.
untimed = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def hosted(**values: str | int) -> Hosting:
    """A task of 1,000 calls a month on one machine that bears 1,000 and costs $73.05, at 10 cents a call."""
    stated: dict[str, str | int] = {
        "calls_per_month": 1000,
        "api_usd_per_call": "0.1",
        # 1,000 calls in the 2,629,800 seconds of a mean month.
        "calls_per_second": "0.000380258",
        "machine_usd_per_hour": "0.1",
    }
    return Hosting(**{name: Decimal(str(value)) for name, value in (stated | values).items()})


def _number(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    ends = (int(Decimal(end).scaleb(places)) for end in (low, high))
    return st.integers(*ends).map(lambda number: Decimal(number).scaleb(-places))


_SHARE = _number("0", "1", 2)

#: Tasks of every kind: free and dear, with and without spare machines, people, trials and judges.
HOSTINGS = st.builds(
    Hosting,
    calls_per_month=_number("0", "100000", 0),
    api_usd_per_call=_number("0", "0.5", 3),
    calls_per_second=_number("0.0001", "0.1", 4),
    growth_per_month=_number("-0.1", "0.1", 2),
    api_price_fall_per_year=_number("0", "0.9", 1),
    local_share=_SHARE,
    holdout_share=_SHARE,
    audit_share=_SHARE,
    judge_share=_SHARE,
    judge_usd_per_call=_number("0", "0.1", 2),
    machine_usd_per_hour=_number("0", "3", 1),
    purchase_usd=_number("0", "5000", 0),
    life_months=_number("12", "60", 0),
    residual_share=_SHARE,
    watts=_number("0", "700", 0),
    pue=_number("1", "2", 1),
    usd_per_kwh=_number("0", "0.4", 2),
    utilisation=_number("0.05", "1", 2),
    spare_machines=_number("0", "2", 0),
    hours_per_month=_number("0", "20", 0),
    usd_per_hour=_number("0", "150", 0),
    setup_hours=_number("0", "50", 0),
    training_runs=_number("0", "10", 0),
    training_hours=_number("0", "4", 0),
    training_usd_per_hour=_number("0", "4", 1),
    retrainings_per_year=_number("0", "12", 0),
    labels=_number("0", "1000", 0),
    labels_per_retraining=_number("0", "100", 0),
    usd_per_label=_number("0", "2", 1),
    trial_months=_number("0", "3", 1),
    horizon_months=_number("1", "24", 0),
    discount_per_year=_number("0", "0.3", 2),
)

"""Who may see which class, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.privacy.gates import NOW, OURS
from tierwright.core.privacy import DataClass, PrivacyMode
from tierwright.privacy.policy import TYPES, Policy
from tierwright.privacy.promises import Promise, Promises

END = datetime(2027, 6, 30, tzinfo=UTC)
#: A third party that has promised everything, and may see everything.
SWORN = Promises(
    region=Promise(value="eu"),
    baa=Promise(value=True, expires_at=END, evidence="contract 12"),
    zero_retention=Promise(value=True, expires_at=END, evidence="contract 12"),
    trains_on_data=Promise(value=False, expires_at=END, evidence="contract 12"),
    allowed=frozenset(DataClass),
)
BROKEN = {
    "baa": ("no baa", "no baa"),
    "zero_retention": ("no zero retention", "no zero retention"),
    "trains_on_data": ("may train on data", "trains on data"),
}


def _policy(promises: Promises, **more: object) -> Policy:
    return Policy(backends={"one": promises}, **more)  # type: ignore[arg-type]  # whatever a test wants otherwise


def test_a_third_party_of_which_nothing_is_known_sees_what_is_public_or_internal() -> None:
    """The default keeps what is confidential at home."""
    policy = _policy(Promises())
    assert [policy.why_not("one", one, NOW) for one in DataClass] == [None, None, "not allowed", "not allowed"]


def test_allowing_a_class_is_not_enough_for_a_third_party() -> None:
    """Promises are asked for beside `allowed_classes`."""
    policy = _policy(Promises(allowed=frozenset(DataClass)))
    assert policy.why_not("one", DataClass.CONFIDENTIAL, NOW) == "no zero retention"
    assert policy.why_not("one", DataClass.RESTRICTED, NOW) == "no baa"


def test_machines_of_ones_own_see_everything_until_that_is_no_longer_so() -> None:
    """`self_hosted` that has expired makes a third party of them."""
    ours = Promises(self_hosted=Promise(value=True, expires_at=END))
    assert _policy(ours).why_not("one", DataClass.RESTRICTED, NOW) is None
    assert _policy(ours).why_not("one", DataClass.RESTRICTED, END) == "not allowed"


@given(
    ends=st.lists(st.none() | st.integers(-3, 3), min_size=8, max_size=8),
    instants=st.lists(st.integers(-4, 4), min_size=1, max_size=12),
    data_class=st.sampled_from(DataClass),
)
def test_who_is_permitted_is_asked_anew_for_every_instant(
    ends: list[int | None], instants: list[int], data_class: DataClass
) -> None:
    """What is remembered of one instant says nothing of another, whichever way the clock goes."""

    def until(days: int | None) -> datetime | None:
        return None if days is None else NOW + timedelta(days=days)

    backends = {
        str(at): replace(
            SWORN,
            self_hosted=Promise(value=True, expires_at=until(first)),
            baa=Promise(value=True, expires_at=until(second)),
            trains_on_data=Promise(value=False, expires_at=until(third)),
            zero_retention=Promise(value=True, expires_at=until(fourth)),
        )
        for at, (first, second, third, fourth) in enumerate([ends[:4], ends[4:]])
    }
    policy = Policy(backends=backends)
    for days in instants:
        for at in (NOW + timedelta(days=days), NOW + timedelta(days=days, microseconds=-1)):
            permitted = policy.permitted(data_class, at)
            lacks = {name: policy.why_not(name, data_class, at) for name in backends}
            assert permitted.backends == {name for name, lack in lacks.items() if lack is None}
            assert permitted.excluded == {name: lack for name, lack in lacks.items() if lack is not None}


def test_an_unknown_backend_sees_nothing() -> None:
    """What the policy does not name is nobody's friend."""
    assert _policy(OURS).why_not("other", DataClass.PUBLIC, NOW) == "not known"


@pytest.mark.parametrize("name", BROKEN)
def test_a_promise_ends_at_the_second(name: str) -> None:
    """One second before its end it counts, at its end it does not, and says when that was."""
    policy = _policy(SWORN)
    assert policy.why_not("one", DataClass.RESTRICTED, END - timedelta(seconds=1)) is None
    short = replace(SWORN, **{name: replace(getattr(SWORN, name), expires_at=NOW)})
    why_not = _policy(short).why_not("one", DataClass.RESTRICTED, NOW)
    assert why_not is not None
    assert why_not.endswith("expired 2026-11-28")
    assert _policy(short).why_not("one", DataClass.RESTRICTED, NOW - timedelta(seconds=1)) is None


@pytest.mark.parametrize("name", BROKEN)
def test_what_was_not_promised_counts_against_a_backend(name: str) -> None:
    """Missing is as bad as broken."""
    missing, broken = BROKEN[name]
    assert _policy(replace(SWORN, **{name: None})).why_not("one", DataClass.RESTRICTED, NOW) == missing
    other = Promise(value=not getattr(SWORN, name).value, expires_at=END, evidence="contract 12")
    assert _policy(replace(SWORN, **{name: other})).why_not("one", DataClass.RESTRICTED, NOW) == broken


def test_a_class_may_ask_for_a_region() -> None:
    """Another region, and none, are refused by name."""
    policy = _policy(SWORN, requires={DataClass.CONFIDENTIAL: ("region:us",)})
    assert policy.why_not("one", DataClass.CONFIDENTIAL, NOW) == "not in region us"
    nowhere = _policy(replace(SWORN, region=None), requires={DataClass.CONFIDENTIAL: ("region:us",)})
    assert nowhere.why_not("one", DataClass.CONFIDENTIAL, NOW) == "no region"


def test_a_need_that_nobody_knows_is_never_met() -> None:
    """A rule that can't be understood closes."""
    assert SWORN.lacks("iso 27001", NOW) == "no iso 27001"


@given(st.sampled_from(sorted(TYPES)) | st.text(max_size=12), st.sampled_from(sorted(TYPES)))
def test_one_more_finding_never_lowers_a_class(kind: str, other: str) -> None:
    """The class of findings is the highest of them."""
    policy = _policy(OURS)
    assert policy.class_of([kind, other]) >= policy.class_of([kind])
    assert policy.class_of([]) is DataClass.PUBLIC


def test_a_type_that_nobody_knows_is_restricted_and_the_settings_may_say_otherwise() -> None:
    """New detectors may find what no table has."""
    assert _policy(OURS).class_of(["shoe_size"]) is DataClass.RESTRICTED
    assert _policy(OURS, types={"shoe_size": DataClass.PUBLIC}).class_of(["shoe_size"]) is DataClass.PUBLIC


def test_a_backends_mode_goes_before_that_of_the_policy() -> None:
    """Where neither says anything it is `route`."""
    promises = replace(SWORN, modes={DataClass.CONFIDENTIAL: PrivacyMode.PSEUDONYMISE})
    policy = _policy(
        promises, modes={DataClass.CONFIDENTIAL: PrivacyMode.BLOCK, DataClass.RESTRICTED: PrivacyMode.BLOCK}
    )
    modes = [policy.mode(one, "one") for one in DataClass]
    assert modes == [PrivacyMode.ROUTE, PrivacyMode.ROUTE, PrivacyMode.PSEUDONYMISE, PrivacyMode.BLOCK]


def test_the_same_rules_have_the_same_text_and_any_change_another() -> None:
    """Order of tables does not matter; a promise's end does."""
    one = Policy(backends={"a": SWORN, "b": OURS}, types={"x": DataClass.PUBLIC, "y": DataClass.PUBLIC})
    same = Policy(backends={"b": OURS, "a": SWORN}, types={"y": DataClass.PUBLIC, "x": DataClass.PUBLIC})
    assert one.sha256 == same.sha256
    later = replace(SWORN, baa=Promise(value=True, expires_at=END + timedelta(days=1), evidence="contract 12"))
    assert Policy(backends={"a": later, "b": OURS}, types=one.types).sha256 != one.sha256

"""Retries are a share of the requests, or a few."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tierwright.gateway.upstreams.budget import WINDOW_S, Entry, RetryBudget


def granted(budget: RetryBudget, now: float, tries: int) -> list[Entry]:
    """The retries that are allowed among so many."""
    return [entry for _ in range(tries) if (entry := budget.retry(now)) is not None]


def test_a_few_retries_are_always_allowed() -> None:
    """With hardly any requests there are three, and no fourth until the window is over."""
    budget = RetryBudget(share=0.2, minimum=3)
    budget.request(0.0).end()
    for entry in granted(budget, 0.0, 10):
        entry.end()
    assert granted(budget, 5.0, 10) == []
    assert len(granted(budget, WINDOW_S + 1.0, 10)) == 3


def test_many_requests_allow_a_share() -> None:
    """Of 100 requests begun within the window, over or not, 20 retries may be made."""
    budget = RetryBudget(share=0.2, minimum=3)
    for number in range(100):
        entry = budget.request(number / 20)
        if number % 2:
            entry.end()
    assert len(granted(budget, 5.0, 50)) == 20


def test_long_requests_are_counted_while_they_last() -> None:
    """A request that is under way counts after the window, too, and so does a retry."""
    budget = RetryBudget(share=0.5, minimum=0)
    requests = [budget.request(0.0) for _ in range(10)]
    retries = granted(budget, 0.0, 3)
    assert len(granted(budget, 100.0, 9)) == 2
    for entry in retries:
        entry.end()
    requests.pop().end()
    # Nine requests and the two retries of just now.
    assert len(granted(budget, 100.0, 9)) == 2


def test_retry_that_did_not_take_place_costs_nothing() -> None:
    """What was given back can be used by another at once."""
    budget = RetryBudget(share=0.2, minimum=1)
    entry = budget.retry(0.0)
    assert entry is not None
    assert budget.retry(0.0) is None
    entry.undo()
    assert budget.retry(0.0) is not None


def test_new_limits_hold_at_once() -> None:
    """A reload changes how much is allowed, not what was used."""
    budget = RetryBudget(share=0.2, minimum=3)
    assert len(granted(budget, 0.0, 5)) == 3
    budget.retune(share=0.2, minimum=5)
    assert len(granted(budget, 0.0, 5)) == 2


class Budget(RuleBasedStateMachine):
    """Any order of requests, retries and their ends, against lists of when each began."""

    SHARE, MINIMUM = 0.3, 2

    def __init__(self) -> None:
        super().__init__()
        self.budget = RetryBudget(share=self.SHARE, minimum=self.MINIMUM)
        self.now = 50.0
        #: Seconds at which they began; and those under way, with their entries.
        self.began: dict[str, list[float]] = {"request": [], "retry": []}
        self.under_way: list[tuple[str, float, Entry]] = []

    def count(self, kind: str, window_s: float) -> int:
        """Those begun within a window or under way."""
        recent = sum(self.now - began <= window_s for began in self.began[kind])
        return recent + sum(self.now - began > window_s for running, began, _ in self.under_way if running == kind)

    @rule(pause_s=st.floats(0.0, 6.0))
    def pause(self, pause_s: float) -> None:
        """Time passes."""
        self.now += pause_s

    @rule(count=st.integers(1, 6))
    def request(self, count: int) -> None:
        """Requests begin."""
        for _ in range(count):
            self.began["request"].append(self.now)
            self.under_way.append(("request", self.now, self.budget.request(self.now)))

    @rule()
    def retry(self) -> None:
        """A retry is asked for: allowed exactly within the budget, to a tenth of the window."""
        entry = self.budget.retry(self.now)
        least, most = WINDOW_S - 0.001, WINDOW_S * 1.1 + 0.001
        if entry is None:
            assert self.count("retry", most) + 1 > max(self.SHARE * self.count("request", least), self.MINIMUM)
        else:
            assert self.count("retry", least) + 1 <= max(self.SHARE * self.count("request", most), self.MINIMUM)
            self.began["retry"].append(self.now)
            self.under_way.append(("retry", self.now, entry))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), took_place=st.booleans())
    def end(self, data: st.DataObject, *, took_place: bool) -> None:
        """One ends, or did not take place."""
        kind, began, entry = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if took_place:
            entry.end()
        else:
            entry.undo()
            self.began[kind].remove(began)


Budget.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBudget = Budget.TestCase

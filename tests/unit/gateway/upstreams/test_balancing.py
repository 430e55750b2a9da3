"""The order in which deployments of a model are asked."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tierwright.gateway.upstreams.alarm import KeyAlarm
from tierwright.gateway.upstreams.balancing import ModelRoute, Peers, Upstream, by_priority
from tierwright.gateway.upstreams.config import BreakerConfig, ConcurrencyConfig, DeploymentConfig
from tierwright.gateway.upstreams.health import Health
from tierwright.gateway.upstreams.limiter import ConcurrencyLimiter

WEIGHTS = st.lists(st.floats(0.01, 1000.0), min_size=1, max_size=6)
DRAWS = st.floats(0.0, 1.0, exclude_max=True)


def an_upstream(name: str, *, weight: float = 1.0, priority: int = 0) -> Upstream:
    """A deployment that is well."""
    return Upstream(
        config=DeploymentConfig(name=name, backend="b", model="m", weight=weight, priority=priority),
        health=Health(BreakerConfig(), random=Random(1)),
        limiter=ConcurrencyLimiter(ConcurrencyConfig(), sleep=asyncio.sleep),
        alarm=KeyAlarm("b"),
    )


def peers_of(weights: list[float]) -> Peers:
    """One deployment for each weight, named by its position."""
    return Peers(an_upstream(str(number), weight=weight) for number, weight in enumerate(weights))


def names(upstreams: list[Upstream]) -> list[str]:
    """Their names."""
    return [upstream.config.name for upstream in upstreams]


def assert_binomial(count: int, share: float, trials: int) -> None:
    """The count lies within five standard deviations of its expectation."""
    assert abs(count - share * trials) <= 5 * math.sqrt(share * (1 - share) * trials)


def test_weights_are_honoured_for_the_first_and_for_the_next() -> None:
    """Of 20,000 draws each deployment is first as its weight says, and second as its weight among the others says."""
    weights = [1.0, 2.0, 5.0]
    peers, random, trials = peers_of(weights), Random(3), 20_000
    orders = [tuple(names(peers.order(random.random()))) for _ in range(trials)]
    firsts, pairs = Counter(order[0] for order in orders), Counter(order[:2] for order in orders)
    for first, weight in enumerate(weights):
        assert_binomial(firsts[str(first)], weight / 8, trials)
        for second, other in enumerate(weights):
            if second != first:
                assert_binomial(pairs[str(first), str(second)], weight / 8 * other / (8 - weight), trials)


@given(WEIGHTS, DRAWS)
def test_order_is_complete_and_the_same_for_the_same_draw(weights: list[float], draw: float) -> None:
    """Every deployment stands in it once, the first is the one that the fast way finds, and it never varies."""
    peers = peers_of(weights)
    order = names(peers.order(draw))
    assert sorted(order) == sorted(names(list(peers.members)))
    assert order[0] == peers.first(draw).config.name
    assert order == names(peers.order(draw))


def test_only_the_conversations_of_the_one_that_is_out_move() -> None:
    """Where a deployment can't be asked its draws go to the others by weight; all other draws stay."""
    peers, random = peers_of([3.0, 1.0, 2.0]), Random(4)
    draws = [random.random() for _ in range(20_000)]
    moved: Counter[str] = Counter()
    for draw in draws:
        order = names(peers.order(draw))
        without = [name for name in order if name != "0"]
        if order[0] == "0":
            moved[without[0]] += 1
        else:
            assert without[0] == order[0]
    assert_binomial(moved["1"], 1 / 3, moved.total())


def test_classes_go_by_priority() -> None:
    """Lower numbers come first, equal ones together, in whatever order the settings name them."""
    upstreams = [an_upstream("c", priority=5), an_upstream("a", priority=-1), an_upstream("d", priority=5)]
    classes = by_priority(upstreams)
    assert [names(list(peers.members)) for peers in classes] == [["a"], ["c", "d"]]
    route = ModelRoute("m", classes)
    assert route.first(0.99).config.name == "a"
    assert names(route.members()) == ["a", "c", "d"]

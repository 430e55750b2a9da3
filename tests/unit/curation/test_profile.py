"""The profile of a task, put together."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.fakes import a_task, an_estimate
from tests.traffic import task_traffic
from tests.traffic_samples import START, many
from tierwright.core.errors import NotEnoughData
from tierwright.curation.audit import TaskFinding
from tierwright.curation.profile import ProfileMeans, duplicate_share, profile
from tierwright.curation.task_traffic import AuditPeriod
from tierwright.curation.traffic_table import text_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.profile import TaskProfile

PERIOD = AuditPeriod(since=datetime.fromtimestamp(START, UTC), until=datetime.fromtimestamp(START + 200 * 3_600, UTC))


class Constant:
    """Learns nothing: always says the first label."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    def predict(
        self, labels: NDArray[np.int64], names: Sequence[str], known: NDArray[np.int64], asked: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """As `Learner` says."""
        return np.zeros(len(asked), dtype=np.int64)


MEANS = ProfileMeans(
    language_of=lambda text: "de" if "Karte" in text else "en",
    learner=Constant,
    tell_apart=lambda texts, late: an_estimate(0.5),
)


def profiled(count: int = 200, **changes: Any) -> TaskProfile:
    """So many requests of `a_task` over a month, every tenth in German and with an e-mail address."""
    texts = [
        f"Wo ist Karte {n}? a{n}@example.org" if n % 10 == 0 else f"Where is card {n}, please?" for n in range(count)
    ]
    answers = ["card_arrival" if n % 4 else "card_lost" for n in range(count)]
    fields: dict[str, Any] = {
        "at": START + 3600.0 * np.arange(count),
        "input_key": np.array([text_key(text) for text in texts], dtype=np.uint64),
        "answer_key": np.array([text_key(answer) for answer in answers], dtype=np.uint64),
        "sample": many(texts, answers),
    }
    traffic = task_traffic(count, **fields | changes)
    finding = TaskFinding(task=a_task(), requests=count, share=0.5, distinct_outputs=2, traffic=traffic)
    return profile(finding, PERIOD, total=2 * count, means=MEANS, seed=1)


def test_every_figure_says_how_it_came_about() -> None:
    """Counts, shares and money of two hundred requests, each with its method."""
    found = profiled()
    assert (found.requests, found.share, found.distinct_outputs) == (200, 0.5, 2)
    assert found.languages == {"en": 0.9, "de": 0.1}
    assert found.sensitive_share.value == pytest.approx(0.1)
    assert found.entropy_bits.value == pytest.approx(0.811, abs=0.02)
    assert found.mean_cost_usd == Decimal("0.001")
    assert found.monthly_cost_usd is not None
    assert found.monthly_cost_usd.value == pytest.approx(Decimal("0.731"), abs=Decimal("0.01"))
    assert found.latency_ms is not None
    assert (found.latency_ms.p50, found.tool_share, found.multi_turn_share) == (500.0, 0.0, 0.0)
    assert found.prompt_tokens is not None
    assert found.prompt_tokens.value == 100.0
    for estimate in (found.entropy_bits, found.sensitive_share, found.complexity.score, found.duplicate_share):
        assert estimate.method
        assert estimate.ci_low <= estimate.value <= estimate.ci_high
    assert found.learnability is not None
    assert not found.learnability.learnable
    assert found.drift is not None
    assert found.determinism is None


def test_what_was_not_measured_is_none_and_not_0() -> None:
    """No latency, no tokens and no prices."""
    found = profiled(
        latency_ms=np.full(200, np.nan, dtype=np.float32),
        prompt_tokens=np.full(200, -1),
        completion_tokens=np.full(200, -1),
        cost_nano_usd=np.full(200, -1),
        cost_usd=None,
        unpriced_calls=200,
    )
    assert found.latency_ms is None
    assert found.prompt_tokens is None
    assert found.completion_tokens is None
    assert (found.monthly_cost_usd, found.mean_cost_usd, found.unpriced_calls) == (None, None, 200)


def test_the_same_seed_gives_the_same_profile() -> None:
    """To the last figure."""
    assert profiled() == profiled()


def test_a_task_without_texts_is_refused() -> None:
    """With what to do."""
    with pytest.raises(NotEnoughData, match="retention"):
        profiled(sample=())


def test_repeats_count_from_the_second_on() -> None:
    """Five requests with two inputs, one of them three times, and one without content: two would have hit a cache."""
    keys = np.array([5, 6, 5, 5, 0], dtype=np.uint64)
    assert duplicate_share(task_traffic(5, input_key=keys)).value == 0.4
    assert duplicate_share(task_traffic(3, input_key=np.zeros(3, dtype=np.uint64))).value == 0.0

"""Groups among requests that no frame fits."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.curation.logs import TOPICS, seen, tickets
from tierwright.core.contract import ContractKind
from tierwright.curation.groups import SMALLEST, find_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CITIES = ("Oslo", "Lima", "Perth", "Quito", "Tunis", "Accra", "Hanoi", "Sofia", "Cork", "Bergen", "Turin", "Leeds")
SUBJECTS = """volcano violin budget glacier recipe sonnet kernel fossil orbit mortgage pottery theorem tariff meadow
 circuit harbour grammar vaccine trellis lantern beetle syntax comet opera""".split()  # noqa: SIM905 - as in naming
VERBS = ("compare", "explain", "draft", "list", "translate", "debug", "paint", "rhyme", "estimate", "outline")


def long_tail(count: int, seed: int) -> list[tuple[str, str]]:
    """Requests that have nothing in common, with answers of any length."""
    rng = random.Random(seed)
    rows = {}
    while len(rows) < count:
        words = rng.sample([*SUBJECTS, *CITIES], 5)
        text = f"{rng.choice(VERBS)} {' '.join(words)} {rng.randrange(999)}"
        rows[text] = " ".join(rng.choices(SUBJECTS, k=rng.choice((1, 4, 30, 200))))
    return list(rows.items())


def moods(count: int, seed: int) -> list[tuple[str, str]]:
    """Messages about deliveries, and how their writers feel, which has nothing to do with the words."""
    texts = [text for text, topic in tickets(6 * count, seed) if topic == "delivery"][:count]
    return [(text, ("calm", "cross", "neutral")[number % 3]) for number, text in enumerate(texts)]


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors in which messages about deliveries point one way, and all else anywhere."""
    rows = []
    for text in texts:
        row = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(48) / 48**0.5
        row[0] += 1.0 if any(phrase in text for phrase in TOPICS["delivery"]) else 0.0
        rows.append(row / np.linalg.norm(row))
    return np.array(rows, dtype=np.float32)


def test_embeddings_find_all_of_a_job() -> None:
    """With sentence embeddings nearly every request of the job is in one group, and nearly none of the others."""
    requests = [*seen(long_tail(150, 4), prefix="tail"), *seen(moods(80, 3), prefix="job")]
    (group,) = find_groups(requests, seed=1, embed=embed)
    assert Counter(member.id[:3] for member in group.members)["job"] >= 76
    assert len(group.members) <= 84


def test_a_job_in_free_words_is_found_in_the_long_tail() -> None:
    """Bare messages that are answered from a closed set are a group, and hardly any other request is in it."""
    job = seen(moods(80, 3), prefix="job")
    (group, *more) = find_groups([*seen(long_tail(150, 4), prefix="tail"), *job], seed=1)
    members = [member.id for group in (group, *more) for member in group.members]
    assert sum(member.startswith("job") for member in members) >= 0.95 * len(members)
    assert len(members) >= SMALLEST
    assert group.contract.kind is ContractKind.LABEL
    assert set(group.contract.labels) <= {"calm", "cross", "neutral"}
    assert group.stability.value >= 0.6
    assert set(group.examples) <= {member.id for member in group.members}


@pytest.mark.parametrize("seed", range(5))
def test_a_long_tail_alone_holds_no_group(seed: int) -> None:
    """Requests that have nothing in common are left alone, whatever the resampling draws."""
    assert find_groups(seen(long_tail(200, seed)), seed=seed) == []


def test_one_topic_is_no_job() -> None:
    """Like requests that are answered in any form, or all the same, are no group."""
    texts = [text for text, _ in moods(80, 5)]
    rng = random.Random(7)
    mixed = [(text, "x " * rng.choice((1, 3, 20, 150, 900))) for text in texts]
    tail = seen(long_tail(100, 8), prefix="tail")
    assert find_groups([*tail, *seen(mixed, prefix="a")], seed=1) == []
    assert find_groups([*tail, *seen([(text, "as an assistant I can't") for text in texts], prefix="b")], seed=1) == []


def test_repeats_are_one_request() -> None:
    """The same few messages over and over are too few to tell, and are all counted where there is a group."""
    few = moods(SMALLEST - 1, 9)
    assert find_groups([*seen(few * 30, prefix="a"), *seen(long_tail(60, 1), prefix="t")], seed=1) == []
    many = moods(80, 3)
    found = find_groups([*seen(long_tail(150, 4), prefix="t"), *seen(many * 2, prefix="a")], seed=1)
    once = find_groups([*seen(long_tail(150, 4), prefix="t"), *seen(many, prefix="a")], seed=1)
    assert sum(m.id.startswith("a") for g in found for m in g.members) == 2 * sum(
        m.id.startswith("a") for g in once for m in g.members
    )


def test_more_than_are_grouped_are_put_to_the_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sample leaves out is counted where it is as alike as the members."""
    monkeypatch.setattr("tierwright.curation.groups._MOST", 160)
    requests = [*seen(long_tail(120, 4), prefix="tail"), *seen(moods(200, 3), prefix="job")]
    members = [member.id for group in find_groups(requests, seed=1, embed=embed) for member in group.members]
    assert len(members) == len(set(members)) > 160
    assert sum(member.startswith("job") for member in members) >= 0.9 * len(members)


def test_too_few_requests_hold_no_group() -> None:
    """Nothing is said of fewer than twice the smallest group."""
    assert find_groups(seen(moods(2 * SMALLEST - 1, 1)), seed=1) == []
    assert find_groups([], seed=1) == []

"""Groups that come out again when half of the observations are left out."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.stable_clusters import cut_of, stable_clusters


def cosines(points: np.ndarray) -> np.ndarray:
    """Cosines of points."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


def planted(per_group: int, noise: int, seed: int = 0) -> np.ndarray:
    """Three tight groups in as many directions, then points in directions of their own."""
    rng = np.random.default_rng(seed)
    centres = np.eye(100)[:3]
    groups = np.repeat(centres, per_group, axis=0) + 0.04 * rng.normal(size=(3 * per_group, 100))
    return np.concatenate([groups, rng.normal(size=(noise, 100))])


def test_planted_groups_are_found_and_noise_is_not() -> None:
    """The three groups, each whole and by itself, and nothing of what surrounds them."""
    found = stable_clusters(cosines(planted(20, 60)), np.random.default_rng(1), cut=0.5)
    assert sorted(sorted(cluster.members.tolist()) for cluster in found) == [
        list(range(20)),
        list(range(20, 40)),
        list(range(40, 60)),
    ]
    assert all(cluster.stability.value > 0.9 for cluster in found)


def test_noise_alone_has_no_groups() -> None:
    """Points in random directions are not alike, however they are cut."""
    assert stable_clusters(cosines(planted(0, 80)), np.random.default_rng(1), cut=0.5) == []


def test_accidental_groups_are_less_stable() -> None:
    """A cloud without structure, cut so that it falls to pieces: none comes out as surely as a planted group."""
    cloud = np.random.default_rng(2).normal(size=(120, 8))
    found = stable_clusters(cosines(cloud), np.random.default_rng(1), cut=0.5)
    assert all(cluster.stability.value < 0.9 for cluster in found)


def test_most_typical_member_comes_first() -> None:
    """Within a group the first is nearest to the others."""
    points = planted(10, 0)
    points[0] += 0.5 * np.eye(100)[50]
    found = stable_clusters(cosines(points), np.random.default_rng(1), cut=0.5)
    (first,) = [cluster for cluster in found if 0 in cluster.members]
    assert first.members[-1] == 0


def test_cut_is_learned_from_known_groups() -> None:
    """At the cut that is learned the known groups are found again; it lies between likeness within and across."""
    points = planted(15, 0)
    groups = np.repeat([0, 1, 2], 15).tolist()
    similarity = cosines(points)
    cut = cut_of(similarity, groups)
    within = 1 - similarity[:15, :15].mean()
    assert within < cut < 1
    assert len(stable_clusters(similarity, np.random.default_rng(1), cut=cut)) == 3


def test_finer_known_groups_give_a_finer_cut() -> None:
    """Where each group is known as two, the cut is lower than where it is known as one."""
    rng = np.random.default_rng(3)
    halves = np.repeat(np.eye(60)[:6] + 2 * np.repeat(np.eye(60)[10:13], 2, axis=0), 10, axis=0)
    similarity = cosines(halves + 0.05 * rng.normal(size=halves.shape))
    fine, coarse = np.repeat(np.arange(6), 10).tolist(), np.repeat(np.arange(3), 20).tolist()
    assert cut_of(similarity, fine) < cut_of(similarity, coarse)


def test_bad_input_is_refused() -> None:
    """NaN is an InputError, too few observations are NotEnoughData."""
    with pytest.raises(InputError, match="NaN"):
        stable_clusters(np.full((20, 20), np.nan), np.random.default_rng(1))
    with pytest.raises(NotEnoughData, match="can't be grouped"):
        stable_clusters(np.eye(5), np.random.default_rng(1))

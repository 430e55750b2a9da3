"""The probe of the recipe `ngram`, and what an audit's scores are handed."""

from __future__ import annotations

import numpy as np

from tierwright.app.audit_means import profile_means
from tierwright.app.probe import NgramProbe


def test_it_learns_what_words_say() -> None:
    """Texts about cards and about transfers, told apart from ten of each."""
    texts = [f"my card {n} has been stolen" if n % 2 else f"transfer {n} did not arrive" for n in range(60)]
    labels = np.arange(60) % 2
    probe = NgramProbe(texts, seed=1)
    found = probe.predict(labels, ["transfer", "card"], np.arange(20), np.arange(20, 60))
    assert (found == labels[20:]).all()


def test_labels_of_which_there_is_no_example_are_known_by_name() -> None:
    """Forty labels, twenty of them seen; no warning, though there are hardly more examples than labels."""
    texts = [f"about topic{n} here, and topic{n} again" for n in range(40) for _ in range(3)]
    labels = np.repeat(np.arange(40), 3)
    found = NgramProbe(texts, seed=1).predict(
        labels, [f"topic{n}" for n in range(40)], np.arange(60), np.arange(60, 120)
    )
    assert (found == labels[60:]).mean() > 0.5


def test_a_classifier_tells_late_from_early_only_where_they_differ() -> None:
    """Half of the texts speak of winter, or none in particular."""
    means = profile_means(seed=1)
    late = np.arange(200) >= 100
    changed = [f"order {n} in {'winter' if n >= 100 else 'summer'}" for n in range(200)]
    same = [f"order {(n * 7919) % 200} in {'winter' if n % 2 else 'summer'}" for n in range(200)]
    assert means.tell_apart(changed, late).ci_low > 0.9
    assert means.tell_apart(same, late).ci_low < 0.6
    assert means.language_of("Wo ist meine Karte und wann kommt sie?") == "de"

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwright.specialists.ngram import NgramConfig, NgramFeaturiser, normalise

TEXTS = [
    "Where is my new card?",
    "My card was stolen, where do I report it?",
    "where is my transfer",
    "日本語のカードはどこですか",
    "カードはどこ",
    "Wo ist meine Überweisung?",
    "บัตรของฉันอยู่ที่ไหน",
    "😀 card",
]
#: Everything is a feature, so that nothing hides behind the training set.
ALL = NgramConfig(min_texts=1)

#: Hashes of the features of "a b": " a", "a ", " b", "b ", the two words and their pair.
PINNED = [382535114, 488078230, 834786520, 1532244522, 1945949593, 2301790245, 3347135521]

FINGERPRINT = """
import hashlib
from tierwright.specialists.ngram import NgramConfig, NgramFeaturiser
f = NgramFeaturiser.fit(["Where is my new card?", "Wo ist die Überweisung"], NgramConfig(min_texts=1))
print(hashlib.sha256(f.features.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def featuriser() -> NgramFeaturiser:
    """Fitted on all texts, nothing left out."""
    return NgramFeaturiser.fit(TEXTS, ALL)


def test_features_other_hash_seed() -> None:
    """Another process with another seed of Python's hash finds the same features."""
    found = [
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    here = NgramFeaturiser.fit(["Where is my new card?", "Wo ist die Überweisung"], ALL).features.tobytes()
    assert found == [hashlib.sha256(here).hexdigest()] * 2


def test_features_are_pinned() -> None:
    """The hashes are those that artifacts already written hold: a change of them would silently break each one."""
    found = NgramFeaturiser.fit(["a b"], NgramConfig(char_low=2, char_high=2, min_texts=1)).features
    assert found.tolist() == PINNED


@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_transform_any_text_alone_and_in_company(company: list[str], text: str) -> None:
    """A text, lone surrogates and all, has the same features alone as after any others."""
    featuriser = NgramFeaturiser.fit([*TEXTS, text], ALL)
    alone = featuriser.transform([text]).toarray()
    beside = featuriser.transform([*company, text]).toarray()[-1:]
    assert alone.tobytes() == beside.tobytes()


def test_transform_many_texts() -> None:
    """Rows are those of the texts one by one, however many there are."""
    texts = [f"{TEXTS[n % len(TEXTS)]} {n} {'filler ' * (n % 40)}" for n in range(3000)]
    featuriser = NgramFeaturiser.fit(texts)
    together = featuriser.transform(texts)
    for n in (0, 1, 1499, 2998, 2999):
        assert (together[n] != featuriser.transform([texts[n]])).nnz == 0


def test_transform_equal_after_normalising(featuriser: NgramFeaturiser) -> None:
    """Case, width and white space make no difference."""
    plain, dressed = featuriser.transform(
        ["where is my new card?", "  WHERE\tis\n my  new \uff43\uff41\uff52\uff44? "]
    ).toarray()
    assert plain.tobytes() == dressed.tobytes()


def test_transform_lengths(featuriser: NgramFeaturiser) -> None:
    """The words of a text have length 1 together, and so have its characters."""
    rows = featuriser.transform(TEXTS).toarray()
    words = (featuriser.features & 1).astype(bool)
    assert np.allclose((rows[:, words] ** 2).sum(axis=1), 1, atol=1e-5)
    assert np.allclose((rows[:, ~words] ** 2).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("text", ["", " \t\n", "ω"])
def test_transform_nothing_known(featuriser: NgramFeaturiser, text: str) -> None:
    """A text without known features is a row of zeros, not an error and not NaN."""
    row = featuriser.transform([text])
    assert row.shape == (1, len(featuriser.features))
    assert row.nnz == 0


def test_transform_no_text(featuriser: NgramFeaturiser) -> None:
    """No texts make no rows."""
    assert featuriser.transform([]).shape == (0, len(featuriser.features))


def test_fit_nothing() -> None:
    """A featuriser of no texts has no columns and can be asked all the same."""
    assert NgramFeaturiser.fit([]).transform(["card"]).shape == (1, 0)


def test_fit_rare_features() -> None:
    """Only what occurs in enough texts is kept; a text that repeats itself counts once."""
    config = NgramConfig(char_low=9, char_high=8, words=1, skip=0, min_texts=2)
    found = NgramFeaturiser.fit(["card card card", "transfer card", "transfer fee"], config)
    assert len(found.features) == 2
    assert found.transform(["fee"]).nnz == 0


def test_words_with_a_gap() -> None:
    """A pair of words counts with up to `skip` others between them, and not with more."""
    config = NgramConfig(char_low=9, char_high=8, words=1, skip=1, min_texts=1)
    pair = NgramFeaturiser.fit(["lost xx card"], config)
    near, far = pair.transform(["lost yy card", "lost yy zz card"])
    assert (near.nnz, far.nnz) == (3, 2)


def test_characters_keep_within_words() -> None:
    """No character n-gram spans two words, but it may hold the space before or after one."""
    config = NgramConfig(char_low=3, char_high=3, words=1, skip=0, min_texts=1)
    seen = NgramFeaturiser.fit(["ab cd"], config)
    inside = (seen.features & 1) == 0
    assert int(inside.sum()) == 4  # " ab", "ab ", " cd", "cd "


def test_unspaced_script_has_words() -> None:
    """In a script without spaces each character is a word, so that pairs of them are features too."""
    config = NgramConfig(char_low=9, char_high=8, words=2, skip=0, min_texts=1)
    assert len(NgramFeaturiser.fit(["漢字化"], config).features) == 5


def test_normalise_very_long_text() -> None:
    """Of a very long text the beginning and the end are looked at, so that its cost is bounded."""
    text = "start " + "middle " * 50_000 + "finish"
    found = normalise(text)
    assert len(found) < 20_000
    assert found.startswith("start")
    assert found.endswith("finish")

"""A trained template specialist, loaded: texts from structured attributes.

For attributes of the kinds seen in training the templates lie ready; for others one is composed, once. A text is given
only if it says, by the check of `realisation`, every attribute once and nothing that is not given; otherwise the
specialist abstains: an empty output with confidence 0. Refuses to know how templates were mined and what is right.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tierwright.core.contract import OutputContract
from tierwright.core.errors import ArtifactError
from tierwright.core.model import Prediction
from tierwright.specialists.artifact import read_artifact
from tierwright.specialists.attributes import read_attributes
from tierwright.specialists.composing import Candidate, Composer, Preference
from tierwright.specialists.delexicalising import Slot, Token, act_of, render, slots_of
from tierwright.specialists.linear import Confidence
from tierwright.specialists.realisation import Realisations, align
from tierwright.specialists.words import folded_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tierwright.specialists.artifact import Artifact
    from tierwright.specialists.attributes import Attributes
    from tierwright.specialists.realisation import Alignment

#: Templates tried for one input at a time, how often others are composed where all are refused, and composed ones kept.
TRIED, _AGAIN = 8, 3
_KEPT = 4096
#: What the confidence is made from, in this order.
SIGNALS = 8
_ABSTAINED = Prediction(output="", confidence=0.0)


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is no array."""

    contract: OutputContract
    realisations: Realisations
    acts: list[str]
    #: The vocabulary; arrays name its members by place.
    tokens: list[Token]
    preference: Preference
    #: Weights of the signals and, last, the intercept.
    signal_weights: list[float]
    confidence_slope: float
    confidence_intercept: float


class Templates:
    """Mined templates of all acts, and the search for the best that fit attributes."""

    def __init__(
        self,
        realisations: Realisations,
        tokens: Sequence[Token],
        composers: Mapping[str, Composer],
        ready: Mapping[tuple[str, frozenset[int]], list[Candidate]] | None = None,
    ) -> None:
        self.realisations = realisations
        self._tokens = tokens
        self._slots = number_slots(tokens)
        self._composers = composers
        self._ready = dict(ready or {})
        self._composed: OrderedDict[tuple[str, frozenset[int], frozenset[int]], list[Candidate]] = OrderedDict()
        self._lock = Lock()

    def kind_of(self, attributes: Attributes) -> tuple[str, frozenset[int]] | None:
        """Act and slots, by which templates are chosen; None where something given was never seen to be said."""
        slots = slots_of(self.realisations, attributes)
        act = act_of(self.realisations, attributes)
        if slots is None or act not in self._composers:
            return None
        numbers = [self._slots.get(slot) for slot in slots if slot is not None]
        return None if None in numbers else (act, frozenset(number for number in numbers if number is not None))

    def candidates(
        self, attributes: Attributes, *, most: int = TRIED, without: frozenset[int] = frozenset()
    ) -> list[Candidate]:
        """Templates for attributes, best first, that hold none of the tokens `without`."""
        kind = self.kind_of(attributes)
        if kind is None:
            return []
        found = None if without else self._ready.get(kind)
        if found is not None:
            return found
        act, slots = kind
        key = act, slots, without
        with self._lock:
            found = self._composed.get(key)
            if found is not None:
                self._composed.move_to_end(key)
                return found
        found = self._composers[act].compose(slots, most=most, without=without)
        with self._lock:
            self._composed[key] = found
            if len(self._composed) > _KEPT:
                self._composed.popitem(last=False)
        return found

    def written(self, attributes: Attributes, candidate: Candidate) -> str | None:
        """The text; None where it does not say every attribute once and nothing else."""
        found = self._aligned(attributes, candidate)
        return found.words.text if found.faultless else None

    def _aligned(self, attributes: Attributes, candidate: Candidate) -> Alignment:
        slots = slots_of(self.realisations, attributes) or []
        values = {slot: value for slot, (_, value) in zip(slots, attributes.pairs, strict=True) if slot is not None}
        text = render([self._tokens[token] for token in candidate.tokens], values)
        return align(self.realisations, attributes, text)

    def best(self, attributes: Attributes) -> tuple[str, Candidate] | None:
        """The best text and its template; None where none fits.

        Where all templates are refused, others are composed without the words that these were refused for.
        """
        without: frozenset[int] = frozenset()
        for _ in range(1 + _AGAIN):
            refused: set[int] = set()
            for candidate in self.candidates(attributes, without=without):
                found = self._aligned(attributes, candidate)
                if found.faultless and found.words.text:
                    return found.words.text, candidate
                refused |= self._at_fault(found, attributes, candidate)
            if not refused:
                break
            without |= refused
        return None

    def _at_fault(self, found: Alignment, attributes: Attributes, candidate: Candidate) -> set[int]:
        """The tokens of a template that its text is refused for: words that say too much, phrases that don't count."""
        phrases = [*found.suspect, *(phrase for _, phrase in found.invented)]
        words = {word for phrase in phrases for word in phrase.split(" ")}
        if found.repeated:
            words.update(word for _, value in attributes.pairs for word in folded_words(value))
        missing = {attributes.pairs[place] for place in found.missing}
        return {
            number
            for number in candidate.tokens
            if (
                words.intersection(folded_words(token.text))
                if (token := self._tokens[number]).slot is None
                else (token.slot.name, token.slot.value) in missing
            )
        }


class TemplateSpecialist:
    """A loaded specialist. Thread-safe."""

    def __init__(self, artifact: Artifact[Config]) -> None:
        """Raises ArtifactError where arrays are missing or name what is not there."""
        config = artifact.config
        slot_of = slot_numbers(config.tokens)
        try:
            mined = _sequences(artifact.arrays, "templates", len(config.tokens))
            acts = np.asarray(artifact.arrays["templates.act"], dtype=np.int64).tolist()
            by_act = {
                act: [tokens for tokens, of in zip(mined, acts, strict=True) if of == number]
                for number, act in enumerate(config.acts)
            }
            composers = compose_from(by_act, config.tokens, config.preference)
            ready = _read_ready(artifact.arrays, config, slot_of)
        except (KeyError, ValueError, IndexError) as error:
            raise ArtifactError(f"model {artifact.id[:12]} has templates that don't fit; train it again") from error
        self._templates = Templates(config.realisations, config.tokens, composers, ready)
        self._weights = np.array(config.signal_weights)
        self._confidence = Confidence(slope=config.confidence_slope, intercept=config.confidence_intercept)

    @classmethod
    def load(cls, directory: Path) -> TemplateSpecialist:
        """The specialist in an artifact's directory; raises ArtifactError where it is damaged or does not fit."""
        return cls(read_artifact(directory, Config))

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """One prediction for each input, in order; what is no list of known attributes is abstained from."""
        return [self._predict(text) for text in inputs]

    def _predict(self, text: str) -> Prediction:
        attributes = read_attributes(text)
        found = None if attributes is None else self._templates.best(attributes)
        if found is None or attributes is None:
            return _ABSTAINED
        output, candidate = found
        probability = probability_of(self._weights, signals(candidate, len(attributes.pairs))[None, :])
        return Prediction(output=output, confidence=float(self._confidence.calibrated(probability)[0]))


def compose_from(
    by_act: Mapping[str, Sequence[tuple[int, ...]]], tokens: Sequence[Token], preference: Preference
) -> dict[str, Composer]:
    """A composer for the templates of each act."""
    slot_of, series = slot_numbers(tokens), slot_series(tokens)
    return {
        act: Composer(templates, slot_of, preference, series, shared_values(tokens, templates))
        for act, templates in by_act.items()
    }


def number_slots(tokens: Sequence[Token]) -> dict[Slot, int]:
    """The number of each slot, in the order in which the vocabulary names them."""
    numbers: dict[Slot, int] = {}
    for token in tokens:
        if token.slot is not None:
            numbers.setdefault(token.slot, len(numbers))
    return numbers


def slot_numbers(tokens: Sequence[Token]) -> list[int]:
    """The number of the slot that each token fills; -1 for fixed words."""
    numbers = number_slots(tokens)
    return [-1 if token.slot is None else numbers[token.slot] for token in tokens]


def slot_series(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """For each slot the number of its name, and which of that name's it is."""
    names: dict[str, int] = {}
    return [(names.setdefault(slot.name, len(names)), slot.nth) for slot in number_slots(tokens)]


def shared_values(tokens: Sequence[Token], templates: Sequence[tuple[int, ...]]) -> list[int]:
    """For each token the number of the value it words, where several names have that value there and none other.

    -1 for other tokens.
    """
    values: dict[str, set[str | None]] = {}
    for number in {number for template in templates for number in template}:
        slot = tokens[number].slot
        if slot is not None:
            values.setdefault(slot.name, set()).add(slot.value)
    alone = Counter(next(iter(having)) for having in values.values() if len(having) == 1)
    mixed = {value for having in values.values() if len(having) > 1 for value in having}
    shared = sorted(value for value, names in alone.items() if value is not None and names > 1 and value not in mixed)
    number_of = {value: number for number, value in enumerate(shared)}
    return [-1 if token.slot is None else number_of.get(token.slot.value or "", -1) for token in tokens]


def signals(candidate: Candidate, slots: int) -> NDArray[np.float64]:
    """What a template's confidence is made from, shape (SIGNALS,)."""
    words = len(candidate.tokens) + 1
    return np.array(
        [
            candidate.fluency / words,
            *(share / words for share in candidate.shared),
            math.log1p(candidate.seen),
            slots / 10,
            words / 30,
        ]
    )


def probability_of(weights: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability, before calibration, of each row of signals; shape (n,)."""
    result: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(rows @ weights[:-1] + weights[-1], -30, 30)))
    return result


def pack(name: str, sequences: Sequence[tuple[int, ...]]) -> dict[str, NDArray[np.generic]]:
    """Sequences of tokens as arrays: all tokens one after another, and where each sequence ends."""
    return {
        f"{name}.tokens": np.array([token for tokens in sequences for token in tokens], dtype=np.int32),
        f"{name}.ends": np.cumsum([len(tokens) for tokens in sequences], dtype=np.int64),
    }


def pack_ready(
    ready: Mapping[tuple[str, frozenset[int]], list[Candidate]], acts: Sequence[str]
) -> dict[str, NDArray[np.generic]]:
    """The templates that lie ready as arrays; which slots they hold is told by their tokens."""
    number = {act: place for place, act in enumerate(acts)}
    rows = [(act, candidate) for (act, _), found in ready.items() for candidate in found]
    return {
        **pack("ready", [candidate.tokens for _, candidate in rows]),
        "ready.act": np.array([number[act] for act, _ in rows], dtype=np.int32),
        "ready.signals": np.array([(c.score, c.fluency, *c.shared, c.seen) for _, c in rows], dtype=np.float64).reshape(
            len(rows), 7
        ),
    }


def _read_ready(
    arrays: Mapping[str, NDArray[np.generic]], config: Config, slot_of: Sequence[int]
) -> dict[tuple[str, frozenset[int]], list[Candidate]]:
    acts = np.asarray(arrays["ready.act"], dtype=np.int64).tolist()
    rows = np.asarray(arrays["ready.signals"], dtype=np.float64).tolist()
    ready: dict[tuple[str, frozenset[int]], list[Candidate]] = {}
    for tokens, act, row in zip(_sequences(arrays, "ready", len(config.tokens)), acts, rows, strict=True):
        slots = frozenset(slot for token in tokens if (slot := slot_of[token]) >= 0)
        score, fluency, one, two, three, four, seen = row
        ready.setdefault((config.acts[act], slots), []).append(
            Candidate(tokens=tokens, score=score, fluency=fluency, shared=(one, two, three, four), seen=int(seen))
        )
    return ready


def _sequences(arrays: Mapping[str, NDArray[np.generic]], name: str, vocabulary: int) -> list[tuple[int, ...]]:
    """What `pack` packed; raises ValueError where a token is none of the vocabulary's."""
    tokens = np.asarray(arrays[f"{name}.tokens"], dtype=np.int64)
    ends = np.asarray(arrays[f"{name}.ends"], dtype=np.int64)
    if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocabulary:
        raise ValueError(name)
    return [tuple(part.tolist()) for part in np.split(tokens, ends[:-1])] if ends.size else []

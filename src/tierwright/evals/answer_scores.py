"""Scores of answers that come without a contract: labels, JSON, extracted strings, texts.

Owns the metrics by name, what each counts on one example, and how counts become a figure. Refuses to know who answered
and how sure a figure is. The form of the right answer decides how an answer is read: a JSON object, a JSON list, or
plain text. An answer that has not that form is wrong; JSON may stand in a code fence, except for `json_validity`.

| metric | one example |
|---|---|
| accuracy | 1 if the answers mean the same: space around a text, and order and layout of JSON, don't count |
| normalised | the same after NFKC, without case, punctuation and runs of white space |
| field_accuracy | share of the right object's fields that are right; fields nobody asked for don't help |
| json_validity | 1 if the answer parses as it stands, and is an object or list as the right one is |
| micro_f1 | F1 over all (field, value) items of all examples; of single labels this is accuracy |
| macro_f1 | mean over the items that occur in the right answers of each one's F1 |
| span_f1 | micro-F1 of (field, string) pairs, white space tidied |
| span_f1_partial | the same, where a string that overlaps its field's right one counts half (SemEval-2013 task 9) |
| bleu | corpus BLEU-4 by sacrebleu's tokeniser 13a, cased, exponential smoothing, as a share (Post 2018) |
| chrf | corpus chrF2 of up to 6 characters by sacrebleu, as a share (Popovic 2015) |
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import parse_json_list, parse_json_object
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Figure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
    Items = Counter[tuple[str, str]]

#: Share of the longer string's words that two strings must have in common to overlap.
_OVERLAP = 0.5
#: Counts of examples by class that fit into memory with ease.
_MOST_COUNTS = 50_000_000


class Metric(StrEnum):
    """The metrics, by the name that the command line gives them."""

    ACCURACY = "accuracy"
    NORMALISED = "normalised"
    FIELD_ACCURACY = "field_accuracy"
    JSON_VALIDITY = "json_validity"
    MICRO_F1 = "micro_f1"
    MACRO_F1 = "macro_f1"
    SPAN_F1 = "span_f1"
    SPAN_F1_PARTIAL = "span_f1_partial"
    BLEU = "bleu"
    CHRF = "chrf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One arm's answers, measured: either a score of each example, or counts of each and a figure of their sums."""

    metric: Metric
    #: In [0, 1], shape (n,), and the figure is their mean; None: see `counts`.
    scores: NDArray[np.float64] | None = None
    #: What the figure adds up, shape (n, k); None: see `scores`.
    counts: NDArray[np.float64] | None = None
    #: Column sums, shape (m, k), to figures, shape (m,); NaN where it is not defined.
    figure: Figure | None = None

    @property
    def binary(self) -> bool:
        """Whether each example is right or wrong, with nothing between."""
        return self.metric in {Metric.ACCURACY, Metric.NORMALISED, Metric.JSON_VALIDITY}

    def of(self, members: Sequence[int] | NDArray[np.int64]) -> Measured:
        """The same of some of the examples, by place."""
        places = np.asarray(members, dtype=np.int64)
        return Measured(
            metric=self.metric,
            scores=None if self.scores is None else self.scores[places],
            counts=None if self.counts is None else self.counts[places],
            figure=self.figure,
        )


def metric_named(name: str) -> Metric:
    """The metric with a name. Raises InputError that lists them."""
    try:
        return Metric(name)
    except ValueError as error:
        known = ", ".join(metric.value for metric in Metric)
        raise InputError(f"there is no metric {name!r}; choose one of {known}") from error


def measure(metric: Metric, rights: Sequence[str], answers: Sequence[str]) -> Measured:
    """The answers measured by a metric. Raises InputError where lengths differ."""
    if len(rights) != len(answers):
        raise InputError(f"there are {len(rights)} right answers and {len(answers)} answers; score each example once")
    each = _EACH.get(metric)
    if each is not None:
        scores = np.array([each(right, answer) for right, answer in zip(rights, answers, strict=True)], dtype=float)
        return Measured(metric=metric, scores=scores)
    counts, figure = _SUMS[metric](rights, answers)
    return Measured(metric=metric, counts=counts, figure=figure)


def normalised(text: str) -> str:
    """A text without case, punctuation and runs of white space, in compatibility form."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(" " if unicodedata.category(c).startswith("P") else c for c in folded).split())


def same_answer(right: str, answer: str) -> float:
    """1 where two answers mean the same, else 0."""
    return float(_canonical(right, right) == _canonical(right, answer))


def same_normalised(right: str, answer: str) -> float:
    """1 where two answers mean the same but for case, punctuation and white space; else 0."""
    wanted, given = (_canonical(right, one, text=normalised) for one in (right, answer))
    return float(wanted == given) if wanted else same_answer(right, answer)


def field_accuracy(right: str, answer: str) -> float:
    """The share of the right object's fields that are right; of a right answer without fields, whether all is."""
    wanted = _strict(right)
    if not isinstance(wanted, dict) or not wanted:
        return same_answer(right, answer)
    given = parse_json_object(answer) or {}
    return sum(name in given and _text(value) == _text(given[name]) for name, value in wanted.items()) / len(wanted)


def json_validity(right: str, answer: str) -> float:
    """1 where an answer parses as it stands, and as the right one's kind if that is an object or a list; else 0."""
    wanted, given = _strict(right), _strict(answer)
    if isinstance(wanted, (dict, list)):
        return float(type(given) is type(wanted))
    return float(given is not None or answer.strip() == "null")


def items_of(right: str, answer: str) -> Items:
    """The (field, value) items of an answer, read in the right answer's form; a list's members are an item each."""
    wanted = _strict(right)
    if isinstance(wanted, dict):
        found = parse_json_object(answer) or {}
        return Counter((name, _plain(part)) for name, value in found.items() for part in _parts(value))
    if isinstance(wanted, list):
        return Counter(("", _plain(part)) for part in parse_json_list(answer) or [])
    return Counter([("", answer.strip())])


def spans_of(right: str, answer: str) -> Items:
    """The (field, string) pairs of an answer, tidied; objects in a list name their field by type, label or entity."""
    found: Items = Counter()
    for (name, value), times in items_of(right, answer).items():
        inner = _strict(value)
        field, text = _typed(inner) if isinstance(inner, dict) else (name, value)
        tidied = " ".join(text.split())
        if tidied and tidied != "null":
            found[field, tidied] += times
    return found


def overlap_hits(wanted: Items, given: Items) -> float:
    """Pairs found exactly, and half of those whose string overlaps a right one of their field; each counts once."""
    exact = wanted & given
    hits = float(exact.total())
    left, others = list((wanted - exact).elements()), list((given - exact).elements())
    for field, text in others:
        found = next((pair for pair in left if pair[0] == field and _overlaps(pair[1], text)), None)
        if found is not None:
            left.remove(found)
            hits += 0.5
    return hits


def _overlaps(first: str, second: str) -> bool:
    one, other = Counter(normalised(first).split()), Counter(normalised(second).split())
    return (one & other).total() >= _OVERLAP * max(one.total(), other.total(), 1)


def _micro(
    rights: Sequence[str],
    answers: Sequence[str],
    read: Callable[[str, str], Items],
    hits: Callable[[Items, Items], float],
) -> tuple[NDArray[np.float64], Figure]:
    rows = []
    for right, answer in zip(rights, answers, strict=True):
        wanted, given = read(right, right), read(right, answer)
        rows.append((hits(wanted, given), float(given.total()), float(wanted.total())))
    return np.array(rows, dtype=float).reshape(-1, 3), _f1


def _exact_hits(wanted: Items, given: Items) -> float:
    return float((wanted & given).total())


def _f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = sums[:, 1] + sums[:, 2]
    return np.where(sizes > 0, 2 * sums[:, 0] / np.where(sizes > 0, sizes, 1.0), np.nan)


def _macro(rights: Sequence[str], answers: Sequence[str]) -> tuple[NDArray[np.float64], Figure]:
    """Hits, items given and items wanted of each class; items that no right answer has are no class."""
    wanted = [items_of(right, right) for right in rights]
    places = {item: place for place, item in enumerate(dict.fromkeys(item for one in wanted for item in one))}
    if 3 * len(places) * len(rights) > _MOST_COUNTS:
        raise InputError(
            f"the {len(rights):,} right answers hold {len(places):,} different values; macro F1 is a mean over labels: "
            "choose micro_f1, or a metric for texts"
        )
    counts = np.zeros((len(rights), 3, len(places)))
    for row, (right, answer, own) in enumerate(zip(rights, answers, wanted, strict=True)):
        given = items_of(right, answer)
        for kind, items in enumerate((own & given, given, own)):
            for item, times in items.items():
                if item in places:
                    counts[row, kind, places[item]] = times
    return counts.reshape(len(rights), -1), _macro_f1


def _macro_f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the classes that are wanted in these sums."""
    hits, given, wanted = np.moveaxis(sums.reshape(len(sums), 3, -1), 1, 0)
    each = 2 * hits / np.where(given + wanted > 0, given + wanted, 1.0)
    there = wanted > 0
    number = there.sum(axis=1)
    return np.where(number > 0, (each * there).sum(axis=1) / np.maximum(number, 1), np.nan)


def _bleu(rights: Sequence[str], answers: Sequence[str]) -> tuple[NDArray[np.float64], Figure]:
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - 50 ms that only texts need

    metric = BLEU(effective_order=True)  # the counts are the same; without it sentences make it warn
    rows = []
    for right, answer in zip(rights, answers, strict=True):
        found = metric.sentence_score(answer, [right])
        rows.append([*found.counts, *found.totals, found.sys_len, found.ref_len])
    return np.array(rows, dtype=float).reshape(-1, 10), bleu_of


def bleu_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corpus BLEU with sacrebleu's smoothing, of shared runs and runs of 1 to 4 words and both lengths."""
    shared, runs, ours, theirs = sums[:, :4], sums[:, 4:8], sums[:, 8], sums[:, 9]
    smoothing, logs = np.ones(len(sums)), np.zeros(len(sums))
    for order in range(4):
        none = shared[:, order] == 0
        smoothing = np.where(none, 2 * smoothing, smoothing)
        count = np.where(none, 1 / smoothing, shared[:, order])
        logs += np.log(count / np.maximum(runs[:, order], 1.0)) / 4
    brevity = np.minimum(0.0, 1 - theirs / np.maximum(ours, 1.0))
    defined = shared.any(axis=1) & (runs > 0).all(axis=1)
    return np.where(defined, np.exp(logs + brevity), 0.0)


def _chrf(rights: Sequence[str], answers: Sequence[str]) -> tuple[NDArray[np.float64], Figure]:
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415 - as above

    # sacrebleu keeps the counts of a text to itself; its version is pinned, and a test holds sums against its score.
    rows = CHRF()._extract_corpus_statistics(list(answers), [list(rights)])  # noqa: SLF001 - as said
    return np.array(rows, dtype=float).reshape(-1, 18), chrf_of


def chrf_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corpus chrF2, of runs of 1 to 6 characters: answered, right, shared."""
    ours, theirs, shared = np.moveaxis(sums.reshape(len(sums), 6, 3), 2, 0)
    both = (ours > 0) & (theirs > 0)
    orders = np.maximum(both.sum(axis=1), 1)
    precision = (np.where(both, shared / np.maximum(ours, 1.0), 0.0)).sum(axis=1) / orders
    recall = (np.where(both, shared / np.maximum(theirs, 1.0), 0.0)).sum(axis=1) / orders
    total = 4 * precision + recall
    return np.where(total > 0, 5 * precision * recall / np.where(total > 0, total, 1.0), 0.0)


def _strict(text: str) -> object:
    """The JSON value that a text is; None where it is none."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: brackets nested beyond any answer's need
        return None
    return found


def _canonical(right: str, answer: str, text: Callable[[str], str] = str.strip) -> str:
    """One text for all answers that mean the same, read in the right answer's form; "" where it has not that form."""
    wanted = _strict(right)
    if isinstance(wanted, dict):
        found: object = parse_json_object(answer)
    elif isinstance(wanted, list):
        found = parse_json_list(answer)
    else:
        return text(answer)
    return "" if found is None else _text(_mapped(found, text))


def _mapped(value: object, text: Callable[[str], str]) -> object:
    """A JSON value with its texts mapped; the names of fields stay."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {name: _mapped(part, text) for name, part in value.items()}
    return [_mapped(part, text) for part in value] if isinstance(value, list) else value


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _plain(value: object) -> str:
    return value.strip() if isinstance(value, str) else _text(value)


def _parts(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _typed(value: Mapping[str, object]) -> tuple[str, str]:
    """Field and string of an extracted object; its whole text where it names none."""
    field = next((value[name] for name in ("type", "label", "entity", "field") if name in value), "")
    text = next((value[name] for name in ("text", "value", "string", "span") if name in value), None)
    return str(field), _plain(text) if text is not None else _text(value)


_EACH: Mapping[Metric, Callable[[str, str], float]] = {
    Metric.ACCURACY: same_answer,
    Metric.NORMALISED: same_normalised,
    Metric.FIELD_ACCURACY: field_accuracy,
    Metric.JSON_VALIDITY: json_validity,
}
_SUMS: Mapping[Metric, Callable[[Sequence[str], Sequence[str]], tuple[NDArray[np.float64], Figure]]] = {
    Metric.MICRO_F1: lambda rights, answers: _micro(rights, answers, items_of, _exact_hits),
    Metric.MACRO_F1: _macro,
    Metric.SPAN_F1: lambda rights, answers: _micro(rights, answers, spans_of, _exact_hits),
    Metric.SPAN_F1_PARTIAL: lambda rights, answers: _micro(rights, answers, spans_of, overlap_hits),
    Metric.BLEU: _bleu,
    Metric.CHRF: _chrf,
}

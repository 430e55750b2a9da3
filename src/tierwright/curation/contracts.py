"""Infers a task's output contract from its captured answers.

Owns the inference; what a contract means is `core.contract`. What the incumbent does is the contract, not what it was
told to do; the prompt only tells a closed set from an open one while few answers have been seen: it offers the members.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from tierwright.core.contract import (
    ContractKind,
    FieldSpec,
    FieldValue,
    JsonStyle,
    OutputContract,
    fold_label,
    parse_json_list,
    parse_json_object,
    render_json,
)
from tierwright.curation.attributes import attribute_values, strings_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Share of the answers that must have the form; the rest are the incumbent's slips.
_MOST = 0.9
#: Characters of a label at most.
LABEL_CHARACTERS = 120
#: Share of the next answers that must be expected to be members already seen.
_CLOSED_SHARE = 0.9
#: Share of the second most frequent answer below which a closed set is no evidence of a decision.
_SECOND_SHARE = 0.03
#: Members of a closed set at most.
_MAX_VALUES = 1000
#: Share of extracted strings that must stand in the input.
_COPIED_SHARE = 0.85
#: Share of an input's attribute values that must come back in the text made from them.
_RENDERED_SHARE = 0.6

_STYLES = tuple(
    JsonStyle(item_separator=item, key_separator=key, indent=indent, ensure_ascii=ascii_only)
    for indent in (None, 2, 4)
    for item, key in (((", ", ": "), (",", ":"), (",", ": ")) if indent is None else ((",", ": "),))
    for ascii_only in (False, True)
)


def infer_contract(inputs: Sequence[str], answers: Sequence[str], prompt: str = "") -> OutputContract:
    """The contract that most of the answers keep; `open` where they keep none. Both sequences in order of time.

    `prompt` is the fixed text of the requests.
    """
    lists = [parse_strings(answer) for answer in answers]
    if sum(found is not None for found in lists) >= _MOST * len(answers):
        return _list_contract(inputs, answers, lists)
    objects = [parse_json_object(answer) for answer in answers]
    if sum(found is not None for found in objects) >= _MOST * len(answers):
        return _json_contract(inputs, answers, objects, prompt)
    labels = _closed_set([answer.strip() for answer in answers], prompt)
    if labels:
        return OutputContract(kind=ContractKind.LABEL, labels=spellings(labels))
    if _copied(inputs, [[answer.strip()] for answer in answers]):
        return OutputContract(kind=ContractKind.SPANS)
    if _rendered(inputs, answers):
        return OutputContract(kind=ContractKind.TEXT)
    return OutputContract(kind=ContractKind.OPEN)


def is_closed(inputs: Sequence[str], answers: Sequence[str], prompt: str) -> bool:
    """Whether the answers have a contract other than `open`, and are not nearly all the same."""
    contract = infer_contract(inputs, answers, prompt)
    if contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}:
        ranked = Counter(map(contract.canonical, answers)).most_common(2)
        return len(ranked) == 2 and ranked[1][1] >= _SECOND_SHARE * len(answers)
    return contract.kind is not ContractKind.OPEN


def widen(contract: OutputContract, outputs: Sequence[str]) -> OutputContract:
    """The contract with the closed-set members that people used and the incumbent never did.

    An output that does not have the contract's form adds nothing.
    """
    if contract.kind is ContractKind.LABEL:
        known = {fold_label(label) for label in contract.labels}
        new = Counter(o.strip() for o in outputs if o.strip() and fold_label(o) not in known)
        added = [label for label, _ in new.most_common() if len(label) <= LABEL_CHARACTERS]
        return replace(contract, labels=(*contract.labels, *spellings(added)))
    if contract.kind is not ContractKind.FIELDS:
        return contract
    names = {spec.name for spec in contract.fields}
    rows = [found for found in map(parse_json_object, outputs) if found is not None and set(found) == names]
    fields: list[FieldSpec] = []
    for spec in contract.fields:
        known_values = {_key(value) for value in spec.values}
        new_values = {_key(row[spec.name]): row[spec.name] for row in rows if _is_scalar(row[spec.name])}
        extra = tuple(v for k, v in new_values.items() if k not in known_values and isinstance(v, FieldValue))
        fields.append(FieldSpec(name=spec.name, values=(*spec.values, *extra)))
    return replace(contract, fields=tuple(fields))


def with_known(found: OutputContract, known: OutputContract) -> OutputContract:
    """A contract with the labels and values that another of its kind knows besides."""
    if known.kind is not found.kind:
        return found
    if found.kind is ContractKind.LABEL:
        return widen(found, known.labels)
    values = {spec.name: spec.values for spec in known.fields}
    if found.kind is not ContractKind.FIELDS or set(values) != {spec.name for spec in found.fields}:
        return found
    fields = (replace(s, values=tuple(dict.fromkeys((*s.values, *values[s.name])))) for s in found.fields)
    return replace(found, fields=tuple(fields))


def parse_strings(answer: str) -> list[str] | None:
    """The strings of an answer that is a JSON list of strings, in a code fence or not; None where it is none."""
    found = parse_json_list(answer) if answer.lstrip("`json \n\t").startswith("[") else None
    return None if found is None or not all(isinstance(s, str) for s in found) else [str(s) for s in found]


def _list_contract(
    inputs: Sequence[str], answers: Sequence[str], lists: Sequence[Sequence[str] | None]
) -> OutputContract:
    rows = [(i, a, f) for i, a, f in zip(inputs, answers, lists, strict=True) if f is not None]
    if not _copied([given for given, _, _ in rows], [found for _, _, found in rows]):
        return OutputContract(kind=ContractKind.OPEN)
    style = style_of([answer for _, answer, _ in rows], [found for _, _, found in rows], "[]")
    return OutputContract(kind=ContractKind.SPANS, style=style)


def _json_contract(
    inputs: Sequence[str], answers: Sequence[str], objects: Sequence[Mapping[str, object] | None], prompt: str
) -> OutputContract:
    keys = Counter(tuple(found) for found in objects if found is not None)
    names, count = keys.most_common(1)[0]
    if not names or count < _MOST * len(answers):
        return OutputContract(kind=ContractKind.OPEN)
    rows = [(i, a, f) for i, a, f in zip(inputs, answers, objects, strict=True) if f is not None and tuple(f) == names]
    style = style_of([answer for _, answer, _ in rows], [found for _, _, found in rows])
    fields: list[FieldSpec] = []
    for name in names:
        values = [found[name] for _, _, found in rows]
        closed = _closed_values(values, prompt)
        fields.append(FieldSpec(name=name, values=closed, many=any(isinstance(value, list) for value in values)))
    if all(spec.values for spec in fields):
        return OutputContract(kind=ContractKind.FIELDS, fields=tuple(fields), style=style)
    strings = [[s for name in names for s in strings_in(found[name])] for _, _, found in rows]
    if strings and _copied([given for given, _, _ in rows], strings):
        bare = tuple(FieldSpec(name=spec.name, many=spec.many) for spec in fields)
        return OutputContract(kind=ContractKind.SPANS, fields=bare, style=style)
    return OutputContract(kind=ContractKind.OPEN)


def style_of(
    answers: Sequence[str], objects: Sequence[Mapping[str, object] | Sequence[str]], brackets: str = "{}"
) -> JsonStyle:
    """The style that gives most answers back to the byte, with what stands around the object or list."""
    opening, closing = brackets[0], brackets[1]
    around = Counter((answer[: answer.find(opening)], answer[answer.rfind(closing) + 1 :]) for answer in answers)
    prefix, suffix = around.most_common(1)[0][0]
    sample = list(zip(answers, objects, strict=True))[:200]

    def hits(style: JsonStyle) -> int:
        return sum(prefix + render_json(found, style) + suffix == answer for answer, found in sample)

    best = max(_STYLES, key=hits)
    return JsonStyle(
        item_separator=best.item_separator,
        key_separator=best.key_separator,
        indent=best.indent,
        ensure_ascii=best.ensure_ascii,
        prefix=prefix,
        suffix=suffix,
    )


def _closed_values(values: Sequence[object], prompt: str) -> tuple[FieldValue, ...]:
    """The closed set of a field, most frequent first; empty where it is open or not made of plain values."""
    if not all(_is_scalar(value) for value in values):
        return ()
    by_key = {value if isinstance(value, str) else _key(value): value for value in values}
    if all(value is None or isinstance(value, bool) for value in values):
        keys = list(by_key)
    else:
        keys = _closed_set([value if isinstance(value, str) else _key(value) for value in values], prompt)
    return tuple(value for key in keys if isinstance(value := by_key[key], FieldValue))


def _closed_set(values: Sequence[str], prompt: str) -> list[str]:
    """The members of a closed set, most frequent first; empty where the values are no closed set.

    Values are a closed set if new ones have all but stopped to turn up: the share still unseen is estimated by that of
    the values seen once (Good 1953). While few answers have been seen, it is enough that the prompt offers them.
    """
    counts = Counter(values)
    if len(counts) > _MAX_VALUES or max(map(len, counts), default=0) > LABEL_CHARACTERS:
        return []
    members = [value for value, _ in counts.most_common()]
    unseen = sum(count == 1 for count in counts.values()) / len(values)
    if unseen <= 1 - _CLOSED_SHARE and len(counts) <= len(values) / 2:
        return members
    offered = sum(count for value, count in counts.items() if value and value in prompt)
    return members if len(counts) > 1 and offered >= _CLOSED_SHARE * len(values) else []


def spellings(labels: Sequence[str]) -> tuple[str, ...]:
    """One spelling, the most frequent, of labels that differ in case or punctuation only."""
    chosen: dict[str, str] = {}
    for label in labels:
        chosen.setdefault(fold_label(label), label)
    return tuple(chosen.values())


def _copied(inputs: Sequence[str], strings: Sequence[Sequence[str]]) -> bool:
    """Whether the strings of the answers stand in their inputs, and are more than a few fixed words."""
    total = sum(map(len, strings))
    if total < len(inputs) / 10 or len({s for found in strings for s in found}) < 3:
        return False
    hits = sum(bool(s) and s in given for given, found in zip(inputs, strings, strict=True) for s in found)
    return hits >= _COPIED_SHARE * total


def _rendered(inputs: Sequence[str], answers: Sequence[str]) -> bool:
    """Whether the inputs are attributes and the answers repeat their values."""
    shares: list[float] = []
    for given, answer in zip(inputs, answers, strict=True):
        values = attribute_values(given)
        if values is not None and values:
            folded = answer.casefold()
            shares.append(sum(value.casefold() in folded for value in values) / len(values))
    return len(shares) >= _MOST * len(inputs) and sum(shares) >= _RENDERED_SHARE * len(shares)


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True)

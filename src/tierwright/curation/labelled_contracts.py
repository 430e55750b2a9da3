"""The output contract of labelled history: inferred, or demanded and then checked row by row.

Owns what differs from captured answers: answers of one shape whose keys vary, classes so rare that they can't be
learned, and a person's word on what the answers are. What a contract means is `core.contract`; what most answers look
like is `contracts`.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.contract import (
    ContractKind,
    FieldSpec,
    FieldValue,
    OutputContract,
    parse_json_object,
    render_json,
)
from tierwright.core.dataset import Split
from tierwright.core.errors import InputError
from tierwright.curation.contracts import LABEL_CHARACTERS, infer_contract, parse_strings, spellings, style_of, widen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tierwright.curation.labelled import LabelledRow

_CLOSED = frozenset({ContractKind.LABEL, ContractKind.FIELDS})
#: Share of the rows that must be left where classes seen once are dropped; otherwise the answers are no classes.
_MOST_KEPT = 0.7
#: Keys that answers of one shape have at most, all together.
_MOST_KEYS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledContract:
    """What the outputs of a file are."""

    contract: OutputContract
    #: Outputs seen once, which were dropped so that the rest is a closed set.
    rare: frozenset[str] = frozenset()


def aligned(outputs: Sequence[str]) -> list[str]:
    """The outputs; JSON objects all with the same keys in the same order, where they are objects of one shape.

    A key that an object lacks is an empty list where others have a list there, otherwise null. Outputs of several
    shapes, and all that are no objects, come back as they are.
    """
    objects = {text: found for text in set(outputs) if (found := _object(text)) is not None}
    shapes = Counter(tuple(objects[text]) for text in outputs if text in objects)
    if len(shapes) < 2:
        return list(outputs)
    names = list(dict.fromkeys(name for shape, _ in shapes.most_common() for name in shape))
    if len(names) > _MOST_KEYS:
        return list(outputs)
    lists = {name for name in names if any(isinstance(found.get(name), list) for found in objects.values())}
    told = {
        text: json.dumps({n: found.get(n, [] if n in lists else None) for n in names}, ensure_ascii=False)
        for text, found in objects.items()
    }
    return [told.get(text, text) for text in outputs]


def labelled_contract(rows: Sequence[LabelledRow], *, path: Path, kind: ContractKind | None = None) -> LabelledContract:
    """The contract of the rows' outputs; `kind` None: inferred, `open` where they follow none.

    Rows of a given test split add what they use to a closed set and are never dropped. Raises InputError, with the
    line, where a kind is demanded that an output does not have.
    """
    if kind is not None:
        return LabelledContract(contract=_demanded(rows, path, kind))
    contract = infer_contract([row.input for row in rows], [row.output for row in rows])
    if contract.kind not in {ContractKind.OPEN, ContractKind.TEXT}:
        return LabelledContract(contract=contract)
    rare = _rare(rows)
    kept = [row for row in rows if row.output not in rare]
    if not rare or len(kept) < _MOST_KEPT * len(rows):
        return LabelledContract(contract=contract)
    closed = infer_contract([row.input for row in kept], [row.output for row in kept])
    if closed.kind not in _CLOSED:
        return LabelledContract(contract=contract)
    tested = [row.output for row in rows if row.split is Split.TEST]
    return LabelledContract(contract=widen(closed, tested), rare=rare - frozenset(tested))


def fitted(contract: OutputContract, output: str) -> str | None:
    """The output in canonical form; None where it breaks the contract."""
    kind = contract.kind
    if kind in _CLOSED:
        return contract.canonical(output) if contract.parse(output) is not None else None
    if kind is not ContractKind.SPANS or contract.style is None:
        return output.strip()
    if contract.is_list:
        return contract.canonical(output) if parse_strings(output) is not None else None
    found = parse_json_object(output)
    names = [spec.name for spec in contract.fields]
    if found is None or set(found) != set(names):
        return None
    return render_json({name: found[name] for name in names}, contract.style)


def _rare(rows: Sequence[LabelledRow]) -> frozenset[str]:
    """Outputs with a class that occurs once: the output itself, or the value of a field whose values come again."""
    objects = {text: found for text in {row.output for row in rows} if (found := _object(text)) is not None}
    if len(objects) < len({row.output for row in rows}):
        counts = Counter(row.output.strip() for row in rows)
        return frozenset(row.output for row in rows if counts[row.output.strip()] == 1)
    by_name: dict[str, Counter[str]] = {}
    for row in rows:
        for name, value in objects[row.output].items():
            by_name.setdefault(name, Counter())[json.dumps(value)] += 1
    return frozenset(
        text
        for text, found in objects.items()
        if any(by_name[name][json.dumps(value)] == 1 for name, value in found.items())
    )


def _demanded(rows: Sequence[LabelledRow], path: Path, kind: ContractKind) -> OutputContract:
    """The contract of that kind, whatever the answers look like otherwise."""
    if kind is ContractKind.LABEL:
        for row in rows:
            if len(row.output.strip()) > LABEL_CHARACTERS:
                raise _unfit(path, row, kind, f"has more than {LABEL_CHARACTERS} characters")
        ranked = [label for label, _ in Counter(row.output.strip() for row in rows).most_common()]
        return OutputContract(kind=kind, labels=spellings(ranked))
    if kind is ContractKind.FIELDS:
        return _demanded_fields(rows, path)
    if kind is ContractKind.SPANS:
        return _demanded_spans(rows, path)
    return OutputContract(kind=kind)


def _demanded_fields(rows: Sequence[LabelledRow], path: Path) -> OutputContract:
    objects = _objects(rows, path, ContractKind.FIELDS)
    counts: dict[str, Counter[str]] = {name: Counter() for name in objects[0]}
    for row, found in zip(rows, objects, strict=True):
        for name, value in found.items():
            if not (value is None or isinstance(value, FieldValue)):
                raise _unfit(path, row, ContractKind.FIELDS, "has a list or an object as the value of a field")
            counts[name][json.dumps(value)] += 1
    fields = [
        FieldSpec(name=name, values=tuple([json.loads(text) for text, _ in ranked.most_common()]))
        for name, ranked in counts.items()
    ]
    return OutputContract(
        kind=ContractKind.FIELDS, fields=tuple(fields), style=style_of([row.output for row in rows], objects)
    )


def _demanded_spans(rows: Sequence[LabelledRow], path: Path) -> OutputContract:
    """By what the first output is: an object, a list, or plain text."""
    kind, first = ContractKind.SPANS, rows[0].output
    if parse_strings(first) is not None:
        lists = [parse_strings(row.output) for row in rows]
        for row, strings in zip(rows, lists, strict=True):
            if strings is None:
                raise _unfit(path, row, kind, "is no JSON list of strings, as the first one is")
        known = [strings for strings in lists if strings is not None]
        return OutputContract(kind=kind, style=style_of([row.output for row in rows], known, "[]"))
    if _object(first) is None:
        return OutputContract(kind=kind)
    objects = _objects(rows, path, kind)
    for row, found in zip(rows, objects, strict=True):
        if not all(value is None or isinstance(value, str) or _is_strings(value) for value in found.values()):
            raise _unfit(path, row, kind, "has a field that is neither a string, a list of strings nor null")
    fields = [FieldSpec(name=name, many=any(isinstance(found[name], list) for found in objects)) for name in objects[0]]
    return OutputContract(kind=kind, fields=tuple(fields), style=style_of([row.output for row in rows], objects))


def _objects(rows: Sequence[LabelledRow], path: Path, kind: ContractKind) -> list[Mapping[str, object]]:
    """The objects in all outputs, with the same keys."""
    found: list[Mapping[str, object]] = []
    for row in rows:
        one = _object(row.output)
        if not one:
            raise _unfit(path, row, kind, "is no JSON object with fields")
        if found and set(one) != set(found[0]):
            raise _unfit(path, row, kind, "has other fields than the first one")
        found.append(one)
    return found


def _object(text: str) -> dict[str, object] | None:
    """The object that a text is; None where it is none, or one inside of something else."""
    return parse_json_object(text) if text.lstrip("`json \n\t")[:1] == "{" else None


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(member, str) for member in value)


def _unfit(path: Path, row: LabelledRow, kind: ContractKind, what: str) -> InputError:
    return InputError(
        f"{path}, line {row.line}: the output {what}, so it is no {kind.value} answer; mend the row, or leave "
        "--contract out to have the kind of answer found"
    )

"""What a language model may write under a contract, as grammars of llguidance: a closed set, or copies of the input.

Owns the grammars; refuses to know tokens and models. A grammar describes the incumbent's format to the byte, so that an
answer always parses and never holds a member that does not exist or a string that is not in the input. The same engine
stands behind the structured outputs of vLLM, SGLang and llama.cpp.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from tierwright.core.contract import ContractKind, JsonStyle, OutputContract, parse_json_object, render_json

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a value of a SPANS answer may be.
_NULL, _STRING, _LIST, _OTHER = "null", "string", "list", "other"
#: How often a string that was not copied must be seen to count as the incumbent's own word for something, "none" say.
_MIN_CONSTANT = 3
_MAX_CONSTANTS = 50


class Slot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one value of a SPANS answer may be, as the training answers had it."""

    #: Of "null", "string", "list", "other".
    forms: list[str]
    #: Strings that need not be copied, most frequent first.
    constants: list[str]


def slots_of(contract: OutputContract, inputs: Sequence[str], outputs: Sequence[str]) -> list[Slot]:
    """A slot for each field of a SPANS contract, or the one of a plain text; empty for other contracts."""
    if contract.kind is not ContractKind.SPANS:
        return []
    names = [spec.name for spec in contract.fields] if contract.style is not None else [None]
    found = []
    for name in names:
        forms: set[str] = set()
        strange: Counter[str] = Counter()
        for given, output in zip(inputs, outputs, strict=True):
            value = output if name is None else (parse_json_object(output) or {}).get(name)
            form, strings = _read(value)
            forms.add(form)
            strange.update(text for text in strings if text not in given)
        constants = [text for text, count in strange.most_common(_MAX_CONSTANTS) if count >= _MIN_CONSTANT]
        found.append(Slot(forms=sorted(forms), constants=constants))
    return found


def closed_grammar(contract: OutputContract) -> str | None:
    """The answers of a LABEL or FIELDS contract; None for the other kinds."""
    if contract.kind is ContractKind.LABEL:
        return f"start: {_either(contract.labels)}\n"
    if contract.kind is not ContractKind.FIELDS:
        return None
    style = contract.style or JsonStyle()
    pieces = _around([spec.name for spec in contract.fields], style)
    rules = []
    parts = [_literal(pieces[0])]
    for place, spec in enumerate(contract.fields):
        values = [json.dumps(value, ensure_ascii=style.ensure_ascii) for value in spec.values]
        rules.append(f"value{place}: {_either(values)}\n")
        parts += [f"value{place}", _literal(pieces[place + 1])]
    return f"start: {' '.join(part for part in parts if part)}\n" + "".join(rules)


def copying_grammar(contract: OutputContract, slots: Sequence[Slot], given: str) -> str | None:
    """The answers of a SPANS contract whose strings stand in the input, or are constants of their slot.

    None where a value may be something else than a string, a list of strings or null: such answers are not constrained.
    """
    if any(_OTHER in slot.forms for slot in slots):
        return None
    if contract.style is None:
        copied = [piece.encode("utf-8", "replace").decode() for piece in given]
        return f"start: COPIED{_constants(slots[0].constants)}\n{_copied(copied)}"
    style = contract.style
    pieces = _around([spec.name for spec in contract.fields], style)
    parts, rules = [_literal(pieces[0])], []
    for place, slot in enumerate(slots):
        quoted = [json.dumps(text, ensure_ascii=style.ensure_ascii) for text in slot.constants]
        rules.append(f'string{place}: "\\"" COPIED "\\""{_constants(quoted)}\n')
        rules.append(f"value{place}: {' | '.join(_forms(slot, place, style))}\n")
        parts += [f"value{place}", _literal(pieces[place + 1])]
    # A character is one piece, however it is escaped: no copy begins inside of an escape.
    escaped = [
        json.dumps(piece.encode("utf-8", "replace").decode(), ensure_ascii=style.ensure_ascii)[1:-1] for piece in given
    ]
    return f"start: {' '.join(part for part in parts if part)}\n{''.join(rules)}{_copied(escaped)}"


def _read(value: object) -> tuple[str, list[str]]:
    """The form of a value and the strings in it."""
    if value is None:
        return _NULL, []
    if isinstance(value, str):
        return _STRING, [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _LIST, value
    return _OTHER, []


def _forms(slot: Slot, place: int, style: JsonStyle) -> list[str]:
    """The alternatives of one value."""
    made = []
    if _NULL in slot.forms:
        made.append(_literal("null"))
    if _STRING in slot.forms:
        made.append(f"string{place}")
    if _LIST in slot.forms:
        # Where the list stands does not matter for its layout: every field is one level down.
        first, between, last = _list_around(style)
        made += [
            _literal("[]"),
            f"{_literal(first)} string{place} ({_literal(between)} string{place})* {_literal(last)}",
        ]
    return made or [_literal("null")]


def _around(names: Sequence[str], style: JsonStyle) -> list[str]:
    """The fixed text before, between and after the values of an answer in JSON: one piece more than names."""
    marks = _marks(names)
    text = render_json(dict(zip(names, marks, strict=True)), style)
    pieces = []
    for mark in marks:
        before, _, text = text.partition(json.dumps(mark))
        pieces.append(before)
    return [*pieces, text]


def _list_around(style: JsonStyle) -> tuple[str, str, str]:
    """The fixed text before the first, between two and after the last string of a list."""
    first, second = _marks(["a", "b"])
    text = render_json({"": [first, second]}, replace(style, prefix="", suffix=""))
    before, _, rest = text.partition(json.dumps(first))
    between, _, after = rest.partition(json.dumps(second))
    return before[before.index("[") :], between, after[: after.index("]") + 1]


def _marks(names: Sequence[str]) -> list[str]:
    """A string for each name that none of the names contains."""
    stem = "value"
    while any(stem in name for name in names):
        stem += "-"
    return [f"{stem}-{place}" for place in range(len(names))]


def _copied(pieces: Sequence[str]) -> str:
    return f"COPIED: %regex {json.dumps({'substring_chunks': list(pieces)}, ensure_ascii=False)}\n"


def _constants(texts: Sequence[str]) -> str:
    return f" | {_either(texts)}" if texts else ""


def _either(texts: Sequence[str]) -> str:
    return " | ".join(_literal(text) or '""' for text in texts)


def _literal(text: str) -> str:
    """A text as a literal of the grammar; empty for an empty one, which is no literal."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False) if text else ""

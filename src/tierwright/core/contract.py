"""The output contract: what a task's answers look like, and how to read and write them in exactly that form.

Owns parsing and rendering; refuses to know how a contract is inferred (curation) or learned (training).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

#: The value of one closed-set field, as JSON has it.
FieldValue = str | int | float | bool | None


class ContractKind(StrEnum):
    """The five kinds of answer; they decide which recipes apply."""

    #: One member of a closed set, as plain text.
    LABEL = "label"
    #: A flat JSON object whose values are members of closed sets.
    FIELDS = "fields"
    #: A JSON object, a JSON list or plain text whose strings are copied from the input.
    SPANS = "spans"
    #: Text made from structured attributes.
    TEXT = "text"
    #: Everything else.
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field of a JSON answer."""

    name: str
    #: The closed set, most frequent first; empty: the values are copied from the input.
    values: tuple[FieldValue, ...] = ()
    #: Whether the value is a list of strings.
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonStyle:
    """How the incumbent writes its JSON, to the byte."""

    item_separator: str = ", "
    key_separator: str = ": "
    #: Spaces per level; None: all on one line.
    indent: int | None = None
    ensure_ascii: bool = False
    #: What stands before the object, for example a code fence.
    prefix: str = ""
    #: What stands after it.
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputContract:
    """What the answers of one task look like."""

    kind: ContractKind
    #: For LABEL: the closed set in the incumbent's spelling, most frequent first. Otherwise empty.
    labels: tuple[str, ...] = ()
    #: For FIELDS and SPANS in a JSON object: the fields in the incumbent's order. Otherwise empty.
    fields: tuple[FieldSpec, ...] = ()
    #: For answers in JSON; None: plain text.
    style: JsonStyle | None = None
    #: Tools that answers call, the most frequent first; an answer is then what `core.calls` renders. Empty: all answers
    #: are texts.
    calls: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether answers are a JSON list of strings copied from the input: SPANS with a style and without fields."""
        return self.kind is ContractKind.SPANS and self.style is not None and not self.fields

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the closed-set decisions one answer takes; empty where the contract has none."""
        if self.kind is ContractKind.LABEL:
            return ("label",)
        return tuple(spec.name for spec in self.fields) if self.kind is ContractKind.FIELDS else ()

    def parse(self, answer: str) -> tuple[FieldValue, ...] | None:
        """The values of `heads` in an answer; None where it breaks the contract.

        Labels are matched without regard to case, surrounding space, quotes and a final full stop.
        """
        if self.kind is ContractKind.LABEL:
            folded = fold_label(answer)
            for label in self.labels:
                if fold_label(label) == folded:
                    return (label,)
            return None
        if self.kind is not ContractKind.FIELDS:
            return None
        found = parse_json_object(answer)
        if found is None or set(found) != {spec.name for spec in self.fields}:
            return None
        values: list[FieldValue] = []
        for spec in self.fields:
            value = found[spec.name]
            member = next((v for v in spec.values if v == value and type(v) is type(value)), _ABSENT)
            if isinstance(member, _Absent):
                return None
            values.append(member)
        return tuple(values)

    def render(self, values: Sequence[FieldValue]) -> str:
        """The answer that holds these values of `heads`, exactly as the incumbent would have written it."""
        if self.kind is ContractKind.LABEL:
            return str(values[0])
        names = [spec.name for spec in self.fields]
        return render_json(dict(zip(names, values, strict=True)), self.style or JsonStyle())

    def canonical(self, answer: str) -> str:
        """One text for all answers that mean the same under this contract, for comparing two answers."""
        values = self.parse(answer)
        if values is not None:
            return self.render(values)
        style = self.style
        if style is None:
            return answer.strip()
        found = parse_json_list(answer) if self.is_list else parse_json_object(answer)
        return answer.strip() if found is None else render_json(found, style)


def fold_label(text: str) -> str:
    """A label without case, surrounding white space and quotes, and without a final full stop."""
    return text.strip().lstrip("\"'`").rstrip(".\"'`").strip().casefold()


def parse_json_object(answer: str) -> dict[str, object] | None:
    """The JSON object in an answer, in a code fence or not; None where there is no such object."""
    start, end = answer.find("{"), answer.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        found = json.loads(answer[start : end + 1])
    except (ValueError, RecursionError):  # RecursionError: brackets nested beyond any answer's need
        return None
    return dict(found) if isinstance(found, Mapping) else None


def parse_json_list(answer: str) -> list[object] | None:
    """The JSON list in an answer, in a code fence or not; None where there is no such list."""
    start, end = answer.find("["), answer.rfind("]")
    if start < 0 or end < start:
        return None
    try:
        found = json.loads(answer[start : end + 1])
    except (ValueError, RecursionError):  # as above
        return None
    return list(found) if isinstance(found, list) else None


def render_json(value: Mapping[str, object] | Sequence[object], style: JsonStyle) -> str:
    """A JSON object or list in the given style."""
    body = json.dumps(
        value,
        ensure_ascii=style.ensure_ascii,
        indent=style.indent,
        separators=(style.item_separator, style.key_separator),
    )
    return f"{style.prefix}{body}{style.suffix}"


@dataclass(frozen=True, slots=True)
class _Absent:
    """Marks a value that is in no closed set; None is a value here."""

    why: str = field(default="not a member")


_ABSENT = _Absent()

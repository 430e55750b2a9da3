"""How found strings become an answer in the incumbent's format: the habits of its answers, field by field.

Owns reading strings out of answers and writing them; refuses to know how strings are found. What the incumbent writes
where there is nothing (null, an empty string, an empty list, some word), whether it repeats a string that occurs twice,
in which order it lists and whether it tidies white space are habits learned from its answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import msgspec

from tierwright.core.contract import FieldSpec, OutputContract, parse_json_list, parse_json_object, render_json

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Any value of a JSON document.
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
#: The one field of an answer that is plain text or a list.
PLAIN = ""


class Habits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the incumbent writes one field."""

    name: str
    #: Whether it lists strings.
    many: bool
    #: What it writes where it found nothing, as JSON.
    absent: str = "null"
    #: Whether one string of a list is written without the list.
    bare_single: bool = False
    #: Whether a list has a string as often as it was found.
    repeats: bool = False
    #: Whether a list is sorted by its strings; else it follows the text.
    alphabetical: bool = False
    #: Whether runs of white space in a string become one space.
    tidy: bool = False
    #: Whether strings that are numbers are written as numbers.
    numeric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundString:
    """A string found for a field."""

    #: Characters `start` to `end` of the input.
    text: str
    start: int
    end: int
    #: How often it was found.
    times: int = 1


def field_names(contract: OutputContract) -> tuple[str, ...]:
    """The names of `specs`."""
    return tuple(spec.name for spec in specs(contract))


def specs(contract: OutputContract) -> tuple[FieldSpec, ...]:
    """The contract's fields; one without a name where answers are plain text or a list."""
    if contract.style is None or contract.is_list:
        return (FieldSpec(name=PLAIN, many=contract.is_list),)
    return contract.fields


def read_values(contract: OutputContract, answer: str) -> dict[str, Json] | None:
    """The value of each field in an answer; None where it has not the contract's form."""
    if contract.style is None:
        return {PLAIN: answer.strip()}
    if contract.is_list:
        listed = parse_json_list(answer)
        return None if listed is None else {PLAIN: cast("Json", listed)}
    found = parse_json_object(answer)
    names = field_names(contract)
    if found is None or any(name not in found for name in names):
        return None
    return {name: cast("Json", found[name]) for name in names}


def strings_of(value: Json) -> list[str] | None:
    """The strings a field's value consists of; None where it is something else, for example an object."""
    if value is None or (isinstance(value, (str, list)) and not value):
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [json.dumps(value)]
    if isinstance(value, list):
        parts = [strings_of(part) for part in value]
        return None if any(part is None or len(part) != 1 for part in parts) else [p[0] for p in parts if p]
    return None


def tidied(text: str) -> str:
    """A text with one space for each run of white space, and none around it."""
    return " ".join(text.split())


def render(contract: OutputContract, habits: Sequence[Habits], found: Sequence[Sequence[FoundString]]) -> str:
    """The answer that says what was found for each field, exactly as the incumbent would have written it."""
    values = {habit.name: _value(habit, strings) for habit, strings in zip(habits, found, strict=True)}
    if contract.style is None:
        plain = values[PLAIN]
        return plain if isinstance(plain, str) else ""
    if contract.is_list:
        listed = values[PLAIN]
        return render_json(listed if isinstance(listed, list) else [], contract.style)
    return render_json(values, contract.style)


def _value(habit: Habits, found: Sequence[FoundString]) -> Json:
    if not found:
        absent: Json = json.loads(habit.absent)
        return absent
    ordered = sorted(found, key=lambda one: (one.text if habit.alphabetical else "", one.start))
    written: list[Json] = []
    for one in ordered:
        text = _written(habit, one.text)
        written.extend([text] * (one.times if habit.repeats and habit.many else 1))
    if not habit.many or (habit.bare_single and len(written) == 1):
        return written[0]
    return written


def _written(habit: Habits, text: str) -> Json:
    shown = tidied(text) if habit.tidy else text
    if habit.numeric:
        try:
            number: Json = json.loads(shown.replace(",", ""))
        except ValueError:
            return shown
        return number if isinstance(number, (int, float)) and not isinstance(number, bool) else shown
    return shown

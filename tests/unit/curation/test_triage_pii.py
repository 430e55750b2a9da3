"""Personal data that simple rules can see."""

from __future__ import annotations

from tests.fakes import an_example
from tierwright.core.ids import InferenceId
from tierwright.core.triage import Severity
from tierwright.curation.triage_pii import NAMES, personal_data, types_in


def test_report_holds_counts_and_ids_and_no_value() -> None:
    """The finding counts inputs, by type, names examples, and repeats nothing of their text."""
    secret = "jo@mail.example.org"
    examples = [an_example(id=InferenceId(f"i{n}"), input=f"{secret} {n}" if n < 3 else "nothing") for n in range(10)]
    found = personal_data(examples)
    assert (found.severity, found.count, found.n) == (Severity.WARNING, 3, 10)
    assert found.cases[0].examples == ("i0", "i1", "i2")
    assert secret not in repr(found)
    assert personal_data(examples[3:]).severity is Severity.NOTE


def test_types_have_the_names_people_use() -> None:
    """A card and an address are counted under names, not under the detectors' words."""
    assert dict(types_in("card 4111 1111 1111 1111, jo@mail.example.org, al@mail.example.org")) == {
        NAMES["card"]: 1,
        NAMES["email"]: 2,
    }

"""Small contracts with parties and dates: made from word lists, the same every time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from tests.unit.training.problems import an_example
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract

if TYPE_CHECKING:
    from tierwright.core.dataset import Example

CONTRACT = OutputContract(
    kind=ContractKind.SPANS,
    fields=(FieldSpec(name="parties", many=True), FieldSpec(name="date")),
    style=JsonStyle(item_separator=",", key_separator=":"),
)
_FIRST = ("Acme", "Borealis", "\u00c9toile", "Kraft", "Lumen", "Nordwind", "Orion", "Pavo", "Quill", "Sable", "Tern")
_SECOND = ("Bank", "Foods", "Holdings", "Leasing", "Metals", "Partners", "Ventures")
_FORM = ("GmbH", "Inc.", "Ltd", "S.A.")
_MONTHS = ("January", "March", "May", "July", "October")
_DEEDS = ("lends money to", "leases machines to", "sells its shares to")
_OTHER = ("No party is bound by this note.", "Rain fell on the harbour.", "See the annex \U0001f4ce for prices.")


def contracts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(text, answer) pairs; about one in six texts names nobody, one in three no date, some a party twice."""
    rng = np.random.default_rng(seed)

    def one(of: tuple[str, ...]) -> str:
        return str(rng.choice(of))

    rows = []
    for number in range(count):
        parties: list[str] = []
        date = None
        parts = [f"File {number}.\r\n"]
        if rng.random() < 5 / 6:
            parties = list(dict.fromkeys(f"{one(_FIRST)} {one(_SECOND)} {one(_FORM)}" for _ in range(2)))
            parts.append(f"{parties[0]} {one(_DEEDS)} {parties[-1]}.")
            if rng.random() < 0.3:
                parts.append(f" Notices go to {parties[0]}, in writing.")
        if rng.random() < 2 / 3:
            date = f"{rng.integers(1, 28)} {one(_MONTHS)} {rng.integers(1990, 2020)}"
            parts.append(f" Signed on {date}.")
        parts.append(f" {one(_OTHER)} Clause {rng.integers(1, 99)} applies.")
        answer = json.dumps({"parties": parties, "date": date}, separators=(",", ":"), ensure_ascii=False)
        rows.append(("".join(parts), answer))
    return rows


def examples(count: int, seed: int = 0) -> list[Example]:
    """Examples of such contracts, all labelled by people, without an incumbent."""
    return [
        an_example(at, text, answer, None, labelled=True) for at, (text, answer) in enumerate(contracts(count, seed))
    ]

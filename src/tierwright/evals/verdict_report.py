"""The verdict on a ladder as a document.

Owns its shape; refuses to know where it is printed. All of it JSON types; an *estimate* is as in `evals.report`:

    {"learned": "learnable" | "partly_learnable" | "not_learnable" | "undecided",
     "reference": "human" | "incumbent", "reason": in words, "unlearnable_fields": [name],
     "whole": part, "fields": [part], "rungs": [{"rung", "score": estimate, "difference": estimate}]}

A *part* is `{"field", "learned", "best_rung", "score": estimate, "constant": estimate, "difference": estimate, "worth",
"labels_needed", "why"}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.evals.report import Json, estimate_json

if TYPE_CHECKING:
    from tierwright.evals.verdict import FieldVerdict, TaskVerdict


def verdict_json(found: TaskVerdict) -> dict[str, Json]:
    """The document described at the head of this module."""
    return {
        "learned": found.learned.value,
        "reference": found.reference.value,
        "reason": found.reason,
        "unlearnable_fields": list(found.unlearnable_fields),
        "whole": _part(found.whole),
        "fields": [_part(field) for field in found.fields],
        "rungs": [
            {"rung": gain.rung, "score": estimate_json(gain.score), "difference": estimate_json(gain.difference)}
            for gain in found.rungs
        ],
    }


def _part(found: FieldVerdict) -> dict[str, Json]:
    return {
        "field": found.field,
        "learned": found.learned.value,
        "best_rung": found.best.rung,
        "score": estimate_json(found.best.score),
        "constant": estimate_json(found.constant),
        "difference": estimate_json(found.best.difference),
        "worth": found.worth,
        "labels_needed": found.labels_needed,
        "why": found.why,
    }

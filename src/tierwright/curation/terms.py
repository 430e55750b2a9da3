"""What providers' terms say about training on their models' answers: a note to start a conversation, no legal advice.

Owns the list (`terms.json`, each entry with its source and the day it was looked at) and the matching of model names.
Refuses to decide: what a contract allows is for those who signed it. A model that is not listed is unknown.
"""

from __future__ import annotations

import re
from enum import StrEnum
from importlib import resources
from typing import Final

import msgspec

from tierwright.core.triage import Finding, Severity

DISCLAIMER: Final = (
    "a summary, not legal advice; the contract that you signed decides, and so does who serves the model"
)


class Permission(StrEnum):
    """What the terms say about training on answers."""

    ALLOWED = "allowed"
    #: Some training is forbidden: whether yours is has to be decided by a person.
    RESTRICTED = "restricted"
    UNKNOWN = "unknown"


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the list."""

    #: Regular expression, sought in the lower-case name of a model.
    pattern: str
    provider: str
    verdict: Permission
    summary: str
    url: str
    #: Day on which the source was looked at, ISO 8601.
    checked: str


def known_terms() -> list[Terms]:
    """The list; the first entry whose pattern is found counts."""
    content = resources.files("tierwright.curation").joinpath("terms.json").read_bytes()
    return msgspec.json.decode(content, type=list[Terms])


def terms_of(model: str) -> Terms | None:
    """The entry of a model, by the name it was asked for; None: not listed."""
    name = model.casefold()
    return next((terms for terms in known_terms() if re.search(terms.pattern, name)), None)


def permission(model: str | None, *, answers: int) -> Finding:
    """Whether a model's answers may be trained on; `answers` is how many of them there are.

    None: no model is known to have given them.
    """
    if not answers:
        return Finding(
            check="terms",
            severity=Severity.NOTE,
            what="no model's answers are trained on: all labels are people's",
        )
    terms = terms_of(model) if model is not None else None
    if terms is None:
        return Finding(
            check="terms",
            severity=Severity.WARNING,
            what=f"whether answers of {model or 'the incumbent'} may be trained on is not known",
            advice=f"ask whoever signed the contract ({DISCLAIMER})",
            count=answers,
            n=answers,
        )
    source = f"{terms.url}, looked at on {terms.checked}"
    return Finding(
        check="terms",
        severity=Severity.NOTE if terms.verdict is Permission.ALLOWED else Severity.WARNING,
        what=f"training on answers of {model} is {terms.verdict.value} ({terms.provider}): {terms.summary}",
        advice=f"read {source} ({DISCLAIMER})",
        count=answers,
        n=answers,
    )

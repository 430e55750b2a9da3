"""What a caller is told where privacy stands in the way: the class, how it came about, and what to change.

Owns these codes and their words. A message holds types and counts, and never a value, nor a path, which is made of
names that callers chose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.gateway.problems import Problem, invalid_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.privacy import Assessment, DataClass

INVALID_DATA_CLASS = "invalid_data_class"
PRIVACY_BLOCKED = "privacy_blocked"
PRIVACY_UNAVAILABLE = "privacy_unavailable"

_HEADER = "x-tierwright-data-class"
#: Who declares a class, in words.
_BY = {
    "header": f"the header {_HEADER}",
    "key": "the caller's key",
    "task": "its task",
    "default": "the settings' default_class",
}
#: What a refusal names at most of the backends; there may be many.
_MOST_NAMED = 8


def invalid_data_class(why: str) -> Problem:
    """400: the header declares a class that there is not."""
    return invalid_request(f"the header {_HEADER} can't be read: {why}", code=INVALID_DATA_CLASS, param=_HEADER)


def no_gate(declared: DataClass) -> Problem:
    """503: a class was declared where nothing would come of it."""
    return Problem(
        status=503,
        code=PRIVACY_UNAVAILABLE,
        type="server_error",
        message=f"this request is declared {declared.label}, and this gateway has no privacy gate that would keep it "
        "from third parties; have its operator add the table [privacy] to its settings",
    )


def unavailable() -> Problem:
    """503: nothing may leave without a durable decision, and none can be made."""
    return Problem(
        status=503,
        code=PRIVACY_UNAVAILABLE,
        type="server_error",
        message="this gateway sends only what its privacy gate has permitted and written down, and it can't do so now; "
        "tell its operator: the log and GET /health/readiness say why",
    )


def blocked(
    model: str, assessment: Assessment, excluded: Mapping[str, str], *, by_mode: bool, escalated: bool
) -> Problem:
    """403: nobody who could answer may see the request.

    `excluded`: the backends and why not, in few words. `by_mode`: the settings want it refused and not sent elsewhere.
    `escalated`: a specialist of ours was asked, and was not sure enough.
    """
    label = assessment.data_class.label
    named = [f"{backend} ({why})" for backend, why in sorted(excluded.items())]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    mode = " Requests of this class are refused, not sent elsewhere: that is set in [privacy.modes]." if by_mode else ""
    remedy = "Leave out what was found, ask" if assessment.seen.data_class > assessment.declared.data_class else "Ask"
    first = "The task's specialist did not answer it alone. " if escalated else ""
    return Problem(
        status=403,
        code=PRIVACY_BLOCKED,
        type="permission_error",
        message=f"this request is {label}: {how(assessment)}. {first}No model server that could answer for "
        f"{model[:100]!r} may see that: {', '.join(named[:_MOST_NAMED])}{more}.{mode} {remedy} "
        "for a model of a server that may see it, or have the operator change [backends.privacy] or name a "
        "privacy.route_model",
    )


def how(assessment: Assessment) -> str:
    """How a class came about, in words: who declared it, and what was seen by type and count."""
    declared, seen = assessment.declared, assessment.seen
    said = [f"declared {declared.data_class.label} by {_BY.get(declared.by, declared.by)}"]
    if seen.counts:
        counts = ", ".join(f"{kind} ({count})" for kind, count in sorted(seen.counts.items()))
        said.append(f"found in it: {counts}")
    if seen.unread:
        said.append(
            f"{len(seen.unread)} of its members hold what nobody can read, such as pictures, files or references"
        )
    if seen.failed:
        said.append(f"not looked at by {', '.join(sorted(seen.failed))}")
    return "; ".join(said)

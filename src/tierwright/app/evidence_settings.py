"""The tables `[evaluation]`, `[judge]` and `[monitor]`: what is proved before a specialist serves, and while it does.

Owns their keys and defaults. Refuses to know what is done with them.
"""

from __future__ import annotations

from tierwright.app.section import Section


class EvaluationSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[evaluation]`."""

    #: Share of right answers that may be given up, fixed before any result is seen.
    margin: float = 0.01
    #: Confidence level of the intervals.
    level: float = 0.95
    #: Human-labelled test examples from which accuracy is measured; with fewer it is agreement with the incumbent.
    min_gold: int = 50
    #: Whether a specialist serves only at a threshold that `eval certify` has certified for its version.
    require_certificate: bool = False


class JudgeSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[judge]`: the language model that `eval judge` asks."""

    #: Name of the backend; empty: --backend names it.
    backend: str = ""
    #: The model, as that backend names it; empty: --model names it.
    model: str = ""


class MonitorSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[monitor]`: what looks after specialists in service."""

    #: Whether the gateway does.
    enabled: bool = True
    #: Seconds between two looks.
    period_s: float = 30.0
    #: Probability that a specialist which keeps its limits is ever taken off.
    delta: float = 0.05
    #: Whether `delta` is for all services of a task together, and not for each.
    per_task: bool = False
    #: Confidence level of the intervals.
    level: float = 0.95
    #: Error rate that is allowed, whatever the evaluation says; 0: what the evaluation says.
    limit: float = 0.0
    #: Looks that may fail in a row before readiness says so.
    patience: int = 3

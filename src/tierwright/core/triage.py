"""What was found in a dataset before anything is trained on it, in a form that a person can act on.

Owns the nouns; refuses to know how anything is found (curation, training) and how it is shown (app).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.contract import FieldValue
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import InferenceId


class Severity(StrEnum):
    """How much a finding matters."""

    #: What is measured on this dataset can't be believed until it is mended.
    CRITICAL = "critical"
    #: Quality is lost, or a person has to decide something.
    WARNING = "warning"
    #: Looked at, and nothing has to be done.
    NOTE = "note"
    #: Not looked at; the finding says why.
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One instance of a finding. It holds ids and members of closed sets, never the text of an input."""

    #: The examples concerned, the suspicious one first; empty: the case is about a label or a type.
    examples: tuple[InferenceId, ...] = ()
    #: Field of the answer, or type of personal data; empty: the whole answer.
    field: str = ""
    #: The value that stands there.
    given: FieldValue = None
    #: The value that would be likelier; None: no proposal.
    proposed: FieldValue = None
    #: Probability that `given` is wrong, in [0, 1]; None: not a matter of probability.
    probability: float | None = None
    #: How many there are.
    count: int | None = None
    #: How many there should be.
    needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check."""

    #: Name of the check: "label-noise", "leakage", …
    check: str
    severity: Severity
    #: What was found, in a sentence.
    what: str
    #: What to do; empty: nothing.
    advice: str = ""
    #: Instances found.
    count: int = 0
    #: Things looked at.
    n: int = 0
    #: The statistic of the check with its interval; None: the check only counts.
    estimate: Estimate | None = None
    #: Probability of a statistic at least as extreme, if there were nothing to find; None: no test was made.
    p_value: float | None = None
    #: The most telling instances first; `count` may be larger.
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """Everything found, the gravest first."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> Triage:
        """In order of severity; the order given decides among equals."""
        return cls(findings=tuple(sorted(findings, key=lambda finding: list(Severity).index(finding.severity))))

    @property
    def critical(self) -> bool:
        """Whether what is measured on this dataset can't be believed."""
        return any(finding.severity is Severity.CRITICAL for finding in self.findings)

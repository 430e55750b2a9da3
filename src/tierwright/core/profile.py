"""What an audit says of one task: measurements, a recommendation and what following it would save.

Owns the shapes; each number is computed in `curation` (what the traffic shows) or `economics` (what it costs).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from tierwright.core.estimate import Estimate, UsdEstimate


class Action(StrEnum):
    """What to do about a task."""

    #: Train a model of its own.
    SPECIALISE = "specialise"
    #: Answer what was asked before from memory.
    CACHE = "cache"
    #: Fix or shorten the prompt.
    PROMPT = "prompt"
    #: Look facts up and give them to the model: the answers rest on what is not in the input.
    RETRIEVE = "retrieve"
    #: A general small model would do.
    SMALLER_MODEL = "smaller-model"
    #: Leave it where it is.
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One named part of a score: the score is the sum of value times weight."""

    name: str
    #: In [0, 1].
    value: float
    #: The weights of a score add up to 1.
    weight: float
    #: For people: what was counted, and how it becomes the value.
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Complexity:
    """How hard the task looks, from 0 (a lookup) to 1 (open-ended reasoning)."""

    score: Estimate
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLearnability:
    """How well one field of the answer can be told from the input: a probe's agreement with the incumbent."""

    #: Name of the field; "label" where the answer is one.
    name: str
    #: Share of held-out requests on which the cross-validated probe gives the incumbent's answer.
    agreement: Estimate
    #: The same for always giving the most frequent answer.
    majority: Estimate
    #: Agreement beyond the majority's, as a share of what is possible, in (-inf, 1].
    skill: Estimate
    #: Whether skill is above 0 by more than noise and large enough to matter.
    learnable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The probe's agreement after so many examples."""

    examples: int
    agreement: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnability:
    """Whether the answers can be learned from the inputs, by a fast probe of the cheapest recipe."""

    #: Of the whole answer.
    agreement: Estimate
    majority: Estimate
    fields: tuple[FieldLearnability, ...]
    #: Growing training sets, on the same held-out requests.
    curve: tuple[CurvePoint, ...]

    @property
    def learnable(self) -> bool:
        """Whether every field is."""
        return all(field.learnable for field in self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the late traffic differs from the early one."""

    #: Share of late answers in classes the early half does not have; 0 for answers that are no closed set.
    new_answers: Estimate
    #: Total variation distance of early and late answers, beyond what halves at random differ by; in [0, 1].
    answer_shift: Estimate
    #: Area under the curve of a classifier that tells late inputs from early ones; 0.5: nothing changed.
    input_auc: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFacts:
    """What the requests consist of, in mean shares of a request's characters."""

    #: Characters of a request, all messages.
    characters: float
    #: Fixed text of the prompt.
    boilerplate_share: Estimate
    #: Few-shot examples inside the prompt.
    few_shot_share: Estimate
    #: Number of few-shot examples found; 0: none.
    few_shot_examples: int
    #: Share of answers that don't keep the contract (not parsed, or no member of the closed set).
    unparsed_share: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """Whether answers rest on knowledge that is not in the input, or that changes."""

    #: Share of same inputs, asked at least a day apart, whose answers differ, beyond those asked within a day.
    changing_share: Estimate | None
    #: Share of the answers' names and numbers that stand neither in the input nor in the prompt.
    ungrounded_share: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Requests over time."""

    #: Requests in a mean month (365.25 / 12 days) if it goes on like this.
    monthly: Estimate
    #: Relative growth per month, 0 for none.
    trend: Estimate
    #: Mean requests in each hour of the day, UTC; 24 values.
    hourly: tuple[float, ...]
    #: Mean requests on each day of the week, Monday first; 7 values.
    weekly: tuple[float, ...]
    #: Requests on each day of the period, in order, from its first day (UTC) on.
    daily: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Latency of the answering calls, in milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProfile:
    """What the traffic shows of one task."""

    requests: int
    #: Of all requests looked at, in [0, 1].
    share: float
    volume: Volume
    #: None: no call of the task has a price.
    monthly_cost_usd: UsdEstimate | None
    #: What one priced request costs on average; None: as above.
    mean_cost_usd: Decimal | None
    unpriced_calls: int
    #: None: the log holds no latencies.
    latency_ms: Percentiles | None
    #: Mean tokens of a request and of an answer; None: no provider said.
    prompt_tokens: Estimate | None
    completion_tokens: Estimate | None
    #: Requests by client and by model that answered, the most first.
    clients: Mapping[str, int]
    models: Mapping[str, int]
    distinct_outputs: int
    #: Entropy of the answers in bits, corrected for the sample's size.
    entropy_bits: Estimate
    #: How often the incumbent gives the same answer to nearly the same input; None: hardly any input came twice.
    determinism: Estimate | None
    #: None: the probe does not apply to this contract, or there are too few requests.
    learnability: Learnability | None
    complexity: Complexity
    #: Share of requests in which a detector of personal data finds something.
    sensitive_share: Estimate
    #: Share of requests that offer or use tools.
    tool_share: float
    #: Share of requests with earlier turns.
    multi_turn_share: float
    #: Share of the inputs in each language, the largest first; codes of ISO 639-1, or "other".
    languages: Mapping[str, float]
    #: None: too few requests to compare early and late ones.
    drift: Drift | None
    #: Share of requests that repeat an earlier one to the letter: what a cache would have answered.
    duplicate_share: Estimate
    prompt: PromptFacts
    retrieval: Retrieval


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do about a task, and why."""

    action: Action
    #: For people, the deciding one first; each names the figure and the criterion it was held against.
    reasons: tuple[str, ...]
    #: The rung of the ladder that is likely to do; None: not `specialise`.
    rung: str | None = None
    #: What following the advice saves in a month, running costs deducted; None: it saves nothing, or is not known.
    monthly_saving_usd: UsdEstimate | None = None
    #: Other actions whose criteria are met too, the best first, with the reason.
    also: tuple[tuple[Action, str], ...] = ()

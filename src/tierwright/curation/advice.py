"""What to do about a task: the decision framework asked, and its outcome in words.

Owns asking the rules in their order, the rung that is likely, and the reasons; the rules themselves are `framework`'s,
the sums `economics.action_savings`'. Refuses to advise against the framework: there is no other way to an action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind
from tierwright.core.profile import Action, Advice
from tierwright.curation.criteria import Case
from tierwright.curation.framework import FRAMEWORK, HARMLESS, NEEDED, fields_by_learnability
from tierwright.economics.action_savings import (
    RUNGS,
    cache_saving,
    local_share,
    prompt_saving,
    small_model_saving,
    specialise_saving,
    unusable_answers_cost,
)

if TYPE_CHECKING:
    from tierwright.core.contract import OutputContract
    from tierwright.core.estimate import Estimate, UsdEstimate
    from tierwright.core.profile import FieldLearnability, TaskProfile
    from tierwright.curation.criteria import Rule
    from tierwright.economics.action_savings import LocalCosts

#: Classes from which sentence embeddings do better than n-grams alone: LAB.md, "the recipes on clean public data" (2 to
#: 3 points at 77 and 150 classes) against "the whole ring on the shared log" (none at 3).
_MANY_CLASSES = 20
#: Agreement gained by the last doubling of the examples from which the probe still lacks examples.
_STILL_RISING = 0.02
#: Share of the inputs in English from which the encoder that comes along, which is English, is worth a rung.
_ENGLISH = 0.5
#: An hour of a person, for comparison only: it is deducted from nothing.
_HOUR_USD = 60
#: What is worth saying beside the advice: new answers, and personal data.
_MANY_NEW, _SENSITIVE = 0.05, 0.1


def advise(profile: TaskProfile, contract: OutputContract, costs: LocalCosts, *, seed: int) -> Advice:
    """The advice of the first rule of the framework that holds, with its criteria as reasons.

    The same arguments give the same advice. Where the advice is `specialise` the saving is what a specialist saves if
    it passes the gate; training decides whether it does.
    """
    rung = likely_rung(profile, contract)
    case = Case(
        profile=profile,
        contract=contract,
        costs=costs,
        local_share=None if rung is None else _local_share(profile, costs, seed=seed),
        savings=_savings(profile, rung, costs, seed),
    )
    holding = [rule for rule in FRAMEWORK if rule.holds(case)]
    chosen = holding[0]
    also: dict[Action, str] = {}
    for rule in holding[1:]:
        # Keeping it is no second advice, and the first rule for an action says why.
        if rule.action not in (Action.KEEP, chosen.action):
            also.setdefault(rule.action, f"{rule.when}: {'; '.join(c.say(case) for c in rule.criteria)}")
    specialise = chosen.action is Action.SPECIALISE
    return Advice(
        action=chosen.action,
        reasons=tuple(_reasons(chosen, case, rung)),
        rung=rung if specialise else None,
        monthly_saving_usd=case.savings.get(chosen.code),
        also=tuple(also.items()),
    )


def advise_long_tail(requests: int, share: float) -> Advice:
    """The advice on requests of no task: there is no recurring job in them that anything could be done about."""
    reason = (
        f"leave it where it is: {requests:,} requests ({_percent(share)}) share neither a prompt nor a form of answer "
        "with others, so that there is nothing to train, to cache or to shorten; a task needs a prompt that comes back "
        "with different inputs"
    )
    return Advice(action=Action.KEEP, reasons=(reason,))


def likely_rung(profile: TaskProfile, contract: OutputContract) -> str | None:
    """The cheapest recipe that is likely to do; None: the answers are open or call tools, no recipe learns them.

    Copied strings: `span-tagger`. Text from attributes: `template`. Closed sets: `encoder-head` where there are many
    classes, or where the probe, which is `ngram` itself, still gained from its last examples; but `ngram` where most
    inputs are not English, which is the language of the encoder that comes along.
    """
    if contract.kind is ContractKind.OPEN or contract.calls:
        return None
    if contract.kind is ContractKind.SPANS:
        return "span-tagger"
    if contract.kind is ContractKind.TEXT:
        return "template"
    if profile.languages and profile.languages.get("en", 0.0) < _ENGLISH:
        return "ngram"
    classes = max((len(contract.labels), *(len(spec.values) for spec in contract.fields)))
    curve = profile.learnability.curve if profile.learnability else ()
    rising = len(curve) > 1 and curve[-1].agreement.value - curve[-2].agreement.value >= _STILL_RISING
    return "encoder-head" if classes >= _MANY_CLASSES or rising else "ngram"


def _local_share(profile: TaskProfile, costs: LocalCosts, *, seed: int) -> Estimate:
    agreement = profile.learnability.agreement if profile.learnability else None
    return local_share(agreement, costs.assumptions, seed=seed)


def _savings(profile: TaskProfile, rung: str | None, costs: LocalCosts, seed: int) -> dict[str, UsdEstimate | None]:
    cached = cache_saving(profile, costs, seed=seed)
    shortened = prompt_saving(profile, costs, seed=seed)
    return {
        "specialise": None if rung is None else specialise_saving(profile, RUNGS[rung], costs, seed=seed),
        "mostly-repeats": cached,
        "repeats": cached,
        "few-shot": shortened,
        "boilerplate": shortened,
        "unusable": unusable_answers_cost(profile, costs, seed=seed),
        "smaller-model": small_model_saving(profile, costs, seed=seed),
    }


def _reasons(rule: Rule, case: Case, rung: str | None) -> list[str]:
    """The deciding one first, then what can and can't be learned, then the figures, then what to keep in mind."""
    found = [f"{rule.when}: {rule.text}"]
    if rule.action is Action.SPECIALISE:
        found = [f"{found[0]}, likely by the recipe {rung}"]
    elif rule.action is Action.SMALLER_MODEL:
        found = [f"{found[0]} (compared with {case.costs.small_model})"]
    elif rule.code == "keep":
        found = [_why_kept(case)]
    # What can't be learned decides where it keeps a task from a specialist, so it comes at once.
    found += _fields_in_words(case)
    if rule.action is Action.SPECIALISE:
        found += _about_specialist(case)
    if hours := _hours_paid(rule, case):
        found.append(hours)
    found += [criterion.say(case) for criterion in rule.criteria]
    if rule.code not in ("specialise", "keep", "small") and (failed := _failed("specialise", case)):
        found.append(f"no specialist: {failed}")
    if case.profile.unpriced_calls:
        found.append(
            f"{case.profile.unpriced_calls:,} calls have no price and count for nothing in the sums; give their models "
            "one in [[economics.prices]]"
        )
    return found


def _why_kept(case: Case) -> str:
    """Why neither a specialist nor a smaller model: every criterion that is not met, in words."""
    text = f"leave it where it is. No specialist: {_failed('specialise', case)}"
    return f"{text}. No smaller model: {_failed('smaller-model', case)}"


def _failed(code: str, case: Case) -> str:
    """The criteria of a rule that are not met, in words; empty: it holds."""
    rule = next(rule for rule in FRAMEWORK if rule.code == code)
    return "; ".join(criterion.say(case) for criterion in rule.criteria if not criterion.met(case))


def _fields_in_words(case: Case) -> list[str]:
    """What can be told from the input and what can't, by name."""
    learned, rest = fields_by_learnability(case.profile.learnability)
    if case.contract.kind is ContractKind.LABEL:
        return [_label_in_words(field) for field in (*learned, *rest)]
    if not rest:
        return [f"{_names(learned)} can be learned: {_figures(learned)}"] if learned else []
    cannot = f"{_names(rest)} can't: {_figures(rest)}; what it depends on is not in the input"
    if not learned:
        return [cannot.replace(" can't:", " can't be learned:", 1)]
    names = _names(learned)
    own = f"Ask for {names} in a request of its own, and a specialist can answer that"
    return [f"{names} can be learned: {_figures(learned)}; {cannot}. {own}"]


def _label_in_words(field: FieldLearnability) -> str:
    if field.learnable:
        return f"the label can be learned: {_figures([field])}"
    return f"the label can't be learned: {_figures([field])}; what it depends on is not in the input"


def _figures(fields: list[FieldLearnability]) -> str:
    """Agreement beside the majority's, by field where there are several."""
    parts = [
        f"{f'{field.name}: ' if len(fields) > 1 else ''}a quick model gives the incumbent's answer in "
        f"{_interval(field.agreement)} of unseen requests, always the most frequent answer is right in "
        f"{_percent(field.majority.value)}"
        for field in fields
    ]
    return "; ".join(parts)


def _about_specialist(case: Case) -> list[str]:
    """What a specialist would do, and what to mind."""
    profile, found = case.profile, []
    if case.local_share is not None:
        found.append(
            f"expected to answer {_interval(case.local_share)} of the requests itself, if it passes the gate "
            f"({case.local_share.method}); the rest goes on to the incumbent"
        )
    if profile.determinism is not None and profile.determinism.ci_high < HARMLESS:
        found.append(
            f"the incumbent gives the same answer to the same question in only {_interval(profile.determinism)}: that "
            "bounds what can be learned from its answers, label some of them"
        )
    if profile.drift is not None and profile.drift.new_answers.ci_low >= _MANY_NEW:
        found.append(
            f"{_interval(profile.drift.new_answers)} of the late answers are in classes the early half does not have: "
            "train again as they come in"
        )
    if profile.sensitive_share.ci_low >= _SENSITIVE:
        found.append(f"{_interval(profile.sensitive_share)} of the requests hold personal data, which would stay here")
    if profile.requests < NEEDED:
        found.append(f"train when {NEEDED:,} different inputs are in; a quick look at fewer does no harm")
    return found


def _hours_paid(rule: Rule, case: Case) -> str:
    """People's time beside the saving, where it is not counted in it."""
    saving = case.savings.get(rule.code)
    if saving is None or case.costs.assumptions.person_hour_usd:
        return ""
    minutes = float(saving.value) * 60 / _HOUR_USD
    return (
        f"people's time is not in the saving, which pays for {minutes:,.3g} minutes a month at ${_HOUR_USD} an hour; "
        "say what an hour costs you in [advice] person_hour_usd"
    )


def _names(fields: list[FieldLearnability]) -> str:
    return " and ".join(field.name for field in fields)


def _interval(estimate: Estimate) -> str:
    low, high = _percent(estimate.ci_low), _percent(estimate.ci_high)
    return f"{_percent(estimate.value)} ({low} to {high}, n = {estimate.n:,})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

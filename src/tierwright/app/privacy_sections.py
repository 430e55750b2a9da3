"""The sections of the privacy report, from the document of `report privacy --json`.

Owns their order and their words, for every form the report is printed in; every figure is the document's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.evals.dossier import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    _Document = Mapping[str, Any]

#: Hex digits of a hash that tell it from others; the document has all of them.
_HASH_SHOWN = 16


def privacy_sections(document: _Document) -> list[Section]:
    """All that is not a warning, in the order an auditor asks."""
    return [
        _overview(document),
        _ways(document),
        _blocked(document),
        _rerouted(document),
        _providers(document),
        _policies(document),
        _detection(document),
        _recall(document),
        _safe_harbor(document),
        _pseudonymised(document),
        _erasures(document),
        _reads(document),
        _keys(document),
        _register(document),
        _ledger(document),
    ]


def _overview(document: _Document) -> Section:
    counts = document["decisions"]
    return Section(
        title="Which classes went where",
        lines=(
            (
                f"Attempts permitted: {counts['permits']:,}; denied: {counts['denials']:,}; decided about a class "
                f"above the declared one: {counts['raised']:,}. "
                "An attempt is one set of bytes for one backend: retries, fallbacks, shadows and judges each count."
            ),
        ),
        columns=("class", "backend", ">permits", ">bytes", "first", "last", "findings in the class"),
        rows=tuple(
            (
                row["class"],
                row["backend"],
                f"{row['permits']:,}",
                f"{row['bytes']:,}",
                _instant(row["first_at"]),
                _instant(row["last_at"]),
                _counts(row["findings"]),
            )
            for row in document["classes"]
        ),
    )


def _ways(document: _Document) -> Section:
    return Section(
        title="By client, task and backend",
        columns=("client", "task", "class", "backend", "for", ">permits", ">denied", "first", "last"),
        rows=tuple(
            (
                _or_none(row["client"]),
                row["task"] or row["task_id"] or "(no task)",
                row["class"],
                _or_none(row["backend"]),
                _or_none(row["role"]),
                f"{row['permits']:,}",
                f"{row['denials']:,}",
                _instant(row["first_at"]),
                _instant(row["last_at"]),
            )
            for row in document["ways"]
        ),
    )


def _blocked(document: _Document) -> Section:
    return Section(
        title="Blocked",
        lines=() if document["blocked"] else ("Nothing was blocked.",),
        columns=("class", "backend", "reason", ">times", "first", "last"),
        rows=tuple(
            (row["class"], row["backend"] or "(none chosen)", row["reason"], f"{row['count']:,}", *_ends(row))
            for row in document["blocked"]
        ),
    )


def _rerouted(document: _Document) -> Section:
    return Section(
        title="Rerouted: permitted attempts that went past a backend",
        lines=() if document["rerouted"] else ("No permitted attempt had to go past a backend.",),
        columns=("class", "kept from", "because", ">times", "first", "last"),
        rows=tuple(
            (row["class"], row["backend"], row["why"], f"{row['count']:,}", *_ends(row)) for row in document["rerouted"]
        ),
    )


def _providers(document: _Document) -> Section:
    rows = [
        (
            provider["backend"],
            fact["name"].replace("_", " "),
            _value(fact["value"]),
            (fact["expires"] or "-")[:10],
            fact["evidence"] or "-",
            fact["held_then"] or "-",
            _yes(fact["holds_now"]),
        )
        for provider in document["providers"]
        for fact in provider["facts"]
    ]
    lines = [
        f"{provider['backend']} may see now: {', '.join(provider['may_see']) or 'nothing'}"
        + "".join(f"; not {label}: {why}" for label, why in provider["may_not_see"].items())
        + "."
        for provider in document["providers"]
    ]
    return Section(
        title="What backends are, and what providers promise",
        lines=tuple(lines) or ("No backend is configured.",),
        columns=("backend", "fact", "said", "until", "evidence", "held then", "holds now"),
        rows=tuple(rows),
    )


def _policies(document: _Document) -> Section:
    return Section(
        title="Policies",
        lines=("The whole text of each policy is in the ledger, in the entry of kind `policy` with its SHA-256.",),
        columns=("SHA-256", "since", ">decisions", "first", "last", "in force now"),
        rows=tuple(
            (
                (row["sha256"] or "(none)")[:_HASH_SHOWN],
                _instant(row["since"]),
                f"{row['decisions']:,}",
                *_ends(row),
                _yes(row["now"]),
            )
            for row in document["policies"]
        ),
    )


def _detection(document: _Document) -> Section:
    counts, failed = document["decisions"], document["decisions"]["failed"]
    return Section(
        title="What looked",
        lines=(
            (
                "Restricted because of a part that nobody could read (a picture, sound, a file, a reference): "
                f"{counts['unread']:,}."
            ),
            f"Detectors that failed, with the number of decisions they made restricted: {_counts(failed) or 'none'}.",
            f"Found, in all decisions: {_counts(counts['findings']) or 'nothing'}.",
        ),
        columns=("versions", ">decisions", "first", "last"),
        rows=tuple(
            (row["versions"] or "(none)", f"{row['decisions']:,}", *_ends(row)) for row in document["detectors"]
        ),
    )


def _recall(document: _Document) -> Section:
    rows = [row for row in document["measured"] if row["subject"][1:2] != " "]
    return Section(
        title="How much the detectors find",
        lines=(
            "Measured by the commands named; intervals at 95 % (Wilson). What is not found may still be there.",
            *_other_versions(document),
            *_commands(rows),
        ),
        columns=("looked for", "in", ">found", ">of", ">recall", ">interval", "detectors"),
        rows=tuple(_figure(row) for row in rows),
    )


def _safe_harbor(document: _Document) -> Section:
    return Section(
        title="HIPAA Safe Harbor: the 18 identifiers (45 CFR 164.514(b)(2))",
        lines=(
            (
                "Recall of the rules alone, on made-up notes in English. Plug-in detectors only add. The method also "
                "asks that nobody has actual knowledge that what is left could identify a person; no program can "
                "attest that."
            ),
        ),
        columns=("", "identifier", "coverage", "how", "measured recall"),
        rows=tuple(
            (row["letter"], row["name"], row["coverage"], row["how"], measured_recall(row["measured"]))
            for row in document["safe_harbor"]
        ),
    )


def measured_recall(figures: Sequence[_Document]) -> str:
    """The recall of each kind of an identifier, with interval and number."""
    said = [
        f"{one['subject'][2:]} {one['recall']:.3f} [{one['ci_low']:.3f}, {one['ci_high']:.3f}], n={one['n']}"
        for one in figures
    ]
    return "; ".join(said) or "not measured"


def _pseudonymised(document: _Document) -> Section:
    counts = document["decisions"]
    return Section(
        title="Pseudonymised",
        lines=(
            (
                f"In {counts['pseudonymised']:,} requests findings were replaced before they left: "
                f"{_counts(counts['replaced']) or 'none'}."
            ),
        ),
    )


def _erasures(document: _Document) -> Section:
    return Section(
        title="Erasures",
        lines=() if document["erasures"] else ("Nothing was erased.",),
        columns=("at", "by", "of", ">inferences", "datasets", "models to retrain"),
        rows=tuple(
            (
                _instant(row["at"]),
                row["who"] or "-",
                row["of"],
                _value(row["inferences"]),
                ", ".join(row["datasets"]) or "none",
                ", ".join(row["models"]) or "none",
            )
            for row in document["erasures"]
        ),
    )


def _reads(document: _Document) -> Section:
    return Section(
        title="Content read and exported",
        lines=() if document["reads"] else ("No export is written down.",),
        columns=("at", "who", "what", "highest class in it", "allowed beyond the settings"),
        rows=tuple(
            (_instant(row["at"]), row["who"], row["what"], row["class"] or "-", row["up_to"] or "no")
            for row in document["reads"]
        ),
    )


def _keys(document: _Document) -> Section:
    keys = document["key_holders"]
    return Section(
        title="Key holders",
        lines=() if keys else ("No caller has a key: whoever reaches the gateway may use it.",),
        columns=("client", "key", "class", "created", "expires", "revoked", "state"),
        rows=tuple(
            (
                key["client"],
                key["prefix"],
                key["class"] or "(not declared)",
                _instant(key["created_at"]),
                _instant(key["expires_at"]) if key["expires_at"] else "never",
                _instant(key["revoked_at"]) if key["revoked_at"] else "no",
                key["state"],
            )
            for key in keys
        ),
    )


def _register(document: _Document) -> Section:
    found = document["register"]
    return Section(
        title="Register of processing (as GDPR art. 30 asks)",
        lines=(
            (
                "From settings and ledger. To be written by people: the controller and its contacts, the legal basis "
                "of each purpose, and whose data these are."
            ),
            *found["measures"],
        ),
        columns=("purpose (task)", "categories", "recipient", "region", "kept for"),
        rows=tuple(
            (row["purpose"], row["categories"], row["recipient"], row["region"], row["kept_for"])
            for row in found["processing"]
        ),
    )


def _ledger(document: _Document) -> Section:
    found = document["ledger"]
    if found is None:
        return Section(title="The ledger", lines=("There is none.",))
    verdict = "Sound" if found["sound"] else "BROKEN"
    return Section(
        title="The ledger",
        lines=(
            (
                f"{verdict}; entries: {found['entries']:,}, chains: {len(found['chains']):,}. docs/ledger.md says how "
                "to check it without this program."
            ),
            *(f"Broken: {_broken(one)}." for one in found["breaks"]),
            *(f"Public key: {one}" for one in found["keys"]),
        ),
        columns=("chain", ">entries", "first", "last", "how it ends"),
        rows=tuple(
            (one["file"], f"{one['entries']:,}", _instant(one["first"]), _instant(one["last"]), one["end"])
            for one in found["chains"]
        ),
    )


def _broken(one: _Document) -> str:
    line = f", line {one['line']}" if one["line"] else ""
    return f"{one['file']}{line}: {one['why']}"


def _other_versions(document: _Document) -> list[str]:
    """What is to be said where the figures are not those of what looks now."""
    measured = {row["detectors"] for row in document["measured"]}
    others = sorted(measured - set(document["detectors_now"].split()))
    if not others or not document["detectors_now"]:
        return []
    return [f"These are figures of {', '.join(others)}; what looks now is {document['detectors_now']}."]


def _commands(rows: Sequence[_Document]) -> list[str]:
    return [f"Printed by: {command}" for command in dict.fromkeys(row["command"] for row in rows)]


def _figure(row: _Document) -> tuple[str, ...]:
    return (
        *(row["subject"], row["data"], f"{row['hits']:,}", f"{row['n']:,}", f"{row['recall']:.3f}"),
        *(f"{row['ci_low']:.3f} to {row['ci_high']:.3f}", row["detectors"]),
    )


def _ends(row: _Document) -> tuple[str, str]:
    return _instant(row["first_at"]), _instant(row["last_at"])


def _instant(text: str | None) -> str:
    """An ISO instant to the second, in UTC, as people read it."""
    return "-" if text is None else str(text)[:19].replace("T", " ")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _yes(holds: bool) -> str:  # noqa: FBT001 - a value that is shown, not a switch
    return "yes" if holds else "no"


def _value(value: object) -> str:
    if value is None:
        return "not said"
    return _yes(value) if isinstance(value, bool) else f"{value:,}" if isinstance(value, int) else str(value)


def _or_none(text: str) -> str:
    return text or "(none)"

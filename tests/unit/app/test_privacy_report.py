"""The privacy report's document says what the ledger, the policies and the keys say, and nothing of their secrets."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.unit.app.privacy_evidence import EXPIRES, NOW, START, a_decision, a_key, a_month, a_policy, some_evidence
from tierwright.app.html.privacy_page import privacy_page
from tierwright.app.privacy_register import Keeping
from tierwright.app.privacy_report import privacy_document
from tierwright.app.privacy_sections import privacy_sections
from tierwright.privacy.tally import Tally, tally


def document(**changes: Any) -> dict[str, Any]:
    """The document as `--json` prints it."""
    found: dict[str, Any] = json.loads(json.dumps(privacy_document(some_evidence(**changes))))
    return found


def test_which_classes_went_where() -> None:
    """The highest class first; each with its permits, bytes, ends and what was found in it."""
    rows = document()["classes"]
    assert [(row["class"], row["backend"], row["permits"], row["bytes"]) for row in rows] == [
        ("restricted", "frontier", 1, 100),
        ("restricted", "own", 1, 100),
        ("confidential", "frontier", 1, 300),
        ("internal", "frontier", 2, 200),
    ]
    assert rows[2]["findings"] == {"email": 2}
    assert (rows[3]["first_at"], rows[3]["last_at"]) == ("2026-03-01T00:00:00+00:00", "2026-03-03T00:00:00+00:00")


def test_by_client_task_and_backend() -> None:
    """Tasks have their names; requests of no task are there, too."""
    ways = {(row["client"], row["task"], row["class"], row["backend"]): row for row in document()["ways"]}
    assert ways["clinic", "triage", "restricted", "frontier"]["denials"] == 2
    assert ways["desk", None, "internal", "frontier"]["permits"] == 1
    assert sum(row["permits"] for row in ways.values()) == document()["decisions"]["permits"] == 5
    assert sum(row["denials"] for row in ways.values()) == document()["decisions"]["denials"] == 3


def test_blocked_and_rerouted_with_their_reasons() -> None:
    """A denial names its backend and reason; a reroute names whom the request went past, and why."""
    found = document()
    assert [(row["backend"], row["reason"], row["count"]) for row in found["blocked"]] == [
        ("", "class", 1),
        ("frontier", "class", 2),
    ]
    assert [(row["backend"], row["why"], row["count"]) for row in found["rerouted"]] == [
        ("frontier", "baa expired 2026-03-11", 1)
    ]


def test_promises_as_they_held_then_and_as_they_hold_now() -> None:
    """An agreement that ended within the period held partly, and does not hold now."""
    (frontier, own) = document()["providers"]
    facts = {fact["name"]: fact for fact in frontier["facts"]}
    assert facts["baa"] == {
        "name": "baa",
        "value": True,
        "expires": EXPIRES.isoformat(),
        "evidence": "contract 12",
        "held_then": "partly",
        "holds_now": False,
    }
    assert (facts["zero_retention"]["held_then"], facts["zero_retention"]["holds_now"]) == ("yes", True)
    assert (facts["self_hosted"]["value"], facts["self_hosted"]["held_then"]) == (None, "no")
    assert frontier["may_see"] == ["public", "internal", "confidential"]
    assert frontier["may_not_see"] == {"restricted": "baa expired 2026-03-11"}
    assert own["may_not_see"] == {}


def test_promises_of_a_policy_of_the_past() -> None:
    """What was promised when it was decided stays in the report when the settings of today say nothing of it."""
    today = a_policy(backends={"own": a_policy().backends["own"]})
    found = document(policy=today)
    facts = {fact["name"]: fact for fact in found["providers"][0]["facts"]}
    assert (facts["baa"]["held_then"], facts["baa"]["holds_now"]) == ("partly", False)
    assert [(row["sha256"], row["now"]) for row in found["policies"]] == [(a_policy().sha256, False)]


def test_policies_and_detectors_with_their_decisions() -> None:
    """Each with its SHA-256 or versions, since when, and how many decisions it made."""
    found = document()
    (policy,) = found["policies"]
    assert (policy["since"], policy["decisions"], policy["now"]) == ("2026-02-26T00:00:00+00:00", 8, True)
    assert [(row["versions"], row["decisions"]) for row in found["detectors"]] == [("rules/1 fields/1", 8)]
    assert found["decisions"]["unread"] == 1
    assert found["decisions"]["failed"] == {"presidio": 1}


def test_erasures_and_reads_are_listed() -> None:
    """Whose, how much, and what must be trained again; who read what."""
    found = document()
    assert found["erasures"] == [
        {
            "at": "2026-03-18T00:00:00+00:00",
            "who": "",
            "of": "subject 9f2c",
            "inferences": 7,
            "datasets": ["ds_1"],
            "models": ["mv_1", "mv_2"],
        }
    ]
    assert [(row["who"], row["class"], row["up_to"]) for row in found["reads"]] == [("ops", "restricted", "restricted")]
    of_requests = tally([a_month()[-2].__class__(kind="erase", facts={"request_ids": ["a", "b"], "inferences": 2})])
    assert document(tally=of_requests)["erasures"][0]["of"] == "2 requests"


def test_key_holders_without_their_hashes() -> None:
    """Client, prefix, class and state of each key; its hash stays in the store."""
    found = document()
    assert [(key["client"], key["class"], key["state"]) for key in found["key_holders"]] == [
        ("clinic", "confidential", "good"),
        ("desk", None, "expired"),
        ("batch", None, "good"),
    ]
    assert "6f" * 32 not in json.dumps(found)
    assert a_key().sha256 not in json.dumps(found)
    assert a_key().sha256 not in privacy_page(found)
    assert document(keys=(a_key(revoked_at=NOW),))["key_holders"][0]["state"] == "revoked"


def test_the_register_names_recipients_regions_and_retention() -> None:
    """One row for each purpose, class and recipient that got something; the shorter retention holds."""
    rows = document()["register"]["processing"]
    by_class = {(row["purpose"], row["categories"], row["recipient"]): row for row in rows}
    assert len(rows) == len(by_class) == 5
    row = by_class["triage", "restricted: us_ssn", "own (own machines)"]
    assert (row["region"], row["kept_for"]) == ("eu", "content 7 days")
    row = by_class["triage", "confidential: email", "frontier (third party)"]
    assert (row["region"], row["kept_for"]) == ("us", "content 30 days")


def test_retention_takes_the_shorter_of_both_bounds() -> None:
    """0 is for ever, in either place; content that is not kept has no time."""
    keeping = Keeping(content_days=0, class_days={"public": 9}, keep_content=True, encrypted=False, checkpoints=True)
    assert [keeping.days(label) for label in ("public", "internal")] == [9, 0]
    measures = document(keeping=keeping)["register"]["measures"]
    assert any("not encrypted" in line for line in measures)


def test_without_gate_and_ledger_the_report_says_so_first() -> None:
    """Empty sums, no verdict, and the warnings above everything else on the page."""
    found = document(tally=Tally(), verdict=None, policy=None, warnings=("No privacy gate is configured.",), since=None)
    assert (found["gate"], found["ledger"], found["classes"]) == (False, None, [])
    page = privacy_page(found)
    assert page.index("No privacy gate is configured.") < page.index('class="facts"')
    assert '<p class="bad"><strong>Attention:</strong>' in page


def test_a_broken_ledger_is_said_in_the_facts_and_in_its_section() -> None:
    """The verdict is the ledger's, with the break's own words."""
    verdict = {"sound": False, "entries": 3, "chains": [], "breaks": [{"file": "a", "line": 2, "why": "changed"}]}
    found = document(verdict=verdict | {"keys": []})
    assert "<b>broken</b>" in privacy_page(found)
    (section,) = [one for one in privacy_sections(found) if one.title == "The ledger"]
    assert any("BROKEN" in line for line in section.lines)
    assert any("a" in line and "changed" in line for line in section.lines)


def test_a_policy_whose_text_the_ledger_lacks_is_named() -> None:
    """A decision by a policy that was never written down shows its SHA-256, and that its text is not there."""
    (row,) = document(tally=tally([a_decision(policy_sha256="77" * 32)]))["policies"]
    assert (row["sha256"], row["since"], row["in_ledger"]) == ("77" * 32, None, False)


def test_the_period_begins_with_the_first_decision_unless_it_is_said() -> None:
    """Without --since the report says when the first decision was made."""
    found = document(since=None, tally=tally(a_month()), until=START + timedelta(days=40))
    assert found["period"]["since"] == "2026-03-01T00:00:00+00:00"
    assert found["period"]["until"] == "2026-04-10T00:00:00+00:00"

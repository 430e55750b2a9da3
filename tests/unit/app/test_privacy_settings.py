"""The tables [privacy] and [backends.privacy]: what they say, and what is said of a mistake in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tierwright.app.privacy_doctor import privacy_findings
from tierwright.app.settings import parse_settings
from tierwright.core.errors import SettingsError
from tierwright.core.privacy import DataClass, PrivacyMode

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.app.privacy_settings import PrivacySettings
    from tierwright.app.settings import Settings

NOW = datetime(2026, 11, 28, tzinfo=UTC)
BACKEND = '[[backends]]\nname = "one"\nbase_url = "http://127.0.0.1:9/v1"\n'
TABLES = f"[privacy]\n{BACKEND}[backends.privacy]\n"
SWORN = """[backends.privacy]
allowed_classes = ["public", "internal", "confidential", "restricted"]
region = "eu"
baa = { value = true, expires = 2027-06-30, evidence = "contract 12" }
zero_retention = { value = true, expires = 2026-12-10T12:00:00+02:00, evidence = "contract 12" }
trains_on_data = { value = false, expires = 2027-06-30, evidence = "contract 12" }
modes = { confidential = "pseudonymise" }
"""


def parsed(folder: Path, text: str, **environment: str) -> Settings:
    """Settings of this text."""
    return parse_settings(text.encode(), folder / "tierwright.toml", environment)


def privacy(folder: Path, text: str, **environment: str) -> PrivacySettings:
    """The privacy settings of this text."""
    found = parsed(folder, text, **environment).privacy
    assert found is not None
    return found


def test_without_the_table_there_is_no_gate(tmp_path: Path) -> None:
    """And `doctor` says so."""
    settings = parsed(tmp_path, BACKEND)
    assert settings.privacy is None
    (finding,) = privacy_findings(settings, NOW)
    assert "off" in finding.says


def test_an_empty_table_keeps_what_is_confidential_from_every_third_party(tmp_path: Path) -> None:
    """The defaults are the careful ones."""
    found = privacy(tmp_path, f"[privacy]\n{BACKEND}")
    assert found.policy.default_class is DataClass.INTERNAL
    assert found.policy.permitted(DataClass.CONFIDENTIAL, NOW).excluded == {"one": "not allowed"}
    assert found.ledger == tmp_path / "ledger"
    assert (found.export_up_to, found.detector_timeout_s) == (DataClass.INTERNAL, 0.25)


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    """All keys, with their values where they belong."""
    text = (
        '[privacy]\ndefault_class = "confidential"\nledger = "a"\ncheckpoints = "b"\nsigning_key = "env:KEY"\n'
        'content_key = "file:key"\ndetector_timeout_ms = 100\nroute_model = "local"\nexport_up_to = "public"\n'
        '[privacy.modes]\nrestricted = "block"\n[privacy.types]\nemail = "public"\n'
        '[privacy.tasks]\ntriage = "restricted"\n'
        '[privacy.requires]\nconfidential = ["region:eu"]\n[privacy.retention_days]\nrestricted = 7\n'
    )
    (tmp_path / "key").write_text("of-a-file\n", encoding="utf-8")
    found = privacy(tmp_path, text + BACKEND + SWORN, KEY="of-the-environment")
    policy = found.policy
    assert found.checkpoints == tmp_path / "b"
    assert found.signing_key is not None
    assert found.content_key is not None
    assert [found.signing_key.reveal(), found.content_key.reveal()] == ["of-the-environment", "of-a-file"]
    assert "of-the-environment" not in repr(found)
    assert found.retention_days == {DataClass.RESTRICTED: 7}
    assert policy.class_of(["email"]) is DataClass.PUBLIC
    assert policy.why_not("one", DataClass.CONFIDENTIAL, NOW) is None
    assert policy.mode(DataClass.CONFIDENTIAL, "one") is PrivacyMode.PSEUDONYMISE
    assert policy.mode(DataClass.RESTRICTED, "one") is PrivacyMode.BLOCK
    assert policy.tasks == {"triage": DataClass.RESTRICTED}
    assert policy.route_model == "local"


def test_a_day_ends_a_promise_when_it_begins_and_a_time_at_its_second(tmp_path: Path) -> None:
    """UTC, whatever offset it was written with."""
    policy = privacy(tmp_path, f"[privacy]\n{BACKEND}{SWORN}").policy
    end = datetime(2026, 12, 10, 10, tzinfo=UTC)
    assert policy.why_not("one", DataClass.RESTRICTED, end - timedelta(seconds=1)) is None
    assert policy.why_not("one", DataClass.RESTRICTED, end) == "zero retention expired 2026-12-10"
    day = datetime(2027, 6, 30, tzinfo=UTC)
    assert policy.why_not("one", DataClass.RESTRICTED, day) == "baa expired 2027-06-30"
    assert policy.backends["one"].lacks("baa", day - timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{BACKEND}[backends.privacy]\nself_hosted = true\n", "without a table \\[privacy\\]"),
        ('[privacy]\ndefault_class = "secret"\n', "privacy.default_class: there is no data class 'secret'"),
        ('[privacy]\nledger = ""\n', "privacy.ledger must name a folder"),
        ('[privacy]\nsigning_key = "abc"\n', "privacy.signing_key must be written as env:NAME"),
        ('[privacy]\ncontent_key = "env:NOWHERE"\n', "NOWHERE, which is not set"),
        ("[privacy]\ndetector_timeout_ms = 0\n", "detector_timeout_ms must be above 0"),
        ('[privacy.modes]\nrestricted = "hide"\n', "there is no mode 'hide'; there is block, route, pseudonymise"),
        ('[privacy.requires]\nrestricted = ["iso"]\n', "there is no promise 'iso'; there is baa"),
        ('[privacy.requires]\nrestricted = ["region:"]\n', "there is no promise 'region:'"),
        ("[privacy.retention_days]\nrestricted = 0\n", "retention_days.restricted must be at least 1"),
        ('[privacy.types]\nemail = "Public"\n', "privacy.types.email: there is no data class 'Public'"),
        ("[privacy]\ndefault = 1\n", "unknown field `default`"),
        (f"{TABLES}baa = true\n", "write baa = { value = true, expires = 2027-06-30"),
        (
            f"{TABLES}trains_on_data = {{ value = false, expires = 2027-06-30 }}\n",
            "trains_on_data lacks evidence; write trains_on_data = { value = false",
        ),
        (
            f'{TABLES}zero_retention = {{ value = true, evidence = "x" }}\n',
            "zero_retention lacks expires",
        ),
        (
            f'{TABLES}baa = {{ value = true, expires = "soon", evidence = "x" }}\n',
            "baa.expires must be a date such as 2027-06-30",
        ),
        (
            f'{TABLES}baa = {{ value = true, expires = 2027-06-30T12:00:00, evidence = "x" }}\n',
            "a time with its offset",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """Nothing is guessed: the file is refused."""
    with pytest.raises(SettingsError, match=says.replace("{", "\\{")):
        parsed(tmp_path, text)


def test_doctor_says_who_may_see_what_and_what_ends_soon(tmp_path: Path) -> None:
    """Within thirty days, and why not more."""
    settings = parsed(tmp_path, f"[privacy]\n{BACKEND}{SWORN}")
    ledger, one = privacy_findings(settings, NOW)
    assert ledger.ok
    assert "on, by default internal" in ledger.says
    assert one.says.startswith("may see public, internal, confidential, restricted")
    assert "zero_retention expires 2026-12-10" in one.says
    assert "baa" not in one.says
    (_, later) = privacy_findings(settings, datetime(2027, 1, 1, tzinfo=UTC))
    assert "not confidential: zero retention expired 2026-12-10" in later.says


def test_doctor_says_what_is_wrong_with_the_key_or_the_folder(tmp_path: Path) -> None:
    """A gate that could not permit anything is not well."""
    settings = parsed(tmp_path, '[privacy]\nsigning_key = "env:KEY"\n', KEY="no key")
    (finding,) = privacy_findings(settings, NOW)
    assert not finding.ok
    assert "privacy.signing_key" in finding.says
    (tmp_path / "file").write_text("", encoding="utf-8")
    (finding,) = privacy_findings(parsed(tmp_path, '[privacy]\nledger = "file"\n'), NOW)
    assert not finding.ok
    assert "privacy.ledger" in finding.says

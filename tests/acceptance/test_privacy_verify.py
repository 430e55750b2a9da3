"""`tierwright privacy verify`, and the verifier that docs/ledger.md gives to those who trust no program of ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.privacy.ledger.ledgers import KEY, written
from tierwright.privacy.ledger.keys import SigningKey

if TYPE_CHECKING:
    from tests.acceptance.conftest import Cli

DOCS = Path(__file__).parents[2] / "docs" / "ledger.md"


@pytest.fixture
def ledger(cli: Cli) -> Path:
    """Three chains where the settings have them: one ended, one of a killed process, one ended."""
    written(cli.folder / "ledger", cli.folder / "checkpoints")
    cli.settings('[privacy]\nledger = "ledger"\ncheckpoints = "checkpoints"\nsigning_key = "env:NOT_SET_HERE"\n')
    return cli.folder / "ledger"


def damaged(folder: Path) -> tuple[str, int]:
    """Makes a permit of the newest chain one for another class; its file and line."""
    path = max(folder.glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b'"class":"internal"', b'"class":"external"', 1))
    return path.name, 2


def test_a_sound_ledger_is_called_sound(cli: Cli, ledger: Path) -> None:
    """By the settings, without the secrets they name, and by its folder alone: exit code 0, every chain's state."""
    text, by_settings = cli("privacy", "verify"), cli("privacy", "verify", "--json")
    by_folder = cli("privacy", "verify", str(ledger), "--json")
    assert text.code == by_settings.code == by_folder.code == 0, text.err
    assert "sound: " in text.out
    assert KEY.fingerprint in text.out
    document = by_settings.document
    assert document["sound"] is True
    assert document["breaks"] == []
    assert document["keys"] == [KEY.fingerprint]
    assert [chain["end"] for chain in document["chains"]] == ["ended", "killed", "ended"]
    assert document["entries"] == sum(chain["entries"] for chain in document["chains"])
    assert all(chain["break"] is None for chain in document["chains"])
    assert [chain["second_seq"] for chain in by_folder.document["chains"]] == [None] * 3


def test_a_break_is_named(cli: Cli, ledger: Path) -> None:
    """Exit code 1; the file, the line, the entry and what happened, as text and as JSON."""
    name, line = damaged(ledger)
    text, as_json = cli("privacy", "verify"), cli("privacy", "verify", "--json")
    assert text.code == as_json.code == 1
    assert f"BROKEN {name}, line {line}, entry {line}: changed" in text.out
    (found,) = as_json.document["breaks"]
    assert (found["file"], found["line"], found["seq"], found["what"]) == (name, line, line, "changed")
    assert as_json.document["chains"][-1]["break"] == found
    assert as_json.document["sound"] is False


def test_another_key_is_no_key(cli: Cli, ledger: Path) -> None:
    """Against a public key that signed nothing every checkpoint is a break; what is no key is wrong usage."""
    other = cli.folder / "other.pem"
    other.write_bytes(SigningKey.of_folder(cli.folder / "elsewhere").public_pem)
    ran = cli("privacy", "verify", "--public-key", str(other), "--json")
    assert ran.code == 1
    assert {one["what"] for one in ran.document["breaks"]} == {"signature"}
    ran = cli("privacy", "verify", "--public-key", str(ledger / max(path.name for path in ledger.glob("*.jsonl"))))
    assert ran.code == 2
    assert "public key" in ran.err
    assert "Traceback" not in ran.err


def test_where_there_is_nothing_nothing_is_called_sound(cli: Cli) -> None:
    """No ledger, no second place, no settings: an exit code that is not 0, and what to do."""
    (cli.folder / "empty").mkdir()
    for words, code, says in (
        (("privacy", "verify"), 3, "no privacy ledger"),
        (("privacy", "verify", "empty"), 3, "no privacy ledger"),
        (("privacy", "verify", "empty", "--checkpoints", "nowhere"), 3, "no checkpoints"),
        (("privacy", "verify", "--config", "nothing.toml"), 2, "nothing.toml"),
    ):
        ran = cli(*words)
        assert (ran.code, ran.out) == (code, "")
        assert says in ran.err
        assert "Traceback" not in ran.err


def test_the_verifier_of_the_docs_agrees(cli: Cli, ledger: Path) -> None:
    """Taken from the page as it stands: it counts the same entries, and stops at the same line."""
    (program,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-c", program, str(ledger)], capture_output=True, text=True, check=False
        )

    done = run()
    assert done.returncode == 0, done.stderr
    counted = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}
    chains = cli("privacy", "verify", "--json").document["chains"]
    assert counted == {chain["file"].removesuffix(".jsonl"): chain["entries"] for chain in chains}
    name, line = damaged(ledger)
    done = run()
    assert done.returncode == 1
    assert f"{name}, line {line} is not as it was written" in done.stderr

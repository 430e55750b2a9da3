"""The threats that Tierwright is built against: each one's test is run, and what was tried is counted.

    python benchmarks/threats.py

Prints how many of the fifteen are stopped, and with how many attempts each was tried. A threat whose test fails, or
could not be run here, is not stopped. Where a claim is about the program's text, an attempt is a module that was read
through. docs/security.md says what each of them is.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

_REPOSITORY = Path(__file__).parents[1]
_MODULE = re.compile(r"test_threat_(\d\d)_([a-z_]+)\.py")
_NAMED = re.compile(r"test_threat_(\d\d)_")


@dataclass
class Threat:
    """One of them, and how its tests went."""

    name: str
    #: Attempts that were made.
    probes: int = 0
    #: Tests by how they ended: "passed", "failed" or "skipped".
    tests: Counter[str] = field(default_factory=Counter)

    @property
    def stopped(self) -> bool:
        """Whether every test of it ran, and held."""
        return self.tests.total() > 0 and set(self.tests) == {"passed"}


def threats() -> dict[str, Threat]:
    """All that there are tests of, by number."""
    found = {}
    for path in sorted((_REPOSITORY / "tests/threats").glob("test_*.py")):
        named = _MODULE.fullmatch(path.name)
        assert named is not None, f"{path.name} names no threat"
        found[named[1]] = Threat(named[2].replace("_", " "))
    return found


def run(report: Path) -> None:
    """Runs the tests, and writes down how each of them ended."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-o", "junit_family=xunit1", f"--junitxml={report}"]
    subprocess.run([*command, "tests/threats"], cwd=_REPOSITORY, check=False, stdout=sys.stderr)


def counted(report: Path) -> dict[str, Threat]:
    """The threats with what the tests said of them."""
    found = threats()
    # Written by the run above, and by nobody else.
    for case in ET.parse(report).getroot().iter("testcase"):
        named = _NAMED.search(f"{case.get('classname')}.{case.get('name')}")
        if named is None:
            continue
        threat = found[named[1]]
        ended = "failed" if case.find("failure") is not None or case.find("error") is not None else "passed"
        threat.tests["skipped" if case.find("skipped") is not None else ended] += 1
        for told in case.iter("property"):
            threat.probes += int(told.get("value", "0")) if told.get("name") == "probes" else 0
    return found


def main() -> None:
    """Prints the table; exits with 1 where a threat is not stopped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        run(report)
        found = counted(report)
    for number, threat in found.items():
        tests = ", ".join(f"{count} {how}" for how, count in threat.tests.items()) or "no test ran"
        verdict = "stopped" if threat.stopped else "NOT"
        print(f"{number} {threat.name:<32} {verdict:>8} {threat.probes:>8,} probes  {tests}")
    stopped = sum(threat.stopped for threat in found.values())
    probes = sum(threat.probes for threat in found.values())
    print(f"\n{stopped}/{len(found)} threats stopped, {probes:,} probes")
    sys.exit(stopped < len(found))


if __name__ == "__main__":
    main()

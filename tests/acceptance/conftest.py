"""What acceptance tests share: the program as a subprocess, and logs made by the demo's generator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tierwright.app.demo.generator import write_log

PROGRAM = str(Path(sys.executable).with_name("tierwright"))


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Cli:
    """The command line in a folder of its own."""

    folder: Path

    def __call__(self, *arguments: str, timeout_s: float = 240, **environment: str) -> Ran:
        """Runs `tierwright` with these arguments."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    def settings(self, extra: str = "", *, base_url: str = "http://127.0.0.1:9/v1") -> None:
        """Writes a settings file with one backend."""
        text = f'version = 1\n[server]\nport = 0\n[[backends]]\nname = "frontier"\nbase_url = "{base_url}"\n{extra}'
        (self.folder / "tierwright.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line in an empty folder, with settings."""
    found = Cli(tmp_path)
    found.settings()
    return found


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A month of synthetic traffic, 1,500 requests, and its key."""
    path = tmp_path_factory.mktemp("log") / "month.jsonl.gz"
    return write_log(path, start=datetime(2025, 9, 1, tzinfo=UTC), requests=1500)

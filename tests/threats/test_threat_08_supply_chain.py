"""Threat 8: code of others that comes with an install, or with one of its updates."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.threats.sources import ROOT, imported, modules

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

#: Packages that a process which answers requests has loaded before its first request, besides the standard library.
#: Whatever is added here sees prompts and keys.
SERVING = 20
_REPOSITORY = Path(__file__).parents[2]
#: Packages by the names that they are imported by, where these are not those of the requirements.
_KNOWN = {
    *("google", "sklearn", "stdnum", "re2", "opentelemetry", "splintr"),
    # Of a plug-in that users may name, in a process of its own; they install it themselves.
    *("presidio_analyzer", "spacy", "tldextract"),
    # What requirements bring, and typing's own.
    *("click", "_typeshed", "tierwright"),
}


def _project() -> dict[str, Any]:
    """What the package says of itself."""
    found: dict[str, Any] = tomllib.loads(_REPOSITORY.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def foreign(tree: ast.Module, needed: Collection[str]) -> set[str]:
    """Packages that a module imports and nobody has argued for."""
    found = {one.partition(".")[0] for one in imported(tree)}
    return {one for one in found if one not in sys.stdlib_module_names and one.lower() not in needed}


def test_threat_08_supply_chain(probes: Callable[[int], None]) -> None:
    """Each requirement is one version, argued for in writing; none is a gateway or a framework of agents."""
    needed = _project()["dependencies"]
    argued = _REPOSITORY.joinpath("design/0002-dependencies.md").read_text(encoding="utf-8")
    assert needed
    for one in needed:
        name = re.split(r"[=<>!~;\[ ]", one, maxsplit=1)[0]
        assert re.match(r"^[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9][A-Za-z0-9.]*(;|$| )", one), one
        assert name in argued, f"design/0002-dependencies.md says nothing of {name}"
        assert name not in {"litellm", "langchain", "langchain-core", "llama-index", "portkey-ai"}
    probes(len(needed))


def test_threat_08_supply_chain_nothing_runs_by_itself(probes: Callable[[int], None]) -> None:
    """The wheel holds one package and no hook of a build: no .pth file, no program, nothing in anybody's place."""
    build = tomllib.loads(_REPOSITORY.joinpath("pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    assert build == {
        "version": {"path": "src/tierwright/__init__.py"},
        "build": {"targets": {"wheel": {"packages": ["src/tierwright"]}}},
    }
    files = [path for path in ROOT.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    harmless = {".py", ".typed", ".json", ".js", ".css", ".html", ".toml", ".txt"}
    assert {path.suffix for path in files} <= harmless
    probes(len(files))


def test_threat_08_supply_chain_little_is_loaded(probes: Callable[[int], None]) -> None:
    """Naming the package loads nothing; what answers requests loads few packages, and none that trains or downloads."""
    bare = "import sys; before = set(sys.modules); import tierwright; print(*sorted(set(sys.modules) - before))"
    serving = (
        "import sys; before = set(sys.modules)\n"
        "import tierwright.app.service, tierwright.gateway.serving, tierwright.store.connection\n"
        "own = sys.stdlib_module_names | {'tierwright'}\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(name for name in new - own if not name.startswith('_')))"
    )

    def loaded(code: str) -> list[str]:
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return done.stdout.split()

    assert loaded(bare) == ["tierwright"]
    packages = loaded(serving)
    assert len(packages) <= SERVING, packages
    assert not set(packages) & {"torch", "transformers", "sklearn", "huggingface_hub", "pickle", "requests", "httpx"}
    probes(2)


def test_threat_08_supply_chain_no_imports_at_will(probes: Callable[[int], None]) -> None:
    """No module of the program loads another package than those that its requirements bring."""
    looked = 0
    project = _project()
    needed = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    named = {re.split(r"[=<>!~;\[ ]", one, maxsplit=1)[0].lower().replace("-", "_") for one in needed} | _KNOWN
    for path, tree in modules():
        looked += 1
        assert not foreign(tree, named), path
    assert not list(ROOT.rglob("*.pth"))
    # One that does would be seen.
    for planted in ("import requests", "def f():\n    from boto3.session import Session", "import os, httpx as json"):
        assert foreign(ast.parse(planted), named), planted
    probes(looked)

"""The program's own source, parsed: for claims about what it never does."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import tierwright

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(tierwright.__file__).parent


def modules(under: str = "") -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the program, or of one of its packages."""
    for path in sorted((ROOT / under).rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or an attribute; a question mark stands for whatever is something else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def imported(tree: ast.Module) -> set[str]:
    """Full names of all that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node

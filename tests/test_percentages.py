"""Percentages are written one way in what a person reads: the sign at the figure, as `desktop_app.figures` does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.figures import percent

ROOT = Path(__file__).parents[1]
# A figure, or the end of a replacement field, then a blank before the sign; "%s" and the like are no percentages.
APART = re.compile(r"[\d}]\s%(?![a-z(\d])|[\d}]\s%\s|^\s%(?:\W|$)")


def texts(source: Path) -> Iterator[str]:
    """The string constants of a module but for its docstrings."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    described = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node.value


def test_no_text_of_the_program_sets_the_sign_apart() -> None:
    assert not APART.search(percent(0.39))
    found = [
        (path.name, text)
        for folder in ("desktop_app", "models/tasks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for text in texts(path)
        if APART.search(text)
    ]
    assert found == []


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_no_page_sets_the_sign_apart(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if APART.search(line)] == []

"""Model cards of the bundled folders; the measured figures are put in by models.training.evaluate."""

from __future__ import annotations


def card(name: str) -> str:
    """The README.md of a bundled folder, without figures."""
    return f"# {name}\n"

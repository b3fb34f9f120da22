"""The walls that no linter rule expresses: who may call torch.load, who may start threads, how long files get.

Part of `make check`. Each finding is one line `path:line: sentence`; the exit code is 1 when there is any.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ["catalog", "work", "session", "widgets", "panels", "main_window"]
HEAVY = {"torch", "onnxruntime", "pyqtgraph"}
# Files of desktop_app/panels that belong to no panel: each panel may use them, and they know none.
SHARED = {"base", "file_saver", "focus_requests", "model_choice", "per_model", "questions"}


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def torch_load(tree: ast.Module, name: str) -> Iterator[tuple[int, str]]:
    if name == "models/checkpoint.py":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
            yield node.lineno, "torch.load belongs in models/checkpoint.py alone"


# These two read the *names* inside a pickle to refuse it, or to find tensors, with every call in it forbidden.
PICKLE_READERS = {"models/checkpoint.py", "models/torchscript.py"}


def no_pickle(tree: ast.Module, name: str) -> Iterator[tuple[int, str]]:
    if name in PICKLE_READERS:
        return
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(found.split(".")[0] in {"pickle", "dill", "joblib"} for found in names):
            yield node.lineno, "no pickle: a file from outside could run code"


def layer(module: str) -> int:
    parts = module.split(".")
    return (
        LAYERS.index(parts[1]) if parts[0] == "desktop_app" and len(parts) > 1 and parts[1] in LAYERS else -1
    )


def upward_imports(tree: ast.Module, name: str) -> Iterator[tuple[int, str]]:
    own = layer(name.removesuffix(".py").replace("/", "."))
    for node in ast.walk(tree):
        targets = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        for target in targets:
            if own >= 0 and layer(target) > own:
                yield node.lineno, f"{name} imports upwards: {target}"


def panels_apart(tree: ast.Module, name: str) -> Iterator[tuple[int, str]]:
    own = panel(name.removesuffix(".py").replace("/", "."))
    if own in ("", "__init__"):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                other = panel(f"{node.module}.{alias.name}")
                if other not in ("", "shared", own):
                    yield node.lineno, f"panels do not know each other: {node.module}.{alias.name}"


def panel(module: str) -> str:
    """The panel that a file of desktop_app/panels belongs to: the first word of its name; "shared", "" elsewhere."""
    parts = module.split(".")
    if parts[:2] != ["desktop_app", "panels"] or len(parts) < 3:
        return ""
    return "shared" if parts[2] in SHARED else parts[2].split("_")[0] or parts[2]


def heavy_module_imports(tree: ast.Module, name: str) -> Iterator[tuple[int, str]]:
    if not name.startswith("desktop_app/"):
        return
    for node in tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for found in names:
            if found.split(".")[0] in HEAVY:
                yield node.lineno, f"{found} at module level delays the first window"


def function_lengths(tree: ast.Module, name: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > 80:
                yield (
                    node.lineno,
                    f"{node.name} is {length} lines long; over 50 it wants to be two, 80 is the wall",
                )


def findings() -> Iterator[str]:
    rules = (torch_load, no_pickle, upward_imports, panels_apart, heavy_module_imports, function_lengths)
    for path in python_files("models", "desktop_app"):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, name)
        for rule in rules:
            for line, sentence in rule(tree, name):
                yield f"{name}:{line}: {sentence}"
        lines = text.count("\n")
        if lines > 450:
            yield f"{name}:1: {lines} lines; a file over 450 wants to be two"
    for path in (ROOT / "resources").rglob("*.py"):
        if path.read_text(encoding="utf-8").strip() and path.name != "__init__.py":
            yield f"{path.relative_to(ROOT)}:1: resources hold no code"
    core = sum(file.stat().st_size for file in (ROOT / "models" / "bundled").rglob("*") if file.is_file())
    if core > 60_000_000:
        yield f"models/bundled:1: {core / 1e6:.1f} MB; the bundled core stays under 60 MB"


def main() -> int:
    found = list(findings())
    for line in found:
        print(line)
    print(f"walls: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Labels and the sentences they go into: values, files that a person can read, and remarks on what will not work."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from models.atomic import write_whole
from models.errors import TextError

HOLE = "{}"  # where the label goes in a template
_ARTICLE = re.compile(r"(a|an|the)\s+(?=\S)", re.IGNORECASE)  # with which a label may begin
_BEFORE_HOLE = re.compile(r"\b(?:a|an|the)\s+\{\}", re.IGNORECASE)
# "a nice {}", but not "a photo of {}": what stands between belongs to the label.
_AROUND_HOLE = re.compile(
    r"\b(?:a|an|the)\s+(?:(?!(?:of|in|on|at|by|with|from|for|to|and|or|like)\b)[\w-]+\s+){0,2}\{\}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Label:
    """A label: the name that is shown, what the model is asked for (synonyms), and the keyword that is written."""

    name: str
    prompts: tuple[str, ...] = ()
    keyword: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompts", tuple(p for p in self.prompts if p.strip()) or (self.name,))
        object.__setattr__(self, "keyword", self.keyword or self.name)


@dataclass(frozen=True)
class Template:
    """A sentence with `{}` for the label; its weight is its share in the mean over all enabled templates."""

    text: str
    weight: float = 1.0
    enabled: bool = True

    def render(self, prompt: str) -> str:
        """The sentence about this label; braces other than `{}` are plain text.

        A prompt with an article of its own takes the place of the template's: "a {}" and "the sea" make "the sea",
        never "a the sea". Nothing else is changed: published templates say "a apple", and models learned from them.
        """
        text = _BEFORE_HOLE.sub(HOLE, self.text) if _ARTICLE.match(prompt) else self.text
        return text.replace(HOLE, prompt)


@dataclass(frozen=True)
class PromptSet:
    """Templates under a name."""

    name: str
    templates: tuple[Template, ...]


BARE = Template(HOLE)


def enabled(templates: Iterable[Template]) -> tuple[Template, ...]:
    """The templates that count; the bare label where none does."""
    return tuple(t for t in templates if t.enabled and t.weight > 0 and t.text.strip()) or (BARE,)


def render(label: Label, templates: Iterable[Template]) -> list[str]:
    """Every sentence that stands for this label: its prompts in each enabled template."""
    return [template.render(prompt) for template in enabled(templates) for prompt in label.prompts]


@dataclass(frozen=True)
class Remark:
    """What is wrong with the label or template at `index`; `kind` is the same thing for a program."""

    where: Literal["label", "template"]
    index: int
    kind: Literal["empty", "duplicate", "no_hole", "too_long", "weight", "none_enabled", "article"]
    sentence: str


class Counter(Protocol):
    """What check_prompts needs of a tokenizer."""

    context: int

    def lengths(self, texts: Sequence[str]) -> list[int]: ...


def check_prompts(
    labels: Sequence[Label], templates: Sequence[Template], tokenizer: Counter | None = None
) -> list[Remark]:
    """Remarks on empty and doubled labels, templates without `{}`, and texts that are too long, where they stand."""
    remarks = [*_check_labels(labels), *_check_articles(labels, templates), *_check_templates(templates)]
    if tokenizer is not None:
        remarks += _check_lengths(labels, templates, tokenizer)
    return remarks


def _check_labels(labels: Sequence[Label]) -> Iterable[Remark]:
    names: dict[str, int] = {}
    prompts: dict[str, int] = {}
    for index, label in enumerate(labels):
        if not label.name.strip():
            yield Remark("label", index, "empty", "This label is empty.")
            continue
        same = names.setdefault(label.name.strip().casefold(), index)
        if same != index:
            yield Remark("label", index, "duplicate", f"“{label.name}” is already label {same + 1}.")
            continue
        for prompt in label.prompts:
            same = prompts.setdefault(prompt.strip().casefold(), index)
            if same != index:
                sentence = f"“{prompt}” also stands for “{labels[same].name}”: the two cannot be told apart."
                yield Remark("label", index, "duplicate", sentence)
                break


def _check_articles(labels: Sequence[Label], templates: Sequence[Template]) -> Iterable[Remark]:
    if not any(_AROUND_HOLE.search(template.text) for template in enabled(templates)):
        return
    for index, label in enumerate(labels):
        own = next(filter(_ARTICLE.match, label.prompts), "")
        if own:
            bare = _ARTICLE.sub("", own, count=1)
            sentence = f"“{own}” begins with an article; templates bring their own, so “{bare}” is enough."
            yield Remark("label", index, "article", sentence)


def _check_templates(templates: Sequence[Template]) -> Iterable[Remark]:
    seen: dict[str, int] = {}
    for index, template in enumerate(templates):
        if not template.text.strip():
            yield Remark("template", index, "empty", "This template is empty and is not used.")
            continue
        if HOLE not in template.text:
            yield Remark(
                "template", index, "no_hole", "It has no {} for the label, so it says the same of every one."
            )
        same = seen.setdefault(template.text.strip(), index)
        if same != index:
            yield Remark("template", index, "duplicate", f"It is the same as template {same + 1}.")
        if template.enabled and template.weight <= 0:
            yield Remark("template", index, "weight", "Its weight is zero, so it is not used.")
    if templates and not any(t.enabled and t.weight > 0 and t.text.strip() for t in templates):
        yield Remark("template", 0, "none_enabled", "No template is enabled: the bare labels are used.")


def _check_lengths(
    labels: Sequence[Label], templates: Sequence[Template], tokenizer: Counter
) -> Iterable[Remark]:
    """Only pairs whose parts together come near the limit are put together and counted."""
    limit = tokenizer.context
    used = [(i, t) for i, t in enumerate(templates) if t.enabled and t.text.strip()]
    frames = tokenizer.lengths([t.render("") for _, t in used])
    prompts = [(i, prompt) for i, label in enumerate(labels) for prompt in label.prompts]
    own = tokenizer.lengths([prompt for _, prompt in prompts])
    for (index, prompt), length in zip(prompts, own, strict=True):
        if length > limit:
            sentence = (
                f"“{_short(prompt)}” has {length} tokens; the model reads {limit}, the rest is cut off."
            )
            yield Remark("label", index, "too_long", sentence)
    for (index, template), frame in zip(used, frames, strict=True):
        # A prompt may occur more than once in a sentence; tokens may also split a little differently inside one.
        count = max(1, template.text.count(HOLE))
        near = [
            p for (_, p), n in zip(prompts, own, strict=True) if n <= limit and frame + count * n > limit - 2
        ]
        lengths = tokenizer.lengths([template.render(p) for p in near])
        worst = max(zip(lengths, near, strict=True), default=(frame, ""))
        if worst[0] > limit:
            about = f" with “{_short(worst[1])}”" if worst[1] else ""
            sentence = f"It has {worst[0]} tokens{about}; the model reads {limit}, the rest is cut off."
            yield Remark("template", index, "too_long", sentence)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


# --- files


_MOST_BYTES = 16 << 20
# A backslash takes the meaning of the mark behind it: any other backslash is plain text.
_TAKEN = re.compile(r"\\([\\|,#-])")


def parse_labels(text: str) -> tuple[Label, ...]:
    """Labels from lines `name | prompt, prompt | keyword` (the last two may be missing); `#` begins a remark.

    `\\|`, `\\,`, `\\#` and `\\\\` are these marks themselves.
    """
    labels = []
    for line in text.lstrip("\ufeff").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, prompts, keyword = (*_cut(line, "|", 2), "", "")[:3]
        if name.strip():
            labels.append(Label(_plain(name), split_prompts(prompts), _plain(keyword)))
    return tuple(labels)


def format_labels(labels: Iterable[Label]) -> str:
    """The lines that parse_labels reads; columns that say nothing new are left out."""
    lines = []
    for label in labels:
        prompts = "" if label.prompts == (label.name,) else join_prompts(label.prompts, "|")
        keyword = "" if label.keyword == label.name else _marked(label.keyword, "|")
        columns = [_marked(label.name, "|"), prompts, keyword]
        while len(columns) > 1 and not columns[-1]:
            columns.pop()
        lines.append(" | ".join(columns))
    return "\n".join(lines) + "\n" if lines else ""


def split_prompts(text: str) -> tuple[str, ...]:
    """Prompts with commas between; `\\,` is a comma inside one."""
    return tuple(_plain(part) for part in _cut(text, ",") if part.strip())


def join_prompts(prompts: Iterable[str], marks: str = "") -> str:
    """What split_prompts reads; `marks` are taken out of the prompts as well."""
    return ", ".join(_marked(prompt, "," + marks) for prompt in prompts)


def _cut(text: str, mark: str, most: int = 0) -> list[str]:
    """The parts between the first `most` marks (0: all) that no backslash stands before."""
    parts: list[str] = []
    start = 0
    for found in re.finditer(rf"{_TAKEN.pattern}|{re.escape(mark)}", text):
        if found.group() == mark and not (most and len(parts) == most):
            parts.append(text[start : found.start()])
            start = found.end()
    return [*parts, text[start:]]


def _plain(text: str) -> str:
    return _TAKEN.sub(r"\1", text.strip())


def _marked(text: str, marks: str) -> str:
    """One line that _plain gives back, with no bare mark in it, nor one at its start that means something."""
    line = re.sub(rf"[\\{marks}]", r"\\\g<0>", " ".join(text.split()))
    return "\\" + line if line.startswith(("#", "- ")) else line


def parse_prompt_set(text: str, name: str) -> PromptSet:
    """A prompt set from lines: a template, or `template | weight`; `-` first disables it; `# name` gives the name.
    `\\#`, `\\-`, `\\|` and `\\\\` are these marks themselves.

    A JSON object {"name", "templates": [{"text", "weight", "enabled"}]} is read too.
    """
    text = text.lstrip("\ufeff")
    if text.lstrip().startswith("{") and '"templates"' in text:
        return _prompt_set_of_json(text, name)
    templates: list[Template] = []
    named = False
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("#"):
            name, named = (line[1:].strip() or name, True) if not named and not templates else (name, named)
            continue
        is_enabled = not line.startswith("- ")
        line = line if is_enabled else line[2:].strip()
        *body, last = _cut(line, "|")
        weight = _weight(last) if body else None
        if weight is not None:
            line = "|".join(body).strip()
        if line:
            templates.append(Template(_plain(line), 1.0 if weight is None else weight, is_enabled))
    return PromptSet(name, tuple(templates))


def _weight(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e6 else None


def _prompt_set_of_json(text: str, name: str) -> PromptSet:
    try:
        content = json.loads(text)
        templates = tuple(
            Template(str(t["text"]), float(t.get("weight", 1.0)), bool(t.get("enabled", True)))
            for t in content["templates"]
        )
        return PromptSet(str(content.get("name", name)), templates)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TextError(
            f"The prompt set {name} cannot be read", f"It is not what was expected ({error})"
        ) from error


def format_prompt_set(prompt_set: PromptSet) -> str:
    """The lines that parse_prompt_set reads."""
    lines = [f"# {' '.join(prompt_set.name.split())}"]
    for template in prompt_set.templates:
        text = _marked(template.text, "|")
        short = f"{template.weight:g}"
        weight = short if float(short) == template.weight else repr(template.weight)
        if text:
            share = f" | {weight}" if template.weight != 1 else ""
            lines.append(("" if template.enabled else "- ") + text + share)
    return "\n".join(lines) + "\n"


def load_labels(path: Path) -> tuple[Label, ...]:
    """The labels of a file; TextError where it cannot be read."""
    return parse_labels(_read(path))


def load_prompt_set(path: Path) -> PromptSet:
    """The prompt set of a file, named after it unless it says otherwise; TextError where it cannot be read."""
    return parse_prompt_set(_read(path), path.stem)


def save_prompt_set(path: Path, prompt_set: PromptSet) -> None:
    """Writes a file that load_prompt_set reads, whole or not at all."""
    _write(path, format_prompt_set(prompt_set))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:  # a pipe too, as a shell makes of <(...)
            data = stream.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise TextError(f"{path.name} cannot be read", "It is far too long")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise TextError(f"{path.name} cannot be read", error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise TextError(f"{path.name} cannot be read", "It is not UTF-8 text", "Save it as UTF-8") from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise TextError(f"{path.name} cannot be written", error.strerror or str(error)) from error

"""Names of experiments: the valid ones, and what a rename changes in a file."""

from __future__ import annotations

import keyword
import posixpath
import re
import sys
from collections.abc import Sequence

from ..util.errors import UsageError, UserError
from ..util.json_records import WINDOWS_DEVICES

# The name in a new experiment's template.
PLACEHOLDER = "experiment_name_here"

# Folders that are never experiments.
_NO_CODE = {"outputs", "logs", "node_modules", "common"}


def slug_of(name: str) -> str:
    """An experiment's name for files and images."""
    return name.replace("/", ".")


def is_portable(slug: str) -> bool:
    """Whether every system can have a file of this name, and no terminal takes it as a command.

    It has one part, which does not begin with a dot.
    """
    size = len(slug.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= 200 or slug.startswith(".") or slug.endswith((".", " ")):
        return False
    # Separators, the mark of a drive or a stream, control characters and separators of lines.
    if re.search("[/\\\\:\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", slug):
        return False
    return slug.split(".")[0].rstrip(" ").lower() not in WINDOWS_DEVICES


def require_portable(name: str) -> None:
    """UserError if no files can be generated for an experiment whose folder has this name."""
    if not is_portable(slug_of(name)):
        raise UserError(
            "no files are generated for a folder with this name, which other systems cannot have",
            code="experiment-name-invalid",
            where=f"src/{name}".encode("unicode_escape").decode(),
            hint="Rename it: lower-case letters, digits and single _",
        )


def check_name(name: str) -> None:
    """Raise `UsageError` that suggests a valid name if the name is invalid.

    Every part must be valid as a Python module, as a folder on every system, and in an image's
    name.
    """
    parts = name.split("/")
    if parts[0] == "src" and len(parts) > 1:
        raise UsageError(
            "experiments are always under src/",
            code="experiment-name-invalid",
            hint=f'Write "{"/".join(parts[1:])}"',
        )
    if len(parts) > 3:
        raise UsageError(
            "a name has at most three parts",
            code="experiment-name-invalid",
            hint="Write domain/line, or just line",
        )
    for part in parts:
        _check_part(part)
    if parts[0] == "common":
        raise UsageError(
            "src/common is for code that experiments share",
            code="experiment-name-invalid",
            hint="Choose another name",
        )
    for part in parts:
        if part in _NO_CODE | WINDOWS_DEVICES:
            raise UsageError(
                f'"{part}" is reserved',
                code="experiment-name-invalid",
                hint=f'Write "{part}_model"',
            )


def _check_part(part: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", part) or part.endswith("_") or "__" in part:
        raise UsageError(
            f'"{part}" is not a name for an experiment (lower-case letters, digits and single _)',
            code="experiment-name-invalid",
            hint=_suggestion(part),
        )
    if keyword.iskeyword(part) or part in sys.stdlib_module_names:
        raise UsageError(
            f'"{part}" is a keyword or module of Python',
            code="experiment-name-invalid",
            hint=f'Write "{part}_model"',
        )


def _suggestion(part: str) -> str:
    cleaned = re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_")[:60].strip("_")
    return f'Write "{cleaned}"' if re.match(r"[a-z]", cleaned) else "Begin with a letter"


def check_free(name: str, experiments: Sequence[str]) -> None:
    """Raise `UsageError` if the name conflicts with another experiment's.

    That is if an experiment would be inside another, or would share a name on a disk that ignores
    case, or the name of an image, where "/" is ".".
    """
    slug = slug_of(name)
    for other in experiments:
        if name.startswith(f"{other}/"):
            raise UsageError(
                f"src/{other} is an experiment",
                code="experiment-nested",
                hint="An experiment cannot be inside another; choose another name",
            )
        if other.startswith(f"{name}/"):
            raise UsageError(
                f"src/{name} contains experiments ({other})",
                code="experiment-nested",
                hint="An experiment cannot contain another; choose another name",
            )
        if other != name and slug_of(other).casefold() == slug.casefold():
            raise UsageError(
                f"{name} and {other} would have the same files and images",
                code="experiment-name-taken",
                hint="Choose another name",
            )


def job_name(name: str) -> str:
    """The experiment's name for Azure ML, without "/"."""
    return name.replace("/", "-")


def endpoint_name(name: str) -> str:
    """The experiment's name for an online endpoint: without "_", at most 32 characters."""
    return re.sub(r"[^a-z0-9]+", "-", name)[:32].strip("-")


def filled_in(path: str, text: str, name: str) -> str:
    """A file of the template with the experiment's name."""
    is_job = path.endswith((".yaml", ".yml"))
    return text.replace(PLACEHOLDER, job_name(name) if is_job else name)


def renamed(path: str, text: str, old: str, new: str) -> str:
    """A file of an experiment's folder after a rename.

    It changes the job's experiment_name, the names of model and endpoint if they were the old one,
    paths to the folder, and the title of its README. Nothing else: a word of the code may be the
    name by chance.
    """
    text = moved_paths(text, old, new)
    if path.endswith((".yaml", ".yml")):
        text = _key(text, "experiment_name:", job_name(old), job_name(new))
        text = _key(text, "(?:endpoint_)?name:", endpoint_name(old), endpoint_name(new))
        # A job's output that Azure ML registers as a model.
        text = _key(text, "[ \\t]+name:", job_name(old), job_name(new))
        return _key(text, "model:", job_name(old), job_name(new), "azureml:", "[@:].*")
    if posixpath.basename(path).lower() == "readme.md":
        title = rf"\A(\s*#[ \t]+){re.escape(old)}(?![\w/-])"
        return re.sub(title, lambda match: match[1] + new, text)
    return text


def _key(text: str, key: str, old: str, new: str, before: str = "", after: str = "") -> str:
    """The text with a new value of a key, if it had the old one."""
    end = rf"""(?={after}["']?[ \t]*(?:\#.*)?\r?$)"""
    pattern = rf"""(?m)^({key}[ \t]*["']?{before}){re.escape(old)}{end}"""
    return re.sub(pattern, lambda match: match[1] + new, text)


def moved_paths(text: str, old: str, new: str) -> str:
    """The text with `src/<old>`, and the tool's paths with the experiment's slug, renamed."""
    slugs = re.escape(slug_of(old))
    text = re.sub(rf"(?<![\w-])src/{re.escape(old)}(?![\w-])", f"src/{new}", text)
    text = re.sub(
        rf"(?<![\w-])(\.github/workflows/train-|orchestration/[\w-]+/(?:train-)?){slugs}(?=\.yml)",
        lambda match: match[1] + slug_of(new),
        text,
    )
    return re.sub(
        rf"(?<![\w-])(\.devcontainer|outputs)/{slugs}(?![\w-]|\.\w)",
        lambda match: f"{match[1]}/{slug_of(new)}",
        text,
    )


def renamed_whole(text: str, old: str, new: str, labels: tuple[str, str] = ("", "")) -> str:
    """The text of a generated file after a rename.

    The name alone may be any word, so it is replaced only after the tool's own words. `labels` are
    the old and the new name as Kubernetes labels.
    """
    slugs = slug_of(old), slug_of(new)
    for words, (before, after), end in (
        (r"\btrain |loop submit |loop image push ", (old, new), r"(?![\w./-])"),
        (r"\btrain-|innerloop/experiment: ", slugs, r"(?![\w./-])"),
        (r"/", slugs, r"(?=(?:-[0-9a-f]{6})?:run\b)"),
        (r"(?m:^metadata:\n  name: )|workflowTemplateRef:\n +name: ", labels, r"(?=\n)"),
    ):
        if before:
            pattern = rf"({words}){re.escape(before)}{end}"
            text = re.sub(pattern, rf"\g<1>{after}", text)
    return moved_paths(text, old, new)


def debug_task(name: str, *, serves: bool = False) -> str:
    """The label of the task that F5 starts for an experiment, or for the server of its model."""
    return f"debug the server of {name}" if serves else f"debug {name}"


def renamed_value(keys: Sequence[str], text: str, old: str, new: str) -> str:
    """A string of a generated JSON file after a rename; `keys` are its path.

    The name alone is replaced where it is the whole value, unless the value is a word of VS Code or
    of the command line.
    """
    slug = slug_of(old)
    for serves in (False, True):
        if text == debug_task(old, serves=serves):
            return debug_task(new, serves=serves)
    if text == f"{slug}-f5":
        return f"{slug_of(new)}-f5"
    if keys and keys[-1] in _WORDS:
        return text
    if text == old:
        return new
    if text.startswith(f"{old}: "):
        return new + text[len(old) :]
    return moved_paths(text, old, new)


# Keys of VS Code's files whose values are never an experiment's name, and the first argument of a
# task, which is a command.
_WORDS = {"label", "type", "command", "request", "kind", "id", "icon", "args.0"}

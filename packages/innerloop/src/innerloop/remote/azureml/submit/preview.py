"""The preview of a submission: rows of a title and a text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...progress import count_files, format_size
from ...snapshot import Snapshot
from ...submission_store import job_inputs
from .submission import AzureSubmission, SubmissionPart

# Rows of a snapshot's listing; a larger snapshot is shown by its top-level entries.
MOST_FILES = 40
# Bytes above which a file is probably data rather than code.
LARGE = 100_000_000
NOT_CODE = {
    ".git", ".innerloop", ".venv", "venv", "node_modules", "__pycache__", "outputs", "mlruns",
    "wandb", ".pytest_cache", ".mypy_cache", ".ipynb_checkpoints", ".azureml", ".dvc",
}  # fmt: skip


def rows(submission: AzureSubmission, *, with_files: bool) -> Iterator[tuple[str, str]]:
    """`with_files` lists the files that would be sent."""
    target = submission.target
    yield "workspace", (
        f"{target.workspace} in {target.group} ({target.source})" if target else "not connected"
    )
    resumes = ", continues after an interruption" if submission.resumes else ""
    yield "job", f"{submission.name} ({submission.job.kind}{resumes})"
    for part in submission.parts:
        yield from _part(part, submission)
    for index, (name, value) in enumerate(job_inputs(submission.job).items()):
        yield "" if index else "inputs", f"{name} = {value}"
    for sent in submission.snapshots.values():
        yield from _snapshot(sent, submission, with_files)
    for name, sent in submission.data.items():
        files = count_files(len(sent.files))
        yield "data", f"{name}: {sent.folder}, {files}, {format_size(sent.size)}"
        if linked := sum(file.linked for file in sent.files):
            yield "", f"  {linked:,} of them through links, as the files they lead to"


def _part(part: SubmissionPart, submission: AzureSubmission) -> Iterator[tuple[str, str]]:
    if part.step:
        yield "step", part.step
    yield "compute", part.compute or "none named (serverless)"
    if part.unread:
        yield "command", f"not known here: {part.unread}"
        return
    digest = part.environment.digest
    suffix = f", digest {digest[:12]} ({_sent_before(digest, submission)})" if digest else ""
    yield "environment", part.environment.words + suffix
    yield "command", part.command


def _snapshot(
    sent: Snapshot, submission: AzureSubmission, with_files: bool
) -> Iterator[tuple[str, str]]:
    files = count_files(len(sent.files))
    before = _sent_before(sent.digest, submission)
    yield "code", f"{sent.folder}: {files}, {format_size(sent.size)} ({before})"
    if with_files:
        entries = _files(sent) if len(sent.files) <= MOST_FILES else _top_level(sent)
        width = max(len(name) for name, _, _ in entries)
        for name, size, note in entries[:MOST_FILES]:
            yield "", f"  {name:<{width}}  {format_size(size):>9}{note}"
        if len(sent.files) > MOST_FILES:
            yield "", "  (--json lists every file)"
    yield from _not_code(sent)
    for file in sent.files:
        if file.size > LARGE:
            rules = sent.ignore_file or ".amlignore"
            hint = f"exclude it in {rules}, or make data of it: `scripts/loop data register`"
            yield "", f"  {file.name} is {format_size(file.size)}, sent with each change of the code: {hint}"
    linked = sum(file.linked for file in sent.files)
    if linked and not with_files:
        yield "", f"  {linked} of them through links, as the files they lead to"
    yield from _excluded(sent)


def _files(sent: Snapshot) -> list[tuple[str, int, str]]:
    return [
        (file.name, file.size, "  through a link" if file.linked else "") for file in sent.files
    ]


def _top_level(sent: Snapshot) -> list[tuple[str, int, str]]:
    """The snapshot's top-level entries, the largest first."""
    sizes: dict[str, list[int]] = {}
    for file in sent.files:
        top, slash, _ = file.name.partition("/")
        sizes.setdefault(top + slash, []).append(file.size)
    entries = [
        (name, sum(each), f"  {count_files(len(each))}" if name.endswith("/") else "")
        for name, each in sizes.items()
    ]
    return sorted(entries, key=lambda entry: -entry[1])


def _not_code(sent: Snapshot) -> Iterator[tuple[str, str]]:
    """Folders of other tools, which Azure ML's client sends as code."""
    sizes: dict[str, list[int]] = {}
    for file in sent.files:
        folder = next((part for part in file.name.split("/")[:-1] if part in NOT_CODE), None)
        if folder:
            sizes.setdefault(f"{folder}/", []).append(file.size)
    if sizes:
        folders = ", ".join(
            f"{name} ({count_files(len(each))}, {format_size(sum(each))})"
            for name, each in sizes.items()
        )
        rules = sent.ignore_file or ".amlignore"
        yield "", f"  {folders}: probably not code, but sent with it. Exclude it in {rules}"


def _excluded(sent: Snapshot) -> Iterator[tuple[str, str]]:
    if not sent.ignore_file:
        yield "", "  no .amlignore: every file in the folder is sent"
    rules: Sequence[str] = [
        f"{ignored.rule} ({count_files(ignored.files)}, {format_size(ignored.size)})"
        for ignored in sent.left_out
    ]
    if rules:
        yield "", f"  excluded by {sent.ignore_file}: {', '.join(rules)}"


def _sent_before(digest: str, submission: AzureSubmission) -> str:
    earlier = submission.known.get(digest)
    return f"sent before, with {earlier}" if earlier else "not sent from here yet"

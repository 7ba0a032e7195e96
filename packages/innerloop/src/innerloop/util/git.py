"""Command lines of git as argv lists.

Nothing here runs a program, and none of the commands changes a branch or the work tree. The index is
changed by `update_index` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Variables that name another repository than the one of the folder: git sets them for its hooks.
_OF_ANOTHER = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip


def environment(variables: Mapping[str, str], has_own: bool) -> dict[str, str]:
    """The variables for git in a workspace.

    A workspace that `has_own` repository is read as a part of that, also in a hook of another one.
    Without one, GIT_DIR of the person's shell counts.
    """
    left_out = _OF_ANOTHER if has_own else ()
    return {name: value for name, value in variables.items() if name not in left_out}


def state(root: str) -> list[str]:
    """Commit, branch, and every changed and untracked file, each ended by a NUL byte.

    Source: git-status(1), "Porcelain Format Version 2".
    """
    return [
        "git", "--no-optional-locks", "-C", root, "status",
        "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames",
    ]  # fmt: skip


def changes(root: str, folder: str) -> list[str]:
    """Uncommitted changes below a folder: "XY path" each, ended by a NUL byte."""
    return [
        "git", "--no-optional-locks", "-C", root, "--literal-pathspecs", "status",
        "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", folder,
    ]  # fmt: skip


def index_path(root: str) -> list[str]:
    """Two lines: the index's absolute path, and the path of `root` in the repository ("" or "a/")."""
    return [
        "git", "-C", root, "rev-parse", "--path-format=absolute", "--git-path", "index",
        "--show-prefix",
    ]  # fmt: skip


def unmerged(root: str) -> list[str]:
    """List the files with merge conflicts.

    The output is "mode object stage<tab>path" for each side, relative to `root`, ended by a NUL
    byte.
    """
    return ["git", "-C", root, "ls-files", "--unmerged", "-z"]


def staged(root: str, path: str, stage: int) -> list[str]:
    """A file below `root` from the index during a merge. Stage 1: base, 2: ours, 3: theirs."""
    return ["git", "-C", root, "cat-file", "blob", f":{stage}:./{path}"]


def committed(root: str, path: str, revision: str) -> list[str]:
    """A file below `root` as a commit has it."""
    return ["git", "-C", root, "cat-file", "blob", f"{revision}:./{path}"]


def announce(root: str, paths: Sequence[str]) -> list[str]:
    """Make untracked files visible to `diff`, in the index that GIT_INDEX_FILE names.

    Their contents are not stored.
    """
    return [
        "git", "-C", root, "-c", "core.safecrlf=false", "--literal-pathspecs",
        "add", "--intent-to-add", "--", *paths,
    ]  # fmt: skip


def diff(root: str, paths: Sequence[str]) -> list[str]:
    """The changes of these files since the last commit, as a patch for `git apply`."""
    return [
        "git", "--no-optional-locks", "-C", root, "-c", "core.quotepath=false",
        "--literal-pathspecs", "diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv",
        "--no-renames", "--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--", *paths,
    ]  # fmt: skip


def in_index(root: str, paths: Sequence[str]) -> list[str]:
    """List these files' entries: "mode object stage<tab>path" each, as `unmerged`."""
    return ["git", "-C", root, "--literal-pathspecs", "ls-files", "--stage", "-z", "--", *paths]


def in_head(root: str, paths: Sequence[str]) -> list[str]:
    """List these files as committed: "mode type object<tab>path" each, ended by a NUL byte."""
    return ["git", "-C", root, "--literal-pathspecs", "ls-tree", "-z", "HEAD", "--", *paths]


def store(root: str, path: str) -> list[str]:
    """Store what comes on stdin as a file's content, converted as `git add` does; its object."""
    return ["git", "-C", root, "hash-object", "-w", "--stdin", "--path", path]


def update_index(root: str) -> list[str]:
    """Change entries of the index, as NUL-ended lines on stdin say.

    "mode object stage<tab>path" sets an entry, and the mode 0 removes all stages of a path, which is
    relative to the root of the repository. Source: git-update-index(1), "Using --index-info".
    """
    return ["git", "-C", root, "update-index", "-z", "--index-info"]


def objects_path(root: str) -> list[str]:
    """The absolute path of the folder of the repository's objects."""
    return ["git", "-C", root, "rev-parse", "--path-format=absolute", "--git-path", "objects"]


def read_tree(root: str, commit: str) -> list[str]:
    """Fill the index that GIT_INDEX_FILE names with the files of a commit."""
    return ["git", "-C", root, "read-tree", f"{commit}^{{commit}}"]


def apply_to_index(root: str, patch: str) -> list[str]:
    """Apply a patch to the index that GIT_INDEX_FILE names, and to no file."""
    return ["git", "-C", root, "apply", "--cached", "--whitespace=nowarn", patch]


def write_tree(root: str) -> list[str]:
    """Store the index that GIT_INDEX_FILE names as a tree; its object."""
    return ["git", "-C", root, "write-tree"]


def between(root: str, one: str, other: str) -> list[str]:
    """The differences of two trees, as a patch."""
    return [
        "git", "-C", root, "-c", "core.quotepath=false", "diff", "--no-color", "--no-ext-diff",
        "--no-textconv", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/", one, other,
    ]  # fmt: skip


def names_between(root: str, one: str, other: str) -> list[str]:
    """The paths in which two trees differ, each ended by a NUL byte."""
    return ["git", "-C", root, "diff", "--name-only", "--no-renames", "-z", one, other]

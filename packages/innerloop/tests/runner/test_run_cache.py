"""The plan of a run is used again while all that it was made of is unchanged."""

from __future__ import annotations

import io
import os
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.docker import client, container_context, engine, engine_location
from innerloop.docker.engine import Engine
from innerloop.local import container_run, docker
from innerloop.model.container import Mount
from innerloop.model.folder_contents import LARGEST_POINTER, pointer_of
from innerloop.runner import execute, preflight, run_cache
from innerloop.runner.run_cache import Lookup
from innerloop.runner.started_run import Started
from innerloop.util import files, regular_files
from innerloop.util.cache_folder import SETTLED_NS
from innerloop.workspace import folder_reader, loader, read_states, text_links, unread_texts
from innerloop.workspace.loader import WorkspaceFiles
from tests.changing_files import programs_that_change_before_a_glimpse
from tests.support import Workspace

WORDS = ("tiny", "--backend", "docker")
JOB = (
    "command: python train.py ${{inputs.images}}\ncode: .\n"
    "inputs:\n  images:\n    type: uri_folder\n    path: ../../data/pictures\n"
)


ANSWER = Engine(True, label="")


def asked(image: str, root: str) -> Engine:
    return engine.last_answers.setdefault(image, ANSWER)


def settle() -> None:
    """What is younger than this is not kept."""
    time.sleep(SETTLED_NS / 1e9 * 1.5)


@pytest.fixture
def root(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A workspace with data, whose runs are planned and kept in this process, without an engine."""
    monkeypatch.setenv("INNERLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("INNERLOOP_NO_GPU", "1")
    for name in [name for name in os.environ if name.startswith("GIT_CONFIG")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(read_states, "PACKAGE", tmp_path)  # as installed
    volatile = {*run_cache._VOLATILE, "PYTEST_CURRENT_TEST"}
    monkeypatch.setattr(run_cache, "_VOLATILE", volatile)
    monkeypatch.setattr(client, "is_in_container", lambda: False)
    monkeypatch.setattr(engine_location, "ask", asked)
    monkeypatch.setattr(engine, "last_answers", {})
    monkeypatch.setattr(run_cache, "_of_machine", lambda root, image, digest: [repr(ANSWER)])
    monkeypatch.setattr(engine, "own_socket", lambda: None)  # nothing is created early
    monkeypatch.setattr(run_cache, "_SLOTS", 1 << 32)  # no entry in the place of another
    for name in ("consulted", "places", "searched", "measured", "uncacheable"):
        monkeypatch.setattr(WorkspaceFiles, name, set())
    monkeypatch.setattr(regular_files, "texts_read", set())
    workspace.add("tiny", "import sys\n", job=JOB)
    workspace.write("data/pictures/one.png", "1")
    files.confine(workspace.root)
    settle()
    return workspace.root


def looked_up(root: Path) -> Lookup:
    lookup = run_cache.look_up(root, WORDS, root)
    assert lookup is not None
    return lookup


def planned(root: Path, job: str = "tiny") -> Started:
    workspace = loader.open_workspace(root)
    experiment, file = loader.choose_job(workspace, job, None, root)
    run = execute.plan(workspace, experiment, loader.open_job(workspace, experiment, file))
    request = replace(docker.plan(run), why="asked for")
    return Started(run, request, container_run.submit)


@pytest.fixture
def kept(root: Path) -> Started:
    """A run whose plan is kept."""
    started = planned(root)
    run_cache.keep(looked_up(root), started)
    return started


def test_the_next_run_is_the_same_but_for_its_id(root: Path, kept: Started) -> None:
    started = looked_up(root).started
    assert started is not None and started.run.id != kept.run.id
    assert started.submit is container_run.submit
    again = repr((started.run, started.request)).replace(started.run.id, kept.run.id)
    assert again == repr((kept.run, kept.request))
    assert started.run.job.where("inputs") == kept.run.job.where("inputs")


def in_place(path: Path, old: str = "o", new: str = "O") -> None:
    """Another text of the same size, with the same time."""
    before, text = path.stat(), path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "job in place": lambda root: in_place(root / "src/tiny/azure-ml-job.yaml"),
    "environment": lambda root: in_place(root / "src/tiny/environment/Dockerfile"),
    "new file": lambda root: (root / "src/tiny/more.py").touch(),
    "new folder of an environment": lambda root: (root / "src/tiny/.venv").mkdir(),
    "removed file": lambda root: (root / "src/tiny/train.py").unlink(),
    "another owner": lambda root: os.chown(root / "src/tiny/train.py", 12, 12),
    "folder that a build gets": lambda root: (root / "src/tiny/environment/logs").mkdir(),
    "another experiment": lambda root: (root / "src/other").mkdir(),
    "settings": lambda root: (root / "pyproject.toml").write_text("[tool.innerloop]\n"),
    "more settings": lambda root: (root / "innerloop.toml").touch(),
    "new data": lambda root: (root / "data/pictures/two.png").touch(),
    "removed data": lambda root: (root / "data/pictures/one.png").unlink(),
    "changed data": lambda root: (root / "data/pictures/one.png").write_text("2"),
    "no data": lambda root: (root / "data/pictures").rename(root / "data/other"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_planned(root: Path, kept: Started, change: Callable[[Path], object]) -> None:
    assert looked_up(root).started is not None
    change(root)
    lookup = run_cache.look_up(root, WORDS, root)
    assert lookup is None or lookup.started is None


LONG = "import sys\n" + "print(1)  # a line of a program\n" * 200


def replaced(path: Path, text: str) -> None:
    """As an editor saves it: a new file takes the place of the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


EDITS: dict[str, Callable[[Path], object]] = {
    "in place": lambda code: (code / "train.py").write_text(LONG + "print(2)\n"),
    "as an editor": lambda code: replaced(code / "train.py", LONG.replace("1", "22")),
    "of the same size and time": lambda code: in_place(code / "train.py", "line", "LINE"),
    "shared code": lambda code: (code.parent / "common/more.py").write_text(LONG * 2),
    "a module in a folder": lambda code: replaced(code / "parts/one.py", LONG * 3),
    "a short file": lambda code: (code / "short.py").write_text("import sys\nprint(2)\n"),
    "another experiment": lambda code: (code.parent / "other/train.py").write_text(LONG * 3),
}


@pytest.fixture
def long(root: Path) -> Started:
    """A run of programs that are longer than a glimpse, whose plan is kept."""
    for name in ("tiny/train.py", "tiny/parts/one.py", "common/more.py", "other/train.py"):
        (root / "src" / name).parent.mkdir(exist_ok=True)
        (root / "src" / name).write_text(LONG)
    (root / "src/tiny/run.sh").write_text("#!/bin/sh\n" + "# about the program\n" * 300)
    (root / "src/tiny/short.py").write_text("import sys\n\nprint(1)\n")
    settle()
    started = planned(root)
    run_cache.keep(looked_up(root), started)
    return started


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_of_a_program_is_not_planned(
    root: Path, long: Started, edit: Callable[[Path], object]
) -> None:
    edit(root / "src/tiny")
    started = looked_up(root).started
    assert started is not None
    again = repr((started.run, started.request)).replace(started.run.id, long.run.id)
    assert again == repr((long.run, long.request))


def linked(path: Path, text: str) -> None:
    path.unlink()
    path.symlink_to(text)


SEEN: dict[str, Callable[[Path], object]] = {
    "line ends of a script": lambda code: (code / "run.sh").write_text("#!/bin/sh\r\n" * 500),
    "a pointer": lambda code: (code / "train.py").write_text("/annex/objects/SHA256E-s1\n"),
    "a file of one line": lambda code: (code / "small.py").write_text("small = 2\n"),
    "more lines": lambda code: (code / "small.py").write_text("small = 1\nmore = 2\n"),
    "mode": lambda code: (code / "train.py").chmod(0o755),
    "a link": lambda code: linked(code / "train.py", "small.py"),
    "job": lambda code: (code / "azure-ml-job.yaml").write_text(JOB + "display_name: another\n"),
    "what a build gets": lambda code: (code / "environment/more.py").write_text(LONG),
}


@pytest.mark.parametrize("change", SEEN.values(), ids=SEEN)
def test_what_a_plan_sees_of_a_program_is_planned(
    root: Path, change: Callable[[Path], object]
) -> None:
    (root / "src/tiny/environment/more.py").write_text(LONG.upper())
    for name in ("train.py", "run.sh"):
        (root / "src/tiny" / name).write_text(LONG)
    (root / "src/tiny/small.py").write_text("small = 1\n")
    settle()
    run_cache.keep(looked_up(root), planned(root))
    assert looked_up(root).started is not None
    change(root / "src/tiny")
    assert looked_up(root).started is None


def test_a_plan_reads_no_text_below_src_that_is_not_noted(root: Path) -> None:
    """Apart from glimpses: the kind of a file, and the first line of a script."""
    job = root / "src/tiny/azure-ml-job.yaml"
    job.write_text(JOB.replace("python train.py", "./run.sh") + "tags: {a: b}\n")
    (root / "src/tiny/run.sh").write_text("#!/bin/sh\n")
    opened: set[str] = set()
    is_watched = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if is_watched and event == "open" and str(arguments[0]).startswith(str(root / "src")):
            frame, names = sys._getframe(1), set()
            while frame is not None:
                names.add(frame.f_code.co_name)
                frame = frame.f_back  # type: ignore[assignment]
            if not names & {"_kind", "start_of"}:
                opened.add(os.path.relpath(str(arguments[0]), root))

    sys.addaudithook(hook)
    try:
        findings = preflight.findings(root, planned(root).run.job)
    finally:
        is_watched = False
    assert findings
    assert {"src/tiny/azure-ml-job.yaml", "src/tiny/environment/Dockerfile"} <= opened
    files_opened = {name for name in opened if (root / name).is_file()}
    assert files_opened <= unread_texts._texts_read(root)
    assert not {"src/tiny/train.py", "src/tiny/run.sh"} & files_opened


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 12345\n"
GLIMPSES = (  # texts of which the rules on content see the same, and of which they see something else
    (
        ("import os\n" + "1\n" * 600, "import os\n" + "2\n" * 9000),
        ("import os\n1\n", "import sys\n1\n"),
    ),
    (
        ("import os\n1\n2\n3\n", "import os\n\n3" + "\n" * 480),
        ("import os\n", "import os\n1\n", "import os\n" + "4\n" * 300),
    ),
    (("../common/a.py\n" + "\n" * 600,), ("../common/a.py\n", "../common/a.py\n \n")),
    (("version \r\n" + "1\n" * 600,), ("version \r\n" + "1\n" * 600_000,)),
    (("#!/bin/sh\nls\n", "#!/bin/sh\ncd\r\n"), ("#!/bin/sh\r\nls\n", "#!/bin/bash\nls\n")),
    ((LFS,), (LFS + "\n" * 900, LFS.replace("oid", "old"), LFS.replace("ab", "cd"))),
    (("/annex/objects/k\n",), ("/annex/objects/k\n" + "\n" * 1010, "/annex/objects/kk\n")),
    (("../common/a.py",), ("../common/b.py", "../common/a.py\nmore")),
    (("x" * 1024,), ("x" * 1023 + "y", "x" * 1025, "x" * 5000)),
    (("a\n" + "b" * 1_000_000, "a\n" + "c" * 1_000_001), ("a\n" + "b" * 999_998, "b\n" * 600_000)),
)


@pytest.mark.parametrize(("same", "others"), GLIMPSES)
def test_a_glimpse_has_what_the_rules_on_content_look_at(
    same: tuple[str, ...], others: tuple[str, ...], tmp_path: Path
) -> None:
    def seen(text: str) -> object:
        path = tmp_path / "file"
        path.write_bytes(text.encode())
        return read_states.glimpse(path)

    assert len({str(seen(text)) for text in same}) == 1
    assert str(seen(same[0])) not in {str(seen(text)) for text in others}
    assert regular_files.texts_read.isdisjoint({str(tmp_path / "file")})


@pytest.mark.parametrize("what", [os.W_OK, os.X_OK])
def test_a_glimpse_has_what_this_user_may_do(
    what: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another group or access list decides that, and the mode of the file is the same."""
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    before = read_states.glimpse(tmp_path / "run.sh")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != what)
    assert read_states.glimpse(tmp_path / "run.sh") != before


def test_a_program_that_changes_while_its_plan_is_kept_is_planned(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup, started = looked_up(root), planned(root)
    with programs_that_change_before_a_glimpse(monkeypatch):
        run_cache.keep(lookup, started)
    assert looked_up(root).started is None


def test_a_glimpse_knows_how_pointers_begin_and_how_long_they_are() -> None:
    shortest, largest_link = folder_reader._SHORTEST_POINTER, text_links._MOST_TEXT
    bounds = (shortest, largest_link, LARGEST_POINTER, read_states.LARGEST_SCRIPT + 1)
    assert bounds == read_states._BOUNDS and LARGEST_POINTER == read_states._SMALL
    for text in (LFS, "/annex/objects/k\n"):
        assert pointer_of(text.encode()) and text.encode().startswith(read_states._POINTERS)


def test_other_words_folders_and_variables_are_planned(
    root: Path, kept: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, cwd in (((*WORDS, "--", "1"), root), (WORDS, root / "src")):
        lookup = run_cache.look_up(root, words, cwd)
        assert lookup is not None and lookup.started is None
    monkeypatch.setenv("SHLVL", "7")
    assert looked_up(root).started is not None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert looked_up(root).started is None
    run_cache.keep(looked_up(root), planned(root))  # another terminal's, beside the first
    assert looked_up(root).started is not None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert looked_up(root).started is not None


def test_another_image_is_planned(
    root: Path, kept: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_cache, "_of_machine", lambda root, image, digest: ["another engine"])
    assert looked_up(root).started is None


def test_what_changes_while_it_runs_is_not_kept(root: Path) -> None:
    lookup, started = looked_up(root), planned(root)
    (root / "src/tiny/train.py").write_text("import os\n")
    run_cache.keep(lookup, started)
    assert not lookup.path.exists()


@pytest.mark.parametrize(
    "option", ["--dry-run", "--debug", "--detach", "--trials=2", "--step", "--docker-option=--rm"]
)
def test_options_of_another_kind_of_run_are_never_looked_up(root: Path, option: str) -> None:
    assert run_cache.look_up(root, [*WORDS, option], root) is None
    assert run_cache.look_up(root, [*WORDS, "--", option], root) is not None


def test_runs_with_more_than_a_container_are_not_kept(root: Path, kept: Started) -> None:
    lookup = looked_up(root)
    lookup.path.unlink()
    container = kept.request.container
    assert container is not None
    with_authority = container.with_mounts(Mount("/ca.pem", container_context.CA))
    for changed in (
        replace(kept, run=replace(kept.run, ports={6006: 16006})),
        replace(kept, run=replace(kept.run, attended=False)),
        replace(kept, run=replace(kept.run, code=str(root / "data"))),
        replace(kept, request=replace(kept.request, secrets={"TOKEN": "x"})),
        replace(kept, request=replace(kept.request, backend="venv")),
        replace(kept, request=replace(kept.request, grants=("it reads /",))),
        replace(kept, request=replace(kept.request, container=with_authority)),
    ):
        run_cache.keep(lookup, changed)
        assert not lookup.path.exists()
    run_cache.keep(lookup, kept)
    assert lookup.path.exists()


def test_secrets_are_not_in_the_entry(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "fd7s9-hj3k4-secret")
    started = planned(root)
    redaction = run_cache._redaction(started.run, started.request)
    masked = replace(started, request=replace(started.request, redaction=redaction))
    lookup = looked_up(root)
    run_cache.keep(lookup, masked)
    assert b"fd7s9" not in lookup.path.read_bytes()
    again = looked_up(root).started
    assert again is not None and again.request.redaction == redaction


@pytest.mark.parametrize(
    "job",
    [
        "environment_variables: {X: fd7s9-hj3k4-secret}\n",
        "resources: {docker_args: -e API_TOKEN}\n",
    ],
)
def test_a_plan_with_a_secret_is_not_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    monkeypatch.setenv("API_TOKEN", "fd7s9-hj3k4-secret")
    file = root / "src/tiny/azure-ml-job.yaml"
    file.write_text(file.read_text() + job)
    settle()
    started = planned(root)
    redaction = run_cache._redaction(started.run, started.request)
    lookup = looked_up(root)
    run_cache.keep(lookup, replace(started, request=replace(started.request, redaction=redaction)))
    assert not lookup.path.exists()


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("text", [b"", b"{}\n", b"1", b"\xff\xfe"])
def test_an_entry_of_another_form_is_none(root: Path, kept: Started, text: bytes) -> None:
    path = looked_up(root).path
    head = path.read_bytes().partition(b"\n")[0]
    for content in (text, head, head + b"\n" + text, head + b"\n" + pickle.dumps(1)):
        path.write_bytes(content)
        assert looked_up(root).started is None


# The program that a module of the package has imported: a name with a dot reaches it.
OF_A_MODULE = (
    b"\x80\x05\x8c\x16innerloop.util.process\x8c\x10subprocess.Popen\x93"
    b"]\x94(\x8c\x05mkdir\x8c\x04harme\x85R."
)


@pytest.mark.parametrize("values", [pickle.dumps((Harmful(), 1)), OF_A_MODULE], ids=["os", "ours"])
def test_an_entry_does_nothing(
    root: Path, kept: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = looked_up(root).path
    head = path.read_bytes().partition(b"\n")[0]
    path.write_bytes(head + b"\n" + values)
    assert looked_up(root).started is None
    with pytest.raises(ValueError, match="no value of a plan"):
        run_cache._Values(io.BytesIO(values)).load()
    assert not (tmp_path / "harm").exists()


def test_a_damaged_entry_is_none(root: Path, kept: Started) -> None:
    path = looked_up(root).path
    whole = path.read_bytes()
    values = whole.index(b"\n") + 1
    for size in (values + 2, (values + len(whole)) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert looked_up(root).started is None, size
    path.write_bytes(b"[" * 100_000 + whole)
    assert looked_up(root).started is None
    path.write_bytes(whole)
    assert looked_up(root).started is not None


def test_an_entry_that_others_can_write_is_none(root: Path, kept: Started) -> None:
    path = looked_up(root).path
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o660)
    assert looked_up(root).started is None
    path.chmod(0o600)
    assert looked_up(root).started is not None
    os.chown(path, 12, -1)
    assert looked_up(root).started is None


def test_what_a_build_gets_and_no_row_has_is_not_kept(root: Path) -> None:
    (root / "src/tiny/environment/logs").mkdir()
    (root / "src/tiny/environment/logs/settings.ini").write_text("1")
    settle()
    lookup = looked_up(root)
    run_cache.keep(lookup, planned(root))
    assert not lookup.path.exists()


def test_an_image_that_is_built_again_while_it_runs_is_not_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup, started = looked_up(root), planned(root)
    again = replace(ANSWER, image_id="another")
    monkeypatch.setattr(run_cache, "_of_machine", lambda root, image, digest: [repr(again)])
    run_cache.keep(lookup, started)
    assert not lookup.path.exists()


def test_a_pipe_in_the_code_is_not_read(root: Path) -> None:
    os.mkfifo(root / "src/tiny/pipe")
    settle()
    run_cache.keep(looked_up(root), planned(root))
    assert looked_up(root).started is not None


ASSET = "name: pictures\nversion: '{}'\ntype: uri_folder\npath: ./{}\n"


@pytest.mark.parametrize("file", ["data/pictures.yml", "data/more.yml"])
def test_the_file_that_names_the_data_is_part_of_a_plan(root: Path, file: str) -> None:
    """Also for a script, of which no job file is checked."""
    job = root / "src/tiny/azure-ml-job.yaml"
    job.write_text(job.read_text().replace("../../data/pictures", "azureml:pictures@latest"))
    (root / "data/other").mkdir()
    (root / "data/pictures").rename(root / "data/one")
    (root / "data/pictures.yml").write_text(ASSET.format(1, "one"))
    settle()
    lookup, started = looked_up(root), planned(root)
    assert started.run.data == {"images": str(root / "data/one")}
    run_cache.keep(lookup, started)
    assert looked_up(root).started is not None
    (root / file).write_text(ASSET.format(2, "other"))
    assert looked_up(root).started is None


def test_data_may_be_a_file(root: Path) -> None:
    job = root / "src/tiny/azure-ml-job.yaml"
    text = job.read_text().replace("data/pictures", "data/pictures/one.png")
    job.write_text(text.replace("uri_folder", "uri_file"))
    settle()
    run_cache.keep(looked_up(root), planned(root))
    assert looked_up(root).started is not None
    path = root / "data/pictures/one.png"
    before = path.stat()
    path.write_text("2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert looked_up(root).started is None


def test_data_may_be_behind_a_link(root: Path) -> None:
    (root / "data/pictures").rename(root / "data/one")
    (root / "data/pictures").symlink_to("one")
    settle()
    run_cache.keep(looked_up(root), planned(root))
    assert looked_up(root).started is not None
    (root / "data/pictures").unlink()
    (root / "data/other").mkdir()
    (root / "data/pictures").symlink_to("other")
    assert looked_up(root).started is None


def test_a_job_file_elsewhere_is_not_kept(root: Path) -> None:
    """It is no file of src/, and has no row."""
    text = (root / "src/tiny/azure-ml-job.yaml").read_text()
    text = text.replace("code: .", "code: ../src/tiny").replace("../../data", "../data")
    (root / "jobs").mkdir()
    (root / "jobs/train.yml").write_text(text.replace("./environment", "../src/tiny/environment"))
    settle()
    lookup, started = looked_up(root), planned(root, "jobs/train.yml")
    assert started.run.job.name == "jobs/train.yml" and not started.run.missing
    run_cache.keep(lookup, started)
    assert not lookup.path.exists()

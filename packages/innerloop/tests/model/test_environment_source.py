"""What kind of environment a file is, what is installed from it, and the image for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model import environment_lock, poetry_lock
from innerloop.model.dockerfiles import dockerfile
from innerloop.model.dockerfiles.lock_dockerfile import of_lock, of_uses
from innerloop.model.environment_lock import LockUse, lock_of
from innerloop.model.environment_source import (
    PYTHONS,
    EnvironmentSource,
    Read,
    lock_in,
    source_of,
)
from innerloop.util.errors import UserError

UV = 'version = 1\nrequires-python = ">=3.12"\n'
PYLOCK = 'lock-version = "1.0"\nrequires-python = "==3.10.*"\n'
PROJECT = '[project]\nname = "p"\nversion = "1"\n'
HASH = "sha256:" + "a" * 64
UV_ITSELF = f"# by uv\nuv==1.2 \\\n    --hash={HASH} \\\n    --hash={HASH}\n"
POETRY = f"""[[package]]
name = "tiny"
version = "1.0"
groups = ["main"]
optional = false
files = [{{file = "tiny.whl", hash = "{HASH}"}}]

[[package]]
name = "windows-only"
version = "2.0"
groups = ["main", "test"]
markers = {{main = "sys_platform == \\"win32\\"", test = "os_name == \\"nt\\""}}
files = [{{file = "w.whl", hash = "{HASH}"}}]

[[package]]
name = "checker"
version = "3"
groups = ["test"]
files = [{{file = "c.whl", hash = "{HASH}"}}]

[[package]]
name = "extra"
version = "4"
groups = ["main"]
optional = true
files = [{{file = "e.whl", hash = "{HASH}"}}]

[metadata]
lock-version = "2.1"
python-versions = "^3.11"
"""


def reader(files: dict[str, str]) -> Read:
    return lambda path: files.get(path)


@pytest.mark.parametrize(
    ("files", "path", "kind", "source"),
    [
        ({"e/Dockerfile": "FROM a"}, "e/Dockerfile", "dockerfile", "e/Dockerfile"),
        ({"e/train.dockerfile": "FROM a"}, "e/train.dockerfile", "dockerfile", "e/train.dockerfile"),
        ({"Dockerfile.gpu": "FROM a"}, "./Dockerfile.gpu", "dockerfile", "Dockerfile.gpu"),
        ({"e/c.yml": "dependencies: [a]"}, "e/c.yml", "conda", "e/c.yml"),
        ({"e/c.yaml": "name: x\nimage: y"}, "e/c.yaml", "asset", "e/c.yaml"),
        ({"e/c.yaml": "build: {path: .}"}, "e/c.yaml", "asset", "e/c.yaml"),
        ({"requirements-gpu.txt": "a==1"}, "requirements-gpu.txt", "requirements",
         "requirements-gpu.txt"),
        ({"uv.lock": UV, "pyproject.toml": PROJECT}, "uv.lock", "uv", "uv.lock"),
        ({"a/pylock.toml": PYLOCK}, "a/pylock.toml", "pylock", "a/pylock.toml"),
        ({"pylock.gpu.toml": PYLOCK}, "pylock.gpu.toml", "pylock", "pylock.gpu.toml"),
        ({"poetry.lock": POETRY}, "poetry.lock", "poetry", "poetry.lock"),
        ({"pixi.lock": "version: 6", "pixi.toml": ""}, "pixi.lock", "pixi", "pixi.lock"),
        ({"p/pyproject.toml": PROJECT, "p/uv.lock": UV}, "p/pyproject.toml", "uv", "p/uv.lock"),
        ({"p/pyproject.toml": PROJECT, "p/poetry.lock": POETRY}, "p", "poetry", "p/poetry.lock"),
        ({"pixi.toml": "", "pixi.lock": ""}, "pixi.toml", "pixi", "pixi.lock"),
        ({"e/Dockerfile": "FROM a", "e/requirements.txt": ""}, "e", "dockerfile", "e/Dockerfile"),
        ({"e/requirements.txt": ""}, "e/", "requirements", "e/requirements.txt"),
        ({"e/environment.yml": "dependencies: []"}, "e", "conda", "e/environment.yml"),
        ({"uv.lock": UV, "pyproject.toml": PROJECT}, ".", "uv", "uv.lock"),
    ],
)  # fmt: skip
def test_source_is_known_by_its_name_and_content(
    files: dict[str, str], path: str, kind: str, source: str
) -> None:
    found = source_of(path, reader(files), "x.toml:3:1")
    assert (found.kind, found.path) == (kind, source)


@pytest.mark.parametrize(
    ("files", "path", "code", "where"),
    [
        ({}, "nothing", "environment-source-missing", "x.toml:3:1"),
        ({}, "uv.lock", "environment-source-missing", "x.toml:3:1"),
        ({"uv.lock": UV}, "uv.lock", "environment-source-missing", "uv.lock"),
        ({"setup.py": ""}, "setup.py", "environment-kind-unknown", "x.toml:3:1"),
        ({"a.yml": "command: ls"}, "a.yml", "environment-kind-unknown", "a.yml:1:1"),
        ({"p/pyproject.toml": f"\n{PROJECT}"}, "p", "environment-not-locked",
         "p/pyproject.toml:2:1"),
        ({"pyproject.toml": "[build-system]\n[tool.poetry]\n"}, "pyproject.toml",
         "environment-not-locked", "pyproject.toml:2:1"),
        ({"e/uv.lock": UV, "e/poetry.lock": POETRY}, "e", "environment-source-ambiguous",
         "x.toml:3:1"),
        ({"pyproject.toml": PROJECT, "uv.lock": UV, "pylock.toml": PYLOCK}, "pyproject.toml",
         "environment-source-ambiguous", "x.toml:3:1"),
        ({"uv.lock": "version = 1\nrequires = [", "pyproject.toml": PROJECT}, "uv.lock", "not-toml",
         "uv.lock:2:1"),
        ({"pyproject.toml": "[tool\n"}, "pyproject.toml", "not-toml", "pyproject.toml:1:6"),
    ],
)  # fmt: skip
def test_source_that_is_not_clear_is_an_error_at_its_place(
    files: dict[str, str], path: str, code: str, where: str
) -> None:
    with pytest.raises(UserError) as caught:
        source_of(path, reader(files), "x.toml:3:1")
    assert (caught.value.code, str(caught.value.where)) == (code, where)


@pytest.mark.parametrize(
    ("tool", "command"),
    [("project", "`uv lock`"), ("tool.poetry", "`poetry lock`"), ("tool.pixi", "`pixi lock`")],
)
def test_project_without_a_lock_is_told_its_own_command(tool: str, command: str) -> None:
    with pytest.raises(UserError) as caught:
        source_of("pyproject.toml", reader({"pyproject.toml": f"[{tool}]\n"}), "x")
    assert command in caught.value.hint


@pytest.mark.parametrize(
    ("specifier", "fits"),
    [
        ("", PYTHONS),
        (">=3.12", ("3.12", "3.13", "3.14")),
        (">=3.10,<3.13", ("3.11", "3.12", "3.10")),
        (">3.10,<=3.12", ("3.11", "3.12")),
        (">=3.9.1, <3.11.5", ("3.11", "3.10", "3.9")),
        ("==3.10.*", ("3.10",)),
        ("==3.13.2", ("3.13",)),
        ("~=3.12.1", ("3.12",)),
        ("~=3.12", ("3.12", "3.13", "3.14")),
        ("^3.13", ("3.13", "3.14")),
        ("!=3.11,>=3.11", ("3.12", "3.13", "3.14")),
        (">=3.11,!=3.11.4,<3.12", ("3.11",)),
        ("3.9 || 3.14", ("3.14", "3.9")),
        (">=2.7", PYTHONS),
        ("nonsense", PYTHONS),
        ("<3", ()),
    ],
)
def test_python_of_a_lock_is_the_first_that_fits(specifier: str, fits: tuple[str, ...]) -> None:
    source = EnvironmentSource("uv", "uv.lock", python=specifier)
    assert tuple(one for one in PYTHONS if source.accepts(one)) == fits
    assert source.usual_python == (fits[0] if fits else "3.14")


@given(st.text(max_size=20))
def test_a_specifier_of_any_text_is_read(text: str) -> None:
    assert isinstance(EnvironmentSource("uv", "uv.lock", python=text).accepts("3.11"), bool)


def test_a_pinned_python_beside_the_lock_counts() -> None:
    files = {"p/uv.lock": UV, "p/pyproject.toml": PROJECT, "p/.python-version": "3.13.1\n"}
    assert source_of("p/uv.lock", reader(files), "x").usual_python == "3.13"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["requirements.txt", "uv.lock"], "requirements.txt"),
        (["uv.lock", "poetry.lock"], "uv.lock"),
        (["poetry.lock"], "poetry.lock"),
        (["Dockerfile"], None),
    ],
)
def test_lock_beside_a_dockerfile_is_the_first(names: list[str], expected: str | None) -> None:
    texts = {"requirements.txt": "", "uv.lock": UV, "poetry.lock": POETRY, "Dockerfile": "FROM a"}
    files = {f"e/{name}": texts[name] for name in names} | {"e/pyproject.toml": PROJECT}
    found = lock_in("e", reader(files))
    assert (found and found.name) == expected


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ({"main"}, ["tiny", "windows-only"]),
        ({"main", "test"}, ["tiny", "windows-only", "checker"]),
        (None, ["tiny", "windows-only", "checker"]),
        ({"docs"}, []),
    ],
)
def test_poetrys_lock_has_the_packages_of_its_groups(
    groups: set[str] | None, names: list[str]
) -> None:
    lines = poetry_lock.requirements(POETRY, "poetry.lock", groups).splitlines()
    assert [line.split("==")[0] for line in lines] == names
    assert all(line.endswith(f"--hash={HASH}") for line in lines)


def test_poetrys_markers_are_those_of_the_groups() -> None:
    one = poetry_lock.requirements(POETRY, "poetry.lock", {"main"}).splitlines()[1]
    assert one == f'windows-only==2.0 ; sys_platform == "win32" --hash={HASH}'
    both = poetry_lock.requirements(POETRY, "poetry.lock", None).splitlines()[1]
    assert '(sys_platform == "win32") or (os_name == "nt")' in both


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ('lock-version = "2.1"', 'lock-version = "2.0"', "environment-lock-old", ""),
        ('lock-version = "2.1"', "", "environment-lock-old", ""),
        ('name = "windows-only"', 'name = "w; --index-url http://x"', "environment-lock-invalid",
         ":8"),
        ('version = "2.0"', 'version = "2 --pre"', "environment-lock-invalid", ":8"),
        ('version = "2.0"', "version = 2", "environment-lock-invalid", ":8"),
        ('{main = "sys_platform == \\"win32\\"", test = "os_name == \\"nt\\""}', '"a\\nb"',
         "environment-lock-invalid", ":8"),
        (f'{{file = "w.whl", hash = "{HASH}"}}', "", "environment-lock-invalid", ":8"),
        (f'{{file = "w.whl", hash = "{HASH}"}}', '{hash = "md5:1"}', "environment-lock-invalid",
         ":8"),
        ('version = "2.0"', 'version = "2.0"\nsource = {type = "git", url = "x"}',
         "environment-lock-unhashed", ":8"),
    ],
)  # fmt: skip
def test_what_poetrys_lock_cannot_say_is_an_error_at_its_package(
    old: str, new: str, code: str, line: str
) -> None:
    assert old in POETRY
    with pytest.raises(UserError) as caught:
        poetry_lock.requirements(POETRY.replace(old, new), "poetry.lock")
    assert caught.value.code == code
    assert str(caught.value.where).startswith(f"poetry.lock{line}")


FILES = {
    "requirements.txt": f"-r more.txt\n-c limits.txt\ntiny==1 \\\n    --hash={HASH}  # why\n",
    "more.txt": f"other==2 --hash={HASH}\n",
    "limits.txt": "third<3\n",
    "uv.lock": UV,
    "pyproject.toml": PROJECT + "[dependency-groups]\ntest = ['pytest']\n",
    "pylock.toml": PYLOCK,
    "poetry.lock": POETRY,
    "pixi.lock": "version: 6",
}


def lock(path: str, use: LockUse = "job") -> environment_lock.EnvironmentLock:
    return lock_of(source_of(path, reader(FILES), "x"), reader(FILES), use)


@pytest.mark.parametrize(
    ("path", "files", "installs"),
    [
        ("requirements.txt", ["requirements.txt", "constraints.txt"], "--require-hashes -r"),
        ("poetry.lock", [], "--require-hashes -r"),
        ("uv.lock", ["pyproject.toml", "uv.lock"], "uv sync --frozen --no-install-workspace"),
        ("pylock.toml", ["pylock.toml"], "uv pip sync"),
        ("pixi.lock", ["pyproject.toml", "pixi.lock"], "pixi install --frozen"),
    ],
)
def test_image_of_a_lock_copies_its_files_and_installs_them_frozen(
    path: str, files: list[str], installs: str
) -> None:
    read = lock(path)
    assert [name for name, _ in read.files] == files
    parsed = dockerfile.parse(of_lock(read, "mine:1", uv=UV_ITSELF), "Dockerfile")
    assert parsed.image_of(parsed.last) == "mine:1"
    steps = [(one.keyword, one.rest) for one in parsed.last.instructions]
    copied = [json.loads(rest)[0] for keyword, rest in steps if keyword == "COPY"]
    assert copied == files
    assert any(keyword == "RUN" and installs in " ".join(rest.split()) for keyword, rest in steps)
    written = " ".join(rest for keyword, rest in steps if keyword == "RUN")
    assert ("uv==1" in written) == (path != "pixi.lock")
    assert ("compileall" in written) == (path != "pixi.lock")
    assert ("tiny==" in written) == (path == "poetry.lock")


@pytest.mark.parametrize(
    ("path", "changed", "stages"),
    [
        ("uv.lock", {}, ["base", "test", "dev", "job"]),
        ("uv.lock", {"pyproject.toml": PROJECT}, [""]),
        ("uv.lock", {"pyproject.toml": f"{PROJECT}[dependency-groups]\nx = []\n"},
         ["base", "dev", "job"]),
        ("poetry.lock", {}, ["base", "test", "dev", "job"]),
        ("poetry.lock", {"poetry.lock": POETRY.replace('"test"', '"main"')}, [""]),
        ("pylock.toml", {}, [""]),
        ("pixi.lock", {}, [""]),
    ],
)  # fmt: skip
def test_uses_that_need_more_than_the_job_have_a_stage(
    path: str, changed: dict[str, str], stages: list[str]
) -> None:
    read = reader({**FILES, **changed})
    source = source_of(path, read, "x")
    uses: tuple[LockUse, ...] = ("test", "dev", "job")
    locks = {use: lock_of(source, read, use, linux=True) for use in uses}
    places = {name: f"in/{name}" for name, _ in locks["job"].files}
    parsed = dockerfile.parse(of_uses(locks, "", uv=UV_ITSELF, places=places), "Dockerfile")
    assert [stage.name for stage in parsed.stages] == stages
    copied = [
        json.loads(one.rest)
        for stage in parsed.stages
        for one in stage.instructions
        if one.keyword == "COPY"
    ]
    assert copied == [[f"in/{name}", name] for name in places]


def test_dockerfile_writes_the_packages_of_poetry_as_they_are(tmp_path: Path) -> None:
    """The shell gets the lines back, however many there are, in arguments that Linux admits."""
    many = "".join(
        POETRY.split("[metadata]", 1)[0].replace('"tiny"', f'"tiny{number}"')
        for number in range(300)
    )
    files = {"poetry.lock": many + '[metadata]\nlock-version = "2.1"\n'}
    read = lock_of(source_of("poetry.lock", reader(files), "x"), reader(files))
    parsed = dockerfile.parse(of_lock(read), "Dockerfile")
    runs = [one.arguments for one in parsed.last.instructions if one.keyword == "RUN"]
    written = [command for command in runs if command.startswith("printf")]
    assert len(written) > 1 and max(map(len, runs)) < 128 * 1024
    for command in written:
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "requirements.txt").read_text() == read.requirements


def test_image_has_no_hashes_of_wheels_for_other_systems() -> None:
    other, foreign = f"sha256:{'b' * 64}", f"sha256:{'c' * 64}"
    files = f"""files = [{{file = "tiny-1-cp311-cp311-manylinux_2_17_x86_64.whl", hash = "{other}"}},
    {{file = "tiny-1-cp311-cp311-win_amd64.whl", hash = "{foreign}"}},
    {{file = "tiny-1-cp311-cp311-macosx_11_0_arm64.whl", hash = "{HASH}"}}]"""
    text = POETRY.replace(f'files = [{{file = "tiny.whl", hash = "{HASH}"}}]', files)
    first = poetry_lock.requirements(text, "poetry.lock", linux=True).splitlines()[0]
    assert first == f"tiny==1.0 --hash={other}"
    assert foreign in poetry_lock.requirements(text, "poetry.lock").splitlines()[0]
    # What is for other systems alone keeps its hashes, and its marker.
    text = POETRY.replace('"w.whl"', '"w-1-py3-none-win_amd64.whl"')
    assert HASH in poetry_lock.requirements(text, "poetry.lock", linux=True).splitlines()[1]


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("uv.lock", "python:3.12-slim-bookworm"),
        ("pylock.toml", "python:3.10-slim-bookworm"),
        ("requirements.txt", "python:3.11-slim-bookworm"),
        ("pixi.lock", "ghcr.io/prefix-dev/pixi:latest"),
    ],
)
def test_image_of_a_lock_has_a_python_that_the_lock_admits(path: str, base: str) -> None:
    parsed = dockerfile.parse(of_lock(lock(path)), "Dockerfile")
    assert parsed.image_of(parsed.last) == base


def test_requirements_are_whole_with_the_files_that_they_name() -> None:
    read = lock("requirements.txt")
    first, second = read.requirements.splitlines()
    assert first == f"other==2 --hash={HASH}"
    assert second.split() == ["tiny==1", f"--hash={HASH}"]
    assert (read.constraints, read.is_hashed) == ("third<3\n", True)


@pytest.mark.parametrize(
    ("use", "options"),
    [
        ("job", ("--no-default-groups",)),
        ("test", ("--no-default-groups", "--group", "test")),
        ("dev", ("--all-groups",)),
    ],
)
def test_uvs_groups_are_those_of_the_use(use: LockUse, options: tuple[str, ...]) -> None:
    read = lock("uv.lock", use)
    assert read.options == options
    assert f"--no-install-workspace {' '.join(options)} --no-cache" in of_lock(read)


def test_key_differs_with_every_file_and_use() -> None:
    keys = [lock("uv.lock", use).key for use in ("job", "test", "dev")]
    changed = {**FILES, "pyproject.toml": PROJECT}
    other = lock_of(source_of("uv.lock", reader(changed), "x"), reader(changed))
    assert len({*keys, other.key, lock("poetry.lock").key}) == 5


def test_requirements_without_hashes_are_said_to_have_none() -> None:
    files = {"requirements.txt": "tiny==1\n"}
    read = lock_of(source_of("requirements.txt", reader(files), "x"), reader(files))
    text = of_lock(read, uv=UV_ITSELF)
    # uv might choose others than pip: the file does not decide which are installed.
    assert not read.is_hashed and "--require-hashes" not in text and "/uv" not in text

"""`loop up` and `loop down` with the real engine and the real devcontainer CLI."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from innerloop.sync.render.devcontainer_json import EXTENSION
from tests.engine import dev
from tests.support import TINY, Workspace, docker

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer]


@pytest.fixture
def opened(workspace: Workspace) -> Iterator[Workspace]:
    """A workspace with one rendered experiment; its dev containers go when the test ends."""
    workspace.add("tiny", "print('hello')")
    assert workspace.loop("sync").code == 0
    yield workspace
    dev.clean(workspace)


def change(workspace: Workspace, **keys: Any) -> None:
    """A person's edit of the rendered devcontainer.json; None takes a key away."""
    path = ".devcontainer/tiny/devcontainer.json"
    value = {**json.loads(workspace.read(path)), **keys}
    value = {key: one for key, one in value.items() if one is not None}
    workspace.write(path, json.dumps(value, indent=4))


def test_it_opens_once_and_leaves_nothing_beside_the_container(opened: Workspace) -> None:
    before = sorted((opened.root / ".devcontainer").rglob("*"))
    first, second = dev.up(opened), dev.up(opened)
    assert (first["how"], second["how"]) == ("created", "running")
    assert first["container"] == second["container"]
    (made,) = dev.containers(opened)
    assert made["Id"] == first["container"]
    assert "INNERLOOP_EXPERIMENT=tiny" in made["Config"]["Env"]
    assert made["HostConfig"]["ShmSize"] == 2 * 1024**3
    assert sorted((opened.root / ".devcontainer").rglob("*")) == before
    assert not list((opened.root / ".innerloop/up").glob("*.json"))


def test_its_image_is_the_one_of_loop_build(opened: Workspace) -> None:
    built = opened.loop("build", "tiny", "--dev")
    answer = opened.loop("up", "tiny")
    assert answer.code == 0 and "building" not in answer.err
    (made,) = dev.containers(opened)
    layers = [
        json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image))
        for image in (built.out.strip(), made["Image"])
    ]
    assert layers[1][: len(layers[0])] == layers[0]


def test_vs_codes_own_build_shares_the_layers(opened: Workspace) -> None:
    """The builder's cache finds them, so a person who reopens in VS Code waits for nothing."""
    step = "RUN head -c 8 /dev/urandom > /only-once\n"
    opened.write("src/tiny/environment/Dockerfile", TINY + step)
    assert opened.loop("build", "tiny").code == 0
    done = dev.bare(opened, "up")
    assert done.code == 0 and "Using cache" in done.err.split("RUN head")[-1], done.err
    (made,) = dev.containers(opened)
    names = json.loads(docker("image", "inspect", made["Image"]))[0]["RepoTags"]
    assert "innerloop/tiny:dev" in names
    assert made["Config"]["Labels"]["innerloop.experiment"] == "tiny"


def test_two_experiments_at_once_have_two_images(opened: Workspace) -> None:
    other = TINY + "ENV WHO=other\n"
    opened.add("other", "print('hello')", dockerfile=other)
    opened.write("src/tiny/environment/Dockerfile", TINY + "ENV WHO=tiny\n")
    assert opened.loop("sync").code == 0
    started = [opened.start("up", name) for name in ("tiny", "other")]
    answers = [one.end(120) for one in started]
    assert [answer.code for answer in answers] == [0, 0], answers
    for name in ("tiny", "other"):
        told = opened.loop("exec", name, "--", "sh", "-c", "echo $WHO $INNERLOOP_EXPERIMENT")
        assert told.out == f"{name} {name}\n", told.err
    images = {one["Image"] for one in dev.containers(opened)}
    assert len(images) == 2


def test_two_clones_have_two_images_and_two_containers(opened: Workspace, tmp_path: Path) -> None:
    from tests.support import make_workspace

    second = make_workspace(tmp_path / "again" / "work space")
    try:
        second.add("tiny", "print('hello')", dockerfile=TINY + "ENV A=1\n")
        assert second.loop("sync").code == 0
        path = ".devcontainer/tiny/devcontainer.json"
        assert second.read(path) == opened.read(path)
        assert dev.up(opened)["image"] != dev.up(second)["image"]
        assert len(dev.containers(opened)) == len(dev.containers(second)) == 1
        bare = [dev.bare(one, "up") for one in (opened, second)]
        assert [one.code for one in bare] == [0, 0]
    finally:
        dev.clean(second)


def test_down_removes_it_and_keeps_the_caches(opened: Workspace) -> None:
    opened.add("shop/other", "print('hello')")
    assert opened.loop("sync").code == 0
    first = dev.up(opened)
    dev.up(opened, "shop/other")
    write = 'mkdir -p "$XDG_CACHE_HOME/pip" && echo kept > "$XDG_CACHE_HOME/pip/x"'
    assert opened.loop("exec", "tiny", "--", "sh", "-c", write).code == 0
    answer = opened.loop("down", "tiny", "--json")
    assert json.loads(answer.out) == {"removed": [first["container"]], "stopped": []}
    assert dev.containers(opened, "tiny") == []
    dev.up(opened)
    read = opened.loop("exec", "tiny", "--", "sh", "-c", 'cat "$XDG_CACHE_HOME/pip/x"')
    assert read.out == "kept\n", read.err
    down = opened.loop("down", "--all")
    assert down.code == 0 and "removed the dev container of shop/other" in down.err
    assert dev.containers(opened) == []
    again = opened.loop("down", "tiny")
    assert again.code == 0 and "no dev container" in again.err


def test_a_command_that_fails_is_shown_and_run_again_until_it_goes_well(opened: Workspace) -> None:
    change(opened, postCreateCommand="echo no such wheel; test -e src/mended")
    for _ in range(2):  # the CLI itself says that all is well the second time
        answer = opened.loop("up", "tiny", "--json")
        assert answer.code == 1
        assert "postCreateCommand from devcontainer.json failed" in answer.message
        assert "no such wheel" in answer.err
        assert json.loads(answer.out)["outcome"] == "error"
    opened.write("src/mended", "")
    assert dev.up(opened)["how"] == "created"
    assert len(dev.containers(opened)) == 1


def test_a_command_that_failed_in_vs_code_is_noticed(opened: Workspace) -> None:
    change(opened, postCreateCommand="test -e src/mended")
    assert dev.bare(opened, "up").code == 1
    opened.write("src/mended", "")
    answer = opened.loop("up", "tiny")
    assert answer.code == 0
    assert "one of its commands failed" in answer.err


def test_what_a_failed_start_left_behind_is_taken_away(opened: Workspace) -> None:
    change(opened, runArgs=["--gpus", "all"])
    assert dev.bare(opened, "up").code == 1
    assert [one["State"]["Status"] for one in dev.containers(opened)] == ["created"]
    change(opened, runArgs=[])
    assert "start failed" not in dev.bare(opened, "up").out
    answer = opened.loop("up", "tiny")
    assert answer.code == 0 and "its start failed" in answer.err, answer.err
    assert [one["State"]["Status"] for one in dev.containers(opened)] == ["running"]


def test_a_start_that_fails_leaves_nothing_behind(opened: Workspace) -> None:
    change(opened, runArgs=["--device", "/dev/no-such-device"])
    answer = opened.loop("up", "tiny")
    assert answer.code == 1
    assert "no-such-device" in answer.message
    assert dev.containers(opened) == []


@pytest.mark.parametrize("by", ["setting", "hand"])
def test_all_gpus_without_one_is_a_sentence(opened: Workspace, by: str) -> None:
    if by == "setting":
        opened.write("src/tiny/innerloop.toml", 'gpu = "all"\n')
        assert opened.loop("sync").code == 0
    else:
        change(opened, runArgs=["--gpus=all"])
    answer = opened.loop("up", "tiny", env={"INNERLOOP_NO_GPU": "1"})
    assert answer.code == 1
    assert answer.message.strip().count("\n") == 0
    assert "but INNERLOOP_NO_GPU is set" in answer.err
    assert (dev.containers(opened), opened.images()) == ([], [])


def test_a_gpu_where_there_is_one_goes_without(opened: Workspace) -> None:
    answer = opened.loop("up", "tiny", env={"INNERLOOP_NO_GPU": "1"})
    assert answer.code == 0
    assert "CPU, because INNERLOOP_NO_GPU is set" in answer.err
    (made,) = dev.containers(opened)
    assert not made["HostConfig"]["DeviceRequests"]


def test_a_stopped_container_is_started_again(opened: Workspace) -> None:
    first = dev.up(opened)
    docker("stop", "-t", "0", first["container"])
    missed = opened.loop("exec", "tiny", "--", "true")
    assert missed.code == 1 and "is not running" in missed.message
    second = dev.up(opened)
    assert (second["how"], second["container"]) == ("started", first["container"])


def test_a_rebuild_that_fails_keeps_the_old_container(opened: Workspace) -> None:
    first = dev.up(opened)
    opened.write("src/tiny/environment/Dockerfile", TINY + "RUN false\n")
    answer = opened.loop("up", "tiny", "--rebuild")
    assert answer.code == 1 and "Dockerfile:2" in answer.message
    opened.write("src/tiny/environment/Dockerfile", TINY)
    assert dev.up(opened)["container"] == first["container"]
    third = dev.up(opened, "tiny", "--rebuild")
    assert third["container"] != first["container"]
    assert len(dev.containers(opened)) == 1


def test_a_persons_own_build_arguments_and_image_are_honoured(opened: Workspace) -> None:
    opened.write("src/tiny/environment/Dockerfile", TINY + "ARG WHO=nobody\nENV WHO=$WHO\n")
    path = ".devcontainer/tiny/devcontainer.json"
    build = {**json.loads(opened.read(path))["build"], "args": {"WHO": "me"}}
    change(opened, build=build)
    dev.up(opened)
    assert opened.loop("exec", "tiny", "--", "printenv", "WHO").out == "me\n"
    change(opened, build=None, image="python:3.11-slim-bookworm", containerEnv={"WHO": "image"})
    dev.up(opened, "tiny", "--rebuild")
    assert opened.loop("exec", "tiny", "--", "printenv", "WHO").out == "image\n"


def test_a_local_feature_is_honoured(opened: Workspace) -> None:
    folder = ".devcontainer/tiny/mine"
    feature = {"id": "mine", "version": "1.0.0", "name": "Mine"}
    opened.write(f"{folder}/devcontainer-feature.json", json.dumps(feature))
    opened.write(f"{folder}/install.sh", "#!/bin/sh\necho installed > /mine\n").chmod(0o755)
    change(opened, features={"./mine": {}})
    dev.up(opened)
    assert opened.loop("exec", "tiny", "--", "cat", "/mine").out == "installed\n"
    assert not list(opened.root.rglob("devcontainer-lock.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "devcontainer.json:1:1"),
        ("{}", "neither build.dockerfile nor image"),
        ("[]", "expected a JSON object"),
        (
            '{"image": "x", "runArgs": ["--gpus all"]}',
            'Write option and value as two items: ["--gpus"',
        ),
        (None, "loop sync"),
    ],
)
def test_a_broken_configuration_is_a_sentence(
    opened: Workspace, text: str | None, message: str
) -> None:
    path = opened.root / ".devcontainer/tiny/devcontainer.json"
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    answer = opened.loop("up", "tiny")
    assert answer.code == 1
    assert message in answer.message


def fake(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_without_the_cli_it_comes_through_npx(opened: Workspace, tmp_path: Path) -> None:
    """Npx stands for itself; what it starts is the real CLI.

    Its first word is what the CLI says when another program takes away a container that it had just
    found.
    """
    import shutil

    real = shutil.which("devcontainer")
    lost = {"outcome": "error", "message": "Command failed: docker inspect --type container 97ab"}
    script = (
        '[ "$1 $2" = "--yes @devcontainers/cli@0.89.0" ] || exit 9\nshift 2\n'
        f"mkdir '{tmp_path}/first' 2>/dev/null && {{ echo '{json.dumps(lost)}'; exit 1; }}\n"
        f'exec "{real}" "$@"'
    )
    fake(tmp_path / "bin", "npx", script)
    path = f"{tmp_path}/bin:/usr/local/bin:/usr/bin:/bin"
    assert shutil.which("devcontainer", path=path) is None
    answer = opened.loop("up", "tiny", "--json", env={"PATH": path})
    assert answer.code == 0 and json.loads(answer.out)["how"] == "created", answer.err
    assert answer.err.count("another program removed a container; trying again") == 1


def test_without_the_cli_and_npx_it_says_how_to_get_it(opened: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("docker", "git", "sh", "env", "uname"):
        found = next(
            Path(one, name) for one in os.environ["PATH"].split(":") if Path(one, name).exists()
        )
        (folder / name).symlink_to(found)
    import sys

    (folder / "python3").symlink_to(sys.executable)
    answer = opened.loop("up", "tiny", env={"PATH": str(folder)})
    assert answer.code == 1
    assert "npm install -g @devcontainers/cli" in answer.message
    assert dev.containers(opened) == []


def test_open_starts_vs_code_in_that_container(opened: Workspace, tmp_path: Path) -> None:
    fake(tmp_path / "bin", "code", f'printf "%s\\n" "$@" > "{tmp_path}/argv"')
    opened.write(f"{EXTENSION}/package.json", "{}")
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    answer = opened.loop("open", "tiny", env={"PATH": path})
    assert answer.code == 0, answer.err
    option, uri = (tmp_path / "argv").read_text().splitlines()
    assert option == "--folder-uri"
    scheme, _, rest = uri.partition("+")
    assert scheme == "vscode-remote://dev-container"
    text, _, folder = rest.partition("/")
    assert f"/{folder}" == "/workspaces/work space"
    where = json.loads(bytes.fromhex(text))
    assert where["hostPath"] == str(opened.root)
    (made,) = dev.containers(opened)
    assert where["configFile"]["path"] == made["Config"]["Labels"]["devcontainer.config_file"]
    # Its server finds the workspace's extension; one that has a list of its own is left alone.
    told = dev.up(opened)
    inside = ("exec", "--user", told["user"], told["container"], "sh", "-c")
    assert docker(*inside, "cd ~/.vscode-server/extensions; cat */package.json") == "{}"
    change = "cd ~/.vscode-server/extensions; rm innerloop*; echo [] > extensions.json"
    docker(*inside, change)
    assert opened.loop("open", "tiny", env={"PATH": path}).code == 0
    assert docker(*inside, "ls ~/.vscode-server/extensions").split() == ["extensions.json"]


def test_open_without_vs_code_says_what_to_click(opened: Workspace) -> None:
    answer = opened.loop("open", "tiny", env={"PATH": os.environ["PATH"]})
    assert answer.code == 0
    assert answer.out.startswith("vscode-remote://dev-container+")
    assert "Reopen in Container" in answer.err


def test_a_container_that_vs_code_is_in_is_left_to_it(opened: Workspace) -> None:
    first = dev.up(opened)
    (opened.root / ".innerloop/containers/tiny.json").unlink()  # as while VS Code sets it up
    server = ["sh", "-c", "sleep 100; : /home/dev/.vscode-server/bin/node"]
    docker("exec", "--detach", first["container"], *server)
    answer = opened.loop("up", "tiny")
    assert answer.code == 1
    assert "VS Code is open in the dev container of tiny" in answer.message
    (made,) = dev.containers(opened)
    assert made["Id"] == first["container"]
    assert dev.up(opened, "tiny", "--rebuild")["container"] != first["container"]


def test_the_rendered_file_can_be_prebuilt(opened: Workspace) -> None:
    """`devcontainer build` is what prebuilds use; it knows fewer variables than `up`."""
    done = dev.bare(opened, "build")
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[-1])["outcome"] == "success"
    assert not list(opened.root.rglob("devcontainer-lock.json"))
    docker("rmi", *json.loads(done.out.splitlines()[-1])["imageName"])


@pytest.mark.engine
def test_from_within_the_workspaces_own_container(opened: Workspace, tmp_path: Path) -> None:
    """There the workspace has another path than on the engine's machine.

    Here by a second mount in a namespace of its own. The host's VS Code finds the container as its
    own.
    """
    inside = tmp_path / "workspaces" / "work space"
    inside.mkdir(parents=True)
    script = 'mount --bind "$0" "$1" && cd "$1" && shift && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", script, str(opened.root), str(inside)]
    env = {
        "INNERLOOP_HOST_WORKSPACE": str(opened.root),
        "INNERLOOP_CONTAINER_WORKSPACE": str(inside),
    }

    def loop(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, "scripts/loop", *words],
            env={**os.environ, **opened.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    done = loop("up", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    (made,) = dev.containers(opened)
    (mount,) = [one for one in made["Mounts"] if one["Type"] == "bind"]
    assert (mount["Source"], mount["Destination"]) == (str(opened.root), "/workspaces/work space")
    ran = loop("exec", "tiny", "--", "python3", "train.py")
    assert (ran.returncode, ran.stdout) == (0, "hello\n"), ran.stderr
    assert dev.up(opened)["container"] == made["Id"]
    assert made["Id"] in dev.bare(opened, "up").out
    # The workspace's own container is one of its dev containers, and this command runs in it.
    labels = {
        "local_folder": opened.root,
        "config_file": opened.root / ".devcontainer/devcontainer.json",
    }
    options = [f"--label=devcontainer.{name}={value}" for name, value in labels.items()]
    image = "python:3.11-slim-bookworm"
    own = docker("run", "--detach", "--init", *options, image, "sleep", "600").strip()
    assert loop("down", "--all").returncode == 0
    assert [one["Id"] for one in dev.containers(opened)] == [own]
    down = opened.loop("down", "--all")
    assert "removed the dev container of the workspace" in down.err
    assert dev.containers(opened) == []


COMPOSE = {
    "build": None, "features": None, "runArgs": None, "mounts": None,
    "dockerComposeFile": "compose.yml", "service": "app",
}  # fmt: skip


def test_compose_without_the_plugin_is_one_error_that_names_it(
    opened: Workspace, tmp_path: Path
) -> None:
    change(opened, **COMPOSE)
    opened.write(
        ".devcontainer/tiny/compose.yml", "services: {app: {image: python:3.11-slim-bookworm}}\n"
    )
    empty = tmp_path / "docker-config"  # a client without plugins of a person
    empty.mkdir()
    env = {"DOCKER_CONFIG": str(empty)}
    if subprocess.run(["docker", "compose", "version"], env={**os.environ, **env}).returncode == 0:
        pytest.skip("this machine's Docker has the compose plugin for everybody")
    for words in (("up", "tiny"), ("exec", "tiny", "--", "true")):
        answer = opened.loop(*words, env=env)
        assert answer.code == 1 and "[compose-missing]" in answer.message
        assert "ENOENT" not in answer.err
    doctor = opened.loop("doctor", env=env)
    assert "Docker Compose" in doctor.out and doctor.code == 1


GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always"]


def git(root: Path, *words: str) -> str:
    done = subprocess.run([*GIT, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_git_of_a_worktree_and_a_submodule_works_inside(
    opened: Workspace, tmp_path: Path, kind: str
) -> None:
    opened.write(".gitignore", "/.innerloop/*\noutputs/\n")
    git(opened.root, "init", "-q", "-b", "main")
    git(opened.root, "add", "-A")
    git(opened.root, "commit", "-qm", "first")
    tree = tmp_path / "outer/deep/tree"
    if kind == "worktree":
        git(opened.root, "worktree", "add", "-q", str(tree))
    else:
        git(tmp_path, "init", "-q", "outer")
        git(tmp_path / "outer", "submodule", "add", "-q", str(opened.root), "deep/tree")
    other = Workspace(tree, opened.env)
    try:
        dev.up(other)
        command = "git status --porcelain && git commit -q --allow-empty -m inside && git gc -q"
        who = "export GIT_AUTHOR_NAME=a GIT_COMMITTER_NAME=a EMAIL=a@b.c"
        answer = other.loop("exec", "tiny", "--", "sh", "-c", f"{who}; {command}")
        assert (answer.code, answer.out.strip()) == (0, ""), answer.err
        assert git(tree, "log", "-1", "--format=%s") == "inside"
        (made,) = dev.containers(other)
        docker("rm", "-f", made["Id"])
        assert dev.bare(other, "up").code == 0  # as an editor starts it
        answer = other.loop("up", "tiny")
        assert "worktree or submodule, is not mounted" in answer.err, answer.err
    finally:
        dev.clean(other)

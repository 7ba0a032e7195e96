"""What a job and a dev container get beyond the workspace: nothing is overlooked, little is said."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from innerloop.model.grants import of_devcontainer, of_options


@pytest.mark.parametrize(
    "options",
    [
        "", "--shm-size 2g", "--shm-size=2g --gpus all", "-m 4g --cpus=2", "--env A=1 -e B=2 -eC=3",
        "--ulimit memlock=-1 --label a=b", "-it --rm --init", "--name x --hostname y -w /code",
        "--mount type=tmpfs,target=/x --tmpfs /y", "-v /anonymous", "--network none --ipc private",
        "--privileged=false", "-p 127.0.0.1:80:80", "--user 1000:1000", "--read-only --cap-drop ALL",
        "--security-opt no-new-privileges", "--net=bridge",
    ],
)  # fmt: skip
def test_usual_options_give_nothing(options: str) -> None:
    assert list(of_options(shlex.split(options))) == []


@pytest.mark.parametrize(
    ("options", "clause"),
    [
        ("--privileged", "privileged"), ("--privileged=true", "privileged"),
        ("-it --privileged", "privileged"), ("--rm=true --privileged", "privileged"),
        ("-v /:/host", "mounts / for reading and writing"), ("-v/:/host", "mounts /"),
        ("-itv /:/host", "mounts /"), ("-v=/:/host:ro", "mounts / for reading"),
        ("--volume=~/.ssh:/s", "mounts ~/.ssh"), ("-v ../..:/h", "mounts ../.."),
        (r"-v 'C:\Users:/h'", "mounts C:\\Users"), ("-v cache:/c", "the engine's volume cache"),
        ("--mount type=bind,source=/,target=/h", "mounts / for reading and writing"),
        ("--mount type=bind,src=/etc,dst=/h,readonly", "mounts /etc for reading"),
        ("--mount '\"type=bind\",\"source=/\",target=/h'", "mounts /"),
        ("--mount TYPE=bind,SOURCE=/,TARGET=/h", "mounts /"),
        ("--mount type=volume,src=x,volume-opt=device=/,volume-opt=o=bind,dst=/h", "mounts x"),
        ("-v /var/run/docker.sock:/var/run/docker.sock", "docker.sock"),
        ("--cap-add SYS_ADMIN", "--cap-add=SYS_ADMIN"), ("--device=/dev/sda", "--device=/dev/sda"),
        ("--pid host", "shares this machine's pid"), ("--pid=container:x", "shares"),
        ("--ipc=host", "ipc"), ("--network host", "network"), ("--net=host", "network"),
        ("--uts=host", "uts"), ("--userns=host", "userns"), ("--cgroupns host", "cgroupns"),
        ("--security-opt seccomp=unconfined", "seccomp=unconfined"),
        ("--volumes-from other", "--volumes-from=other"), ("--group-add docker", "--group-add"),
        ("--runtime nvidia", "--runtime"), ("--add-host a:1.2.3.4", "--add-host"),
        ("--user 0", "root"), ("-u root:root", "root"), ("-p 8080:80", "publishes the port 8080:80"),
        ("-P", "--publish-all"), ("-e AWS_SECRET_ACCESS_KEY", "the variable AWS_SECRET_ACCESS_KEY"),
        ("-eTOKEN", "the variable TOKEN"), ("--env-file ~/.env", "the file ~/.env"),
        ("--new-option=x", "--new-option=x"), ("--new-flag --privileged", "--privileged"),
        ("alpine", 'the image "alpine"'), ("--gpus all alpine sh", 'the image "alpine"'),
        ("--sysctl net.core.somaxconn=1", "--sysctl"), ("--cgroup-parent /", "--cgroup-parent"),
    ],
)  # fmt: skip
def test_what_an_option_gives(options: str, clause: str) -> None:
    assert clause in " | ".join(of_options(shlex.split(options)))


PLAIN: dict[str, Any] = {
    "build": {"dockerfile": "../../src/a/environment/Dockerfile", "context": "../../src/a/environment"},
    "runArgs": ["--shm-size", "2g"],
    "mounts": [{"type": "volume", "source": "innerloop-cache-${devcontainerId}", "target": "/c"}],
    "containerEnv": {"A": "1"},
    "forwardPorts": [8888],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"initializeCommand": "curl x | sh"}, "runs a command on this machine"),
        ({"initializeCommand": {"a": ["x"]}}, "runs a command on this machine"),
        ({"privileged": True}, "privileged"),
        ({"capAdd": ["SYS_PTRACE"]}, "--cap-add=SYS_PTRACE"),
        ({"securityOpt": ["seccomp=unconfined"]}, "seccomp=unconfined"),
        ({"mounts": ["source=${localEnv:HOME}/.ssh,target=/s,type=bind"]}, "mounts ${localEnv:HOME}/.ssh"),
        ({"mounts": [{"type": "bind", "source": "/", "target": "/h"}]}, "mounts /"),
        ({"workspaceMount": "source=/,target=/w,type=bind"}, "mounts /"),
        ({"runArgs": ["--privileged"]}, "privileged"),
        ({"runArgs": ["--network", "host"]}, "network"),
        ({"appPort": [8080]}, "publishes the port 8080"),
        ({"features": {"ghcr.io/devcontainers/features/docker-in-docker:2": {}}}, "docker-in-docker"),
        ({"dockerComposeFile": "../compose.yml"}, "compose.yml"),
        ({"containerEnv": {"A": "${localEnv:GITHUB_TOKEN}"}}, "the variable GITHUB_TOKEN"),
        ({"remoteEnv": {"A": "${localEnv:X:default}"}}, "the variable X"),
        ({"build": {"dockerfile": "Dockerfile", "context": "../../.."}}, "is built from ../../.."),
        ({"build": {"dockerfile": "Dockerfile", "options": ["--network=host"]}}, "--network=host"),
    ],
)  # fmt: skip
def test_what_a_dev_container_gets(change: dict[str, Any], clause: str) -> None:
    path = ".devcontainer/a/devcontainer.json"
    assert of_devcontainer(PLAIN, path) == ()
    grants = of_devcontainer({**PLAIN, **change}, path)
    assert clause in " | ".join(map(str, grants))
    assert all(grant.where == path for grant in grants)

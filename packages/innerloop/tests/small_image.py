"""An image with the base image's Python and shell, and little else.

What a test pushes to a registry or hands to another engine is compressed and unpacked as a whole: a tenth
of the base image does, where nothing is installed into it.
"""

from __future__ import annotations

import functools
import json
import subprocess

from tests.support import docker

BASE = "python:3.11-slim-bookworm"
# Runs in a container of the base image, and writes the files of the small one as an archive.
_PACK = r"""
import glob, importlib.util, os, re, shutil, subprocess, sys, sysconfig
with_pip = "pip" in sys.argv
names = '''python3 python sh bash env cat ls cp mv rm mkdir rmdir touch sleep tee head tail sed grep id uname
whoami true false echo printf test chmod chown ln readlink realpath dirname basename base64 cut tr wc sort
find xargs tar gzip getent useradd groupadd usermod groupmod stat date hostname mktemp nohup ps'''.split()
library = sysconfig.get_path("stdlib")
programs = [path for path in map(shutil.which, names) if path]
binaries = [*programs, *glob.glob(library + "/lib-dynload/*.so")]
linked = subprocess.run(["ldd", *map(os.path.realpath, binaries)], capture_output=True, text=True).stdout
libraries = [*re.findall(r"(/\S+) \(0x", linked), *glob.glob("/usr/lib/*/libgcc_s.so.1")]  # uv needs it
seen = set()
def add(path):
    seen.add(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)))
    if os.path.islink(path):
        add(os.path.join(os.path.dirname(path), os.readlink(path)))
packages = []
if with_pip:
    packages = [os.path.dirname(os.path.dirname(importlib.util.find_spec("pip").origin)), shutil.which("pip")]
    packages += glob.glob("/usr/share/python-wheels")
for path in [*programs, *libraries, *packages, library]:
    add(path)
    add(os.path.realpath(path))
seen |= {path for path in ("/bin", "/sbin", "/lib", "/lib64") if os.path.islink(path)}
seen |= {"/etc", "/root", "/home", "/usr/lib/os-release"}
left_out = ["test", "idlelib", "tkinter", "lib2to3", "ensurepip", "pydoc_data",
            "config-3.*", *([] if with_pip else ["site-packages"])]
options = [f"--exclude={library}/{name}" for name in left_out]
os.execvp("tar", ["tar", "-cPf-", *options, "--no-recursion", "/tmp", "/var", "/var/tmp", "/run",
                  "--recursion", *sorted(seen)])
"""


@functools.cache
def small_image(*, with_pip: bool = False) -> str:
    """Its name. It is made once on this machine for each base image, and stays."""
    told = docker("image", "inspect", "--format", "{{.Id}} {{json .Config.Env}}", BASE)
    id_, _, variables = told.partition(" ")
    name = f"innerloop-tests-small:{id_.removeprefix('sha256:')[:12]}{'-pip' if with_pip else ''}"
    if docker("images", "-q", name):
        return name
    argv = ["docker", "run", "--rm", "--network=none", BASE, "python3", "-c", _PACK]
    argv += ["pip"] if with_pip else []
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as packed:
        changes = [f"--change=ENV {one}" for one in json.loads(variables)]
        argv = ["docker", "import", *changes, '--change=CMD ["python3"]', "-", name]
        subprocess.run(argv, stdin=packed.stdout, check=True, capture_output=True)
    assert packed.returncode == 0
    return name


def small_tiny() -> str:
    """A Dockerfile with nothing but it."""
    return f"FROM {small_image()}\n"

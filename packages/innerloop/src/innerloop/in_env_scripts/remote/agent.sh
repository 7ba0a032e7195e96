#!/bin/sh
# Keeps the jobs of innerloop on this machine, which is reached by ssh. It needs sh and tar.
#
# usage: sh agent.sh FOLDER VERB [ARGUMENT ...]
#
# Nothing of it stays: `start` leaves one supervisor beside each job, which ends with the job.
# In FOLDER, which only its owner may enter:
#
#   blobs/SHA256      contents of files that were sent; "x" after the hash for one that can be run
#   trees/DIGEST/     folders made of them, by hard links: code, data, what images are built from
#   work/OF/NAME/       copies of code that a person opens in an editor
#   envs/KEY/         Python environments, with a file .complete when they are
#   jobs/OF/NAME/     run.sh, stop.sh, code/, outputs/, log, and:
#     state           "running" or "ended CODE SECONDS", padded, so that a full disk takes its end
#     supervisor      its process and the boot that it belongs to;  group: that of the program
#     started, canceled, overtime
#     slurm           the IDs of its jobs in Slurm, which supervises it then;  parts: jobs of a group
#
# A job of Slurm is a batch script that writes its own state. What only Slurm knows is asked there.

marker=innerloop-agent
tab=$(printf '\t')
PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:$HOME/.local/bin:/opt/slurm/bin
export PATH
# With them, a bash that a job starts would read ~/.bashrc, as a login's does.
unset SSH_CLIENT SSH2_CLIENT SSH_CONNECTION SSH_TTY

case $1 in
  '~/'*) root=$HOME/${1#??} ;;
  *) root=$1 ;;
esac
verb=$2
shift 2

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

say() { printf '%s\t%s\n' "$1" "$2"; }

# What this machine is. Arguments: the engines to ask, until one answers; then, after "--", an image
# whose digest is printed if it is here, and trees, of which those that are not here are printed.
facts() {
  engines=
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    engines="$engines $1"
    shift
  done
  [ $# = 0 ] || shift
  image=${1-}
  [ $# = 0 ] || shift
  absent_trees "$@" | while IFS= read -r name; do say absent "$name"; done
  say root "$root"
  say user "$(id -un 2>/dev/null)"
  say uid "$(id -u)"
  say gid "$(id -g)"
  say groups "$(id -G)"
  say system "$(uname -s)"
  say machine "$(uname -m)"
  say time "$(date -u +%s)"
  say free "$(free_kilobytes)"
  for program in bash docker podman apptainer singularity python3 rsync uv nvidia-smi \
    nvidia-container-runtime-hook nvidia-cdi-hook sbatch; do
    has "$program" && say program "$program"
  done
  has rsync && say rsync "$(command -v rsync)"
  if grep -qs nvidia.com/gpu /etc/cdi/* /var/run/cdi/*; then say cdi nvidia.com/gpu=all; fi
  if has nvidia-smi; then
    nvidia-smi --query-gpu=index,uuid,driver_version,name --format=csv,noheader 2>/dev/null |
      while IFS= read -r line; do say gpu "$line"; done
    say cuda "$(nvidia-smi 2>/dev/null | grep -o 'CUDA Version: *[0-9.]*')"
  fi
  for engine in $engines; do
    has "$engine" || continue
    case $engine in
      apptainer | singularity)
        say engine "$engine$tab$("$engine" --version 2>&1 | head -n 1)"
        break
        ;;
    esac
    answer=$("$engine" info --format '{{json .}}' 2>"$root/incoming/error.$$")
    code=$?
    if [ "$code" = 0 ] && [ -n "$answer" ]; then
      # Podman writes it in many lines.
      say engine "$engine$tab$(printf '%s' "$answer" | tr '\n' ' ')"
      rm -f "$root/incoming/error.$$"
      [ -n "$image" ] && say image "$(digest_of_image "$engine" "$image")"
      break
    fi
    say silent "$engine$tab$(head -n 1 "$root/incoming/error.$$")"
    rm -f "$root/incoming/error.$$"
  done
}

# The digest that an image has as its label, and its name to tell one without a label; nothing if it
# is not here.
digest_of_image() {
  "$1" image inspect --format '{{.Id}} {{with .Config.Labels}}{{index . "innerloop.digest"}}{{end}}' \
    "$2" 2>/dev/null
}

# The versions of Python that are here, each with its program.
pythons() {
  for program in "$@" python3 python; do
    has "$program" || continue
    version=$("$program" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) &&
      say "$version" "$program"
  done
}

# stdin: names of blobs, a line each. Prints those that are not here.
absent() {
  while IFS= read -r name; do
    [ -f "$root/blobs/$name" ] || printf '%s\n' "$name"
  done
}

# Prints the trees among the arguments that are not here.
absent_trees() {
  for name in "$@"; do
    [ -d "$root/trees/$name" ] || printf '%s\n' "$name"
  done
}

# A file's SHA-256 and its name, a line each, of all files in this folder.
hashed() {
  if has sha256sum; then
    find . -type f -exec sha256sum {} +
  elif has shasum; then
    find . -type f -exec shasum -a 256 {} +
  else
    find . -type f -exec openssl dgst -sha256 -r {} +
  fi
}

# The whole ones among the blobs in this folder are kept, whatever happened to the rest.
keep_blobs() {
  hashed | sed 's/ [ *]*\(\.\/\)*/ /' | awk '$2 != $1 && $2 != $1 "x" { print $2 }' |
    while read -r name; do rm -f "./$name"; done
  # shellcheck disable=SC2016
  find . -type f -exec sh -c 'mv -f "$@" "$0"' "$root/blobs/" {} +
}

# stdin: a tar archive of blobs.
receive() {
  into=$root/incoming/$$
  mkdir "$into" && cd "$into" || exit 1
  trap 'cd "$root"; rm -rf "$into"' EXIT
  trap 'exit 1' HUP INT TERM
  tar -xof -
  code=$?
  keep_blobs
  [ "$code" = 0 ] || fail "the archive did not arrive whole"
}

# The blobs that rsync puts into a folder of incoming/, which stays until they are whole.
receive_by_rsync() { mkdir -p "$root/incoming/$1"; }

received() {
  cd "$root/incoming/$1" || exit 1
  # What is half there stays for the next attempt: only whole ones are named by their hash.
  hashed | sed 's/ [ *]*\(\.\/\)*/ /' | while read -r hash name; do
    case $name in
      "$hash") chmod 444 "$name" && mv -f "$name" "$root/blobs/$name" ;;
      "${hash}x") chmod 555 "$name" && mv -f "$name" "$root/blobs/$name" ;;
    esac
  done
  rmdir "$root/incoming/$1" 2>/dev/null || true
}

# Python links thousands of files in a second, a shell some hundred.
link_all='
import os, shutil, sys
blobs, new = map(os.fsencode, sys.argv[1:])
for line in sys.stdin.buffer:
    blob, path = line.rstrip(b"\n").split(b"\t", 1)
    source, target = os.path.join(blobs, blob), os.path.join(new, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copy(source, target)
        except OSError as error:
            sys.exit("%s: %s" % (os.fsdecode(source), error.strerror))
'

link_each() {
  last=
  while IFS=$tab read -r blob path; do
    case $path in
      */*)
        folder=${path%/*}
        [ "$folder" = "$last" ] || mkdir -p "$new/$folder" || return 1
        last=$folder
        ;;
    esac
    ln "$root/blobs/$blob" "$new/$path" 2>/dev/null || cp "$root/blobs/$blob" "$new/$path" || return 1
  done
}

# stdin: lines of a blob and a path, with a tab between. Makes the tree of this digest.
tree() {
  target=$root/trees/$1
  if [ -d "$target" ]; then
    cat >/dev/null
    return 0
  fi
  new=$root/incoming/tree.$$
  mkdir "$new" || exit 1
  trap 'rm -rf "$new"' EXIT
  if has python3; then
    python3 -c "$link_all" "$root/blobs" "$new" || exit 1
  else
    link_each || exit 1
  fi
  # Another run may have made it meanwhile: mv would put this one into it.
  mkdir "$root/incoming/lock.$1" 2>/dev/null || sleep 1
  [ -d "$target" ] || mv "$new" "$target"
  rmdir "$root/incoming/lock.$1" 2>/dev/null
  [ -d "$target" ] || exit 1
}

# Arguments: a tree, and a folder below work/. Makes a copy to edit, unless there is one; prints it.
checkout() {
  target=$root/work/$2
  if [ ! -d "$target" ]; then
    new=$root/incoming/work.$$
    trap 'rm -rf "$new"' EXIT
    mkdir -p "${target%/*}" && cp -R "$root/trees/$1" "$new" && chmod -R u+w "$new" || exit 1
    [ -d "$target" ] || mv "$new" "$target" || exit 1
  fi
  printf '%s\n' "$target"
}

# Arguments: the job, and the tree of its code or "-". stdin: a tar archive of its files.
place() {
  job=$root/jobs/$1
  mkdir -p "${job%/*}" && mkdir "$job" || fail "there is a job of this name already"
  trap 'rm -rf "$job"' EXIT
  trap 'exit 1' HUP INT TERM
  cd "$job" && tar -xof - || fail "the job did not arrive whole"
  mkdir -p code outputs || exit 1
  if [ "$2" != - ]; then
    cp -R "$root/trees/$2/." code/ && chmod -R u+w code || fail "the code cannot be copied"
  fi
  rm -rf code/outputs
  if [ -f in-container ]; then mkdir code/outputs; else ln -s ../outputs code/outputs; fi || exit 1
  while IFS= read -r name; do mkdir -p "outputs/$name" || exit 1; done <folders
  while IFS=$tab read -r source name; do
    mkdir -p "inputs/${name%/*}" && cp -R "$root/trees/$source" "inputs/$name" || exit 1
    chmod -R u+w "inputs/$name" || exit 1
  done <copies
  trap - EXIT HUP INT TERM
  : >log
  write_state queued || not_started "the state cannot be written"
}

launch() {
  place "$@"
  write_state running
  own_session sh "$0" "$root" supervise "$1" </dev/null >/dev/null 2>&1 &
  tries=1500
  while [ ! -s supervisor ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || not_started "its supervisor does not start"
    nap 0.02
  done
}

not_started() {
  [ "$(free_kilobytes)" != 0 ] || printf 'No space left on device\n' >&2
  cd "$root" && rm -rf "$job"
  fail "the job was not started: $*"
}

free_kilobytes() { df -Pk "$root" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

nap() { sleep "$1" 2>/dev/null || sleep 1; }

# In a session of its own, which the end of the connection does not end.
own_session() {
  if has setsid; then
    exec setsid "$@"
  elif has python3; then
    exec python3 -c 'import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' "$@"
  elif has perl; then
    exec perl -e 'use POSIX; POSIX::setsid(); exec @ARGV' "$@"
  fi
  exec nohup "$@"
}

# The file has its size from the start, and is written in place.
write_state() { printf '%-63s\n' "$*" | dd of="$job/state" bs=64 count=1 conv=notrunc 2>/dev/null; }

read_state() {
  state=
  [ -f "$job/state" ] && read -r state code ended <"$job/state"
}

is_open() { [ "$state" = running ] || [ "$state" = queued ]; }

boot() {
  cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.boottime 2>/dev/null
}

# Runs a job to its end and writes down how that was.
supervise() {
  job=$root/jobs/$1
  date -u +%s >"$job/started"
  printf '%s %s\n' "$$" "$(boot)" >"$job/supervisor" && [ -s "$job/supervisor" ] || exit 1
  trap : HUP INT TERM
  limit=
  [ -f "$job/limit" ] && read -r limit <"$job/limit"
  [ -n "$limit" ] && watch_time "$limit" &
  # shellcheck disable=SC2016
  (own_session sh -c 'echo $$ >"$0/group"; exec sh "$0/run.sh"' "$job") </dev/null >>"$job/log" 2>&1
  code=$?
  rm -f "$job/secrets.sh"
  [ -f "$job/overtime" ] && code=124
  write_state ended "$code" "$(date -u +%s)"
}

watch_time() {
  until_=$(($(date -u +%s) + $1))
  while [ "$(date -u +%s)" -lt "$until_" ]; do
    sleep 1
    read_state
    [ "$state" = running ] || return
  done
  : >"$job/overtime"
  stop_job
}

# After a restart of the machine the numbers of a job's processes are those of others.
is_of_this_boot() {
  [ -s "$job/supervisor" ] || return 1
  read -r pid of <"$job/supervisor"
  [ "$of" = "$(boot)" ]
}

is_supervised() {
  if [ -f "$job/slurm" ]; then
    is_in_queue
  else
    is_of_this_boot && kill -0 "$pid" 2>/dev/null
  fi
}

# Whether Slurm still has the job, as $queue: its state, and why it waits. It has if Slurm is silent.
is_in_queue() {
  ids=$(tr '\n' , <"$job/slurm")
  queue=$(squeue --noheader --array --jobs "${ids%,}" -o '%T %r' 2>&1)
  case $? in
    0) [ -n "$queue" ] ;;
    *) case $queue in *[Ii]nvalid*) queue= && return 1 ;; *) queue= ;; esac ;;
  esac
}

# The state, also of a job whose script could not write it: one that was ended by a signal may run
# again, and one whose node is gone has written nothing.
look() {
  read_state
  reason=
  fate=
  if [ ! -f "$job/slurm" ]; then
    if [ "$state" = running ] && ! is_supervised; then
      read_state # it may just have ended
      [ "$state" = running ] && state=lost
    fi
    return 0
  fi
  [ "$state" = ended ] && [ "$code" -le 128 ] && return 0
  if is_in_queue; then
    case $queue in
      '') [ "$state" != ended ] || state=running ;;
      PENDING* | CONFIGURING* | REQUEUE* | SPECIAL_EXIT*)
        [ "$state" != ended ] || write_state queued
        state=queued
        reason=$(printf '%s' "$queue" | head -n 1 | cut -d ' ' -f 2 | grep -vx None)
        ;;
      *) state=running ;;
    esac
    return 0
  fi
  read_state # it may just have ended
  is_open || return 0
  if [ -f "$job/canceled" ]; then
    state=ended
    code=143
    return 0
  fi
  state=lost
  fate=$(scontrol --oneliner show job "$(head -n 1 "$job/slurm")" 2>/dev/null |
    grep -o 'JobState=[A-Z_]*' | head -n 1 | cut -d = -f 2)
  [ -n "$fate" ] || fate=$(sacct --noheader --parsable2 --allocations --format State \
    --jobs "$(head -n 1 "$job/slurm")" 2>/dev/null | head -n 1)
}

# Gives a placed job, or a group of them, to Slurm: its script writes their IDs into the files "slurm".
submit() {
  job=$root/jobs/$1
  if cd "$job" && sh ./submit.sh >submitted 2>&1; then
    [ -f slurm ] || while IFS= read -r name; do cat "../$name/slurm"; done <parts >slurm
    return
  fi
  # What Slurm has taken of it does not run.
  { cat parts 2>/dev/null; printf '%s\n' "${1##*/}"; } | while IFS= read -r name; do
    [ ! -s "../$name/slurm" ] || scancel "$(cat "../$name/slurm")"
  done
  fail "$(cat submitted)"
}

status() {
  job=$root/jobs/$1
  [ -d "$job" ] || fail "there is no such job"
  if [ -f "$job/parts" ]; then
    group_status "${1%/*}"
    return
  fi
  look
  say state "$state"
  say code "$code"
  [ -s "$job/started" ] && say started "$(cat "$job/started")"
  say ended "$ended"
  [ -f "$job/canceled" ] && say canceled 1
  [ -f "$job/overtime" ] && say overtime "$(cat "$job/limit")"
  [ -n "$reason" ] && say reason "$reason"
  [ -n "$fate" ] && say fate "$fate"
  return 0
}

# The state of a group, then those of its parts.
group_status() {
  group=$job
  each=$(while IFS= read -r name; do printf 'part\t%s\n' "$name" && status "$1/$name"; done <"$group/parts")
  whole=ended
  for word in queued running; do
    printf '%s\n' "$each" | grep -q "^state$tab$word" && whole=$word
  done
  say state "$whole"
  say code "$(printf '%s\ncode\t0\n' "$each" | sed -n "s/^code$tab\([1-9][0-9]*\)\$/\1/p; \$s/.*/0/p; s/^state${tab}lost/1/p" | head -n 1)"
  [ -f "$group/canceled" ] && say canceled 1
  printf '%s\n' "$each"
}

# The log from a byte on; with "follow" until the job has ended, else what there is.
log() {
  job=$root/jobs/$1
  at=$2
  [ -f "$job/log" ] || fail "there is no such job"
  if [ "$3" = follow ]; then
    exec 3<&0
    # The end of stdin is that of the connection.
    (cat <&3 >/dev/null; kill "$$") 2>/dev/null &
    watcher=$!
    trap 'kill "$watcher" 2>/dev/null' EXIT
    trap 'exit 1' HUP INT TERM PIPE
  fi
  pause=0.02
  rounds=0
  while :; do
    read_state
    size=$(wc -c <"$job/log")
    size=$((size))
    if [ "$size" -gt "$at" ]; then
      tail -c "+$((at + 1))" "$job/log" | head -c "$((size - at))" || exit 1
      at=$size
    fi
    [ "$3" = follow ] || break
    is_open || { look && is_open; } || break
    rounds=$((rounds + 1))
    if [ "$rounds" -gt 60 ]; then
      pause=0.2
      [ $((rounds % 20)) = 0 ] && ! is_supervised && read_state && is_open && break
    fi
    nap "$pause"
  done
  # What follows the log there.
  status "$1" >&2
}

# Sends a signal to what the job started. It may not have come to that yet.
signal_job() {
  tries=50
  until [ -s "$job/group" ] || [ "$tries" = 0 ] || ! is_supervised; do
    tries=$((tries - 1))
    nap 0.1
  done
  if [ -f "$job/stop.sh" ]; then
    tries=10
    until sh "$job/stop.sh" "$1" >/dev/null 2>&1 || [ "$tries" = 0 ]; do
      read_state
      [ "$state" = running ] && is_supervised || break
      tries=$((tries - 1))
      nap 0.3
    done
    [ "$1" = KILL ] || return
  fi
  [ -s "$job/group" ] && is_of_this_boot && kill -s "$1" -- "-$(cat "$job/group")" 2>/dev/null
}

# Waits up to so many tenths of a second for the job's end.
ended_within() {
  tenths=$1
  while [ "$tenths" -gt 0 ]; do
    look
    is_open || return 0
    tenths=$((tenths - 1))
    nap 0.1
  done
  return 1
}

stop_job() {
  for signal in INT TERM; do
    signal_job "$signal"
    ended_within 100 && return
  done
  signal_job KILL
}

# Stops a job: asks first, and takes it away after some seconds; with "now" at once.
cancel() {
  job=$root/jobs/$1
  [ -d "$job" ] || fail "there is no such job"
  if [ -f "$job/parts" ]; then
    while IFS= read -r name; do : >"${job%/*}/$name/canceled"; done <"$job/parts"
  elif ! { look && is_open; }; then
    return 0
  fi
  : >"$job/canceled"
  if [ -f "$job/slurm" ]; then
    cancel_in_slurm "$2"
    return
  fi
  if [ "$2" = now ]; then signal_job KILL; else stop_job; fi
  ended_within 100
}

# Slurm asks the programs to end, and takes them away after its KillWait.
cancel_in_slurm() {
  while read -r id; do
    [ "$1" != now ] || scancel --signal=KILL --full "$id" 2>/dev/null
    scancel "$id" 2>/dev/null
  done <"$job/slurm"
  tries=600
  while is_in_queue && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    nap 0.2
  done
}

# What the job left has arrived where it was sent from.
fetched() { : >"$root/jobs/$1/fetched"; }

# A tar archive of what the job left in ./outputs, or in one folder or file of it.
outputs() {
  [ -d "$root/jobs/$1/outputs" ] || fail "there is no such job"
  cd "$root/jobs/$1/outputs" || exit 1
  [ -e "./$2" ] || fail "the job has left no $2"
  tar -cf - "./$2"
}

# Arguments: the key, the Python, the tree with the requirements, then pip's options: none for an
# environment without packages.
venv() {
  target=$root/envs/$1
  [ -f "$target/.complete" ] && return
  lock=$root/incoming/env.$1
  until mkdir "$lock" 2>/dev/null; do
    [ -s "$lock/pid" ] && ! kill -0 "$(cat "$lock/pid")" 2>/dev/null && rm -rf "$lock"
    sleep 1
  done
  echo $$ >"$lock/pid"
  trap 'cd "$root"; rm -rf "$lock"' EXIT
  trap 'exit 1' HUP INT TERM
  [ -f "$target/.complete" ] && return
  python=$2
  cd "$root/trees/$3" || exit 1
  shift 3
  rm -rf "$target"
  if [ $# = 0 ]; then
    "$python" -m venv --without-pip "$target" || fail "$python cannot make an environment"
  else
    "$python" -m venv "$target" || fail "$python cannot make an environment"
    "$target/bin/python" -m pip install --disable-pip-version-check --no-input "$@" || exit 1
  fi
  : >"$target/.complete"
}

# What is here and what it takes: kind, name, kilobytes, note. Argument: whose jobs.
usage() {
  for path in "$root/jobs/$1"/*; do
    [ -d "$path" ] || continue
    job=$path
    look
    [ -f "$path/parts" ] && state=fetched
    [ "$state" = ended ] && [ -f "$path/fetched" ] && state=fetched
    size=$(du -sk "$path" | cut -f 1)
    printf 'job\t%s\t%s\t%s\n' "$1/${path##*/}" "$size" "$state"
  done
  for kind in env tree; do
    for path in "$root/${kind}s"/*; do
      [ -d "$path" ] || continue
      printf '%s\t%s\t%s\t\n' "$kind" "${path##*/}" "$(du -sk "$path" | cut -f 1)"
    done
  done
}

# Whether a job runs, of whichever workspace: it may use any tree and environment.
running() {
  for job in "$root"/jobs/*/*; do
    read_state
    is_open && look && is_open && printf '%s\n' "${job#"$root"/jobs/}"
  done
  return 0
}

remove() {
  case $2 in *..* | /* | '') fail "no such thing: $2" ;; esac
  case $1 in
    job | env | tree) ;;
    *) fail "no such kind: $1" ;;
  esac
  path=$root/${1}s/$2
  [ -d "$path" ] || return 0
  if [ "$1" = job ]; then
    job=$path
    look
    is_open && fail "it still runs"
  fi
  chmod -R u+w "$path" 2>/dev/null
  rm -rf "$path"
}

# Takes away the blobs that no tree has, and what interrupted transfers left a day ago.
prune() {
  find "$root/blobs" -type f -links 1 -exec rm -f {} +
  find "$root/incoming" -mindepth 1 -maxdepth 1 -mtime +0 -exec rm -rf {} +
}

umask 022
if [ "$verb" != supervise ]; then
  for name in blobs trees envs jobs incoming; do
    [ -d "$root/$name" ] || mkdir -p "$root/$name" || exit 1
  done
  printf '%s\n' "$marker"
fi
case $verb in
  run) exec "$@" ;;
  facts | pythons | absent | absent_trees | receive | receive_by_rsync | received | tree | checkout | place | launch | submit | supervise | \
    status | log | cancel | outputs | fetched | venv | usage | running | remove | prune) "$verb" "$@" ;;
  *) fail "no such verb: $verb" ;;
esac

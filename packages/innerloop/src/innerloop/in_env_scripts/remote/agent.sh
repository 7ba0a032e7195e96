#!/bin/sh
# Keeps the jobs of innerloop on this machine, which is reached by ssh. It needs sh and tar.
#
# usage: sh agent.sh FOLDER VERB [ARGUMENT ...]
#
# Nothing of it stays: `launch` leaves one supervisor beside each job, which ends with the job.
# In FOLDER, which only its owner may enter:
#
#   blobs/SHA256      contents of files that were sent; "x" after the hash for one that can be run
#   trees/DIGEST/     folders made of them, by hard links: code, data, what images are built from
#   edited/OF/NAME/   copies of code that a person opens in an editor
#   envs/KEY/         Python environments, with a file .complete when they are
#   jobs/OF/NAME/     run.sh, stop.sh, code/, outputs/, log, samples (of the load), and:
#     state           "running" or "ended CODE SECONDS", padded, so that a full disk takes its end
#     supervisor      its process and the boot that it belongs to;  group: that of the program
#     started, canceled, overtime
#     slurm           the IDs of its jobs in Slurm, which supervises it then;  parts: jobs of a group
#     agent.sh        this program, for the batch script;  group: its tasks on the first node
#     fate            how Slurm says that it ended, where the script could not write that
#
# A job of Slurm is a batch script that writes its own state. What only Slurm knows is asked there.

marker=innerloop-agent
# The exit code of an archive in which files are missing, or that changed while they were read.
incomplete=3
tab=$(printf '\t')
PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:$HOME/.local/bin:/opt/slurm/bin
export PATH
# With them, a bash that a job starts would read ~/.bashrc, as a login's does.
unset SSH_CLIENT SSH2_CLIENT SSH_CONNECTION SSH_TTY

# What programs say here is read by us; a job has the language that the login gives.
language=${LC_ALL-}
LC_ALL=C
export LC_ALL

# Apple's tar would bring a second file for each with attributes.
COPYFILE_DISABLE=1
export COPYFILE_DISABLE

root=$1
verb=$2
shift 2
# In the name of what this process makes: several machines may share a home. What a process of the
# same number has left is taken away.
mine=$$.$(uname -n)

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
    answer=$("$engine" info --format '{{json .}}' 2>"$root/incoming/error.$mine")
    code=$?
    if [ "$code" = 0 ] && [ -n "$answer" ]; then
      # Podman writes it in many lines.
      say engine "$engine$tab$(printf '%s' "$answer" | tr '\n' ' ')"
      rm -f "$root/incoming/error.$mine"
      [ -n "$image" ] && say image "$(digest_of_image "$engine" "$image")"
      break
    fi
    say silent "$engine$tab$(head -n 1 "$root/incoming/error.$mine")"
    rm -f "$root/incoming/error.$mine"
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

hash_all='
import hashlib, os, sys
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        total = hashlib.sha256()
        for part in iter(lambda: file.read(1 << 20), b""):
            total.update(part)
    print(total.hexdigest(), name)
'

# A file's SHA-256 and its name, a line each, of all files in this folder.
hashed() {
  hashed_by_program | sed 's/ [ *]*\(\.\/\)*/ /'
}

hashed_by_program() {
  if has sha256sum; then
    find . -type f -exec sha256sum {} +
  elif has shasum; then
    find . -type f -exec shasum -a 256 {} +
  elif has openssl; then
    find . -type f -exec openssl dgst -sha256 -r {} +
  else
    find . -type f -exec python3 -c "$hash_all" {} +
  fi
}

can_hash() {
  has sha256sum || has shasum || has openssl || has python3 ||
    fail "there is no sha256sum, shasum, openssl or python3, and nothing can be checked that is sent"
}

# The whole ones among the blobs in this folder are kept, whatever happened to the rest.
keep_blobs() {
  hashed | awk '$2 != $1 && $2 != $1 "x" { print $2 }' |
    while read -r name; do rm -f "./$name"; done
  # shellcheck disable=SC2016
  find . -type f -exec sh -c 'mv -f "$@" "$0"' "$root/blobs/" {} +
}

# stdin: a tar archive of blobs.
receive() {
  can_hash
  into=$root/incoming/$mine
  rm -rf "$into"
  mkdir "$into" && cd "$into" || exit 1
  trap 'cd "$root"; rm -rf "$into"' EXIT
  trap 'exit 1' HUP INT TERM
  tar -xof -
  code=$?
  keep_blobs
  [ "$code" = 0 ] || fail "the archive did not arrive whole"
}

# The blobs that rsync puts into a folder of incoming/, which stays until they are whole.
receive_by_rsync() {
  can_hash
  mkdir -p "$root/incoming/$1"
}

received() {
  cd "$root/incoming/$1" || exit 1
  # What is half there stays for the next attempt: only whole ones are named by their hash.
  hashed | while read -r hash name; do
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
  new=$root/incoming/tree.$mine
  rm -rf "$new"
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

# Arguments: a tree, and a folder below edited/. Makes a copy to edit, unless there is one; prints it.
checkout() {
  target=$root/edited/$2
  if [ ! -d "$target" ]; then
    new=$root/incoming/edited.$mine
    rm -rf "$new"
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
  if [ -f job.sh ]; then
    ln "$0" agent.sh 2>/dev/null || cp "$0" agent.sh || exit 1
  fi
  trap - EXIT HUP INT TERM
  : >log
  write_state queued || not_started "the state cannot be written"
}

language_of_login() {
  if [ -n "$language" ]; then LC_ALL=$language; else unset LC_ALL; fi
}

launch() {
  place "$@"
  write_state running
  {
    language_of_login
    own_session sh "$0" "$root" supervise "$1"
  } </dev/null >/dev/null 2>&1 &
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
  language_of_login
  job=$root/jobs/$1
  date -u +%s >"$job/started"
  printf '%s %s\n' "$$" "$(boot)" >"$job/supervisor" && [ -s "$job/supervisor" ] || exit 1
  trap : HUP INT TERM
  limit=
  [ -f "$job/limit" ] && read -r limit <"$job/limit"
  [ -n "$limit" ] && watch_time "$limit" &
  sample_load "$$" &
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
    [ "$state" = running ] && goes_on || return
  done
  : >"$job/overtime"
  stop_job
}

# For a batch script of Slurm, while it runs. Arguments: its job's folder, and the GPUs of this node that
# the job has, with commas between.
sample() {
  job=$1
  printf 'devices\t%s\n' "$2" | tr , '\t' >>"$job/samples"
  sample_load "$PPID"
}

# Writes what the job's program uses, a line for each sample:
#   time  of  milliseconds of CPU time  bytes of memory
#   gpu  index, uuid, percent that it is busy, megabytes in use
# The time between two samples grows with the run. Argument: the process that starts the program.
sample_load() {
  [ -r /proc/self/stat ] && read -r engine name has_gpus 2>/dev/null <"$job/load" || return
  [ "$has_gpus" = yes ] && has nvidia-smi || has_gpus=no
  ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)
  page=$(getconf PAGESIZE 2>/dev/null || echo 4096)
  began=$(date -u +%s)
  now=$began
  gpus_at=0
  cpu_file=
  sample_at=$((began + 1))
  while :; do
    while [ "$now" -lt "$sample_at" ]; do
      sleep 1
      kill -s 0 "$1" 2>/dev/null && read_state && [ "$state" = running ] || return
      now=$(date -u +%s)
    done
    if used_by_"${load_of:-nothing}" || find_load && used_by_"$load_of"; then
      printf '%s\t%s\t%s\t%s\n' "$now" "$load_of" "$cpu" "$memory"
    fi
    if [ "$has_gpus" = yes ] && [ "$now" -ge "$gpus_at" ]; then
      gpus_at=$((now + 60)) # it takes up to a second
      nvidia-smi --query-gpu=index,uuid,utilization.gpu,memory.used --format=csv,noheader,nounits |
        while IFS= read -r line; do say gpu "$line"; done
    fi
    pause=$(((now - began) / 500))
    sample_at=$((now + (pause > 2 ? pause : 2)))
  done >>"$job/samples" 2>/dev/null
}

# What the load is of: a job's or a container's cgroup where its files are readable here, else the
# program's processes, or the machine.
find_load() {
  load_of=
  if [ -n "${SLURM_JOB_ID-}" ] && [ "$verb" = sample ]; then
    find_cgroup self "job_$SLURM_JOB_ID" && used_by_job && load_of=job && return
  fi
  case $engine in
    -)
      [ -s "$job/group" ] && load_of=processes
      return
      ;;
    machine)
      load_of=machine
      return
      ;;
  esac
  [ -s "$job/group" ] || return
  found=$("$engine" inspect --format '{{.State.Pid}} {{.Id}}' "$name" 2>/dev/null) || return
  first=${found%% *}
  [ "${first:-0}" -gt 0 ] || return
  load_of=machine
  # The path has the container's ID unless its engine is elsewhere, or within a container.
  find_cgroup "$first" "${found#* }" && used_by_container && load_of=container
  return 0
}

# The files of the cgroup that a process is in. The last part of its path has this text.
find_cgroup() {
  cpu_file=
  memory_file=
  while IFS=: read -r number controllers path; do
    case $path in
      *"$2"*) ;;
      *) continue ;;
    esac
    rest=${path#*"$2"}
    path=${path%%"$2"*}$2${rest%%/*}
    case $number,$controllers, in
      0,,) [ -z "$cpu_file" ] && cpu_file=/sys/fs/cgroup$path/cpu.stat memory_file=/sys/fs/cgroup$path/memory.current ;;
      *,cpuacct,*) cpu_file=/sys/fs/cgroup/cpuacct$path/cpuacct.usage ;;
      *,memory,*) memory_file=/sys/fs/cgroup/memory$path/memory.usage_in_bytes ;;
    esac
  done <"/proc/$1/cgroup"
  [ -n "$cpu_file" ] && [ -n "$memory_file" ]
}

used_by_nothing() { return 1; }

used_by_container() {
  [ -r "$cpu_file" ] && read -r key cpu <"$cpu_file" && read -r memory <"$memory_file" || return
  # usage_usec of version 2, nanoseconds of version 1.
  if [ "$key" = usage_usec ]; then cpu=$((cpu / 1000)); else cpu=$((key / 1000000)); fi
  while read -r key bytes; do
    case $key in
      inactive_file | total_inactive_file) cached=$bytes ;;
    esac
  done <"${memory_file%/*}/memory.stat"
  memory=$((memory - ${cached:-0}))
}

used_by_job() { used_by_container; }

# The time of a process that has ended is its parent's. Memory that processes share counts once.
used_by_processes() {
  todo=$(cat "$job/group")
  cpu=0
  memory=0
  shared=0
  while [ -n "$todo" ]; do
    next=
    for one in $todo; do
      read -r line <"/proc/$one/stat" && read -r _ resident common _ <"/proc/$one/statm" || continue
      # shellcheck disable=SC2086
      set -- ${line##*)}
      cpu=$((cpu + ${12} + ${13} + ${14} + ${15}))
      memory=$((memory + resident - common))
      [ "$common" -gt "$shared" ] && shared=$common
      for list in /proc/"$one"/task/*/children; do
        line=
        read -r line <"$list"
        next="$next $line"
      done
    done
    todo=${next# }
    todo=${todo% }
    case $todo in *[0-9]*) ;; *) todo= ;; esac
  done
  cpu=$((cpu * 1000 / ticks))
  memory=$(((memory + shared) * page))
  [ "$memory" -gt 0 ]
}

used_by_machine() {
  read -r _ user nice system _ _ irq softirq _ </proc/stat || return
  cpu=$(((user + nice + system + irq + softirq) * 1000 / ticks))
  memory=0
  while read -r key kilobytes _; do
    case $key in
      MemTotal:) memory=$kilobytes ;;
      MemAvailable:) memory=$(((memory - kilobytes) * 1024)) && return ;;
    esac
  done </proc/meminfo
}

# The samples from a byte on.
samples() {
  [ ! -f "$root/jobs/$1/samples" ] || tail -c "+$(($2 + 1))" "$root/jobs/$1/samples"
}

# After a restart of the machine the numbers of a job's processes are those of others.
is_of_this_boot() {
  [ -s "$job/supervisor" ] || return 1
  read -r pid of <"$job/supervisor"
  [ "$of" = "$(boot)" ]
}

# The supervisor's number may be that of another process by now.
is_supervised() {
  if [ -f "$job/slurm" ]; then
    is_in_queue
    return
  fi
  is_of_this_boot && kill -0 "$pid" 2>/dev/null || return 1
  if [ -r "/proc/$pid/cmdline" ]; then
    tr '\0' ' ' <"/proc/$pid/cmdline"
  else
    ps -o args= -p "$pid"
  fi 2>/dev/null | grep -q -F " supervise ${job#"$root"/jobs/}"
}

# Whether the job waits or runs, or, of a lost one, what it has started goes on.
goes_on() {
  look
  is_open || { [ "$state" = lost ] && has_programs; }
}

has_programs() {
  [ ! -f "$job/slurm" ] && [ -s "$job/group" ] && is_of_this_boot &&
    kill -s 0 -- "-$(cat "$job/group")" 2>/dev/null
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
  if [ "$state" = ended ] && { [ "$code" -le 128 ] || [ -f "$job/canceled" ] || [ -f "$job/overtime" ]; }; then
    return 0
  fi
  if [ -f "$job/canceled" ]; then
    state=ended
    code=143
    return 0
  fi
  find_fate
  # The signal may have been the program's own.
  case $state,$fate in
    ended, | ended,FAILED | ended,COMPLETED) fate= ;;
    *) state=lost ;;
  esac
}

# How Slurm says that the job ended; "" if it does not know. It forgets that, so it is noted.
find_fate() {
  [ ! -s "$job/fate" ] || read -r fate <"$job/fate"
  [ -z "$fate" ] || return
  id=$(head -n 1 "$job/slurm")
  fate=$(scontrol --oneliner show job "$id" 2>/dev/null | grep -o 'JobState=[A-Z_]*' | head -n 1)
  fate=${fate#JobState=}
  [ -n "$fate" ] || fate=$(sacct --noheader --parsable2 --allocations --format State --jobs "$id" 2>/dev/null |
    head -n 1 | cut -d ' ' -f 1)
  case $fate in
    '' | RUNNING | PENDING | COMPLETING) fate= ;;
    *) printf '%s\n' "$fate" >"$job/fate" ;;
  esac
}

# Gives a placed job, or a group of them, to Slurm: its script writes their IDs into the files "slurm".
submit() {
  job=$root/jobs/$1
  if cd "$job" && (language_of_login && sh ./submit.sh) >submitted 2>&1; then
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
  if [ "$state" = lost ] && [ ! -f "$job/slurm" ] && ! has_programs; then rm -f "$job/secrets.sh"; fi
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
  until [ -s "$job/group" ] || [ "$tries" = 0 ] || ! goes_on; do
    tries=$((tries - 1))
    nap 0.1
  done
  if [ -f "$job/stop.sh" ]; then
    tries=10
    until sh "$job/stop.sh" "$1" >/dev/null 2>&1 || [ "$tries" = 0 ]; do
      read_state
      [ "$state" = running ] && goes_on || break
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
    goes_on || return 0
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
  elif ! goes_on; then
    return 0
  fi
  : >"$job/canceled"
  if [ -f "$job/slurm" ]; then
    cancel_in_slurm "$2"
    return
  fi
  if [ "$2" = now ]; then signal_job KILL; else stop_job; fi
  ended_within 100 || fail "the job does not end"
  # Without a supervisor nobody else writes it down.
  is_supervised && return
  read_state
  [ "$state" = running ] || return 0
  rm -f "$job/secrets.sh"
  write_state ended 137 "$(date -u +%s)"
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
  tar -cf - "./$2" || exit "$incomplete"
}

# Whether the process of a line "number boot" goes on.
is_of_now() {
  [ "${1#* }" = "$(boot)" ] && kill -s 0 "${1%% *}" 2>/dev/null
}

# Arguments: the key, the Python, the tree with the requirements, then pip's options: none for an
# environment without packages.
venv() {
  target=$root/envs/$1
  [ -f "$target/.complete" ] && return
  lock=$root/incoming/env.$1
  until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null)
    sleep 1
    # One that has not written its number within a second was killed before.
    [ "$owner" = "$(cat "$lock/pid" 2>/dev/null)" ] || continue
    [ -n "$owner" ] && is_of_now "$owner" || rm -rf "$lock"
  done
  printf '%s %s\n' "$$" "$(boot)" >"$lock/pid"
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
    [ "$state" = lost ] && has_programs && state=running
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
    is_open && goes_on && printf '%s\n' "${job#"$root"/jobs/}"
  done
  return 0
}

remove() {
  case /$2/ in */../* | //*) fail "no such thing: $2" ;; esac
  case $1 in
    job | env | tree) ;;
    *) fail "no such kind: $1" ;;
  esac
  path=$root/${1}s/$2
  [ -d "$path" ] || return 0
  if [ "$1" = job ]; then
    job=$path
    goes_on && fail "it still runs"
  fi
  chmod -R u+w "$path" 2>/dev/null
  rm -rf "$path"
}

# Takes away the blobs that no tree has, and what interrupted transfers left a day ago.
prune() {
  find "$root/blobs" -type f -links 1 -exec rm -f {} +
  find "$root/incoming" -mindepth 1 -maxdepth 1 -mtime +0 -exec rm -rf {} +
  # The agents of other versions, and those that did not arrive whole.
  find "$root" -maxdepth 1 -name 'agent-*.sh*' ! -path "$0" -mtime +30 -exec rm -f {} +
}

if [ "$verb" != supervise ] && [ "$verb" != sample ]; then
  umask 077
  for name in blobs trees envs jobs incoming; do
    [ -d "$root/$name" ] || mkdir -p "$root/$name" || exit 1
  done
  # The empty line ends what the person's shell may have printed before.
  printf '\n%s\n' "$marker"
fi
umask 022
case $verb in
  run) exec "$@" ;;
  facts | pythons | absent | absent_trees | receive | receive_by_rsync | received | tree | checkout | place | launch | submit | supervise | sample | \
    status | log | cancel | outputs | fetched | venv | usage | running | remove | prune | samples) "$verb" "$@" ;;
  *) fail "no such verb: $verb" ;;
esac

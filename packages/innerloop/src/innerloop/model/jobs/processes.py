"""The argv of a distributed job on one machine.

It is a bash script that starts each process with its own variables, prefixes their lines, and stops
all of them when one fails.

It is a bash script because it must run wherever the job's command does: in any image, and on macOS,
whose bash is 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .job import Distribution


def is_single(distribution: Distribution | None, each: Sequence[Mapping[str, str]]) -> bool:
    """Whether the command itself is started, once and without anything around it."""
    return len(each) == 1 and (distribution is None or distribution.type != "ray")


def argv(
    command: str,
    distribution: Distribution | None,
    each: Sequence[Mapping[str, str]],
    shell: str = "bash",
) -> tuple[str, ...]:
    """The argv that runs `command` once for each mapping of variables in `each`.

    A single process runs the command by `shell`, without the script.
    """
    if is_single(distribution, each):
        return (shell, "-c", command)
    kind = distribution.type if distribution else ""
    if kind == "ray":
        return ("bash", "-c", RAY, "innerloop", command)
    script = f"{MPI}\n{TOGETHER}" if kind == "mpi" else TOGETHER
    workers = sum(not _is_server(variables) for variables in each)
    words = ["bash", "-c", script, "innerloop", command, str(len(each)), str(workers)]
    for rank, variables in enumerate(each):
        words += [_label(rank, variables, workers), str(len(variables))]
        words += [f"{name}={value}" for name, value in variables.items()]
    return tuple(words)


def _is_server(variables: Mapping[str, str]) -> bool:
    """A parameter server of tensorflow never ends by itself: it is stopped after the workers."""
    return '"type": "ps"' in variables.get("TF_CONFIG", "")


def _label(rank: int, variables: Mapping[str, str], workers: int) -> str:
    if "TF_CONFIG" in variables:
        return f"ps {rank - workers}" if _is_server(variables) else f"worker {rank}"
    return f"rank {variables.get('RANK', rank)}"


# Arguments: the command, how many processes, how many of them (the first ones) must end, and for
# each its label, how many variables it has, and those.
#
# Each process leads its own process group, so that its children are stopped with it. Its lines go
# through `mark`, which ignores the signals so that the last lines are not lost; `whole` ends the last
# line, so that it does not continue in another process's.
TOGETHER = r"""
command=$1 workers=$3
shift 3
end=$'\001'
mark() {
  trap '' INT TERM
  if printf 'x\n' | sed -u s/x/y/ >/dev/null 2>&1; then
    exec sed -u -e "/^$end\$/d" -e "s/$end\$//" -e "s/^/[$1] /"
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    [ "$line" = "$end" ] || printf '[%s] %s\n' "$1" "${line%"$end"}"
  done
}
whole() {
  bash -c "$command" 3>&- 4>&-
  local code=$?
  echo "$end"
  echo "$end" >&2
  return $code
}
start() {
  trap : INT TERM
  set +m -o pipefail
  { { { whole 2>&3 | mark "$label" >&4; } 3>&1 | mark "$label" >&2; } 4>&1; }
}
leaders=() labels=()
while [ $# -gt 0 ]; do
  label=$1 count=$2
  shift 2
  set -m
  (export "${@:1:count}"; start) </dev/null &
  set +m
  leaders+=($!) labels+=("$label")
  shift "$count"
done
tell() {
  for leader in "${leaders[@]}"; do
    [ -z "$leader" ] || kill "-$1" -- "-$leader" 2>/dev/null
  done
}
code=0 patience=-1
stop() {
  code=$1 patience=$3
  tell "$2"
}
trap 'stop 130 INT 100' INT
trap 'stop 143 TERM 5' TERM HUP
while :; do
  running=0 left=0
  for rank in "${!leaders[@]}"; do
    leader=${leaders[rank]}
    [ -n "$leader" ] || continue
    if kill -0 "$leader" 2>/dev/null; then
      running=$((running + 1))
      [ "$rank" -ge "$workers" ] || left=$((left + 1))
      continue
    fi
    wait "$leader" 2>/dev/null
    ended=$?
    leaders[rank]=
    if [ $ended -ne 0 ] && [ $patience -lt 0 ]; then
      echo "innerloop: ${labels[rank]} ended with exit code $ended; the others are stopped" >&2
      stop $ended TERM 50
    fi
  done
  [ $running -gt 0 ] || exit $code
  [ $left -gt 0 ] || [ $patience -ge 0 ] || stop 0 TERM 50
  if [ $patience -eq 0 ]; then tell KILL; fi
  [ $patience -lt 1 ] || patience=$((patience - 1))
  sleep 0.1
done
"""

# Programs that call MPI need mpirun, which sets the variables itself.
MPI = r"""
if command -v mpirun >/dev/null 2>&1; then
  options=()
  if mpirun --version 2>&1 | grep -q 'Open MPI\|OpenRTE'; then
    options=(--oversubscribe --tag-output)
    [ "$(id -u)" -ne 0 ] || options+=(--allow-run-as-root)
  fi
  exec mpirun -np "$2" "${options[@]}" bash -c "$1"
fi
"""

# A cluster of one node, like the head that Azure ML starts before the command.
RAY = r"""
if command -v ray >/dev/null 2>&1 && ray start --head --include-dashboard=false >&2; then
  trap 'ray stop --force >&2' EXIT
  RAY_ADDRESS=auto bash -c "$1"
  exit $?
fi
exec bash -c "$1"
"""

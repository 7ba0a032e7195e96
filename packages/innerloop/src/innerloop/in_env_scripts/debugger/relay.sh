# relay.sh PORT adapter: runs relay.py, beside this file, with a Python of this container: one on PATH, else
# the one that runs start.py, for images whose entry point alone sets PATH.
for python in python python3; do
    if "$python" -I -c '' 2>/dev/null; then
        exec "$python" -I "${0%/*}/relay.py" "$@"
    fi
done
for process in /proc/[0-9]*; do
    if tr '\0' '\n' <"$process/cmdline" 2>/dev/null | grep -qx "${0%/*}/start.py"; then
        exec "$(readlink "$process/exe")" -I "${0%/*}/relay.py" "$@"
    fi
done
echo "no Python is found in the container" >&2
exit 1

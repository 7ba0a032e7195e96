# start.sh WHERE SETTINGS PROGRAM...: runs start.py, beside this file, with the environment's Python.
# WHERE is the position that an editor shows for errors.
where=$1
shift
for python in python python3; do
    if "$python" -c '' 2>/dev/null; then
        exec "$python" -X frozen_modules=off "${0%/*}/start.py" "$@"
    fi
done
echo "innerloop: $where: there is no python on the PATH of this environment, so there is nothing to debug. Run it without --debug." >&2
exit 1

#!/bin/sh
# Starts as root, for two things that are known only now, since they are the host's: the number of
# the group that owns the engine's socket, and of the user who owns the workspace.
socket=/var/run/docker.sock
if [ -S "$socket" ]; then
    number=$(stat -c %g "$socket")
    group=$(getent group "$number" | cut -d: -f1)
    if [ -z "$group" ]; then
        group=docker-host
        groupadd --gid "$number" "$group"
    fi
    usermod --append --groups "$group" dev
fi

# Where the workspace is root's (in CI, on some hosts), or that of a user whose number could not be
# taken, `dev` becomes another name of that user: else nothing could be written.
workspace=$INNERLOOP_CONTAINER_WORKSPACE
if [ -d "$workspace" ] && ! runuser -u dev -- test -w "$workspace"; then
    usermod --non-unique --uid "$(stat -c %u "$workspace")" dev
fi
[ "$(stat -c %u /home/dev/.cache)" = "$(id -u dev)" ] || chown dev: /home/dev/.cache
exec "$@"

#!/bin/sh
# The operator's tool, logged in at the platform of a lab. Only here is the platform's name known.
export XDG_CONFIG_HOME={config}
exec unshare --mount sh -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' sh {hosts} {vedette} "$@"

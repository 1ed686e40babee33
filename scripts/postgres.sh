#!/bin/sh
# A private PostgreSQL for tests: a throw-away cluster on a free port of the loopback
# address, with durability left on.
#
#   scripts/postgres.sh start [folder]   prints the folder and DATABASE_URL, one per line
#   scripts/postgres.sh stop folder      stops it and removes the folder
#   scripts/postgres.sh crash folder     kills it and starts it again on its port (acceptance R06)
#   scripts/postgres.sh run command...   starts one, runs the command with DATABASE_URL, stops it
#
# Debian's postgres refuses to run as root, so root starts it as user postgres.
set -eu

bin=${POSTGRES_BIN:-/usr/lib/postgresql/15/bin}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        # No login shell, a folder that the user can enter, and the arguments untouched.
        (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
    else
        "$@"
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
    [ -x "$bin/initdb" ] || { echo "PostgreSQL is not installed at $bin" >&2; exit 1; }
    folder=${1:-$(mktemp -d "${TMPDIR:-/tmp}/doubleread-postgres.XXXXXX")}
    [ "$(id -u)" != 0 ] || chown postgres "$folder"
    as_postgres "$bin/initdb" --pgdata="$folder/cluster" --username=doubleread --auth=trust \
        --encoding=UTF8 --locale=C >"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
    rm -f "$folder.log"
    # Another process may take the port between the question and the start: try a few.
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        if as_postgres "$bin/pg_ctl" --pgdata="$folder/cluster" --log="$folder/server.log" --wait \
            --options="-h 127.0.0.1 -p $port -k $folder -c max_connections=200" start >/dev/null; then
            as_postgres "$bin/createdb" --host=127.0.0.1 --port="$port" --username=doubleread doubleread
            echo "$folder"
            echo "DATABASE_URL=postgres://doubleread@127.0.0.1:$port/doubleread"
            return 0
        fi
    done
    cat "$folder/server.log" >&2
    exit 1
}

crash() {
    as_postgres "$bin/pg_ctl" --pgdata="$1/cluster" --log="$1/server.log" --mode=immediate --wait \
        restart >/dev/null
}

stop() {
    as_postgres "$bin/pg_ctl" --pgdata="$1/cluster" --mode=immediate stop >/dev/null || true
    rm -rf "$1"
}

case "${1:-}" in
start)
    shift
    start "$@"
    ;;
stop)
    stop "${2:?the folder that start printed}"
    ;;
crash)
    crash "${2:?the folder that start printed}"
    ;;
run)
    shift
    started=$(start)
    folder=$(echo "$started" | sed -n 1p)
    DATABASE_URL=$(echo "$started" | sed -n 's/^DATABASE_URL=//p')
    export DATABASE_URL
    trap 'stop "$folder"' EXIT
    trap 'exit 130' INT TERM
    "$@"
    ;;
*)
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

#!/bin/sh
# What the entrypoint of the official image of Postgres does with an empty folder, as far as compose.yaml
# needs it; every other command is run as it is.
set -eu
if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  umask 077
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  # Unquoted: it holds words.
  initdb --username "$POSTGRES_USER" --pwfile /tmp/password --auth-host scram-sha-256 --auth-local trust ${POSTGRES_INITDB_ARGS:-}
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl --wait --options "-c listen_addresses='' -k /var/run/postgresql" start
  [ "$POSTGRES_DB" = postgres ] || createdb --host /var/run/postgresql --username "$POSTGRES_USER" "$POSTGRES_DB"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ -e "$file" ] || continue
    psql --host /var/run/postgresql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 --file "$file" "$POSTGRES_DB"
  done
  pg_ctl --wait --mode fast stop
fi
if [ "${1:-}" = postgres ]; then
  shift
  exec postgres -k /var/run/postgresql -c 'listen_addresses=*' "$@"
fi
exec "$@"

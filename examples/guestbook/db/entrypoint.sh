#!/bin/sh
# Makes the database on the first start, then becomes the server.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # A run that was killed half-way left an unfinished directory: begin again.
  find "$PGDATA" -mindepth 1 -delete
  initdb --username="$DB_USER" --pwfile="$DB_PASSWORD_FILE" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  PGPASSWORD=$(cat "$DB_PASSWORD_FILE") && export PGPASSWORD
  pg_ctl --wait --options="-c listen_addresses=''" start
  createdb --username="$DB_USER" "$DB_NAME"
  pg_ctl --wait --mode=fast stop
  unset PGPASSWORD
fi
exec "$@"

"""Brings the database to the newest schema, once; running it again changes nothing."""

from database import connect

with connect() as connection, connection.cursor() as cursor:
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS entries ("
        " id serial PRIMARY KEY,"
        " written timestamptz NOT NULL DEFAULT now(),"
        " author text NOT NULL,"
        " message text NOT NULL)"
    )
print("the schema is up to date", flush=True)

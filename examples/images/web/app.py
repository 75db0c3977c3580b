"""Counts visits twice: in Redis and as rows of a PostgreSQL table."""

import os

import flask
import psycopg2
import redis

app = flask.Flask(__name__)


@app.get("/ping")
def ping():
    return "pong"


@app.get("/visits")
def visits():
    count = redis.Redis(os.environ["REDIS"]).incr("visits")
    with psycopg2.connect(os.environ["DATABASE"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz DEFAULT now())")
        cursor.execute("INSERT INTO visits DEFAULT VALUES")
        cursor.execute("SELECT count(*) FROM visits")
        (rows,) = cursor.fetchone()
    return {"visits": count, "rows": rows}

"""The guestbook: GET / lists the entries, POST / adds one."""

import html
import os
import signal
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from database import connect

PAGE = """<!doctype html>
<title>Guestbook</title>
<h1>{greeting}</h1>
<ul>{entries}</ul>
<form method="post">
  <input name="author" placeholder="Your name" required>
  <input name="message" placeholder="Your message" required>
  <button>Write</button>
</form>
"""


class Guestbook(BaseHTTPRequestHandler):
    def do_GET(self):
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT author, message FROM entries ORDER BY id DESC LIMIT 100")
            rows = cursor.fetchall()
        items = "".join(f"<li><b>{html.escape(who)}</b>: {html.escape(what)}</li>" for who, what in rows)
        page = PAGE.format(greeting=html.escape(os.environ.get("GREETING", "Welcome")), entries=items)
        body = page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        length = min(int(self.headers.get("Content-Length", 0)), 10_000)
        form = urllib.parse.parse_qs(self.rfile.read(length).decode("utf-8", "replace"))
        author, message = (form.get(name, [""])[0][:200] for name in ("author", "message"))
        if author and message:
            with connect() as connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO entries (author, message) VALUES (%s, %s)", (author, message))
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        if self.path != "/health":
            print(f"{self.command} {self.path}", flush=True)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("listening on port 8000", flush=True)
ThreadingHTTPServer(("0.0.0.0", 8000), Guestbook).serve_forever()

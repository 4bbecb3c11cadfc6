"""A small API behind a proxy, with the weaknesses that attacks look for. Usage: shop.py ADDRESS PORT LOG

POST /login checks a password, GET /orders/N wants a key, POST /import fetches whatever address the body names.
"""

import http.server
import json
import sys
import urllib.request

KEYS = {"key-of-a-partner", "key-in-many-hands"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"{}"):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/orders/"):
            known = self.headers.get("X-Api-Key") in KEYS
            return self.answer(200 if known else 401)
        if self.path == "/health" or self.path.startswith("/products"):
            return self.answer(200, b'{"ok":true}')
        self.answer(404)

    do_HEAD = do_GET

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path == "/login":
            right = body.get("password") == "right of " + body.get("username", "")
            return self.answer(200 if right else 401)
        if self.path == "/import":
            try:
                with urllib.request.urlopen(body["url"], timeout=5) as answer:
                    return self.answer(200, json.dumps({"bytes": len(answer.read())}).encode())
            except OSError:
                return self.answer(502)
        self.answer(404)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
print("ready", flush=True)
server.serve_forever()

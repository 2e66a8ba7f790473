"""The platform, as far as one person needs it: python platform_stand_in.py TEXT ... sends pages and prints answers."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import Request, urlopen

HOST = os.environ.get("HOST_URL", "http://127.0.0.1:8000")
PORT = int(os.environ.get("PAGER_PORT", "9100"))


class Api(BaseHTTPRequestHandler):
    def do_POST(self):
        page = json.loads(self.rfile.read(int(self.headers["content-length"])))
        print(f"{page['pager']} is paged: {page['text']}", flush=True)
        answer = b'{"id": "page-1"}'
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


with HTTPServer(("127.0.0.1", PORT), Api) as api:
    for number, text in enumerate(sys.argv[1:]):
        body = json.dumps({"event": f"{os.getpid()}-{number}", "pager": "ada", "text": text}).encode()
        headers = {"x-pager-secret": os.environ["PAGER_SECRET"], "content-type": "application/json"}
        with urlopen(Request(f"{HOST}/pager", body, headers)) as taken:
            print(f"taken on: {taken.status}", flush=True)
        api.handle_request()  # the answer comes by itself, through the platform's API

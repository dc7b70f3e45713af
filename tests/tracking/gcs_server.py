"""A server that speaks as much of Google Cloud Storage's XML API as an upload needs, in memory.

The emulators that can be installed lack what matters: one has no listing, another ignores
`x-goog-if-generation-match`. This one follows the reference of the XML API: 0 means that the object must not
exist, 412 that it does.

    gcs_server.py <port> [racy]     `racy` ignores the condition
"""

import hashlib
import sys
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

objects = {}  # path -> (bytes, generation)
generations = count(1)
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer in one packet

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        length = headers.pop("Content_Length", str(len(body)))
        for name, value in {"Content-Length": length, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def key(self):
        return unquote(urlsplit(self.path).path)

    def do_PUT(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock:
            known = objects.get(self.key, (b"", 0))[1]
            wanted = self.headers.get("x-goog-if-generation-match")
            if wanted is not None and int(wanted) != known and "racy" not in sys.argv:
                status, headers = 412, {}
            else:
                objects[self.key] = data, next(generations)
                status, headers = 200, self.facts(*objects[self.key])
        self.answer(status, **headers)

    def facts(self, data, generation):
        return {
            "ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"',
            "Last_Modified": formatdate(usegmt=True),
            "x_goog_generation": str(generation),
        }

    def do_GET(self):
        if "list-type" in (query := parse_qs(urlsplit(self.path).query)):
            self.answer(200, self.listing(query).encode(), Content_Type="application/xml")
        elif self.key in objects:
            data, generation = objects[self.key]
            self.answer(200, data, **self.facts(data, generation), Content_Type="application/octet-stream")
        else:
            self.answer(404)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def do_DELETE(self):
        self.answer(404 if objects.pop(self.key, None) is None else 204)

    def listing(self, query):
        bucket = f"{self.key.rstrip('/')}/"
        prefix = query.get("prefix", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        parts, common = [], set()
        with lock:
            found = sorted(objects.items())
        for path, (data, generation) in found:
            name = path.removeprefix(bucket)
            if not path.startswith(bucket) or not name.startswith(prefix):
                continue
            if delimiter and delimiter in name[len(prefix) :]:
                common.add(prefix + name[len(prefix) :].split(delimiter)[0] + delimiter)
                continue
            facts = f"<Size>{len(data)}</Size><Generation>{generation}</Generation><ETag>{generation}</ETag>"
            modified = "<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            parts.append(f"<Contents><Key>{escape(name)}</Key>{modified}{facts}</Contents>")
        parts += [
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(common)
        ]
        return f"<?xml version='1.0'?><ListBucketResult>{''.join(parts)}</ListBucketResult>"

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

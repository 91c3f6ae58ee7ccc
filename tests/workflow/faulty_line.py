"""A line to MLflow's server that refuses requests to order: everything else goes through as it is."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Refuses = Callable[[str, str], int | None]


class FaultyLine(ThreadingHTTPServer):
    """Forwards to ``port`` unless ``refuses(method, path)`` names a status to answer with."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.to = port
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.refuses: Refuses = lambda _method, _path: None
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyLine

    def _forward(self) -> None:
        body = self._body()
        self.server.asked.append(f"{self.command} {self.path}")
        status = self.server.refuses(self.command, self.path)
        if status is not None:
            self._answer(status, "text/plain", b"refused to order")
            return
        line = http.client.HTTPConnection("127.0.0.1", self.server.to, timeout=60)
        kept = ("Content-Type", "Accept")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        line.request(self.command, self.path, body, headers)
        answer = line.getresponse()
        self._answer(answer.status, answer.headers.get("Content-Type", "text/plain"), answer.read())
        line.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815  the handler's own names

    def log_message(self, *_: object) -> None: ...

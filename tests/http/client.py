"""What the tests of the server itself speak with: raw sockets, requests of a known
cost, and a look at its log and metrics."""

import contextlib
import json
import os
import socket
import subprocess
import time
import unittest

from service import BINARY, Service

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = 50  # layers: more than a test waits for


def config(layers):
    """A request that takes about 0.4 s of CPU time for each layer beyond the first, which
    has one channel to read and not sixteen, and next to nothing for that."""
    layer = {"type": "conv2d", "filters": 16, "kernel_size": 31, "padding": "same"}
    return json.dumps({"config": {"layers": [layer] * layers}, "input": "circle",
                       "size": [256, 256], "images": "none"}).encode()


def post(body, *headers, path="/v1/extract", declared=None):
    declared = len(body) if declared is None else declared
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json",
             f"Content-Length: {declared}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


JOB = post(config(2)) # the shortest that a test can meet while it runs


class Client:
    """One connection, and the answers that come back on it."""

    def __init__(self, service, timeout=120, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout,
                                               (source, 0))
        if self.socket.getsockname() == self.socket.getpeername():
            self.socket.close() # nobody listens, and the kernel chose that very port
            raise ConnectionRefusedError("connected to itself")
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)
        return self

    def fill(self):
        """False when the server has closed."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def answer(self, head_only=False):
        """(status, headers, body) of the next answer, or None at the end."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        status = int(first.split()[1])
        if status == 100:
            return self.answer(head_only)
        size = 0 if head_only else int(headers.get("content-length", 0))
        while len(self.buffer) < size and self.fill():
            pass
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return status, headers, body

    def rest(self):
        """Everything until the server closes."""
        while self.fill():
            pass
        return self.buffer


def ask(service, data, source="127.0.0.1", **options):
    with Client(service, source=source) as client:
        return client.send(data).answer(**options)


def logged(service):
    """The log lines of requests."""
    lines = [json.loads(line) for line in service.lines()
             if line.startswith("{")]
    return [line for line in lines if "status" in line]


def eventually(condition, seconds=20):
    """Whether it comes true. The time is for a machine that is busy with other things:
    what must be quick is measured, not waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def metric(service, name):
    """The value of a sample, 0 where there is none."""
    for line in service.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    return 0


def run_it(*flags, **environment):
    """The program until it ends of its own accord, with these settings only."""
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith("CONVSCOPE_") and name != "PORT"}
    return subprocess.run([BINARY, *flags], env=clean | environment, timeout=20,
                          capture_output=True, text=True)


def refuses(service):
    """Whether nobody listens on its port."""
    try:
        Client(service, 1).socket.close()
    except OSError:
        return True
    return False


class SharedServer(unittest.TestCase):
    """One server for all tests of a class."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.service = Service("--log-format", "json", *cls.flags)
        cls.service.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__(None)

"""One server for the checks of a class, and what must hold after every one of them.

The checks are numbered; each is a test of that number and prints its figure. After each,
Check.tearDown asserts the invariants:

    I1  the same process runs, and no sanitizer has spoken
    I2  /livez, asked every 50 ms all the while, never failed and never took a second
        (times SLACK); and a small job is answered right
    I3  requests started = requests ended: nothing lost, nothing answered twice
    I4  descriptors and threads are back to what they were
    I5  memory stayed under what the settings allow, and came back
    I6  one log line for each request, each of them one JSON document

CONVSCOPE_HOSTILE=long runs the checks in full, as make test-hostile does; without it they
are cut down to what a quick test may take. CONVSCOPE_SLACK multiplies the times that are
asserted (default 4; make test-hostile sets 1, for a machine that does nothing else). What
one request may cost is asserted of the server's CPU time, which others on the machine do
not change.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "http")) # behind this folder: names stand in both

from client import Client, ask, eventually, post # noqa: E402
from service import Service, multipart, png # noqa: E402
import numpy as np # noqa: E402

LONG_RUN = os.environ.get("CONVSCOPE_HOSTILE") == "long"
SLACK = float(os.environ.get("CONVSCOPE_SLACK", "4"))
THIRD_PARTY = pathlib.Path(os.environ.get(
    "CONVSCOPE_THIRD_PARTY", HERE.parents[1] / ".." / "shared" / "third-party"))
MB = 1 << 20
SMALL = json.dumps({"input": "circle", "size": 16, "val": 1, "images": "none"}).encode()
PIXELS = np.arange(48).reshape(4, 4, 3)
LAYER = [{"type": "conv2d", "filters": 1, "kernel_size": 3}]


def third_party(*path):
    """A folder of public data; the test is skipped where it is not."""
    folder = THIRD_PARTY.joinpath(*path)
    if not folder.is_dir():
        raise unittest.SkipTest(f"there is no {folder}; CONVSCOPE_THIRD_PARTY names it")
    return folder


def slow_one(times):
    """The slowest; where the machine may be busy with other things, the median."""
    return max(times) if LONG_RUN else sorted(times)[len(times) // 2]


def figure(number, text):
    print(f"check {number:02}: {text}", flush=True)


def form(**fields):
    """A request whose multipart body has these fields."""
    body, content_type = multipart(fields)
    return (f"POST /v1/extract HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Process:
    """What /proc says of a server."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}")
        maps = (self.folder / "maps").read_text()
        self.sanitized = "libasan" in maps or "libtsan" in maps

    def status(self, field):
        text = (self.folder / "status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+)", text, re.M)[1])

    def memory(self):
        return 1024 * self.status("VmRSS")

    def peak(self):
        return 1024 * self.status("VmHWM")

    def forget_peak(self):
        (self.folder / "clear_refs").write_text("5")

    def threads(self):
        return self.status("Threads")

    def descriptors(self):
        return len(os.listdir(self.folder / "fd"))

    def cpu(self):
        """Seconds of CPU so far, to the nanosecond where the kernel tells them."""
        with contextlib.suppress(OSError):
            return sum(int((task / "schedstat").read_text().split()[0])
                       for task in (self.folder / "task").iterdir()) / 1e9
        fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Books:
    """What the server says of its requests, in metrics and log."""

    def __init__(self, service):
        self.service = service

    def samples(self):
        text = self.service.get("/metrics").body.decode()
        return dict((name, float(value)) for name, value in
                    re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.M))

    def value(self, name):
        return self.samples().get("convscope_" + name, 0)

    def totals(self):
        """(started, ended); the request that asks has only started."""
        samples = self.samples()
        ended = sum(value for name, value in samples.items()
                    if name.startswith("convscope_http_requests_total{"))
        return int(samples["convscope_http_requests_started_total"]) - 1, int(ended)

    def lines(self):
        """The log lines of requests, which must be JSON each."""
        return [line for line in map(json.loads, self.service.lines())
                if "status" in line]


class Watch(unittest.TestCase):
    """Whose tests start their own servers: what holds of those, too."""

    @contextlib.contextmanager
    def watching(self, service, logged=True):
        """I1, I3, I4 and, if its log can be read, I6."""
        self.service, self.books = service, Books(service)
        self.process = Process(service.process.pid)
        before = self.resources()
        yield
        self.check_alive()
        self.check_books(logged)
        self.check_resources(before)

    def resources(self):
        return self.process.descriptors(), self.process.threads()

    def check_alive(self):
        self.assertIsNone(self.service.process.poll(), self.service.output()[-3000:])
        self.check_sanitizer(self.service)

    def check_sanitizer(self, service):
        self.assertNotRegex(service.output(),
                            "Sanitizer|runtime error:", "I1: a sanitizer has spoken")

    def check_books(self, logged=True):
        def settled():
            started, ended = self.books.totals()
            return started == ended

        self.assertTrue(eventually(settled), f"I3: {self.books.totals()}")

        def written():
            _, ended = self.books.totals() # and the question itself, perhaps
            return len(self.books.lines()) - ended in (0, 1)

        self.assertTrue(not logged or eventually(written), "I6: requests without a line")

    def check_resources(self, before):
        """No more of either than before: one may not make up for the other."""
        self.assertTrue(eventually(
            lambda: all(now <= then for now, then in zip(self.resources(), before))),
            f"I4: {before} -> {self.resources()}")

    def check_end(self, service):
        """Of one that has ended by itself: all that was started has a line (I3, I6)."""
        self.check_sanitizer(service)
        lines = [json.loads(line) for line in service.output().splitlines()]
        told = re.fullmatch(r"stopped after (\d+) requests", lines[-1].get("message", ""))
        self.assertIsNotNone(told, lines[-1])
        self.assertEqual(sum("status" in line for line in lines), int(told[1]))


class Check(Watch):
    flags = ()
    environment = {}
    memory = 64       # MiB of a request; another 64 MiB are for bodies and replies
    connections = 100 # at most, that a check opens at once
    flood = False     # /livez may find no place for a moment

    @classmethod
    def setUpClass(cls):
        cls.service = Service(
            "--log-format", "json", "--workers", "2", "--max-inflight-memory", "64M",
            "--max-request-memory", f"{cls.memory}M", "--weights-cache-bytes", "0",
            *cls.flags, **cls.environment)
        cls.service.__enter__()
        cls.process = Process(cls.service.process.pid)
        cls.books = Books(cls.service)
        cls.warm_up()

    @classmethod
    def warm_up(cls):
        """What is made on first use, and the working set of each worker, is no leak."""
        for _ in range(20):
            ask(cls.service, post(SMALL))
            ask(cls.service, form(image=("in.png", png(PIXELS)), config=json.dumps(LAYER)))
        large = json.dumps({"config": [{"type": "relu"}] * 4, "input": "circle",
                            "size": 1000, "images": "none"}).encode() # 20 MB: a worker keeps 16
        for _ in range(5):
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(Client(cls.service)) for _ in range(2)]
                for client in clients:
                    client.send(post(large))
                for client in clients:
                    client.answer()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__(None)

    def setUp(self):
        self.before = self.resources()
        self.base_memory = self.process.memory()
        self.process.forget_peak()
        self.canary = subprocess.Popen(
            [sys.executable, HERE / "canary.py", str(self.service.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.canary.stdout.close)

    def tearDown(self):
        report, _ = self.canary.communicate()
        self.check_alive()
        self.check_canary(json.loads(report))
        self.check_books()
        self.check_resources(self.before)
        self.check_memory()

    def check_canary(self, canary):
        self.canary_figures = canary
        if not self.flood:
            self.assertEqual(canary["failed"], 0, "I2: /livez failed")
        self.assertLess(canary["max_ms"], 1000 * SLACK, "I2")
        p99 = 100 if LONG_RUN else 250 # of few questions it is that of a moment
        self.assertLess(canary["p99_ms"], p99 * SLACK, "I2")
        job = form(image=("in.png", png(PIXELS)), config=json.dumps(LAYER))
        answers = [] # some checks give a job a tenth of a second
        self.assertTrue(eventually(lambda: answers.append(ask(self.service, job)) or
                                   answers[-1][0] == 200), f"I2: {answers[-1:]}")

    def check_memory(self):
        """I5: both workers' requests, the bodies and heads, and what malloc rounds up."""
        if self.process.sanitized:
            return
        bound = self.base_memory + self.connections * 32768 + (64 + 2 * self.memory) * MB
        self.assertLess(self.process.peak(), bound, "I5: peak")
        back = 1.1 * self.base_memory + 8 * MB
        self.assertTrue(eventually(lambda: self.process.memory() < back),
                        f"I5: {self.base_memory} -> {self.process.memory()}")

    def send(self, data):
        """(status, code, seconds of CPU, body) of one request on a connection of its own."""
        began = self.process.cpu()
        status, headers, body = ask(self.service, data)
        return status, headers.get("x-error-code", ""), self.process.cpu() - began, body

    def assert_cheap(self, seconds, limit, what=None):
        """Of the server's CPU time; a sanitizer has its own price."""
        self.assertLess(seconds, limit * SLACK * (5 if self.process.sanitized else 1), what)

    def growth(self, action):
        """By how much the peak of memory rises while it is done for the second time: at
        first the code itself is read in."""
        action()
        self.process.forget_peak()
        base = self.process.memory()
        action()
        return self.process.peak() - base

    def assert_small(self, growth, limit):
        """Each thread may have a page or two more of its heap in use than before."""
        if not self.process.sanitized:
            self.assertLess(growth, limit + MB // 4 * (os.cpu_count() or 1))

    def exchange(self, data, timeout=10):
        """(seconds, all that comes back until the server closes)"""
        began = time.monotonic()
        with Client(self.service, timeout) as client:
            text = client.send(data).rest()
        return time.monotonic() - began, text

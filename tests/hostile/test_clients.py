"""Checks 12 to 19: clients that are slow, gone, many, or greedy."""

import concurrent.futures
import contextlib
import socket
import struct
import threading
import time
import unittest

from crowd import Crowd, Visitor
from harness import LONG_RUN, MB, SLACK, SMALL, Check, Client, ask, eventually, \
    figure, post, slow_one

from client import JOB, LONG, config

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
RESET = struct.pack("ii", 1, 0) # linger for no time: close with a RST


class Slow(Check):
    flags = ("--read-timeout", "2")
    connections = 700
    n = 300 if LONG_RUN else 50 # of each kind

    def test_12_slow_heads_and_bodies(self):
        """A byte a second or so from each keeps libmicrohttpd's own timer from firing."""
        with Crowd() as crowd:
            began = time.monotonic()
            for _ in range(self.n):
                crowd.add(Visitor(self.service.port, b"GET /livez HTTP/1.1\r\nHost: x\r\n"))
                crowd.add(Visitor(self.service.port, post(b"", declared=100000)))
            self.drips = 0

            def drip():
                self.drips += 1
                if self.drips % 5 == 0:
                    for visitor in crowd.visitors:
                        visitor.send(b"X")

            left = crowd.wait(30 + SLACK, drip)
            took = max(visitor.ended or 0 for visitor in crowd.visitors) - began
        self.assertEqual(left, [])
        self.assertLess(took, 2 + SLACK)
        figure(12, f"{2 * self.n} slow clients, the last closed after {took:.2f} s of 2")

    def test_12_heads_that_begin_late(self):
        """A head has one deadline, from its first byte: not another from its first line on,
        and not that of an idle connection."""
        late = []
        for _ in range(5): # the server must have its first line before the deadline
            self.begin_late()
            if eventually(lambda: late.extend(
                    line for line in self.books.lines() if line["path"] == "/late") or late, 2):
                break
        self.assertEqual(late[0]["status"], 408)
        total = late[0]["ms"]["total"] # since its first line, by the server's clock
        self.assertLess(total, 1900) # another deadline would be 2 s
        with Crowd() as crowd:
            for _ in range(self.n):
                crowd.add(Visitor(self.service.port, GET))
            self.assertEqual(crowd.wait(60), [])
            began = time.monotonic()
            for visitor in crowd.visitors:
                crowd.follow(visitor)
            drips = iter(b"GET /livez?" + b"x" * 1000)
            self.assertEqual(crowd.wait(60, lambda: self.drip(crowd, next(drips))), [])
            took = max(visitor.ended for visitor in crowd.visitors) - began
        self.assertLess(took, 2 + 0.6 + SLACK) # the guard looks twice a second
        figure(12, f"a first line after 1.5 s: closed {total:.0f} ms later; "
                   f"{self.n} kept connections that drip a first line closed after "
                   f"{took:.2f} s of 2")

    def begin_late(self):
        with Client(self.service, 60) as client:
            time.sleep(1.5)
            client.send(b"GET /late HTTP/1.1\r\nHost: x\r\nX-Late: ")
            while client.send(b"X"):
                client.socket.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    if not client.fill():
                        break

    def drip(self, crowd, byte):
        for visitor in crowd.visitors:
            visitor.send(bytes([byte]))

    def test_13_slow_readers(self):
        late, n = 'connections_late_total{phase="write"}', 100 if LONG_RUN else 10
        before = self.books.value(late)
        with contextlib.ExitStack() as stack:
            began = time.monotonic()
            for _ in range(n):
                client = stack.enter_context(Client(self.service))
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
            self.assertTrue(eventually(
                lambda: self.books.value(late) - before >= n, 30))
            took = time.monotonic() - began
        self.assertTrue(eventually(lambda: self.books.value("inflight_bytes") < MB))
        figure(13, f"{n} that do not read closed after {took:.1f} s")


class SlowReaders(Check):
    flags = ("--read-timeout", "2")

    @unittest.skipUnless(LONG_RUN, "a reply of 4 MB has a minute: a long run")
    def test_13_slow_readers_of_4_mb(self):
        late = 'connections_late_total{phase="write"}'
        get = b"GET /v1/inputs/circle.npy?size=724 HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.ExitStack() as stack:
            began = time.monotonic()
            for _ in range(100):
                client = stack.enter_context(Client(self.service))
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.send(get)
            self.assertTrue(eventually(lambda: self.books.value("inflight_bytes") > 40 * MB))
            self.assertTrue(eventually(lambda: self.books.value("inflight_bytes") < MB, 90))
            took, n = time.monotonic() - began, self.books.value(late)
        self.assertLess(took, 2 + 4.2e6 / 65536 + 1 + SLACK)
        self.assertGreaterEqual(n, 10)
        figure(13, f"100 that do not read 4 MB, {n:.0f} of them granted, closed after "
                   f"{took:.1f} s of 66")


class Gone(Check):
    flags = ("--workers", "1", "--queue-size", "2")
    memory = 1024

    def busy(self):
        return self.books.value("workers_busy")

    def leave(self, client, reset):
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.socket.close()

    def test_14_clients_that_leave(self):
        """While their request is received, waits, is worked on, and answered, by FIN and
        by RST; what computes for them stops. (test_leaving.py: in every phase of it.)"""
        slowest = 0
        closed = sum(value for name, value in self.books.samples().items()
                     if name.startswith("convscope_client_closed_total"))
        for reset in (False, True):
            for data in (b"GET /li", post(b"x", declared=9)):
                with Client(self.service) as client:
                    client.send(data)
                    time.sleep(0.02)
                    self.leave(client, reset)
            with Client(self.service) as working, Client(self.service) as waiting:
                working.send(post(config(LONG)))
                self.assertTrue(eventually(lambda: self.busy() == 1))
                waiting.send(post(config(LONG)))
                self.assertTrue(eventually(lambda: self.books.value("queue_depth") == 1))
                self.leave(waiting, reset)
                self.assertTrue(eventually(lambda: self.books.value("queue_depth") == 0))
                time.sleep(0.2) # well into its work
                began = time.monotonic()
                self.leave(working, reset)
                self.assertTrue(eventually(lambda: self.busy() == 0))
                slowest = max(slowest, time.monotonic() - began)
            with Client(self.service) as client: # while the answer is being written
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
                client.socket.recv(100)
                self.leave(client, reset)
        limit = 0.1 if LONG_RUN else 0.5 # what it does not notice goes on for seconds
        self.assertLess(slowest, limit * SLACK + (1 if self.process.sanitized else 0))
        cpu = self.process.cpu()
        time.sleep(0.5)
        self.assertLess(self.process.cpu() - cpu, 0.2, "something still computes")
        self.assertTrue(eventually(lambda: self.books.value("inflight_bytes") == 0))
        after = sum(value for name, value in self.books.samples().items()
                    if name.startswith("convscope_client_closed_total"))
        self.assertGreaterEqual(after - closed, 8)
        figure(14, f"10 ways to leave; a job stops at most {1e3 * slowest:.0f} ms after")

    def test_15_half_a_close_is_a_close(self):
        """Documented: a FIN after the request cancels it, every time."""
        for _ in range(10):
            with Client(self.service) as client:
                client.send(post(config(LONG)))
                self.assertTrue(eventually(lambda: self.busy() == 1))
                client.socket.shutdown(socket.SHUT_WR)
                self.assertEqual(client.rest(), b"")
                self.assertTrue(eventually(lambda: self.busy() == 0))
        figure(15, "10 of 10 cancelled")


class Many(Check):
    flags = ("--workers", "2", "--queue-size", "8", "--request-timeout", "300")
    connections = 250

    def test_16_two_hundred_at_once(self):
        job = JOB
        alone = min(self.time(job) for _ in range(3))
        with Crowd() as crowd:
            began = time.monotonic()
            for _ in range(200):
                crowd.add(Visitor(self.service.port, job))
                crowd.poll(0)
            coming = time.monotonic() - began
            self.assertEqual(crowd.wait(120), [])
            refused = [v for v in crowd.visitors if v.status == 503]
            accepted = [v for v in crowd.visitors if v.status == 200]
        self.assertEqual(len(refused) + len(accepted), 200)
        for visitor in refused:
            self.assertIn(b"Retry-After: ", visitor.text)
        # While they came, some were done with already, and made room.
        self.assertGreaterEqual(len(accepted), 10)
        self.assertLessEqual(len(accepted), 10 + 10 + 2 * 2 * coming / alone)
        slowest = slow_one([visitor.seconds for visitor in refused])
        worst = max(visitor.seconds for visitor in accepted)
        self.assertLess(slowest, 0.3 * SLACK) # 100 ms, and 200 clients in one thread
        # A job alone has both workers; in a crowd it has one.
        self.assertLess(worst, (8 / 2 + 1) * 2 * alone * SLACK)
        figure(16, f"{len(accepted)} of 200 accepted, the slowest {worst:.2f} s (a job "
                   f"takes {alone:.2f} s alone); 503 after {1e3 * slowest:.0f} ms")

    def time(self, job):
        with Client(self.service, 120) as client:
            began = time.monotonic()
            self.assertEqual(client.send(job).answer()[0], 200)
            return time.monotonic() - began

    def test_19_one_client_with_fifty_connections(self):
        """Loopback has many addresses: the hog has one, its victim another. The victim
        waits for one job of the hog's at most, so it takes twice as long as a job that has
        one of the two workers."""
        job, stop, statuses = JOB, threading.Event(), []

        def hog():
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    answer = ask(self.service, job, source="127.0.0.2")
                    statuses.append(answer and answer[0])
                time.sleep(0.2)

        alone = min(self.time(job) for _ in range(3))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            beside = min(max(pool.map(self.time, (job, job))) for _ in range(3))
        hogs = [threading.Thread(target=hog) for _ in range(50)]
        for thread in hogs:
            thread.start()
        try:
            self.assertTrue(eventually(lambda: self.books.value("queue_depth") >= 7))
            times = sorted(self.time(job) for _ in range(9))
        finally:
            stop.set()
            for thread in hogs:
                thread.join()
        self.assertIn(429, statuses)
        self.assertLess(times[4], 2 * beside * SLACK)
        figure(19, f"a job takes {alone:.2f} s alone, {beside:.2f} s beside one other, and "
                   f"{times[4]:.2f} s (median) or {times[-1]:.2f} s (slowest of 9) "
                   f"beside 50 greedy connections; none refused, the hog saw "
                   f"{statuses.count(200)} x 200, {statuses.count(429)} x 429, "
                   f"{statuses.count(503)} x 503")


class Greedy(Check):
    """The 64 MiB of bodies and replies, and who wants them all."""
    flags = ("--read-timeout", "20", "--request-timeout", "300")
    memory = 128

    def crowd(self, stack, n, sources, data):
        """n that send this and go on to read a little, from so many addresses."""
        clients = []
        for i in range(n):
            client = stack.enter_context(Client(self.service, 60, f"127.0.0.{2 + i % sources}"))
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            clients.append(client.send(data))
        return clients

    def head(self, client):
        while b"\r\n\r\n" not in client.buffer:
            self.assertTrue(client.fill())
        return client.buffer

    def test_13_large_replies_that_nobody_reads(self):
        """What is in flight is bounded by its budget, GET or POST (I5): replies without room
        are refused."""
        get = b"GET /v1/extract?input=circle&size=1200&val=1&format=npz HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.ExitStack() as stack:
            heads = [self.head(client) for client in self.crowd(stack, 24, 4, get)]
            held = self.books.value("inflight_bytes")
            grown = self.process.peak() - self.base_memory
        sent = sum(head.startswith(b"HTTP/1.1 200 ") for head in heads)
        for head in heads:
            if not head.startswith(b"HTTP/1.1 200 "):
                self.assertRegex(head, rb"^HTTP/1.1 (503|429) ")
                self.assertRegex(head, rb"\r\nRetry-After: \d+\r\n")
        self.assertGreaterEqual(sent, 2)
        self.assertGreater(held, 32 * MB)
        self.assertLessEqual(held, 64 * MB)
        self.assertTrue(eventually(lambda: self.books.value("inflight_bytes") < MB))
        figure(13, f"24 that do not read 20 MB: {sent} get them, the rest is refused; "
                   f"{held / MB:.0f} MiB held of 64, memory +{grown / MB:.0f} MiB")

    def test_19_one_client_that_reserves_all(self):
        """Forty bodies are announced and do not come; somebody else's is taken."""
        body = post(b"{" + b" " * 2_000_000 + SMALL[1:])
        alone = min(self.time(body) for _ in range(3))
        with contextlib.ExitStack() as stack:
            self.crowd(stack, 40, 1, post(b"", declared=1_600_000))
            self.assertTrue(eventually(
                lambda: self.books.value("inflight_bytes") == 31 * 1_600_000))
            times = sorted(self.time(body) for _ in range(9))
        self.assertLess(times[4], max(2 * alone, 0.1) * SLACK) # and not only when those end
        figure(19, f"40 bodies of 1.6 MB that do not come hold 48 of 64 MiB; one of 2 MB of "
                   f"somebody else's takes {1e3 * times[4]:.0f} ms ({1e3 * alone:.0f} alone)")

    time = Many.time


class Crowded(Check):
    flags = ("--max-connections", "20")
    connections = 200
    flood = True

    def check_canary(self, canary):
        """The canary may be refused here. It waits no longer than it takes the guard, which
        comes every 100 ms, to make room."""
        self.assertLess(canary["max_ms"], 1000 * SLACK)
        self.assertLess(canary["p99_ms"], 500 * SLACK)

    def test_18_more_connections_than_the_hard_limit(self):
        with Crowd() as crowd:
            for _ in range(20 + 64 + 100):
                crowd.add(Visitor(self.service.port, b""))
            times = []
            for _ in range(5):
                with Crowd() as one:
                    visitor = one.add(Visitor(self.service.port, GET))
                    self.assertEqual(one.wait(30), [], "a hang")
                    self.assertIn(visitor.status, (200, 503))
                    times.append(visitor.seconds)
        self.assertLess(max(times), SLACK)
        figure(18, f"184 idle connections of at most 84: health after "
                   f"{1e3 * max(times):.0f} ms at most")


if __name__ == "__main__":
    unittest.main()

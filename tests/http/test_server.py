"""The server itself, spoken to over raw sockets: what it refuses, how it queues, how
long it waits, and how it ends. What it computes is tested elsewhere."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from service import BINARY, Service, free_port

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


LONG = 50  # layers: more than a test waits for


def config(layers):
    """A request that takes about a quarter of a second for each layer."""
    layer = {"type": "conv2d", "filters": 16, "kernel_size": 31, "padding": "same"}
    return json.dumps({"config": {"layers": [layer] * layers}, "input": "circle",
                       "size": [256, 256], "images": "none"}).encode()


def post(body, *headers, path="/v1/extract", declared=None):
    declared = len(body) if declared is None else declared
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json",
             f"Content-Length: {declared}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client:
    """One connection, and the answers that come back on it."""

    def __init__(self, service, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout)
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


def ask(service, data, **options):
    with Client(service) as client:
        return client.send(data).answer(**options)


def logged(service):
    """The log lines of requests."""
    lines = [json.loads(line) for line in service.output().splitlines()
             if line.startswith("{")]
    return [line for line in lines if "status" in line]


def eventually(condition, seconds=5):
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


class Heads(SharedServer):
    """Requests that two parties could read differently are refused whole."""

    flags = ("--max-body-bytes", "1M", "--read-timeout", "2")

    def one_refusal(self, data, statuses=(400,)):
        """Exactly one answer, of one of these statuses, then the end, at once."""
        began = time.monotonic()
        with Client(self.service) as client:
            text = client.send(data).rest()
        self.assertEqual(len(re.findall(rb"HTTP/1.1 \d\d\d ", text)), 1, (data[:120], text))
        self.assertIn(int(text.split()[1]), statuses, data[:120])
        self.assertLess(time.monotonic() - began, 1.5, data[:120])

    def test_smuggling(self):
        hidden = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
        for lines in ("Content-Length: 5\r\nTransfer-Encoding: chunked",
                      "Transfer-Encoding: chunked\r\nContent-Length: 5",
                      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                      "Transfer-Encoding: gzip, chunked",
                      "Transfer-Encoding: identity",
                      "Transfer-Encoding: xchunked",
                      "Transfer-Encoding: chunked,",
                      "Content-Length: 5\r\nContent-Length: 5",
                      "Content-Length: 5\r\nContent-Length: 33",
                      "Content-Length : 33",
                      "Transfer-Encoding : chunked",
                      "X\tY: 1", "X(Y): 1", "X\xe9: 1", "Na me: 1"):
            for method in ("GET /livez", "POST /v1/extract"):
                with self.subTest(lines=lines, method=method):
                    head = f"{method} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n"
                    self.one_refusal(head.encode("latin-1") + b"0\r\n\r\n" + hidden)

    def test_transfer_encoding_on_http_1_0(self):
        self.one_refusal(b"POST /v1/extract HTTP/1.0\r\nHost: x\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET)

    def test_hosts(self):
        self.one_refusal(b"GET /livez HTTP/1.1\r\n\r\n")
        self.one_refusal(b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + GET)
        self.assertEqual(ask(self.service, b"GET /livez HTTP/1.0\r\n\r\n")[0], 200)

    def test_control_bytes_in_a_value(self):
        self.one_refusal(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: a\x01b\r\n\r\n")
        self.one_refusal(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: a\x7fb\r\n\r\n")

    def test_versions(self):
        for version in (b"HTTP/1.2", b"HTTP/2.0", b"http/1.1"):
            with self.subTest(version=version):
                self.one_refusal(b"GET /livez " + version + b"\r\nHost: x\r\n\r\n" + GET,
                                 (400, 505))

    def test_lengths_that_are_none_do_not_let_a_second_request_through(self):
        for value in ("+3", "-1", "0x3", "3, 3", "", "18446744073709551616",
                      "18446744073709551615", "99999999999999999999999"):
            with self.subTest(value=value), Client(self.service) as client:
                began = time.monotonic()
                client.send(f"POST /v1/extract HTTP/1.1\r\nHost: x\r\n"
                            f"Content-Length: {value}\r\n\r\nabc".encode() + GET)
                text = client.rest()
                self.assertNotIn(b" 200 OK", text)
                self.assertRegex(text, rb"^HTTP/1.1 4(00|13) ")
                self.assertLess(time.monotonic() - began, 1.5)

    def test_targets(self):
        for target in ("/" + "a" * 9000, "/livez%00x", "/livez?" + "a=1&" * 100,
                       "/livez?" + "a&" * 2500):
            with self.subTest(target=target[:30]), Client(self.service) as client:
                began = time.monotonic()
                text = client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
                                   + GET).rest()
                self.assertNotIn(b" 200 ", text)
                self.assertLess(time.monotonic() - began, 1.5)

    def test_absolute_form_is_served_like_origin_form(self):
        answer = ask(self.service, b"GET http://x/livez?a HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(answer[0], 200)

    def test_huge_heads_end_in_a_refusal(self):
        for head in (b"X: " + b"a" * 70000, b"A: b\r\n" * 5000):
            with self.subTest(head=head[:8]), Client(self.service) as client:
                client.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
                self.assertRegex(client.rest(), rb"^(HTTP/1.1 (431|413) |$)")

    def test_what_is_no_http_is_closed(self):
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03rubbish\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with self.subTest(data=data[:8]), Client(self.service) as client:
                self.assertNotIn(b" 200 ", client.send(data).rest())

    def test_broken_chunks(self):
        head = (b"POST /v1/extract HTTP/1.1\r\nHost: x\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n")
        for chunk in (b"-1\r\nabc\r\n", b"0x3\r\nabc\r\n", b"ffffffffffffffff\r\nabc",
                      b"10000000000000000\r\nabc", b"3\r\nabcX\r\n0\r\n\r\n"):
            with self.subTest(chunk=chunk), Client(self.service) as client:
                began = time.monotonic()
                text = client.send(head + chunk + GET).rest()
                self.assertNotIn(b" 200 OK", text)
                self.assertLess(time.monotonic() - began, 4)

    def test_unknown_expectation(self):
        self.assertEqual(ask(self.service, post(b"{}", "Expect: miracles"))[0], 417)


class Methods(SharedServer):
    def test_head_is_get_without_the_body(self):
        for path in ("/livez", "/v1/kernels"):
            with self.subTest(path=path), Client(self.service) as client:
                client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                status, headers, body = client.answer()
                client.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                again = client.answer(head_only=True)
                self.assertEqual((status, headers["content-length"]),
                                 (again[0], again[1]["content-length"]))
                self.assertEqual(int(headers["content-length"]), len(body))
                self.assertEqual(client.send(GET).answer()[0], 200)

    def test_options_says_what_is_allowed(self):
        for path, allowed in (("/v1/extract", "POST"), ("/livez", "GET"), ("*", "GET")):
            with self.subTest(path=path):
                status, headers, _ = ask(
                    self.service, f"OPTIONS {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                self.assertEqual(status, 204)
                self.assertIn(allowed, headers["allow"])
                self.assertNotIn("access-control-allow-origin", headers)

    def test_other_methods_are_405_with_allow(self):
        for method in ("PUT", "DELETE", "TRACE", "get", "X"):
            with self.subTest(method=method):
                status, headers, body = ask(
                    self.service,
                    f"{method} /v1/extract HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                self.assertEqual(status, 405)
                self.assertIn("POST", headers["allow"])
                self.assertEqual(headers["x-error-code"], "method_not_allowed")
                self.assertEqual(json.loads(body)["code"], "method_not_allowed")

    def test_connect_is_refused(self):
        answer = ask(self.service, b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(answer[0], (400, 404, 405))

    def test_unknown_paths_are_problems(self):
        status, headers, body = ask(self.service,
                                    b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual((status, headers["content-type"]),
                         (404, "application/problem+json"))
        self.assertEqual(json.loads(body)["request_id"], headers["x-request-id"])

    def test_probes_and_their_aliases(self):
        for path in ("/livez", "/readyz", "/healthz", "/health", "/version"):
            with self.subTest(path=path):
                reply = self.service.get(path)
                self.assertEqual((reply.status, reply.type), (200, "application/json"))
                reply.json()

    def test_the_page_has_its_own_policy_and_a_tag(self):
        page = self.service.get("/")
        self.assertEqual((page.status, page.type), (200, "text/html"))
        self.assertIn("script-src", page.headers["Content-Security-Policy"])
        again = self.service.get("/", if_none_match=page.headers["ETag"])
        self.assertEqual((again.status, again.body), (304, b""))
        self.assertEqual(again.headers["Content-Length"], str(len(page.body)))
        self.assertEqual(self.service.get("/index.html").body, page.body)
        self.assertIn(self.service.get("/favicon.ico").status, (200, 204))

    def test_every_answer_carries_the_common_headers(self):
        for path in ("/livez", "/nope", "/v1/kernels", "/"):
            with self.subTest(path=path):
                headers = self.service.get(path).headers
                self.assertRegex(headers["X-Request-Id"], r"^[0-9a-f]{24}$")
                self.assertRegex(headers["Server-Timing"],
                                 r"^queue;dur=[\d.]+, decode;dur=[\d.]+, compute;dur="
                                 r"[\d.]+, encode;dur=[\d.]+, total;dur=[\d.]+$")
                self.assertEqual(headers["Vary"], "Accept, Origin")
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertEqual(self.service.get("/nope").headers["Cache-Control"], "no-store")

    def test_request_ids(self):
        for sent, echoed in (("abc-1.2_3", True), ("a" * 128, True), ("a" * 129, False),
                             ("a b", False), ("<x>", False), ("", False)):
            with self.subTest(sent=sent[:10]):
                reply = self.service.get("/livez", x_request_id=sent)
                self.assertEqual(reply.headers["X-Request-Id"] == sent, echoed)

    def test_keep_alive_and_pipelining(self):
        with Client(self.service) as client:
            for _ in range(300):
                self.assertEqual(client.send(GET).answer()[0], 200)
        work = b"GET /v1/kernels HTTP/1.1\r\nHost: x\r\n\r\n"
        with Client(self.service) as client:
            client.send((GET + work) * 50)
            for _ in range(50):
                self.assertIn(b"live", client.answer()[2])
                self.assertIn(b"kernels", client.answer()[2])

    def test_a_chunked_body_arrives(self):
        body = config(0)
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7])
                          for i in range(0, len(body), 7))
        head = (b"POST /v1/extract HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
                b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        with Client(self.service) as client:
            by_chunks = client.send(head + chunks + b"0\r\n\r\n").answer()
            at_once = client.send(post(body)).answer()
        self.assertEqual(by_chunks[0], at_once[0], by_chunks[2][:300])

    def test_log_lines_are_one_for_each_request_and_escaped(self):
        ask(self.service, b"GET /a%0a%22%1b\xff HTTP/1.1\r\nHost: x\r\n"
                          b"X-Request-Id: odd\r\n\r\n")
        ask(self.service, post(b"{}", "X-Request-Id: named"))

        def lines():
            return [line for line in logged(self.service)
                    if line["id"] in ("odd", "named")]

        self.assertTrue(eventually(lambda: len(lines()) >= 2))
        self.service.get("/livez")
        odd, named = lines()
        self.assertEqual((odd["status"], odd["code"]), (404, "not_found"))
        self.assertEqual(odd["path"], "/a\n\"\x1b\xff")
        self.assertEqual((named["id"], named["method"], named["bytes_in"]),
                         ("named", "POST", 2))
        self.assertEqual(named["peer"], "127.0.0.1")
        self.assertEqual(set(named["ms"]), {"read", "queue", "decode", "compute",
                                            "encode", "write", "total"})

    def test_metrics_are_well_formed(self):
        self.service.get("/nope")
        text = self.service.get("/metrics").body.decode()
        sample = re.compile(r'^[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [-+.0-9eInf]+$')
        names = set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                self.assertNotIn(line.split()[2], names, "a family stands twice")
                names.add(line.split()[2])
            elif not line.startswith("#"):
                self.assertRegex(line, sample)
        for name in ("http_requests_total", "http_request_duration_seconds",
                     "phase_duration_seconds", "queue_depth", "queue_capacity", "workers",
                     "workers_busy", "rejected_total", "client_closed_total",
                     "request_body_bytes", "image_pixels", "response_bytes",
                     "inflight_bytes", "build_info"):
            self.assertIn("convscope_" + name, names)
        self.assertIn("process_resident_memory_bytes", names)
        self.assertGreaterEqual(metric(
            self.service,
            'convscope_http_requests_total{route="other",method="GET",code="404"}'), 1)
        self.assertGreater(metric(self.service, "process_resident_memory_bytes"), 1e6)


class Bodies(SharedServer):
    flags = ("--max-body-bytes", "100K", "--max-inflight-memory", "1M",
             "--read-timeout", "1", "--keepalive-timeout", "1")

    def test_a_client_that_writes_before_it_reads_sees_413(self):
        for size in (102401, 500_000, 1_600_000):
            for _ in range(5):
                with self.subTest(size=size), Client(self.service) as client:
                    client.socket.sendall(post(b"x" * size))
                    status, headers, body = client.answer()
                    self.assertEqual((status, headers["x-error-code"]),
                                     (413, "body_too_large"))
                    limit = json.loads(body)["limit"]
                    self.assertEqual((limit["max"], limit["actual"]), (102400, size))
                    self.assertEqual(client.send(GET).answer()[0], 200)

    def test_a_body_far_over_the_limit_is_refused_at_once(self):
        with Client(self.service) as client:
            client.send(post(b"", declared=2_000_000))
            self.assertEqual(client.answer()[0], 413)
            self.assertIsNone(client.answer())

    def test_expecting_clients_upload_nothing_in_vain(self):
        with Client(self.service) as client:
            client.send(post(b"", "Expect: 100-continue", declared=200_000))
            self.assertEqual(client.answer()[0], 413)
            self.assertIsNone(client.answer())
        with Client(self.service) as client:
            client.send(post(b"", "Expect: 100-continue", declared=2))
            client.fill()
            self.assertTrue(client.buffer.startswith(b"HTTP/1.1 100 "))
            self.assertIn(client.send(b"{}").answer()[0], (200, 400, 415, 422))

    def test_chunked_over_the_limit(self):
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        head = (b"POST /v1/extract HTTP/1.1\r\nHost: x\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n")
        with Client(self.service) as client:
            client.send(head + chunk * 4 + b"0\r\n\r\n")
            self.assertEqual(client.answer()[0], 413)
            self.assertEqual(client.send(GET).answer()[0], 200)
        with Client(self.service) as client:
            client.send(head)
            for _ in range(60):
                client.send(chunk)
            self.assertNotIn(b" 200 ", client.rest())

    def test_memory_is_reserved_at_the_head_and_given_back(self):
        head = post(b"", declared=100_000)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(self.service)) for _ in range(14)]
            for client in clients:
                client.send(head)
            held = "convscope_inflight_bytes"
            self.assertTrue(eventually(lambda: metric(self.service, held) == 1_000_000))
            refused = clients[-1].send(b"x" * 100_000).answer()
            self.assertEqual((refused[0], refused[1]["x-error-code"]),
                             (503, "memory_pressure"))
            self.assertGreaterEqual(int(refused[1]["retry-after"]), 1)
        self.assertTrue(eventually(lambda: metric(self.service, held) == 0))

    def test_slow_clients_are_cut_at_the_deadline(self):
        """Two drips a second keep libmicrohttpd's own timer from firing."""
        slow_head = (b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n")
        slow_body = (post(b"", declared=1000), b"x")
        for start, drip in (slow_head, slow_body):
            with self.subTest(drip=drip), Client(self.service) as client:
                began = time.monotonic()
                client.send(start)
                client.socket.settimeout(0.4)
                open_ = True
                while open_ and time.monotonic() - began < 5:
                    client.send(drip)
                    with contextlib.suppress(TimeoutError):
                        open_ = client.fill()
                self.assertFalse(open_)
                self.assertLess(time.monotonic() - began, 2.5)
        self.assertTrue(eventually(
            lambda: [line for line in logged(self.service) if line["status"] == 408]))

    def test_idle_connections_are_closed(self):
        with Client(self.service) as client:
            client.send(GET).answer()
            began = time.monotonic()
            self.assertIsNone(client.answer())
            self.assertLess(time.monotonic() - began, 2.5)

    def test_a_client_that_does_not_read_is_cut(self):
        with Client(self.service) as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
            late = 'convscope_connections_late_total{phase="write"}'
            self.assertTrue(eventually(lambda: metric(self.service, late) >= 1, 8))


class Work(SharedServer):
    flags = ("--workers", "1", "--queue-size", "1")

    def busy(self):
        return metric(self.service, "convscope_workers_busy")

    def queued(self):
        return metric(self.service, "convscope_queue_depth")

    def idle(self):
        return eventually(lambda: self.busy() + self.queued() == 0, 20)

    def closed(self):
        return [line for line in logged(self.service) if line["status"] == 499]

    def test_a_full_queue_is_refused_at_once(self):
        long = post(config(LONG))
        with contextlib.ExitStack() as stack:
            running = stack.enter_context(Client(self.service)).send(long)
            self.assertTrue(eventually(lambda: self.busy() == 1))
            waiting = stack.enter_context(Client(self.service)).send(long)
            self.assertTrue(eventually(lambda: self.queued() == 1))
            began = time.monotonic()
            status, headers, body = ask(self.service, long)
            self.assertLess(time.monotonic() - began, 0.5)
            self.assertEqual((status, headers["x-error-code"]), (503, "queue_full"))
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            self.assertEqual(json.loads(body)["code"], "queue_full")
            self.assertEqual(self.service.get("/readyz").status, 200)
            self.assertIsNotNone(running and waiting)
        self.assertTrue(self.idle())

    def test_who_goes_is_cancelled_working_or_queued(self):
        before = len(self.closed())
        for rude in (False, True):
            with Client(self.service) as working, Client(self.service) as waiting:
                working.send(post(config(LONG)))
                self.assertTrue(eventually(lambda: self.busy() == 1))
                waiting.send(post(config(LONG)))
                self.assertTrue(eventually(lambda: self.queued() == 1))
                if rude: # leave with a reset, and with a request unread
                    linger = b"\1\0\0\0\0\0\0\0"
                    working.send(GET)
                    working.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                waiting.socket.close()
                self.assertTrue(eventually(lambda: self.queued() == 0, 2))
                self.assertEqual(self.busy(), 1)
            began = time.monotonic()
            self.assertTrue(self.idle())
            self.assertLess(time.monotonic() - began, 10)
        self.assertTrue(eventually(lambda: len(self.closed()) == before + 4))
        self.assertEqual({line["code"] for line in self.closed()}, {"client_closed"})
        computed = [line for line in self.closed() if line["ms"]["compute"] > 0]
        self.assertGreaterEqual(len(computed), 2)
        self.assertNotIn('reason="client_closed"',
                         self.service.get("/metrics").body.decode())
        self.assertEqual(metric(self.service, "convscope_inflight_bytes"), 0)

    def test_half_a_close_is_a_close(self):
        with Client(self.service) as client:
            client.send(post(config(LONG)))
            self.assertTrue(eventually(lambda: self.busy() == 1))
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.rest(), b"")
        self.assertTrue(self.idle())


class Deadlines(SharedServer):
    flags = ("--workers", "1", "--request-timeout", "0.7")

    def test_working_and_waiting_end_at_the_deadline(self):
        with Client(self.service) as working, Client(self.service) as waiting:
            working.send(post(config(LONG)))
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_workers_busy") == 1))
            began = time.monotonic()
            waiting.send(post(config(LONG)))
            for client, word in ((working, "computing"), (waiting, "")):
                status, headers, body = client.answer()
                self.assertEqual((status, headers["x-error-code"]),
                                 (504, "deadline_exceeded"))
                problem = json.loads(body)
                self.assertIn(word, problem["detail"])
                self.assertEqual(problem["limit"]["env"], "CONVSCOPE_REQUEST_TIMEOUT")
                computed = re.search(r"compute;dur=([\d.]+)", headers["server-timing"])
                if client is working:
                    self.assertGreater(float(computed[1]), 0)
            self.assertLess(time.monotonic() - began, 5)
            self.assertEqual(working.send(GET).answer()[0], 200)


class Crowds(unittest.TestCase):
    def test_beyond_the_limit_is_refused_with_words_and_probes_pass(self):
        with Service("--max-connections", "20", "--read-timeout", "3") as service, \
                contextlib.ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(Client(service)).send(b"GET /l")
            status, headers, _ = ask(service, b"GET /v1/kernels HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual((status, headers["x-error-code"], headers["connection"]),
                             (503, "too_many_connections", "close"))
            self.assertEqual(service.get("/readyz").status, 200)
            stack.close()
            self.assertTrue(eventually(
                lambda: service.get("/v1/kernels").status == 200))

    def test_spare_connections_get_half_a_second(self):
        with Service("--max-connections", "20") as service, \
                contextlib.ExitStack() as stack:
            for _ in range(16):
                stack.enter_context(Client(service))
            slow = [stack.enter_context(Client(service)).send(start) for start in
                    (b"GET /livez HTTP/1.1\r\nHost: x\r\n",
                     b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")]
            began = time.monotonic()
            for client in slow:
                self.assertIsNone(client.answer())
            self.assertLess(time.monotonic() - began, 3)

    def test_few_descriptors(self):
        port = free_port()
        command = f"ulimit -n 64; exec {BINARY} --bind 127.0.0.1:{port}"
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("CONVSCOPE_")}
        server = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, env=clean)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.kill)
        lines = [server.stdout.readline() for _ in range(2)]
        self.assertTrue(any("open files allow" in line for line in lines), lines)
        with contextlib.ExitStack() as stack:
            for _ in range(80):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            time.sleep(0.3)
            self.assertIsNone(server.poll())
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(GET)
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200"))
        server.terminate()
        self.assertEqual(server.wait(20), 0)


class Access(unittest.TestCase):
    def test_keys(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
            file.write("# ours\nfirst-key\nsecond-key\n")
            file.flush()
            with Service("--api-keys-file", file.name) as service:
                for path, headers, status in (
                        ("/v1/kernels", {}, 401),
                        ("/v1/kernels", {"authorization": "Bearer wrong"}, 401),
                        ("/v1/kernels", {"authorization": "Bearer first"}, 401),
                        ("/v1/kernels", {"authorization": "Bearer first-key1"}, 401),
                        ("/v1/kernels", {"authorization": "Basic first-key"}, 401),
                        ("/v1/kernels", {"authorization": "Bearer # ours"}, 401),
                        ("/v1/kernels", {"authorization": "Bearer first-key"}, 200),
                        ("/v1/kernels", {"authorization": "bearer second-key"}, 200),
                        ("/livez", {}, 200), ("/", {}, 200), ("/metrics", {}, 200)):
                    with self.subTest(path=path, headers=headers):
                        reply = service.get(path, **headers)
                        self.assertEqual(reply.status, status)
                        if status == 401:
                            self.assertEqual(reply.headers["WWW-Authenticate"], "Bearer")
                self.assertEqual(service.request("OPTIONS", "/v1/extract").status, 204)

    def test_a_setting_without_a_key_opens_nothing(self):
        with Service("--api-keys", "#secret") as service:
            self.assertEqual(service.get("/v1/kernels").status, 401)
            reply = service.get("/v1/kernels", authorization="Bearer #secret")
            self.assertEqual(reply.status, 200)
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("comment", "# none\n"), ("empty", ""),
                               ("long", "key\n" * 16384 + "last\n")):
                with open(f"{folder}/{name}", "w") as file:
                    file.write(text)
            for flags, words in (
                    (("--api-keys", ","), "holds no key"),
                    (("--api-keys", " "), "holds no key"),
                    (("--api-keys=",), "--api-keys needs a value"),
                    (("--api-keys-file", ""), "--api-keys-file needs a value"),
                    (("--api-keys-file", f"{folder}/comment"), "holds no key"),
                    (("--api-keys-file", f"{folder}/empty"), "holds no key"),
                    (("--api-keys-file", f"{folder}/long"), "File too large"),
                    (("--api-keys-file", folder), "Is a directory")):
                with self.subTest(flags=flags):
                    done = run_it(*flags)
                    self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
                    self.assertIn(words, done.stderr)
        self.assertIn("holds no key", run_it(CONVSCOPE_API_KEYS=",").stderr)

    def test_other_origins(self):
        flags = ("--cors-origins", "https://a.example,https://b.example")
        with Service(*flags) as service:
            for path in ("/v1/kernels", "/nope"):
                headers = service.get(path, origin="https://b.example").headers
                self.assertEqual(headers["Access-Control-Allow-Origin"],
                                 "https://b.example")
                self.assertIn("X-Request-Id", headers["Access-Control-Expose-Headers"])
                headers = service.get(path, origin="https://c.example").headers
                self.assertNotIn("Access-Control-Allow-Origin", headers)
            preflight = service.request("OPTIONS", "/v1/extract", headers={
                "Origin": "https://a.example", "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization"})
            self.assertEqual(preflight.status, 204)
            self.assertIn("POST", preflight.headers["Access-Control-Allow-Methods"])
            self.assertIn("Authorization", preflight.headers["Access-Control-Allow-Headers"])
        with Service() as service:
            headers = service.get("/livez", origin="https://a.example").headers
            self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_prefix_and_no_page(self):
        with Service("--path-prefix", "/vision", "--ui", "off") as service:
            for path, status in (("/vision/v1/kernels", 200), ("/vision/livez", 200),
                                 ("/livez", 200), ("/vision", 404), ("/vision/", 404),
                                 ("/visionary/livez", 404)):
                self.assertEqual(service.get(path).status, status, path)


class Endings(unittest.TestCase):
    def test_idle_and_keep_alive_do_not_hold_it(self):
        with Service() as service, contextlib.ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(Client(service)).send(GET).answer()
            began = time.monotonic()
            self.assertEqual(service.stop(), 0)
            self.assertLess(time.monotonic() - began, 3)

    def test_what_works_or_waits_is_finished(self):
        with Service("--workers", "1") as service, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(service, 60)).send(post(config(1)))
                       for _ in range(3)]
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_inflight_requests") == 4))
            self.assertEqual(service.stop(), 0)
            for client in clients:
                status, headers, body = client.answer()
                self.assertEqual((status, headers["connection"]), (200, "close"), body[:300])
                self.assertIsNone(client.answer())

    def test_not_ready_but_serving_during_the_delay(self):
        with Service("--shutdown-delay", "1.5") as service:
            service.process.send_signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: service.get("/readyz").status == 503))
            self.assertEqual(service.get("/livez").status, 200)
            reply = service.get("/v1/kernels")
            self.assertEqual((reply.status, reply.headers["Connection"]), (200, "close"))
            self.assertEqual(service.process.wait(10), 0)
            with self.assertRaises(OSError):
                service.get("/livez")

    def test_what_does_not_end_is_cancelled(self):
        flags = ("--workers", "1", "--shutdown-timeout", "0.3")
        with Service(*flags) as service, Client(service) as working, \
                Client(service) as waiting, Client(service) as sending:
            working.send(post(config(LONG)))
            waiting.send(post(config(LONG)))
            sending.send(post(b"", declared=1000))
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_inflight_requests") == 4))
            began = time.monotonic()
            self.assertEqual(service.stop(), 0)
            self.assertLess(time.monotonic() - began, 5)
            for client in (working, waiting):
                status, headers, _ = client.answer()
                self.assertEqual((status, headers["x-error-code"]), (503, "draining"))

    def test_a_second_signal_leaves_at_once(self):
        with Service("--workers", "1") as service, Client(service) as client:
            client.send(post(config(LONG)))
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_workers_busy") == 1))
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(service.process.wait(3), 1)
            service.process.returncode = 0 # Service takes anything else for a crash

    def test_again_and_again_under_churn(self):
        for _ in range(5):
            with Service("--workers", "2") as service:
                ended = threading.Event()

                def churn():
                    while not ended.is_set():
                        with contextlib.suppress(OSError), Client(service) as client:
                            client.send(b"GET /v1/kernels HTTP/1.1\r\nHost: x\r\n\r\n")
                            client.answer()

                with concurrent.futures.ThreadPoolExecutor(4) as pool:
                    for _ in range(4):
                        pool.submit(churn)
                    time.sleep(0.15)
                    status = service.stop()
                    ended.set()
                self.assertEqual(status, 0, service.output()[-2000:])

    def test_the_log_may_be_closed_or_stuck(self):
        read_end, write_end = os.pipe()
        for stdout in (write_end, None):
            port = free_port()
            command = [BINARY, "--bind", f"127.0.0.1:{port}", "--log-format", "json"]
            close = "exec 1>&- 2>&-; " if stdout is None else ""
            server = subprocess.Popen(["bash", "-c", close + 'exec "$@"', "-", *command],
                                      stdout=stdout, stderr=subprocess.DEVNULL)

            def alive():
                with contextlib.suppress(OSError):
                    with socket.create_connection(("127.0.0.1", port), 5) as client:
                        client.sendall(GET)
                        return client.recv(100).startswith(b"HTTP/1.1 200")

            self.assertTrue(eventually(alive, 20))
            for _ in range(400):  # more lines than a pipe holds
                self.assertTrue(alive())
            self.assertTrue(alive())
            server.terminate()
            self.assertEqual(server.wait(20), 0)
        os.close(read_end)
        os.close(write_end)


class Settings(unittest.TestCase):
    def memory(self, *flags):
        """Workers' share, bytes in flight, and where the former came from."""
        text = run_it("--print-config", *flags).stdout
        value = {name: (float(number), source) for name, number, source in
                 re.findall(r"CONVSCOPE_(\w+)=([\d.]+)  # (\w+)", text)}
        request, source = value["MAX_REQUEST_MEMORY"]
        return value["WORKERS"][0] * request, value["MAX_INFLIGHT_MEMORY"][0], source

    def test_workers_and_requests_in_flight_share_the_memory(self):
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        for workers in ("1", "2", "16", "256"):
            with self.subTest(workers=workers):
                computing, inflight, source = self.memory("--workers", workers)
                self.assertLessEqual(computing + inflight, 0.75 * whole)
                self.assertGreater(inflight, 0)
                self.assertEqual(source == "computed",
                                 computing < int(workers) * 2 ** 30)
        computing, inflight, source = self.memory("--workers", "256",
                                                  "--max-request-memory", "1G")
        self.assertEqual((computing, source), (2.0 ** 38, "flag"))
        self.assertGreater(inflight, 0)

    def test_lowered_memory_is_said(self):
        for workers in ("1", "32"):
            lowered = self.memory("--workers", workers)[2] == "computed"
            with Service("--workers", workers) as service:
                service.stop()
                said = "CONVSCOPE_MAX_REQUEST_MEMORY" in service.output()
                self.assertEqual(said, lowered, workers)

    def test_print_config_names_value_and_source(self):
        done = run_it("--queue-size", "7", "--max-pixels=3M", "--max-body-bytes", "2K",
                           "--print-config", CONVSCOPE_WORKERS="3",
                           CONVSCOPE_QUEUE_SIZE="9", CONVSCOPE_API_KEYS="secret", PORT="99")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        for line in ("CONVSCOPE_QUEUE_SIZE=7  # flag", "CONVSCOPE_WORKERS=3  # environment",
                     "CONVSCOPE_MAX_PIXELS=3000000  # flag", "CONVSCOPE_BIND=:99  # environment",
                     "CONVSCOPE_MAX_BODY_BYTES=2048  # flag",
                     "CONVSCOPE_REQUEST_TIMEOUT=30  # default",
                     "CONVSCOPE_SHUTDOWN_TIMEOUT=60  # computed",
                     "CONVSCOPE_MAX_MACS=1000000000000  # default"):
            self.assertIn(line, lines)
        self.assertNotIn("secret", done.stdout)

    def test_bad_settings_are_one_clear_line(self):
        for flags, words in (
                (("--workers", "0"), ("--workers", "'0'", "1 to 256")),
                (("--workers", "1.5"), ("--workers", "whole number")),
                (("--max-pixels", "many"), ("--max-pixels", "'many'")),
                (("--request-timeout", "soon"), ("--request-timeout", "seconds")),
                (("--log-format", "xml"), ("--log-format", "json or text")),
                (("--isa", "mmx"), ("ISA", "'mmx'", "portable")),
                (("--wrokers", "2"), ("--wrokers", "did you mean --workers?")),
                (("--workers",), ("--workers", "needs a value")),
                (("serve",), ("serve",)),
                (("--bind", "nonsense"), ("nonsense", "127.0.0.1:8080")),
                (("--path-prefix", "vision/"), ("PATH_PREFIX", "vision/")),
                (("--api-keys-file", "/nonexistent"), ("/nonexistent", "No such file"))):
            with self.subTest(flags=flags):
                done = run_it(*flags)
                self.assertIn(done.returncode, (1, 2))
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertTrue(done.stderr.startswith("convscope: "))
                for word in words:
                    self.assertIn(word, done.stderr)

    def test_unknown_variables_are_reported(self):
        done = run_it("--print-config", CONVSCOPE_WORKER="3")
        self.assertEqual(done.returncode, 0)
        self.assertIn("CONVSCOPE_WORKER is no setting", done.stderr)
        self.assertIn("did you mean CONVSCOPE_WORKERS?", done.stderr)

    def test_help_and_version(self):
        self.assertIn("--queue-size", run_it("--help").stdout)
        self.assertRegex(run_it("--version").stdout, r"^convscope \d+\.\d+\.\d+\n$")

    def test_health_and_a_taken_port(self):
        with Service() as service:
            bind = ("--bind", f"127.0.0.1:{service.port}")
            self.assertEqual(run_it("health", *bind).returncode, 0)
            done = run_it(*bind)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn("is taken by another process", done.stderr)
        done = run_it("health", *bind)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nobody listens", done.stderr)


if __name__ == "__main__":
    unittest.main()

"""Request bodies: their limit, their memory, their deadline."""

import contextlib
import json
import socket
import time
import unittest

from client import GET, Client, SharedServer, ask, eventually, logged, metric, post
from service import Service


class Bodies(SharedServer):
    flags = ("--max-body-bytes", "100K", "--read-timeout", "1", "--keepalive-timeout", "1")

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

    def test_expecting_clients_are_told_what_else_is_wrong(self):
        with Service("--api-keys", "k", "--max-inflight-memory", "1M", "--max-body-bytes",
                     "2M") as service:
            for headers, declared, status, code in (
                    (("Expect: 100-continue",), 10, 401, "unauthorized"),
                    ((), 33 << 20, 401, "unauthorized"), # too much to be swallowed
                    (("Expect: 100-continue", "Authorization: Bearer k"), 2 << 20, 503,
                     "memory_pressure")):
                with self.subTest(code=code, declared=declared), Client(service) as client:
                    answer = client.send(post(b"", *headers, declared=declared)).answer()
                    self.assertEqual((answer[0], answer[1]["x-error-code"]), (status, code))
                    self.assertIsNone(client.answer())

    def test_a_type_that_nobody_reads_is_refused_before_the_body(self):
        head = (b"POST /v1/extract HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                b"Content-Length: 5\r\n")
        with Client(self.service) as client:
            status, headers, _ = client.send(head + b"Expect: 100-continue\r\n\r\n").answer()
            self.assertEqual((status, headers["x-error-code"]),
                             (415, "media_type_unsupported"))
            self.assertIsNone(client.answer())
        with Client(self.service) as client:
            self.assertEqual(client.send(head + b"\r\nhello").answer()[0], 415)
            self.assertEqual(client.send(GET).answer()[0], 200)

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
                while open_ and time.monotonic() - began < 30:
                    client.send(drip)
                    with contextlib.suppress(TimeoutError):
                        open_ = client.fill()
                self.assertFalse(open_)
        self.assertTrue(eventually(
            lambda: [line for line in logged(self.service) if line["status"] == 408]))

    def test_idle_connections_are_closed(self):
        with Client(self.service) as client:
            client.send(GET).answer()
            self.assertIsNone(client.answer())

    def test_a_client_that_does_not_read_is_cut(self):
        with Client(self.service) as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
            late = 'convscope_connections_late_total{phase="write"}'
            self.assertTrue(eventually(lambda: metric(self.service, late) >= 1))


class Memory(SharedServer):
    """A megabyte for all bodies and replies."""
    flags = ("--max-inflight-memory", "1M", "--read-timeout", "300")

    def test_it_is_reserved_at_the_head_shared_and_given_back(self):
        """Loopback has many addresses, each a client. A client gets three quarters."""
        head, held = post(b"", declared=100_000), "convscope_inflight_bytes"
        with contextlib.ExitStack() as stack:
            def begin(source):
                return stack.enter_context(Client(self.service, source=source)).send(head)

            def refusal(client):
                status, headers, _ = client.send(b"x" * 100_000).answer()
                self.assertGreaterEqual(int(headers["retry-after"]), 1)
                return status, headers["x-error-code"]

            def holds(n):
                return eventually(lambda: metric(self.service, held) == n)

            for _ in range(7):
                begin("127.0.0.1")
            self.assertTrue(holds(700_000))
            self.assertEqual(refusal(begin("127.0.0.1")), (503, "memory_pressure"))
            begin("127.0.0.2")
            self.assertTrue(holds(800_000))
            self.assertEqual(refusal(begin("127.0.0.1")), (429, "client_busy"))
            begin("127.0.0.3")
            begin("127.0.0.3")
            self.assertTrue(holds(1_000_000))
            self.assertEqual(refusal(begin("127.0.0.4")), (503, "memory_pressure"))
        self.assertTrue(holds(0))

    def test_a_body_that_can_never_find_room_is_too_large(self):
        for declared, status in ((1 << 20, 100), ((1 << 20) + 1, 413)):
            with Client(self.service) as client:
                client.send(post(b"", "Expect: 100-continue", declared=declared))
                self.assertTrue(client.fill())
                self.assertTrue(client.buffer.startswith(b"HTTP/1.1 %d " % status),
                                client.buffer)
                if status == 413:
                    self.assertEqual(json.loads(client.answer()[2])["limit"]["max"], 1 << 20)
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_inflight_bytes") == 0))

    def test_a_reply_that_finds_no_room_is_refused(self):
        def answer(size):
            line = f"GET /v1/inputs/circle.npy?size={size} HTTP/1.1\r\nHost: x\r\n\r\n"
            return ask(self.service, line.encode())

        self.assertEqual(answer(300)[0], 200) # 720 KB
        status, _, body = answer(400) # can never be sent
        limit = json.loads(body)["limit"]
        self.assertEqual((status, limit["env"], limit["max"]),
                         (422, "CONVSCOPE_MAX_RESPONSE_BYTES", 1 << 20))
        self.assertTrue(eventually(
            lambda: metric(self.service, "convscope_inflight_bytes") == 0))
        with Client(self.service) as client:
            client.send(post(b"", declared=500_000))
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_inflight_bytes") == 500_000))
            status, headers, _ = answer(300)
            self.assertEqual((status, headers["x-error-code"]), (503, "memory_pressure"))
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            self.assertEqual(answer(100)[0], 200)
        self.assertTrue(eventually(
            lambda: metric(self.service, "convscope_inflight_bytes") == 0))
        with Client(self.service) as client: # the whole budget, and no job besides
            client.send(post(b"", declared=1 << 20))
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_inflight_bytes") == 1 << 20))
            self.assertEqual(answer(8)[0], 503)
            self.assertEqual(self.service.get("/livez").status, 200)


if __name__ == "__main__":
    unittest.main()

"""Checks 1 to 11: heads, framing and methods, byte by byte."""

import contextlib
import random
import re
import time
import unittest

from harness import SLACK, Check, Client, figure, post, SMALL

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /v1/extract HTTP/1.1\r\nHost: x\r\n"


def heads(text):
    """How many answers begin in what came back, but for interim ones."""
    return len(re.findall(rb"(?:^|\n)HTTP/1.1 [2-5]\d\d ", text))


class Http(Check):
    flags = ("--max-body-bytes", "1M", "--read-timeout", "1")

    def refused(self, data, statuses, seconds=1.0):
        """Answered with one of these (None: closed without a word), then closed; what
        is hidden behind is not answered. Returns how long that took."""
        took, text = self.exchange(data + GET)
        status = int(text.split()[1]) if text else None
        self.assertIn(status, statuses, (data[:120], text[:200]))
        self.assertNotIn(b'"live"', text, data[:120])
        self.assertLess(took, seconds * SLACK, data[:120])
        return took, heads(text)

    def one_head(self, data, statuses):
        took, n = self.refused(data, statuses)
        self.assertLessEqual(n, 1, data[:120])
        return took

    def test_01_encodings_that_smuggle(self):
        lines = ("Content-Length: 5\r\nTransfer-Encoding: chunked",
                 "Transfer-Encoding: chunked\r\nContent-Length: 5",
                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                 "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
                 "Transfer-Encoding: identity", "Transfer-Encoding: xchunked",
                 "Transfer-Encoding: chunked,", "Transfer-Encoding: \"chunked\"",
                 "Transfer-Encoding: chunked;q=1", "Transfer-Encoding:\x0bchunked")
        times = []
        for method in ("GET /livez", "POST /v1/extract"):
            for line in lines:
                with self.subTest(line=line, method=method):
                    head = f"{method} HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n0\r\n\r\n"
                    times.append(self.one_head(head.encode(), (400,)))
            times.append(self.one_head(
                f"{method} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .encode(), (400,)))
        # White space after the value is no part of it (RFC 9112, section 5).
        with Client(self.service) as client:
            client.send(HEAD + b"Transfer-Encoding: chunked \r\nContent-Type: application"
                        b"/json\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(SMALL), SMALL))
            self.assertIn(client.answer()[0], (200, 400))
        figure(1, f"{len(times)} refused, slowest {1e3 * max(times):.0f} ms")

    def test_02_lengths_and_names_that_smuggle(self):
        lines = ("Content-Length: 5\r\nContent-Length: 5",
                 "Content-Length: 5\r\nContent-Length: 33", "Content-Length : 33",
                 "Transfer-Encoding : chunked", "Content-Length\t: 33", ": 1",
                 ": 1\r\nA: b", ":", ":\r\nA: b", "X: a\r\n folded\r\n: 1",
                 "X: a\r\n folded", "X\tY: 1", "X\x01Y: 1", "X: a\x01b", "X: a\x7fb",
                 "X(Y): 1", "X\xe9: 1", "Na me: 1", "X\x7f: 1")
        times = []
        for method in ("GET /livez", "POST /v1/extract"):
            for line in lines:
                with self.subTest(line=line, method=method):
                    head = f"{method} HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\nhello"
                    times.append(self.one_head(head.encode("latin-1"), (400,)))
        for line in ("X: y  ", "X:y", "X:", "X:\t", "X: a\r\nY: b\t"):
            with self.subTest(line=line), Client(self.service) as client: # in order
                client.send(f"GET /livez HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
                self.assertEqual(client.answer()[0], 200)
        figure(2, f"{len(times)} refused, slowest {1e3 * max(times):.0f} ms")

    def test_03_lengths_and_chunks_that_are_none(self):
        """libmicrohttpd 0.9.75 answers a malformed Content-Length itself and sends the
        head twice, then closes: nothing can be hidden behind it. So two heads are
        tolerated here."""
        twice, times = 0, []
        for value in ("+3", "-1", "0x3", "3, 3", "", "3 3", "18446744073709551616",
                      "18446744073709551615", "9" * 30):
            took, n = self.refused(HEAD + f"Content-Length: {value}\r\n\r\nabc".encode(),
                                   (400, 413))
            twice += n > 1
            times.append(took)
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        for chunk in (b"-1\r\nabc\r\n", b"0x3\r\nabc\r\n", b"ffffffffffffffff\r\nabc",
                      b"10000000000000000\r\nabc", b"3\r\nabcX\r\n0\r\n\r\n", b"\r\nabc",
                      b"g\r\nabc\r\n", b" 3\r\nabc\r\n0\r\n\r\n"):
            took, _ = self.refused(chunked + chunk, (400, 413, 415, None), 2.5)
            times.append(took)
        for data in (chunked + b"3\r\na", HEAD + b"Content-Length: 500\r\n\r\nabc"):
            took, text = self.exchange(data) # unfinished: the deadline closes it
            self.assertEqual(text, b"")
            self.assertLess(took, 1 + SLACK)
            times.append(took)
        figure(3, f"{len(times)} refused, slowest {1e3 * max(times):.0f} ms, "
                  f"{twice} with the head sent twice")

    def test_04_hosts_versions_and_what_is_no_http(self):
        rest = b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for data, statuses in (
                (b"GET /livez HTTP/1.1\r\n\r\n", (400,)),
                (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", (400,)),
                (b"GET /livez HTTP/1.2\r\nHost: x\r\n\r\n", (505,)),
                (b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n", (505,)),
                (b"GET /livez http/1.1\r\nHost: x\r\n\r\n", (400, 505)),
                (b"GET /livez HTTP/1.1x\r\nHost: x\r\n\r\n", (400, 505)),
                (b"GET /livez\r\n\r\n", (400, 505, None)),
                (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 404, 405, 505)),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03x\r\n\r\n", (400, 505, None)),
                (b"CONNECT x:443" + rest, (400, 404, 405))):
            with self.subTest(data=data[:40]):
                if statuses[0] == 400 and data.startswith(b"CONNECT"):
                    with Client(self.service) as client:
                        self.assertIn(client.send(data).answer()[0], statuses)
                else:
                    self.one_head(data, statuses)
        with Client(self.service) as client: # an upgrade that is not taken up
            client.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, "
                        b"HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n")
            self.assertEqual(client.answer()[0], 200)
        with Client(self.service) as client:
            self.assertEqual(client.send(b"GET /livez HTTP/1.0\r\n\r\n").answer()[0], 200)
        figure(4, "10 refused, HTTP/1.0 and an h2c upgrade served as HTTP/1")

    def test_05_targets(self):
        times = []
        for length in (8200, 12000, 19999):
            took, text = self.exchange(b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: x\r\n"
                                       b"Connection: close\r\n\r\n")
            times.append(took)
            self.assertRegex(text, rb"^HTTP/1.1 404 ")
        for target in (b"/" + b"a" * 20000, b"/" + b"a" * 25000, b"/?" + b"a" * 31000,
                       b"/" + b"a" * 40000, b"/" + b"a" * 65536, b"/livez%00x",
                       b"/livez\0x", b"/livez x", b"/livez?" + b"a=1&" * 2500,
                       b"/livez?" + b"a&" * 100, b"", b"livez"):
            with self.subTest(target=target[:20]):
                took, text = self.exchange(
                    b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                times.append(took)
                self.assertLess(took, SLACK)
                if b"\0" in target:
                    continue # a residual of 0.9.75: it cuts the target at the NUL
                if target == b"livez" or not target: # libmicrohttpd's own
                    self.assertRegex(text, rb"^(HTTP/1.1 (400|404|505) |$)")
                elif target.count(b"&") > 400: # which it cannot answer
                    self.assertEqual(text, b"")
                else:
                    self.assertRegex(text, rb"^HTTP/1.1 (400|404|414|505) ")
        for target in (b"http://x/livez", b"HTTP://x/livez?a=1"):
            with Client(self.service) as client:
                client.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(client.answer()[0], 200, target)
        with Client(self.service) as client:
            client.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(client.answer()[0], 204)
        figure(5, f"{len(times)} targets, slowest {1e3 * max(times):.0f} ms")

    def test_06_heads_that_are_too_large(self):
        start = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        for data in (start + b"X: " + b"a" * 65536 + b"\r\n\r\n",
                     start + b"A: b\r\n" * 5000 + b"\r\n",
                     b"\r\n" * 50000 + b"GET " + b"/" * 40000,
                     chunked + b"3;x=" + b"a" * 65536 + b"\r\nabc\r\n0\r\n\r\n"):
            with self.subTest(data=data[:40]):
                took, text = self.exchange(data)
                self.assertRegex(text, rb"^(HTTP/1.1 (400|413|414|431|500) |$)")
                self.assertLess(took, 2 + SLACK)
        figure(6, "4 refused by libmicrohttpd itself")

    def test_07_methods(self):
        for method, path, status in (("HEAD", "/livez", 200), ("HEAD", "/v1/kernels", 200),
                                     ("OPTIONS", "/v1/extract", 204), ("TRACE", "/livez", 405),
                                     ("get", "/livez", 405), ("PUT", "/v1/extract", 405),
                                     ("DELETE", "/v1/kernels", 405), ("M" * 15, "/livez", 405),
                                     ("M" * 500, "/livez", 405)):
            with self.subTest(method=method), Client(self.service) as client:
                client.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                answer = client.answer(head_only=method == "HEAD")
                self.assertEqual(answer[0], status)
                if status in (204, 405):
                    self.assertIn("allow", answer[1])
                self.assertEqual(client.buffer, b"", "HEAD has no body")
                self.assertEqual(client.send(GET).answer()[0], 200)
        figure(7, "9 methods, the connection kept after each")

    def test_08_pipelines_and_keep_alive(self):
        job = post(SMALL)
        with Client(self.service) as client:
            client.send((GET + job) * 50)
            for _ in range(50):
                self.assertIn(b"live", client.answer()[2])
                self.assertIn(b'"stages"', client.answer()[2])
        began = time.monotonic()
        with Client(self.service) as client:
            for _ in range(1000):
                self.assertEqual(client.send(GET).answer()[0], 200)
        rate = 1000 / (time.monotonic() - began)
        figure(8, f"100 pipelined in order, 1000 on one connection at {rate:.0f}/s")

    def test_09_expectations(self):
        json_head = HEAD + b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
        with Client(self.service) as client:
            client.send(json_head + b"Content-Length: %d\r\n\r\n" % len(SMALL))
            client.fill()
            self.assertTrue(client.buffer.startswith(b"HTTP/1.1 100 "))
            self.assertEqual(client.send(SMALL).answer()[0], 200)
        with Client(self.service) as client: # refused before a byte is uploaded
            client.send(json_head + b"Content-Length: 1048577\r\n\r\n")
            self.assertEqual(client.answer()[0], 413)
            self.assertIsNone(client.answer())
        with Client(self.service) as client:
            client.send(json_head + b"Content-Length: 0\r\n\r\n")
            self.assertIn(client.answer()[0], (200, 400))
        with Client(self.service) as client:
            client.send(HEAD + b"Expect: miracles\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual(client.answer()[0], 417)
        figure(9, "fitting, too large, empty, unknown")

    def test_10_bodies_over_the_limit(self):
        seen = 0
        for _ in range(10): # written whole before a byte is read
            with Client(self.service) as client:
                client.socket.sendall(post(b"x" * (3 << 20)))
                seen += client.answer()[0] == 413
        self.assertEqual(seen, 10)
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        with Client(self.service) as client:
            client.send(chunked + chunk * 20 + b"0\r\n\r\n")
            self.assertEqual(client.answer()[0], 413)
        with Client(self.service) as client: # more than 16 times the limit
            client.send(post(b"", declared=17 << 20))
            self.assertEqual(client.answer()[0], 413)
            self.assertIsNone(client.answer())
        with Client(self.service, 60) as client: # without an end
            client.send(chunked)
            began, sent = time.monotonic(), 0
            with self.assertRaises(OSError): # cut
                while sent < 1000:
                    client.socket.sendall(chunk)
                    sent += 1
            took = time.monotonic() - began
        self.assertLess(sent, 32 << 4) # 16 times the limit, and what the system keeps
        figure(10, f"413 seen {seen} of 10, an endless body closed after {sent / 16:.1f} MiB, "
                   f"{took:.1f} s")

    def test_11_mutated_requests(self):
        """Public corpora of requests are run by others; these are mutants of our own."""
        seeds = [GET, post(SMALL), HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
                 b"0\r\n\r\n", HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"]
        spice = [b"\r\n", b"\n", b"\0", b":", b" ", b"\t", b"\xff", b"%00", b"Host: y\r\n",
                 b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1",
                 b"4294967296", b"-1", b";", b",", b"\r", b"\x0b"]
        draw = random.Random(11)
        statuses = {}
        for number in range(1000):
            data = bytearray(draw.choice(seeds))
            for _ in range(draw.randint(1, 4)):
                at = draw.randrange(len(data) + 1)
                kind = draw.randrange(4)
                if kind == 0:
                    data[at:at] = draw.choice(spice)
                elif kind == 1:
                    del data[at:at + draw.randint(1, 8)]
                elif kind == 2 and data:
                    data[at % len(data)] ^= 1 << draw.randrange(8)
                else:
                    data[at:at] = data[draw.randrange(len(data) + 1):][:20]
            with Client(self.service, 0.1) as client:
                client.send(bytes(data))
                client.socket.shutdown(1)
                with contextlib.suppress(TimeoutError):
                    client.rest()
                text = client.buffer
            status = int(text[9:12]) if text[9:12].isdigit() else 0
            statuses[status] = statuses.get(status, 0) + 1
            self.assertIn(status, (0, 100, 200, 204, 400, 404, 405, 413, 414, 415, 417, 422,
                                   431, 505), (number, bytes(data)))
        figure(11, f"1000 mutants: {dict(sorted(statuses.items()))} (0: closed)")


if __name__ == "__main__":
    unittest.main()

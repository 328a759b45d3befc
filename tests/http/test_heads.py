"""Requests that two parties could read differently are refused whole."""

import re
import time
import unittest

from client import GET, Client, SharedServer, ask, post


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


if __name__ == "__main__":
    unittest.main()

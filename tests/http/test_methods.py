"""Methods, headers, probes, log lines and metrics."""

import json
import os
import re
import shutil
import subprocess
import unittest
import urllib.parse

from client import GET, Client, SharedServer, ask, config, eventually, logged, metric, post


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

    def test_targets_may_be_long(self):
        """A kernel of 40 x 40 fits, escaped; beyond 20,000 bytes there is an answer too."""
        kernel = urllib.parse.quote(json.dumps([[1] * 40] * 40))
        self.assertGreater(len(kernel), 10_000)
        reply = self.service.get(f"/v1/kernel.png?kernel={kernel}")
        self.assertEqual((reply.status, reply.type), (200, "image/png"))
        for length in (20_000, 25_000, 31_000):
            reply = self.service.get("/" + "a" * length, x_request_id="mine")
            problem = reply.json()
            self.assertEqual((reply.status, problem["code"]), (414, "target_too_long"))
            self.assertEqual((reply.headers["X-Request-Id"], problem["request_id"]),
                             ("mine", "mine"))

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

    def test_the_libraries_tell_their_versions(self):
        libraries = self.service.get("/version").json()["libraries"]
        self.assertEqual(set(libraries), {
            "cairo", "cjson", "freetype", "giflib", "isa-l", "libjpeg-turbo",
            "libmicrohttpd", "libpng", "libwebp", "libzip"})
        for version in libraries.values():
            self.assertRegex(version, r"^[1-9]\d*(\.\d+){1,2}$|^0\.\d+\.\d+$")

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
                                 r"^queue;dur=[\d.]+, plan;dur=[\d.]+, weights;dur="
                                 r"[\d.]+, decode;dur=[\d.]+, compute;dur=[\d.]+, "
                                 r"encode;dur=[\d.]+, total;dur=[\d.]+$")
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

    def test_lines_of_one_name_are_one_list(self):
        lines = "Accept: text/html\r\nX-Other: 1\r\nAccept: image/png"
        status, headers, _ = ask(
            self.service, f"GET /v1/extract?input=circle HTTP/1.1\r\nHost: x\r\n{lines}"
                          "\r\n\r\n".encode())
        self.assertEqual((status, headers["content-type"]), (200, "image/png"))
        tag = self.service.get("/v1/kernels").headers["ETag"]
        lines = f'If-None-Match: "x"\r\nIf-None-Match: {tag}'
        status, _, _ = ask(self.service, "GET /v1/kernels HTTP/1.1\r\nHost: x\r\n"
                                         f"{lines}\r\n\r\n".encode(), head_only=True)
        self.assertEqual(status, 304)

    def test_a_trace_is_logged(self):
        good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        for trace, kept in ((good, True), (good.upper(), False), (good + "-x", False),
                            (good[:-1], False), ("00-" + "0" * 32 + good[35:], False),
                            (good[:36] + "0" * 16 + "-01", False), ("ff" + good[2:], False)):
            with self.subTest(trace=trace):
                name = os.urandom(8).hex()
                self.service.get("/livez", x_request_id=name, traceparent=trace)
                self.assertTrue(eventually(
                    lambda: any(line["id"] == name for line in logged(self.service))))
                line, = (line for line in logged(self.service) if line["id"] == name)
                self.assertEqual(line.get("traceparent"), trace if kept else None)

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
        odd, named = sorted(lines(), key=lambda line: line["id"], reverse=True)
        self.assertEqual((odd["status"], odd["code"]), (404, "not_found"))
        self.assertEqual(odd["path"], "/a\n\"\x1b\xff")
        self.assertEqual((named["id"], named["method"], named["bytes_in"]),
                         ("named", "POST", 2))
        self.assertEqual(named["peer"], "127.0.0.1")
        self.assertEqual(set(named["ms"]), {"read", "queue", "plan", "weights", "decode",
                                            "compute", "encode", "write", "total"})

    def test_metrics_are_well_formed(self):
        self.service.get("/nope")
        self.service.get("/v1/extract?input=circle")
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
                     "phase_duration_seconds", "layer_duration_seconds", "queue_depth",
                     "queue_capacity", "workers", "workers_busy", "rejected_total", "client_closed_total",
                     "request_body_bytes", "image_pixels", "response_bytes",
                     "inflight_bytes", "build_info"):
            self.assertIn("convscope_" + name, names)
        self.assertIn("process_resident_memory_bytes", names)
        self.assertGreaterEqual(metric(
            self.service,
            'convscope_http_requests_total{route="other",method="GET",code="404"}'), 1)
        self.assertGreater(metric(self.service, "process_resident_memory_bytes"), 1e6)
        # of layers that run together the last one has the time
        self.assertGreaterEqual(metric(
            self.service,
            'convscope_layer_duration_seconds_count{type="MaxPooling2D"}'), 1)

    @unittest.skipUnless(shutil.which("promtool"), "Debian's prometheus is not installed")
    def test_promtool_finds_no_fault(self):
        self.service.get("/v1/extract?input=circle")
        done = subprocess.run(["promtool", "check", "metrics"], capture_output=True,
                              input=self.service.get("/metrics").body, timeout=60)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()

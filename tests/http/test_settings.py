"""Flags, variables, and what they say when they are wrong."""

import contextlib
import os
import re
import signal
import time
import unittest

from client import Client, eventually, run_it
from service import Service


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

    def test_metrics_may_have_an_address_of_their_own(self):
        with Service("--read-timeout", "1", "--shutdown-delay", "300",
                     monitored=True) as service:
            other = Service()
            other.port = service.monitor_port
            try:
                self.assertEqual(service.get("/metrics").status, 404)
                self.assertEqual(service.get("/livez").status, 200)
                for path, status in (("/metrics", 200), ("/livez", 200), ("/readyz", 200),
                                     ("/health", 200), ("/v1/kernels", 404), ("/", 404)):
                    self.assertEqual(other.get(path).status, status, path)
                self.assertIn(b"convscope_queue_depth", other.get("/metrics").body)
                with Client(other) as slow: # its deadline is absolute too
                    slow.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
                    began = time.monotonic()
                    while slow.send(b"X-A: b\r\n") and time.monotonic() - began < 30:
                        slow.socket.settimeout(0.3)
                        with contextlib.suppress(TimeoutError):
                            if not slow.fill():
                                break
                    self.assertLess(time.monotonic() - began, 30)
                service.process.send_signal(signal.SIGTERM)
                self.assertTrue(eventually(lambda: other.get("/readyz").status == 503))
                service.process.send_signal(signal.SIGTERM)
                self.assertEqual(service.process.wait(60), 1)
                service.process.returncode = 0 # Service takes anything else for a crash
            finally:
                other.log.close()

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

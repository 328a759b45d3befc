"""Every setting there is, one by one: it is printed with its source, a bad value is refused
at start in one line, and it does what it says. The list of them is --help's: a setting
without a row here fails."""

import contextlib
import json
import re
import signal
import tempfile
import time
import unittest

from client import GET, JOB, LONG, Client, ask, config, eventually, metric, post, run_it
from service import Service, png

import numpy as np

FLAGS = re.findall(r"^  (--[a-z-]+) {2,}\S", run_it("--help").stdout, re.M)
SETTINGS = [flag for flag in FLAGS if flag not in ("--print-config", "--version")]
IMAGE = png(np.arange(64 * 48).reshape(48, 64) % 251)
CIRCLE = "/v1/extract?input=circle&size=64&val=1&r_shrink=3"

# What each does not take. A text may be anything, so those are here that are something.
BAD = {"--bind": "nonsense", "--metrics-bind": "nonsense", "--path-prefix": "x/",
       "--api-keys": ",", "--api-keys-file": "/nonexistent", "--isa": "mmx",
       "--cors-origins": "https://a.example/", "--ui": "perhaps", "--log-format": "xml",
       "--log-level": "loud"}

# A limit, and what meets it: options of the request.
CONV = {"type": "conv2d", "filters": 9, "kernel_size": 5}
LIMITS = {
    "--max-config-bytes": (20, 413, {"config": json.dumps([CONV])}),
    "--max-pixels": (100, 422, {}),
    "--max-dimension": (50, 422, {}),
    "--max-request-memory": (100_000, 422, {"resize": "400,400"}),
    "--max-layers": (2, 422, {"config": json.dumps([CONV] * 3)}),
    "--max-filters": (8, 422, {"config": json.dumps([CONV])}),
    "--max-kernel": (4, 422, {"config": json.dumps([CONV])}),
    "--max-images": (8, 422, {"config": json.dumps([CONV]), "layout": "separate"}),
    "--max-macs": (1000, 422, {"config": json.dumps([CONV])}),
    "--max-response-bytes": (3000, 422, {}),
}


def code(reply):
    return reply.headers.get("X-Error-Code")


class Effects:
    """A method for each setting that is no limit: what it does."""

    def bind(self, test):
        with Service() as service: # told by --bind
            test.assertEqual(service.get("/livez").status, 200)
            test.assertTrue(eventually(
                lambda: f"127.0.0.1:{service.port}" in service.output()))

    def workers(self, test):
        with Service("--workers", "3") as service:
            test.assertEqual(metric(service, "convscope_workers"), 3)

    def queue_size(self, test):
        with Service("--queue-size", "5") as service:
            test.assertEqual(metric(service, "convscope_queue_capacity"), 5)

    def queue_timeout(self, test):
        with Service("--workers", "1", "--queue-timeout", "0.2") as service, \
                Client(service) as first:
            first.send(post(config(LONG)))
            test.assertTrue(eventually(lambda: metric(service, "convscope_workers_busy")))
            status, _, body = ask(service, JOB)
            test.assertEqual((status, json.loads(body)["limit"]["name"]),
                             (504, "queue_timeout"))

    def max_connections(self, test):
        with Service("--max-connections", "16") as service, contextlib.ExitStack() as stack:
            for _ in range(24):
                stack.enter_context(Client(service))
            test.assertTrue(eventually(
                lambda: code(service.get("/v1/kernels")) == "too_many_connections"))

    def max_inflight_memory(self, test):
        with Service("--max-inflight-memory", "1M", "--max-body-bytes", "2M") as service:
            test.assertEqual(ask(service, post(b"x" * 2_000_000))[1]["x-error-code"],
                             "memory_pressure")

    def weights_cache_bytes(self, test):
        for size, kept in (("0", False), ("9M", True)):
            with Service("--weights-cache-bytes", size) as service:
                service.get(f"{CIRCLE}&preset=lenet")
                test.assertEqual(metric(service, "convscope_weights_cache_bytes") > 0, kept)

    def request_timeout(self, test):
        with Service("--request-timeout", "0.2") as service:
            test.assertEqual(ask(service, post(config(LONG)))[0], 504)

    def read_timeout(self, test):
        with Service("--read-timeout", "0.3") as service, Client(service, 60) as client:
            test.assertEqual(client.send(b"GET / HT").rest(), b"")

    def keepalive_timeout(self, test):
        with Service("--keepalive-timeout", "0.3") as service, Client(service, 60) as client:
            test.assertEqual(client.send(GET).answer()[0], 200)
            test.assertIsNone(client.answer())

    def shutdown_delay(self, test):
        with Service("--shutdown-delay", "0.7") as service:
            began = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            test.assertEqual(service.process.wait(60), 0)
            test.assertGreater(time.monotonic() - began, 0.7)

    def shutdown_timeout(self, test):
        with Service("--shutdown-timeout", "0.2") as service, Client(service) as client:
            client.send(post(config(LONG)))
            test.assertTrue(eventually(lambda: metric(service, "convscope_workers_busy")))
            service.process.send_signal(signal.SIGTERM)
            test.assertEqual(client.answer()[1]["x-error-code"], "draining")
            test.assertEqual(service.process.wait(60), 0)

    def api_keys(self, test, *flags):
        with Service(*(flags or ("--api-keys", "a,secret"))) as service:
            for key, status in (("secret", 200), ("wrong", 401)):
                reply = service.get("/v1/kernels", authorization=f"Bearer {key}")
                test.assertEqual(reply.status, status)

    def api_keys_file(self, test):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("a\nsecret\n")
            file.flush()
            self.api_keys(test, "--api-keys-file", file.name)

    def cors_origins(self, test):
        with Service("--cors-origins", "https://a.example, http://localhost:3000") as service:
            for origin, allowed in (("https://a.example", True), ("http://localhost:3000", True),
                                    ("https://b.example", False)):
                headers = service.get("/livez", origin=origin).headers
                test.assertEqual(headers["Access-Control-Allow-Origin"],
                                 origin if allowed else None)

    def png_level(self, test):
        sizes = []
        for level in ("0", "1", "9"):
            with Service("--png-level", level) as service:
                sizes.append(len(service.get("/v1/extract?input=circle&size=400&format=png"
                                             "&stage=Filter").body))
        test.assertGreater(sizes[0], sizes[1])
        test.assertNotEqual(sizes[1], sizes[2]) # of noise neither is always smaller

    def log_format(self, test):
        for name, first in (("json", "{"), ("text", "2")):
            with Service("--log-format", name) as service:
                test.assertTrue(eventually(
                    lambda: re.search(rf"(?m)^{first}", service.output())))

    def log_level(self, test):
        for level, lines in (("error", False), ("info", True)):
            with Service("--log-level", level) as service:
                service.stop()
                test.assertEqual(service.output() != "", lines)

    def metrics_bind(self, test):
        with Service(monitored=True) as service:
            test.assertEqual(service.get("/metrics").status, 404)
            service.port = service.monitor_port
            test.assertEqual(service.get("/metrics").status, 200)

    def path_prefix(self, test):
        with Service("--path-prefix", "/vision") as service:
            test.assertEqual(service.get("/vision/v1/kernels").status, 200)

    def ui(self, test):
        for value, status in (("on", 200), ("off", 404)):
            with Service("--ui", value) as service:
                test.assertEqual(service.get("/").status, status)

    def isa(self, test):
        with Service("--isa", "portable") as service:
            test.assertEqual(service.get("/version").json()["isa"], "portable")

    def max_body_bytes(self, test):
        with Service("--max-body-bytes", "100") as service:
            status, _, body = ask(service, post(b"x" * 101))
            limit = json.loads(body)["limit"]
            test.assertEqual((status, limit["env"], limit["max"]),
                             (413, "CONVSCOPE_MAX_BODY_BYTES", 100))


def variable(flag):
    return "CONVSCOPE_" + flag[2:].upper().replace("-", "_")


class EverySetting(unittest.TestCase):
    def test_each_does_what_it_says(self):
        effects = Effects()
        for flag in SETTINGS:
            with self.subTest(flag):
                if flag in LIMITS:
                    self.check_limit(flag, *LIMITS[flag])
                else:
                    getattr(effects, flag[2:].replace("-", "_"))(self)

    def check_limit(self, flag, value, status, fields):
        with Service(flag, str(value)) as service:
            reply = service.form("/v1/extract", {"image": ("in.png", IMAGE)} | fields)
            self.assertEqual(reply.status, status, reply.body[:500])
            limit = reply.json()["limit"]
            self.assertEqual((limit["env"], limit["max"]), (variable(flag), value))
            self.assertGreater(limit["actual"], value)

    def test_each_is_printed_with_its_source(self):
        lines = run_it("--print-config").stdout.splitlines()
        self.assertEqual([line.partition("=")[0] for line in lines],
                         [variable(flag) for flag in SETTINGS])
        for flag in SETTINGS:
            line, = (line for line in lines if line.startswith(variable(flag) + "="))
            value = line.partition("=")[2].partition("  # ")[0]
            # any value that it takes: its own, or one of those that take any text
            value = {"--isa": "portable", "--api-keys": "k"}.get(flag, value) or "/x"
            with self.subTest(flag):
                for source, done in (("flag", run_it(flag, value, "--print-config")),
                                     ("environment", run_it("--print-config",
                                                            **{variable(flag): value}))):
                    self.assertRegex(done.stdout, rf"(?m)^{variable(flag)}=.*  # {source}$")

    def test_each_refuses_what_it_cannot_use(self):
        for flag in SETTINGS:
            bad = BAD.get(flag, "many")
            for flags, environment in (((flag, bad), {}), ((), {variable(flag): bad})):
                with self.subTest(flag, environment=environment):
                    done = run_it(*flags, **environment)
                    self.assertIn(done.returncode, (1, 2))
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                    self.assertIn(bad if bad != "," else "no key", done.stderr)


if __name__ == "__main__":
    unittest.main()

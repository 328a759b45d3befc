"""The queue and the workers: full, late, left alone, crowded."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import unittest

from client import GET, JOB, LONG, Client, SharedServer, ask, config, eventually, logged, \
    metric, post
from service import BINARY, Service


class Work(SharedServer):
    flags = ("--workers", "1", "--queue-size", "1")

    def busy(self):
        return metric(self.service, "convscope_workers_busy")

    def queued(self):
        return metric(self.service, "convscope_queue_depth")

    def idle(self):
        return eventually(lambda: self.busy() + self.queued() == 0)

    def closed(self, name):
        return [line for line in logged(self.service)
                if line["status"] == 499 and line["id"] == name]

    def test_a_full_queue_is_refused_at_once(self):
        long = post(config(LONG))
        with contextlib.ExitStack() as stack:
            running = stack.enter_context(Client(self.service)).send(long)
            self.assertTrue(eventually(lambda: self.busy() == 1))
            waiting = stack.enter_context(Client(self.service)).send(long)
            self.assertTrue(eventually(lambda: self.queued() == 1))
            status, headers, body = ask(self.service, long)
            self.assertEqual((self.busy(), self.queued()), (1, 1)) # it waited for neither
            self.assertEqual((status, headers["x-error-code"]), (503, "queue_full"))
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            self.assertEqual(json.loads(body)["code"], "queue_full")
            self.assertEqual(self.service.get("/readyz").status, 200)
            self.assertIsNotNone(running and waiting)
        self.assertTrue(self.idle())

    def test_a_client_that_has_all_places_makes_room_for_another(self):
        """Check 19. Loopback has many addresses: 127.0.0.2 is another client."""
        with contextlib.ExitStack() as stack:
            def client(source="127.0.0.1"):
                return stack.enter_context(Client(self.service, source=source))

            client().send(post(config(LONG)))
            self.assertTrue(eventually(lambda: self.busy() == 1))
            second = client().send(post(config(LONG)))
            self.assertTrue(eventually(lambda: self.queued() == 1))
            guest = client("127.0.0.2").send(post(config(LONG)))
            status, headers, _ = second.answer()
            self.assertEqual((status, headers["x-error-code"]), (429, "client_busy"))
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            for source, code in (("127.0.0.1", 429), ("127.0.0.2", 429), ("127.0.0.3", 503)):
                self.assertEqual(ask(self.service, post(config(1)), source=source)[0], code)
            self.assertEqual(self.queued(), 1)
            self.assertIsNotNone(guest)
        self.assertTrue(self.idle())

    def test_who_goes_is_cancelled_working_or_queued(self):
        long = post(config(LONG), "X-Request-Id: leaves")
        for rude in (False, True):
            with Client(self.service) as working, Client(self.service) as waiting:
                working.send(long)
                self.assertTrue(eventually(lambda: self.busy() == 1))
                waiting.send(long)
                self.assertTrue(eventually(lambda: self.queued() == 1))
                if rude: # leave with a reset, and with a request unread
                    linger = b"\1\0\0\0\0\0\0\0"
                    working.send(GET)
                    working.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                waiting.socket.close()
                self.assertTrue(eventually(lambda: self.queued() == 0))
                self.assertEqual(self.busy(), 1)
            self.assertTrue(self.idle())
        self.assertTrue(eventually(lambda: len(self.closed("leaves")) == 4))
        self.assertEqual({line["code"] for line in self.closed("leaves")}, {"client_closed"})
        begun = [line for line in self.closed("leaves")
                 if line["ms"]["weights"] + line["ms"]["compute"] > 0]
        self.assertGreaterEqual(len(begun), 2)
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
            waiting.send(post(config(LONG)))
            for client, word in ((working, "computing"), (waiting, "")):
                status, headers, body = client.answer()
                self.assertEqual((status, headers["x-error-code"]),
                                 (504, "deadline_exceeded"))
                problem = json.loads(body)
                self.assertIn(word, problem["detail"])
                self.assertEqual(problem["limit"]["env"], "CONVSCOPE_REQUEST_TIMEOUT")
                spent = re.findall(r"(?:weights|compute);dur=([\d.]+)",
                                   headers["server-timing"])
                if client is working:
                    self.assertGreater(sum(map(float, spent)), 0)
            self.assertEqual(working.send(GET).answer()[0], 200)


class Waiting(SharedServer):
    flags = ("--workers", "1", "--queue-timeout", "0.5")

    def test_who_waits_too_long_is_refused_not_run(self):
        with Client(self.service) as working, Client(self.service) as waiting:
            working.send(post(config(LONG)))
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_workers_busy") == 1))
            status, headers, body = waiting.send(JOB).answer()
            problem = json.loads(body)
            self.assertEqual((status, problem["limit"]["env"]),
                             (504, "CONVSCOPE_QUEUE_TIMEOUT"))
            self.assertIn("still queued", problem["detail"])
            self.assertIn("compute;dur=0.000", headers["server-timing"])
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            self.assertEqual(metric(self.service, "convscope_workers_busy"), 1)


class Backlog(SharedServer):
    flags = ("--workers", "1", "--queue-size", "30")

    def seconds(self):
        """What the server itself says that a job took."""
        status, headers, _ = ask(self.service, JOB)
        self.assertEqual(status, 200)
        phases = dict(re.findall(r"(\w+);dur=([\d.]+)", headers["server-timing"]))
        return (float(phases["total"]) - float(phases["queue"])) / 1e3

    def test_retry_after_is_the_time_that_the_backlog_takes(self):
        seconds = sum(self.seconds() for _ in range(3)) / 3
        self.assertTrue(eventually( # the last is answered a moment before its worker is free
            lambda: metric(self.service, "convscope_workers_busy") == 0))
        with contextlib.ExitStack() as stack:
            stack.enter_context(Client(self.service)).send(post(config(LONG)))
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_workers_busy") == 1))
            for _ in range(30): # none of them is taken while the long one runs
                stack.enter_context(Client(self.service)).send(JOB)
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_queue_depth") == 30))
            status, headers, _ = ask(self.service, JOB)
        self.assertEqual(status, 503)
        told = int(headers["retry-after"])
        print(f"a job takes {seconds:.2f} s, 31 wait: Retry-After {told}")
        expected = min(60, 31 * seconds) # a minute at most is told
        self.assertLessEqual(abs(told - expected), 2 + 0.2 * expected)


class Crowds(unittest.TestCase):
    def test_beyond_the_limit_is_refused_with_words_and_probes_pass(self):
        with Service("--max-connections", "20", "--read-timeout", "60") as service, \
                contextlib.ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(Client(service)).send(b"GET /l")
            status, headers, _ = ask(service, b"GET /v1/kernels HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual((status, headers["x-error-code"], headers["connection"]),
                             (503, "too_many_connections", "close"))
            self.assertEqual(service.get("/readyz").status, 200)
            stack.close()
            self.assertTrue(eventually(
                lambda: service.get("/v1/kernels").status == 200, 30))

    def test_spare_connections_get_half_a_second(self):
        with Service("--max-connections", "20", "--read-timeout", "60") as service, \
                contextlib.ExitStack() as stack:
            for _ in range(16):
                stack.enter_context(Client(service))
            slow = [stack.enter_context(Client(service)).send(start) for start in
                    (b"GET /livez HTTP/1.1\r\nHost: x\r\n",
                     b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")]
            began = time.monotonic()
            for client in slow:
                self.assertIsNone(client.answer())
            self.assertLess(time.monotonic() - began, 30) # of 60 that others get

    def test_few_descriptors(self):
        command = f"ulimit -n 64; exec {BINARY} --bind 127.0.0.1:0"
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("CONVSCOPE_")}
        server = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, env=clean)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.kill)
        lines = [server.stdout.readline() for _ in range(2)]
        self.assertTrue(any("open files allow" in line for line in lines), lines)
        port = int(re.search(r"listening on http://127.0.0.1:(\d+)", "".join(lines))[1])
        with contextlib.ExitStack() as stack:
            for _ in range(80):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            time.sleep(0.3) # for it to accept what it can
            self.assertIsNone(server.poll())
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(GET)
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200"))
        server.terminate()
        self.assertEqual(server.wait(60), 0)


if __name__ == "__main__":
    unittest.main()

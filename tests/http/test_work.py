"""The queue and the workers: full, late, left alone, crowded."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import unittest

from client import GET, LONG, Client, SharedServer, ask, config, eventually, logged, metric, post
from service import BINARY, Service, free_port


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
        begun = [line for line in self.closed()
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


class Waiting(SharedServer):
    flags = ("--workers", "1", "--queue-timeout", "0.5")

    def test_who_waits_too_long_is_refused_not_run(self):
        with Client(self.service) as working, Client(self.service) as waiting:
            working.send(post(config(LONG)))
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_workers_busy") == 1))
            began = time.monotonic()
            status, headers, body = waiting.send(post(config(1))).answer()
            self.assertLess(time.monotonic() - began, 3)
            problem = json.loads(body)
            self.assertEqual((status, problem["limit"]["env"]),
                             (504, "CONVSCOPE_QUEUE_TIMEOUT"))
            self.assertIn("still queued", problem["detail"])
            self.assertIn("compute;dur=0.000", headers["server-timing"])
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            self.assertEqual(metric(self.service, "convscope_workers_busy"), 1)


class Backlog(SharedServer):
    flags = ("--workers", "1", "--queue-size", "30")

    def seconds(self, job):
        began = time.monotonic()
        self.assertEqual(ask(self.service, job)[0], 200)
        return time.monotonic() - began

    def test_retry_after_is_the_time_that_the_backlog_takes(self):
        job = post(config(1))
        seconds = self.seconds(job)
        with contextlib.ExitStack() as stack:
            stack.enter_context(Client(self.service)).send(post(config(LONG)))
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_workers_busy") == 1))
            for _ in range(30): # none of them is taken while the long one runs
                stack.enter_context(Client(self.service)).send(job)
            self.assertTrue(eventually(
                lambda: metric(self.service, "convscope_queue_depth") == 30))
            status, headers, _ = ask(self.service, job)
        self.assertEqual(status, 503)
        told = int(headers["retry-after"])
        print(f"a job takes {seconds:.2f} s, 31 wait: Retry-After {told}")
        self.assertGreaterEqual(told, 1)
        self.assertLessEqual(abs(told - 31 * seconds), 1 + 15 * seconds)


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


if __name__ == "__main__":
    unittest.main()

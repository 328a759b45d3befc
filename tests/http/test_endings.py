"""How the server ends, and that its log cannot hold it up."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
import types
import unittest

from client import GET, LONG, Client, config, eventually, metric, post, refuses
from service import BINARY, Service, free_port


class Endings(unittest.TestCase):
    def test_idle_and_keep_alive_do_not_hold_it(self):
        with Service() as service, contextlib.ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(Client(service)).send(GET).answer()
            began = time.monotonic()
            self.assertEqual(service.stop(), 0)
            self.assertLess(time.monotonic() - began, 30) # of 75 that they may stay

    def test_what_works_or_waits_is_finished(self):
        with Service("--workers", "1", "--request-timeout", "300") as service, \
                contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(service, 120)).send(post(config(layers)))
                       for layers in (8, 2, 2)] # the first holds the others
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_inflight_requests") == 4))
            self.assertEqual(service.stop(), 0)
            for client in clients:
                status, headers, body = client.answer()
                self.assertEqual((status, headers["connection"]), (200, "close"), body[:300])
                self.assertIsNone(client.answer())

    def test_not_ready_but_serving_during_the_delay(self):
        """test_settings_effects.py sees the delay end by itself."""
        with Service("--shutdown-delay", "300") as service:
            service.process.send_signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: service.get("/readyz").status == 503))
            self.assertEqual(service.get("/livez").status, 200)
            reply = service.get("/v1/kernels")
            self.assertEqual((reply.status, reply.headers["Connection"]), (200, "close"))
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(service.process.wait(60), 1)
            service.process.returncode = 0 # Service takes anything else for a crash
            self.assertTrue(refuses(service))

    def test_what_does_not_end_is_cancelled(self):
        flags = ("--workers", "1", "--shutdown-timeout", "0.3")
        with Service(*flags) as service, Client(service) as working, \
                Client(service) as waiting, Client(service) as sending:
            working.send(post(config(LONG)))
            waiting.send(post(config(LONG)))
            sending.send(post(b"", declared=1000))
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_inflight_requests") == 4))
            self.assertEqual(service.stop(), 0)
            for client in (working, waiting):
                status, headers, _ = client.answer()
                self.assertEqual((status, headers["x-error-code"]), (503, "draining"))

    def test_a_second_signal_leaves_at_once(self):
        with Service("--workers", "1") as service, Client(service) as client:
            client.send(post(config(LONG)))
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_workers_busy") == 1))
            service.process.send_signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: refuses(service)))
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(service.process.wait(60), 1)
            self.assertIsNone(client.answer())
            service.process.returncode = 0 # Service takes anything else for a crash

    def test_again_and_again_under_churn(self):
        for _ in range(5):
            with Service("--workers", "2") as service:
                ended, answers = threading.Event(), []

                def churn():
                    while not ended.is_set():
                        with contextlib.suppress(OSError), Client(service) as client:
                            client.send(b"GET /v1/kernels HTTP/1.1\r\nHost: x\r\n\r\n")
                            answers.append(client.answer())

                with concurrent.futures.ThreadPoolExecutor(4) as pool:
                    for _ in range(4):
                        pool.submit(churn)
                    churning = eventually(lambda: len(answers) >= 20)
                    status = service.stop()
                    ended.set()
                self.assertTrue(churning)
                self.assertEqual(status, 0, service.output()[-2000:])

    def test_a_log_that_does_not_block_has_whole_lines(self):
        """Half a line is none: who reads late reads all of it."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        port, n = free_port(), 1000 # more than the pipe holds
        server = subprocess.Popen([BINARY, "--bind", f"127.0.0.1:{port}", "--log-format",
                                   "json"], stdout=write_end, stderr=subprocess.DEVNULL)
        self.addCleanup(server.kill)
        os.close(write_end)

        def connect():
            with contextlib.suppress(OSError):
                return Client(types.SimpleNamespace(port=port))

        clients = []
        self.assertTrue(eventually(lambda: clients.append(connect()) or clients[-1], 60))
        with clients[-1] as client:
            for _ in range(n):
                self.assertEqual(client.send(GET).answer()[0], 200)
        with open(read_end, encoding="ascii") as log:
            threading.Timer(1, server.terminate).start()
            lines = [json.loads(line) for line in log]
        self.assertEqual(server.wait(60), 0)
        self.assertEqual(sum(line.get("path") == "/livez" for line in lines), n)

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

            self.assertTrue(eventually(alive, 60))
            for _ in range(400):  # more lines than a pipe holds
                self.assertTrue(alive())
            self.assertTrue(alive())
            server.terminate()
            self.assertEqual(server.wait(60), 0)
        os.close(read_end)
        os.close(write_end)


if __name__ == "__main__":
    unittest.main()

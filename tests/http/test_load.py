"""The server under load: many clients, more than it takes, some of them rude.

Under ThreadSanitizer a race ends the server with a status of its own, which Service
reports when it stops.
"""

import concurrent.futures
import contextlib
import json
import signal
import socket
import tempfile
import time
import unittest

from client import Client, ask, eventually, metric, refuses
from service import Service, multipart, png

import numpy as np

CLIENTS, ROUNDS = 12, 25
QUIET = ("--log-level", "error")  # so that a report stands out
LAYERS = [{"type": "conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"},
          {"type": "max_pooling2d", "pool_size": 2},
          {"type": "activation", "activation": "softmax"}]


def photograph(size):
    return png(np.random.default_rng(size).integers(0, 256, (size, size, 3)))


class Load(unittest.TestCase):
    def test_every_request_is_answered_right_or_refused(self):
        fields = {"image": ("in.png", photograph(96)), "config": json.dumps(LAYERS),
                  "format": "npz"}
        with Service("--workers", "3", "--queue-size", "2", *QUIET) as service:
            expected = service.form("/v1/extract", fields).body

            def client(number):
                answered = refused = 0
                for turn in range(ROUNDS):
                    if (number + turn) % 5 == 0:
                        self.assertEqual(service.get("/readyz").status, 200)
                    reply = service.form("/v1/extract", fields)
                    if reply.status == 503:
                        self.assertEqual(reply.json()["code"], "queue_full")
                        self.assertGreaterEqual(int(reply.headers["Retry-After"]), 1)
                        refused += 1
                    else:
                        self.assertEqual(reply.status, 200, reply.body[:500])
                        self.assertEqual(reply.body, expected)
                        answered += 1
                return answered, refused

            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                counts = list(pool.map(client, range(CLIENTS)))
            self.assertEqual(service.form("/v1/extract", fields).status, 200)
        answered, refused = map(sum, zip(*counts))
        self.assertEqual(answered + refused, CLIENTS * ROUNDS)
        self.assertGreater(answered, 0)

    def test_clients_share_packed_weights_but_only_their_own(self):
        """Some ask for the same weights at once, some for others, more than the cache holds."""
        seeds = range(6)
        bodies = [{"image": ("in.png", photograph(24)), "seed": seed, "format": "npy", "config":
                   json.dumps([{"type": "conv2d", "name": "c", "filters": 32, "kernel_size": 3},
                               {"type": "conv2d", "name": "d", "filters": 32, "kernel_size": 3}])}
                for seed in seeds]
        with Service("--weights-cache-bytes", "0", *QUIET) as service:
            expected = [service.form("/v1/extract", body).body for body in bodies]
        self.assertEqual(len(set(expected)), len(seeds))
        with Service("--workers", "3", "--queue-size", "64", "--weights-cache-bytes", "600000",
                     *QUIET) as service:
            def client(number):
                for turn in range(ROUNDS):
                    seed = number % 3 if turn < 12 else (number + turn) % len(seeds)
                    reply = service.form("/v1/extract", bodies[seed])
                    self.assertEqual(reply.body, expected[seed])

            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(client, range(CLIENTS)))
            found = {name: metric(service, f"convscope_weights_cache_{name}")
                     for name in ("bytes", "hits_total", "misses_total")}
        self.assertGreater(found["hits_total"], 0)
        self.assertGreater(found["misses_total"], 0)
        self.assertTrue(0 < found["bytes"] <= 600000, found)

    def test_a_client_that_leaves_disturbs_nobody(self):
        fields = {"image": ("in.png", photograph(700)), "config": json.dumps(LAYERS),
                  "images": "none"}
        body, content_type = multipart(fields)
        head = (f"POST /v1/extract HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        with Service("--workers", "2", *QUIET) as service:
            for sent in (head[:40], head, head + body[:5000], head + body) * 3:
                with socket.create_connection(("127.0.0.1", service.port)) as rude:
                    rude.sendall(sent)
                    time.sleep(0.01)
                self.assertEqual(service.get("/livez").status, 200)
            self.assertEqual(service.form("/v1/extract", fields).status, 200)

    def test_clients_displace_each_other_while_metrics_and_keys_are_read(self):
        """What other threads than the I/O thread touch: the queue, metrics, the keys."""
        body, statuses = json.dumps({"input": "circle", "size": 64}), []
        requests = [(f"POST /extract HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
                     "Content-Type: application/json\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
                    for key in ("alice", "bob", "carol")] # each key is a client
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
            file.write("alice\nbob\ncarol\n")
            file.flush()
            with Service("--workers", "2", "--queue-size", "3", "--api-keys-file", file.name,
                         *QUIET, monitored=True) as service:
                until = time.monotonic() + 3

                def client(number):
                    while time.monotonic() < until:
                        statuses.append(ask(service, requests[number % 3])[0])

                def watch(_):
                    while time.monotonic() < until:
                        service.process.send_signal(signal.SIGHUP)
                        with socket.create_connection(("127.0.0.1", service.monitor_port)) as scraper:
                            scraper.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                            self.assertIn(b" 200 OK", scraper.recv(100))

                with concurrent.futures.ThreadPoolExecutor(CLIENTS + 1) as pool:
                    list(pool.map(lambda n: (client if n else watch)(n), range(CLIENTS + 1)))
        self.assertTrue({200, 429} <= set(statuses) <= {200, 429, 503}, set(statuses))

    def test_a_drain_finishes_what_was_accepted(self):
        """Bodies that are complete only when the server is already leaving."""
        body, content_type = multipart({"image": ("in.png", photograph(400)),
                                        "config": json.dumps(LAYERS), "images": "none"})
        head = (f"POST /v1/extract HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        flags = ("--workers", "2", "--queue-size", "8", "--read-timeout", "120")
        with Service(*flags, *QUIET) as service, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(service)).send(head + body[:-1])
                       for _ in range(4)]
            self.assertTrue(eventually( # those, and the question itself
                lambda: metric(service, "convscope_inflight_requests") == 5))
            service.process.send_signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: refuses(service)))
            for client in clients:
                client.send(body[-1:])
            self.assertEqual([client.answer()[0] for client in clients], [200] * 4)
            self.assertEqual(service.process.wait(120), 0, service.output())


if __name__ == "__main__":
    unittest.main()

"""Check 46: everything hostile at once, for CONVSCOPE_SOAK_MINUTES (30): how much memory
grows. `make soak` runs it. The invariants of harness.py hold at the end."""

import concurrent.futures
import contextlib
import os
import random
import time
import unittest

from harness import MB, Check, Client, eventually, figure, post, SMALL
import test_forms
import test_json
import test_pictures

MINUTES = float(os.environ.get("CONVSCOPE_SOAK_MINUTES", "30"))
WARM = 0.2 # of the time is not measured: caches fill
SLOPE = 1.0 # MiB in ten minutes, at most


def mutant(draw, data):
    data = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


class Soak(Check):
    flags = ("--max-body-bytes", "1M", "--read-timeout", "2", "--keepalive-timeout", "5",
             "--queue-size", "16", "--log-level", "error")
    flood = True

    def check_books(self):
        """The log says nothing here, so there is no I6."""
        self.assertTrue(eventually(lambda: len(set(self.books.totals())) == 1, 10), "I3")

    def requests(self, draw):
        form = test_forms.request(test_forms.BODY)
        layers = test_json.with_config('[{"type":"conv2d","filters":4,"kernel_size":3}]', 128)
        broken = test_forms.request(test_forms.IMAGE.replace(
            test_forms.PICTURE, mutant(draw, test_pictures.picture())) + test_forms.FINAL)
        return draw.choice((form, layers, broken, post(SMALL), mutant(draw, form),
                            mutant(draw, layers), test_json.with_config("[" * 2000),
                            post(b"x" * 70000), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))

    def attack(self, seed, until):
        draw = random.Random(seed)
        while time.monotonic() < until:
            with contextlib.suppress(OSError), Client(self.service, 0.5) as client:
                data = self.requests(draw)
                cut = draw.choice((len(data),) * 4 + (draw.randrange(len(data)),))
                client.send(data[:cut])
                if cut == len(data) and draw.random() < 0.8:
                    client.answer()
                self.sent += 1

    def test_46_soak(self):
        began, self.sent, points = time.monotonic(), 0, []
        until = began + 60 * MINUTES
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            attackers = [pool.submit(self.attack, seed, until) for seed in range(4)]
            while time.monotonic() < until:
                time.sleep(min(2, until - time.monotonic() + 0.01))
                if time.monotonic() - began > WARM * 60 * MINUTES:
                    points.append((time.monotonic() - began, self.process.memory() / MB))
        for attacker in attackers:
            attacker.result() # or what ended it early
        self.assertGreater(self.sent, 600 * MINUTES)
        mean_x = sum(x for x, _ in points) / len(points)
        mean_y = sum(y for _, y in points) / len(points)
        slope = (sum((x - mean_x) * (y - mean_y) for x, y in points) /
                 sum((x - mean_x) ** 2 for x, _ in points)) * 600
        lowest, highest = min(y for _, y in points), max(y for _, y in points)
        figure(46, f"{self.sent} hostile requests in {MINUTES:g} minutes; memory {lowest:.0f} "
                   f"to {highest:.0f} MiB, slope {slope:+.2f} MiB in ten minutes")
        # Short runs are too noisy for the slope alone.
        self.assertTrue(slope < SLOPE or (MINUTES < 20 and highest - lowest < 6),
                        f"{slope} MiB in ten minutes")


if __name__ == "__main__":
    unittest.main()

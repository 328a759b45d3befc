"""Check 17: an open loop at ten times the capacity. Minutes, and a quiet machine:
`make test-hostile` runs it."""

import threading
import time
import unittest

from crowd import Crowd, Visitor
from harness import SLACK, Check, ask, figure, post

from client import config

PEAK_SECONDS, FLOOD_SECONDS, FACTOR = 10, 60, 10


class Overload(Check):
    flags = ("--workers", "2", "--queue-size", "8", "--request-timeout", "20")
    connections = 500
    memory = 128

    def peak(self, job):
        """Jobs a second that four patient clients get done."""
        until, counts = time.monotonic() + PEAK_SECONDS, []

        def client():
            n = 0
            while time.monotonic() < until:
                n += ask(self.service, job)[0] == 200
            counts.append(n)

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / PEAK_SECONDS

    def flood(self, job, rate):
        """Counts by status of an open loop: who comes does not wait for anyone."""
        counts, latest = {}, 0
        with Crowd() as crowd:
            began = time.monotonic()
            sent = 0
            while time.monotonic() - began < FLOOD_SECONDS:
                while sent < (time.monotonic() - began) * rate:
                    crowd.add(Visitor(self.service.port, job))
                    sent += 1
                for visitor in crowd.poll(0.002):
                    self.look_at(visitor)
                    counts[visitor.status] = counts.get(visitor.status, 0) + 1
                    if visitor.status == 503:
                        latest = max(latest, visitor.seconds)
                    visitor.close()
                    crowd.visitors.remove(visitor)
        return sent, counts, latest

    def look_at(self, visitor):
        """At each answer."""

    def test_17_goodput_at_ten_times_the_capacity(self):
        job = post(config(2)) # long enough that sending ten times as many is cheap
        alone = min(self.seconds(job) for _ in range(5))
        peak = self.peak(job)
        sent, counts, latest = self.flood(job, FACTOR * peak)
        goodput = counts[200] / FLOOD_SECONDS
        time.sleep(2)
        after = self.seconds(job)
        figure(17, f"peak {peak:.1f} a second; {sent / FLOOD_SECONDS:.0f} a second offered: "
                   f"{goodput:.1f} done ({100 * goodput / peak:.0f} %), {counts}, 503 after "
                   f"{1e3 * latest:.0f} ms at most; 2 s later a job takes {after:.2f} s "
                   f"({alone:.2f} s before)")
        self.assertGreaterEqual(goodput, 0.9 * peak)
        self.assertLess(after, 2 * alone * SLACK)
        self.assertEqual(set(counts), {200, 503})

    def seconds(self, job):
        began = time.monotonic()
        self.assertEqual(ask(self.service, job)[0], 200)
        return time.monotonic() - began


class Expired(Overload):
    """Who waits longer than the queue's timeout is refused, and was not run for a moment."""
    flags = ("--workers", "2", "--queue-size", "8", "--queue-timeout", "0.5")

    def look_at(self, visitor):
        if visitor.status == 504:
            self.assertIn(b"still queued", visitor.text)
            self.assertRegex(visitor.text, rb"plan;dur=0.000, weights;dur=0.000, decode;dur="
                                           rb"0.000, compute;dur=0.000, encode;dur=0.000")

    def test_17_goodput_at_ten_times_the_capacity(self):
        job = post(config(4)) # a place in the queue comes up after seconds
        sent, counts, _ = self.flood(job, 20)
        self.assertEqual(set(counts), {200, 503, 504})
        figure(17, f"{sent} sent, a place in the queue for half a second: {counts}, no 504 "
                   "was run")


if __name__ == "__main__":
    unittest.main()

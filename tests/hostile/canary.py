"""canary.py PORT - ask /livez every 50 ms on one connection until standard input ends,
then print what that took: {"n", "p99_ms", "max_ms", "failed"}.

A process of its own, so that the attacking test does not slow it down."""

import http.client
import json
import select
import sys
import time

PAUSE = 0.05


def ask(connection):
    connection.request("GET", "/livez")
    reply = connection.getresponse()
    reply.read()
    return reply.status


def main():
    port = int(sys.argv[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    times, failed = [], 0
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        began = time.monotonic()
        try:
            failed += ask(connection) != 200
        except (OSError, http.client.HTTPException):
            connection.close() # a drop is a failure; the next question connects anew
            failed += 1
        times.append(1e3 * (time.monotonic() - began))
    times.sort()
    print(json.dumps({"n": len(times), "failed": failed,
                      "p99_ms": times[int(0.99 * (len(times) - 1))] if times else 0,
                      "max_ms": times[-1] if times else 0}))


if __name__ == "__main__":
    main()

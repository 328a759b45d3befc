"""Checks 41 to 46: no memory, no descriptors, no log, signals, restarts. (39 and 40,
failing allocations, and 45, the decoder's helper process, are not here yet.)"""

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import LONG_RUN, MB, SLACK, SMALL, Books, Check, Client, Process, Watch, ask, \
    eventually, figure, post

from client import LONG, config, metric, refuses
from service import BINARY, Service, free_port

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
CGROUP = pathlib.Path("/sys/fs/cgroup/memory")


class Bare(Service):
    """A server whose process is made by a command around it, or limited before it runs."""

    def __init__(self, *flags, before=(), limit=None, stdout=None, **environment):
        super().__init__(*flags, **environment)
        self.before, self.limit, self.stdout = before, limit, stdout

    def __enter__(self):
        command = [*self.before, os.path.abspath(BINARY), "--bind",
                   f"127.0.0.1:{self.port}", *self.flags]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, env=self.environment, preexec_fn=self.limit,
            stdout=self.log if self.stdout is None else self.stdout, stderr=self.log)
        if not eventually(self.answers, 60):
            self.process.kill()
            self.process.wait()
            self.fail(f"{command} did not answer")
        return self

    def answers(self):
        with contextlib.suppress(OSError):
            return self.get("/livez").status == 200


class Memory(Watch):
    def jobs(self, service, n=10):
        """Statuses of n jobs at once, each with a reply of 12 MB that is read only when all
        have been worked on."""
        body = json.dumps({"config": [{"type": "relu"}] * 2, "input": "circle",
                           "size": 1024, "format": "npz"}).encode()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(service, 120)) for _ in range(n)]
            for client in clients:
                client.send(post(body))
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_inflight_requests") == n + 1 or
                metric(service, "convscope_http_requests_started_total") > n))
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_workers_busy") +
                metric(service, "convscope_queue_depth") == 0, 120))
            answers = [client.answer() for client in clients]
        for status, headers, _ in answers:
            self.assertEqual(status == 503, "retry-after" in headers)
            self.assertIn(headers.get("x-error-code"), (None, "memory_pressure", "queue_full"))
        return [status for status, _, _ in answers]

    def test_41_little_address_space(self):
        """With 40 MB of address space to spare allocations fail: an answer, or a
        refusal that says when to come again, but no end, and no fault of ours."""
        if "asan" in BINARY or "tsan" in BINARY:
            self.skipTest("a sanitizer needs address space")
        with Bare("--workers", "2", "--max-request-memory", "128M", "--queue-size",
                  "20") as service, self.watching(service):
            pid = service.process.pid
            limit = 1024 * Process(pid).status("VmSize") + 40 * MB
            resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
            statuses = self.jobs(service)
            self.assertTrue({503} <= set(statuses) <= {200, 503}, statuses)
            self.assertEqual(ask(service, post(SMALL))[0], 200)
        figure(41, f"40 MB of address space to spare: {sorted(statuses)}")

    def test_41_what_a_slow_reader_kept_goes_back(self):
        """Memory that is freed when nobody asks for anything any more."""
        if "asan" in BINARY or "tsan" in BINARY:
            self.skipTest("a sanitizer keeps what is freed")

        path = "/v1/extract?input=circle&val=1&format=npz&size="
        with Bare("--workers", "2") as service, self.watching(service):
            process = Process(service.process.pid)
            for _ in range(3): # from now on malloc takes less than these 20 MB from its heap
                self.assertEqual(service.get(path + "1200").status, 200)
            time.sleep(1.5)
            base = process.memory()
            with contextlib.ExitStack() as stack:
                for _ in range(4): # of 7 MB each
                    client = stack.enter_context(Client(service))
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    client.send(f"GET {path}700 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    self.assertTrue(client.fill())
                time.sleep(1.5) # what can be given back by now has been
                held = process.memory()
            self.assertTrue(eventually(lambda: process.memory() < base + 4 * MB),
                            f"{base} -> {held} -> {process.memory()}")
            left = process.memory()
        figure(41, f"memory {base / MB:.0f} MiB, {held / MB:.0f} while 4 do not read their "
                   f"replies, {left / MB:.0f} when they have gone")

    @unittest.skipUnless(LONG_RUN and os.geteuid() == 0 and CGROUP.is_dir(),
                         "needs root, control groups version 1, and a long run")
    def test_41_little_memory(self):
        """Ten maximum jobs in a group of 256 MB: never killed for it."""
        group = CGROUP / f"convscope-{os.getpid()}"
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(256 * MB))
        try:
            def enter():
                (group / "cgroup.procs").write_text(str(os.getpid()))

            with Bare("--workers", "2", "--queue-size", "20", limit=enter) as service, \
                    self.watching(service):
                for _ in range(3):
                    statuses = self.jobs(service)
                    self.assertTrue({200} <= set(statuses) <= {200, 503}, statuses)
                self.assertIsNone(service.process.poll())
                self.assertEqual(ask(service, post(SMALL))[0], 200)
                peak = int((group / "memory.max_usage_in_bytes").read_text())
            self.assertNotIn("oom_kill 1", (group / "memory.oom_control").read_text())
        finally:
            eventually(lambda: not (group / "cgroup.procs").read_text(), 5)
            group.rmdir()
        figure(41, f"256 MB: {sorted(statuses)}, peak {peak / MB:.0f} MB")


class Descriptors(Watch):
    def test_42_few_descriptors(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

        with Bare("--workers", "1", "--log-format", "json", limit=limit) as service, \
                self.watching(service):
            process = Process(service.process.pid)
            with contextlib.ExitStack() as stack:
                for _ in range(60):
                    stack.enter_context(socket.create_connection(
                        ("127.0.0.1", service.port), 10))
                time.sleep(0.3)
                cpu, lines = process.cpu(), service.output().count("\n")
                time.sleep(1)
                cpu, lines = process.cpu() - cpu, service.output().count("\n") - lines
                self.assertLess(cpu, 0.05 * SLACK)
                self.assertLessEqual(lines, 10)
            began = time.monotonic()
            self.assertEqual(ask(service, GET)[0], 200)
            took = time.monotonic() - began
            self.assertLess(took, SLACK)
        figure(42, f"60 connections on 32 descriptors: {100 * cpu:.0f} % CPU, {lines} lines "
                   f"a second, normal {1e3 * took:.0f} ms after")

    @unittest.skipUnless(LONG_RUN and shutil.which("strace"), "needs strace and a long run")
    def test_42_accept_fails(self):
        for error in ("EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED"):
            with self.subTest(error), Bare(before=(
                    "strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=accept4",
                    "-e", f"inject=accept4:error={error}:when=3..6")) as service, \
                    self.watching(service):
                for _ in range(12):
                    self.assertEqual(ask(service, GET)[0], 200)
        figure(42, "accept4 failing four times with each of 4 errors")


class Log(Watch):
    def test_43_the_log_is_closed_stuck_or_full(self):
        read_end, stuck = os.pipe()
        closed_read, closed = os.pipe()
        os.close(closed_read)
        lost = {}
        with open("/dev/full", "w", encoding="ascii") as full:
            for name, stdout in (("stuck", stuck), ("closed", closed), ("full", full)):
                with Bare("--log-format", "json", stdout=stdout) as service, \
                        self.watching(service, logged=False):
                    with Client(service) as client:
                        for _ in range(4000 if name == "stuck" else 100):
                            self.assertEqual(client.send(GET).answer()[0], 200)
                    self.assertTrue(eventually(lambda: metric(
                        service, "convscope_log_lines_lost_total") > 0))
                    lost[name] = int(metric(service, "convscope_log_lines_lost_total"))
        os.close(stuck)
        os.close(read_end)
        os.close(closed)
        figure(43, f"served on; lines lost: {lost}")

    def test_43_a_folder_that_cannot_be_written(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o500)
            with Bare(before=("env", "-C", folder), TMPDIR="/nonexistent") as service, \
                    self.watching(service):
                self.assertEqual(ask(service, post(SMALL))[0], 200)
                zipped = json.dumps({"input": "circle", "format": "zip"}).encode()
                self.assertEqual(ask(service, post(zipped))[0], 200)
            self.assertEqual(os.listdir(folder), [])
        figure(43, "no folder to write in is needed")


class Endings(Watch):
    ORDER = ("idle", "head", "writing", "uploading", "working", "queued")
    LARGE = 8 * 1000 * 1000 # bytes of a reply: more than the system keeps for a reader

    def begin(self, service, state):
        """A client in that state of a request."""
        client = Client(service, 120)
        if state == "idle":
            client.send(GET).answer()
        elif state == "head":
            client.send(b"GET /livez HT")
        elif state == "uploading":
            client.send(post(SMALL)[:-20])
        elif state in ("queued", "working"):
            client.send(post(config(8 if state == "working" else 1)))
        elif state == "writing":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
            client.send(b"GET /v1/inputs/circle.npy?size=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
            while b"\r\n\r\n" not in client.buffer:
                self.assertTrue(client.fill())
        return client

    def settled(self, service, states):
        """Whether the server is in them, by its metrics; the question is a request too."""
        value = Books(service).value
        return (value("connections") == 1 + len(states) and
                value("inflight_requests") == 1 + sum(
                    state not in ("idle", "head") for state in states) and
                value("workers_busy") == states.count("working") and
                value("queue_depth") == states.count("queued"))

    def finish(self, state, client):
        answer = client.answer()
        if state in ("idle", "head"):
            self.assertIsNone(answer)
        else:
            self.assertEqual(answer[0], 200, state)
        if state == "writing":
            self.assertGreaterEqual(len(answer[2]), self.LARGE)
        client.socket.close()

    def test_44_sigterm_in_every_state(self):
        for states in (("idle",), ("idle",) * 50, ("head",), ("uploading",), ("writing",),
                       ("working", "queued", "queued"), self.ORDER):
            flags = ("--workers", "1", "--shutdown-timeout", "60", "--read-timeout", "20",
                     "--request-timeout", "300", "--log-format", "json")
            with self.subTest(states), Service(*flags) as service:
                clients = []
                for state in states:
                    clients.append((state, self.begin(service, state)))
                    self.assertTrue(state != "working" or eventually(
                        lambda: metric(service, "convscope_workers_busy") == 1))
                self.assertTrue(eventually(lambda: self.settled(service, states)), states)
                service.process.send_signal(signal.SIGTERM)
                self.assertTrue(eventually(lambda: refuses(service)))
                for state, client in clients:
                    if state == "uploading":
                        client.send(post(SMALL)[-20:])
                for state, client in clients:
                    self.finish(state, client)
                self.assertEqual(service.process.wait(60), 0)
                self.check_end(service)
        figure(44, "7 mixtures of states: in-flight answered, new refused, exit 0")

    def test_44_twice(self):
        with Service("--workers", "1") as service, Client(service) as client:
            client.send(post(config(LONG)))
            self.assertTrue(eventually(
                lambda: metric(service, "convscope_workers_busy") == 1))
            service.process.send_signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: refuses(service)))
            began = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(service.process.wait(5), 1)
            took = time.monotonic() - began
            service.process.returncode = 0 # Service takes anything else for a crash
        self.assertLess(took, 0.5 * SLACK)
        figure(44, f"a second SIGTERM: gone after {1e3 * took:.0f} ms")

    def test_44_again_and_again_under_churn(self):
        rounds = 150 if LONG_RUN else 5
        answered = 0
        for _ in range(rounds):
            with Service("--workers", "2", "--log-format", "json") as service:
                ended, answers = threading.Event(), []

                def churn():
                    while not ended.is_set():
                        with contextlib.suppress(OSError), Client(service, 60) as client:
                            answers.append(client.send(post(SMALL)).answer())

                threads = [threading.Thread(target=churn) for _ in range(4)]
                for thread in threads:
                    thread.start()
                churning = eventually(lambda: len(answers) >= 100)
                status = service.stop()
                ended.set()
                for thread in threads:
                    thread.join()
                self.assertTrue(churning)
                self.assertEqual(status, 0, service.output()[-2000:])
                self.check_end(service)
                answered += sum(bool(answer) and answer[0] == 200 for answer in answers)
        figure(44, f"{rounds} ends under churn, all with 0; {answered} requests answered")


class Signals(Check):
    flags = ("--request-timeout", "3")
    memory = 1024

    def check_canary(self, canary):
        self.canary_figures = canary # it stands still with the server

    def test_46_signals(self):
        pid = self.service.process.pid
        for number in (signal.SIGPIPE, signal.SIGHUP):
            os.kill(pid, number)
            self.assertEqual(ask(self.service, GET)[0], 200)
        with Client(self.service) as client: # stopped while it works
            client.send(post(config(4)))
            os.kill(pid, signal.SIGSTOP)
            time.sleep(5 if LONG_RUN else 1)
            os.kill(pid, signal.SIGCONT)
            self.assertIn(client.answer()[0], (200, 504))
        self.assertEqual(ask(self.service, post(SMALL))[0], 200)
        figure(46, "SIGPIPE, SIGHUP, SIGSTOP and SIGCONT survived")


class Restart(Watch):
    def test_46_restart_after_a_kill(self):
        port, times = free_port(), []
        for _ in range(3):
            service = Bare()
            service.port = port
            began = time.monotonic()
            with service, Client(service) as client:
                times.append(time.monotonic() - began)
                client.send(post(config(LONG)))
                service.process.kill()
                service.process.wait()
                service.process.returncode = 0 # as it was meant
        self.assertLess(max(times), SLACK)
        figure(46, f"bound again {1e3 * max(times):.0f} ms after a kill at most")

    @unittest.skipUnless(shutil.which("faketime"), "Debian's faketime is not installed")
    def test_46_the_wall_clock_jumps(self):
        """faketime reads its offset from a file, every time; MONOTONIC stays."""
        with tempfile.NamedTemporaryFile("w", suffix=".time") as file:
            def jump(offset):
                file.seek(0)
                file.write(offset + "\n")
                file.truncate()
                file.flush()

            jump("+0s")
            library = re.search(r"\S*libfaketime\S*", subprocess.run(
                ["faketime", "-f", "+0s", "env"], capture_output=True, text=True,
                check=True).stdout.split("LD_PRELOAD=")[1])[0]
            with Bare("--request-timeout", "300", LD_PRELOAD=library, FAKETIME_NO_CACHE="1",
                      FAKETIME_TIMESTAMP_FILE=file.name,
                      FAKETIME_DONT_FAKE_MONOTONIC="1") as service, \
                    self.watching(service), Client(service) as client:
                client.send(post(config(4)))
                time.sleep(0.2)
                jump("+1d")
                self.assertEqual(client.answer()[0], 200)
                jump("-1d")
                self.assertEqual(client.send(post(SMALL)).answer()[0], 200)
        figure(46, "the wall clock a day ahead and a day back: no deadline moved")


if __name__ == "__main__":
    unittest.main()

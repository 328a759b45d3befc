"""Many connections in one thread: open loops and crowds without a thread for each."""

import contextlib
import selectors
import socket
import time


class Visitor:
    """One connection: what was sent, what came back, and when."""

    def __init__(self, port, data, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
        self.began = time.monotonic()
        self.answered = self.ended = None # moments
        self.text, self.followed = b"", False
        self.send(data)
        self.socket.setblocking(False)

    def send(self, data):
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    @property
    def status(self):
        return int(self.text[9:12]) if len(self.text) >= 12 else None

    @property
    def whole(self):
        head, mark, body = self.text.partition(b"\r\n\r\n")
        if not mark:
            return False
        size = [int(line.partition(b":")[2]) for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")]
        return len(body) >= (size[0] if size else 0)

    @property
    def seconds(self):
        return self.answered - self.began

    def close(self):
        self.socket.close()


class Crowd:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.visitors = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for visitor in self.visitors:
            visitor.close()
        self.selector.close()

    def add(self, visitor):
        self.visitors.append(visitor)
        self.selector.register(visitor.socket, selectors.EVENT_READ, visitor)
        return visitor

    def follow(self, visitor):
        """Read on, after its answer, until it is cut off."""
        visitor.followed = True
        self.selector.register(visitor.socket, selectors.EVENT_READ, visitor)

    def poll(self, seconds):
        """Read what has come; the visitors whose answer is whole, or who are cut off."""
        done = []
        for key, _ in self.selector.select(seconds):
            visitor = key.data
            try:
                data = visitor.socket.recv(1 << 20)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            visitor.text += data
            if not data:
                visitor.ended = time.monotonic()
            if visitor.answered is None and visitor.whole:
                visitor.answered = time.monotonic()
            if not data or (visitor.answered and not visitor.followed):
                self.selector.unregister(visitor.socket)
                done.append(visitor)
        return done

    def wait(self, seconds, every=None):
        """Until all have an answer or were cut off, or the time is over; every() is
        called about ten times a second. Those that are left."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.selector.get_map():
            self.poll(0.1)
            if every:
                every()
        return [key.data for key in self.selector.get_map().values()]

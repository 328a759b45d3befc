"""The server under test, as a child process, and what a client needs to talk to it.

The binary is the one that CONVSCOPE_BIN names, else build/release/convscope.
"""

import base64
import contextlib
import http.client
import io
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import tempfile
import time
import zlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
# The tests' own settings, of which the server knows nothing.
OURS = {"CONVSCOPE_BIN", "CONVSCOPE_ORACLE", "CONVSCOPE_THIRD_PARTY", "CONVSCOPE_JSON_SUITE",
        "CONVSCOPE_SLACK", "CONVSCOPE_HOSTILE", "CONVSCOPE_SOAK_MINUTES"}
BINARY = os.environ.get("CONVSCOPE_BIN", str(ROOT / "build" / "release" / "convscope"))


def free_port():
    """One below those that the kernel gives to clients, or a client of another test
    could take it before the server does."""
    while True:
        port = random.randint(10000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def type(self):
        return self.headers.get("Content-Type", "").split(";")[0]

    def json(self):
        return json.loads(self.body)

    def arrays(self):
        """The arrays of an npz reply, in their order."""
        with np.load(io.BytesIO(self.body)) as archive:
            return {name: archive[name] for name in archive.files}


class Service:
    """with Service("--workers", "2") as service: service.get("/livez")

    A port that was free may be taken by the time that the server binds it: then it is
    started anew with another. A monitored one has its metrics on monitor_port."""

    def __init__(self, *flags, monitored=False, **environment):
        self.flags = flags
        self.environment = {name: value for name, value in os.environ.items()
                            if name not in OURS} | environment
        self.log = tempfile.TemporaryFile()
        self.process = None
        self.monitored = monitored
        self.choose_ports()

    def choose_ports(self):
        self.port, self.monitor_port = free_port(), free_port()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        for _ in range(5):
            if self.start():
                return self
            self.choose_ports()
        self.fail("every port is taken")

    def start(self):
        """False if a port was taken."""
        command = [BINARY, "--bind", f"127.0.0.1:{self.port}", *self.flags]
        if self.monitored:
            command += ["--metrics-bind", f"127.0.0.1:{self.monitor_port}"]
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
            env=self.environment)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                if "is taken by another process" in self.output():
                    self.log.seek(0)
                    self.log.truncate()
                    return False
                self.fail(f"{command} ended at once")
            try:
                if self.get("/readyz").status == 200:
                    return True
            except OSError:
                time.sleep(0.02)
        self.process.kill()
        self.process.wait()
        self.fail(f"{command} did not become ready")

    def fail(self, what):
        output = self.output()
        self.log.close()
        raise RuntimeError(f"{what}:\n{output}")

    def __exit__(self, kind, *_):
        status, output = self.stop(), self.output()
        self.log.close()
        if status != 0 and kind is None:
            raise RuntimeError(f"the server ended with {status}:\n{output}")

    def stop(self):
        """SIGTERM, as an operator does; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=180)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def output(self):
        """Everything that the server has printed."""
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode(errors="replace")

    def lines(self):
        """Likewise, without a last line that is not whole yet."""
        return self.output().rpartition("\n")[0].splitlines()

    def request(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=header_names(headers))

    def post(self, path, body=b"", **headers):
        return self.request("POST", path, body, header_names(headers))

    def form(self, path, fields, **headers):
        """POST multipart/form-data; a field is text, bytes, or (file name, bytes)."""
        body, content_type = multipart(fields)
        return self.post(path, body, content_type=content_type, **headers)


def header_names(arguments):
    return {name.replace("_", "-"): value for name, value in arguments.items()}


def multipart(fields):
    boundary = "----convscope" + os.urandom(8).hex()
    body = io.BytesIO()
    for name, value in fields.items():
        filename, value = value if isinstance(value, tuple) else (None, value)
        disposition = f'form-data; name="{name}"'
        if filename is not None:
            disposition += f'; filename="{filename}"'
        data = value if isinstance(value, bytes) else str(value).encode()
        body.write(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode())
        body.write(data + b"\r\n")
    body.write(f"--{boundary}--\r\n".encode())
    return body.getvalue(), f"multipart/form-data; boundary={boundary}"


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def safetensors(arrays):
    header, data = {}, b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def b64(data):
    return base64.b64encode(data).decode()


def png_chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def png(pixels):
    """An 8-bit PNG of an (H, W), (H, W, 3) or (H, W, 4) array."""
    height, width = pixels.shape[:2]
    colour = {2: 0, 3: {3: 2, 4: 6}.get(pixels.shape[-1])}[pixels.ndim]
    rows = pixels.astype(np.uint8).reshape(height, -1)
    raw = np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes()
    return (b"\x89PNG\r\n\x1a\n" +
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)) +
            png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b""))


def png_chunks(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG"
    at, chunks = 8, []
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        crc, = struct.unpack_from(">I", data, at + 8 + size)
        assert crc == zlib.crc32(kind + body), f"bad CRC in {kind}"
        chunks.append((kind, body))
        at += 12 + size
    assert chunks[-1][0] == b"IEND", "no IEND"
    return chunks


def png_unfilter(raw, height, row_bytes, step):
    rows = np.zeros((height, row_bytes), np.uint8)
    above = bytes(row_bytes)
    for y in range(height):
        start = y * (row_bytes + 1)
        kind, row = raw[start], bytearray(raw[start + 1:start + 1 + row_bytes])
        for x in range(row_bytes if kind else 0):
            left = row[x - step] if x >= step else 0
            corner = above[x - step] if x >= step else 0
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = above[x]
            elif kind == 3:
                guess = (left + above[x]) // 2
            else:
                base = left + above[x] - corner
                near = sorted((abs(base - value), order, value) for order, value in
                              enumerate((left, above[x], corner)))
                guess = near[0][2]
            row[x] = (row[x] + guess) & 255
        rows[y] = np.frombuffer(row, np.uint8)
        above = bytes(row)
    return rows


def read_png(data):
    """The (H, W, 4) pixels of a PNG of any colour type with up to 8 bits, read
    independently of libpng."""
    chunks = png_chunks(data)
    parts = dict(chunks)
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert not interlace and depth <= 8
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row_bytes = (width * samples * depth + 7) // 8
    raw = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    assert len(raw) == height * (row_bytes + 1)
    rows = png_unfilter(raw, height, row_bytes, max(1, samples * depth // 8))
    if depth < 8:
        bits = np.unpackbits(rows, axis=1).reshape(height, -1, depth)
        rows = (bits @ (1 << np.arange(depth - 1, -1, -1))).astype(np.uint8)
    values = rows[:, :width * samples].reshape(height, width, samples)
    return png_colours(values, colour, depth, parts)


def png_colours(values, colour, depth, parts):
    height, width = values.shape[:2]
    out = np.full((height, width, 4), 255, np.uint8)
    transparent = parts.get(b"tRNS")
    if colour == 3:
        palette = np.frombuffer(parts[b"PLTE"], np.uint8).reshape(-1, 3)
        alpha = np.full(len(palette), 255, np.uint8)
        if transparent:
            alpha[:len(transparent)] = np.frombuffer(transparent, np.uint8)
        index = values[..., 0]
        assert index.max() < len(palette), "index outside the palette"
        out[..., :3], out[..., 3] = palette[index], alpha[index]
        return out
    if colour in (0, 4):
        out[..., :3] = values[..., :1].astype(np.int64) * 255 // ((1 << depth) - 1)
    else:
        out[..., :3] = values[..., :3]
    if colour in (4, 6):
        out[..., 3] = values[..., -1]
    elif transparent:
        key = np.frombuffer(transparent, ">u2")
        out[..., 3] = np.where((values == key).all(axis=-1), 0, 255)
    return out

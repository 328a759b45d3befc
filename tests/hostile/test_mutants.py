"""Check 32 for the other readers of what clients send: files of arrays and of weights, the
query and its options, headers, base64, and the operator's file of keys. Mutants of a fixed
seed; under AddressSanitizer a byte read too far ends the server."""

import base64
import io
import json
import random
import tempfile
import unittest

import numpy as np

from harness import LONG_RUN, Check, Client, figure, form, post

from client import run_it
from service import npy, safetensors

N = 3000 if LONG_RUN else 250 # of each kind
LAYERS = [{"type": "conv2d", "name": "c", "filters": 2, "kernel_size": 3}]
WEIGHTS = {"c/kernel": np.ones((3, 3, 1, 2), np.float32), "c/bias": np.zeros(2, np.float32)}
INSIDE = bytes(range(0x21, 0x7f)) # of a request line


def npz(arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def mutate(draw, data, alphabet=bytes(range(256))):
    """A byte flipped, left out, doubled, or replaced by one of its extremes; a few times."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at, kind = draw.randrange(len(data)), draw.randrange(6)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1 and len(data) > 1:
            del data[at:at + draw.randint(1, 4)]
        elif kind == 2:
            data[at:at] = data[at:at + draw.randint(1, 8)]
        elif kind == 3:
            data[at] = draw.choice((0, 0x7f, 0x80, 0xff))
        else:
            data[at] = draw.choice(alphabet)
        if not data:
            data += b"x"
    return bytes(byte if byte in alphabet else draw.choice(alphabet) for byte in data)


class Mutants(Check):
    def try_all(self, name, make, statuses=(200, 400, 415, 422)):
        """make(draw) is a request; the connection is kept where it can be."""
        draw, seen, client = random.Random(name), {}, Client(self.service)
        for number in range(N):
            answer = client.send(make(draw)).answer()
            self.assertIsNotNone(answer, (name, number))
            self.assertIn(answer[0], statuses, (name, number, answer[2][:300]))
            seen[answer[0]] = seen.get(answer[0], 0) + 1
            if answer[1].get("connection") == "close":
                client.socket.close()
                client = Client(self.service)
        client.socket.close()
        figure(32, f"{N} mutants of {name}: {dict(sorted(seen.items()))}")

    def test_32_arrays(self):
        draw = np.random.default_rng(0)
        files = [npy(draw.random((5, 4)).astype(kind)) for kind in ("f4", "f8", "u1", "u2")]
        files += [npy(np.ones((1, 4, 3, 2), "f4", order="F"))]

        def make(draw):
            file = draw.choice(files)
            cut = draw.choice((len(file), 128)) # all of it, or the header
            return form(image=("a.npy", mutate(draw, file[:cut]) + file[cut:]),
                        config='[{"type":"relu"}]', images="none")

        self.try_all("npy", make)

    def test_32_weights(self):
        for name, file in (("safetensors", safetensors(WEIGHTS)), ("npz", npz(WEIGHTS))):
            self.try_all(name, lambda draw, file=file: form(
                weights=("w", mutate(draw, file)), config=json.dumps(LAYERS),
                input="circle", size=8, images="none"))

    def test_32_queries(self):
        query = (b"input=circle&size=12,9&val=1&r_shrink=3&kernel=[[1,0],[0,-1]]&gamma=0.5"
                 b"&colormap=magma&normalize=channel&range=-1,1&stages=Input,Filter"
                 b"&figsize=4,4&format=json&values=list&channel=0&scale=2&mean=0.5")
        self.try_all("the query", lambda draw: b"GET /v1/extract?" + mutate(
            draw, query, INSIDE) + b" HTTP/1.1\r\nHost: x\r\n\r\n", (200, 400, 406, 414, 422))

    def test_32_headers(self):
        for name, value, statuses in (
                ("Accept", b"application/json;q=0.5, image/png;q=0.8, */*;q=0.1", (200, 406)),
                ("If-None-Match", b'W/"abc", "0123456789abcdef", *', (200, 304)),
                ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                 (200,)),
                ("X-Request-Id", b"abc-1.2_3", (200,))):
            path = b"/v1/extract?input=circle&size=8" if name == "Accept" else b"/v1/kernels"
            alphabet = bytes(range(0x20, 0x7f)) + bytes(range(0x80, 0x100)) + b"\t"
            self.try_all(name, lambda draw, name=name, value=value, path=path: (
                b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + name.encode() + b": " +
                mutate(draw, value, alphabet) + b"\r\n\r\n"), statuses)

    def test_32_base64(self):
        image = base64.b64encode(npy(np.arange(12, dtype="u1").reshape(3, 4)))
        kernel = base64.b64encode(WEIGHTS["c/kernel"].tobytes())

        def make(draw):
            parts = [image, kernel]
            which = draw.randrange(2)
            parts[which] = mutate(draw, parts[which])
            return post(b'{"image":{"b64":"' + parts[0] + b'"},"config":' +
                        json.dumps(LAYERS).encode() + b',"images":"none","weights":{"c/kernel":'
                        b'{"shape":[3,3,1,2],"b64":"' + parts[1] + b'"},"c/bias":{"shape":[2],'
                        b'"b64":"AAAAAAAAAAA="}}}')

        self.try_all("base64 in JSON", make)

    def test_32_a_file_of_keys(self):
        """Read at start and at SIGHUP: taken, or refused in one line; never an open door."""
        draw, text = random.Random("keys"), b"\xef\xbb\xbf# ours\nfirst key\r\n\tsecond \n\nthird"
        taken = 0
        for _ in range(N // 10):
            with tempfile.NamedTemporaryFile(suffix=".keys") as file:
                file.write(mutate(draw, text))
                file.flush()
                done = run_it("--api-keys-file", file.name, "--bind", "nonsense")
            self.assertIn(done.returncode, (1, 2), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            taken += "nonsense" in done.stderr # it came as far as that
        self.assertGreater(taken, N // 20)
        figure(32, f"{N // 10} mutants of a file of keys, {taken} taken")


if __name__ == "__main__":
    unittest.main()

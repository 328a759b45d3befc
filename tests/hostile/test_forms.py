"""Checks 20 to 25: multipart bodies, cut, split, disguised and overfilled."""

import json
import random
import time
import unittest

import numpy as np

from harness import Check, Client, figure, third_party

from service import npy, png

PICTURE = png(np.arange(108).reshape(9, 4, 3))
B = "XX"


def part(name, data=b"", headers=""):
    disposition = f"Content-Disposition: form-data; {name}"
    return f"--{B}\r\n{disposition}{headers}\r\n\r\n".encode() + data + b"\r\n"


IMAGE = part('name="image"; filename="a.png"', PICTURE, "\r\nContent-Type: image/png")
FORMAT = part('name="format"', b"png")
FINAL = f"--{B}--\r\n".encode()
BODY = IMAGE + FORMAT + FINAL


def request(body, content_type=f"multipart/form-data; boundary={B}"):
    return (f"POST /v1/extract HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Forms(Check):
    def post_form(self, body, *content_type):
        return self.send(request(body, *content_type))

    def test_20_python_multiparts_vectors(self):
        """A body that it takes is read: its parts have names that we do not know, and
        the first is told. A body that it refuses is malformed here too."""
        folder = third_party("multipart", "python-multipart")
        taken = refused = 0
        for path in sorted(folder.glob("*.http")):
            if path.stem == "single_field_blocks": # has another boundary than it says
                continue
            expected = path.with_suffix(".yaml").read_text()
            boundary = expected.splitlines()[0].partition(": ")[2]
            status, code, _, body = self.post_form(
                path.read_bytes(), f"multipart/form-data; boundary={boundary}")
            detail = json.loads(body).get("detail", "")
            with self.subTest(path.name, code=code, detail=detail):
                if "error:" in expected:
                    self.assertEqual((status, code), (400, "multipart_malformed"))
                    refused += 1
                elif "Content-Transfer-Encoding" in detail: # check 25: refused by name
                    refused += 1
                else:
                    self.assertNotEqual(code, "multipart_malformed")
                    taken += 1
        figure(20, f"{taken} read as there, {refused} refused as there")

    def test_21_cut_at_every_byte(self):
        whole = self.post_form(BODY)
        self.assertEqual(whole[0], 200, whole[3][:300])
        last = len(BODY) - 2 # the final line's end may be missing
        with Client(self.service) as client:
            for cut in range(last):
                status, headers, body = client.send(request(BODY[:cut])).answer()
                self.assertEqual((status, headers["x-error-code"]),
                                 (400, "multipart_malformed"), (cut, body[:200]))
        figure(21, f"{last} cuts, all 400")

    def test_22_boundaries(self):
        def body(boundary):
            return BODY.replace(f"--{B}".encode(), b"--" + boundary)

        for boundary, value, status in (
                (b"XX", 'boundary="XX"', 200), (b"XX", "boundary=XX; charset=utf-8", 200),
                (b"XX", "charset=utf-8; boundary=XX", 200), (b"XX", "BOUNDARY=XX", 200),
                (b"X", "boundary=X", 200), (b"X" * 70, f"boundary={'X' * 70}", 200),
                (b"X" * 71, f"boundary={'X' * 71}", 400), (b"", "boundary=", 400),
                (b"", 'boundary=""', 400), (b"XX", "charset=utf-8", 400), (b"XX", "", 400),
                (b"X X", 'boundary="X X"', 200), (b"XX", "boundary=YY", 400),
                (b"XX", "boundary=XX; boundary=YY", 400), (b"X\\X", 'boundary="X\\X"', 400)):
            with self.subTest(value=value):
                kind = "multipart/form-data; " + value if value else "multipart/form-data"
                got, code, _, text = self.post_form(body(boundary), kind)
                self.assertEqual(got, status, text[:300])
        for kind in ("multipart/mixed; boundary=XX", "multipart/form-dataX; boundary=XX",
                     "text/plain"):
            self.assertEqual(self.post_form(BODY, kind)[0], 415, kind)
        got = self.post_form(BODY, "Multipart/Form-Data; boundary=XX")
        self.assertEqual(got[0], 200, got[3][:300])
        figure(22, "19 Content-Types")

    def test_23_splits(self):
        """However the bytes come in, the picture is the same."""
        draw, expected, n = random.Random(23), self.post_form(BODY)[3], 0
        head = (f"POST /v1/extract HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; "
                f"boundary={B}\r\n").encode()
        for size in (1, 7, 64, 0, 0, 0):
            pieces, at = [], 0
            while at < len(BODY):
                step = size or draw.randint(1, 100)
                pieces.append(BODY[at:at + step])
                at += step
            for chunked in (False, True):
                with Client(self.service) as client:
                    framing = b"Transfer-Encoding: chunked" if chunked else \
                        b"Content-Length: %d" % len(BODY)
                    client.socket.setsockopt(6, 1, 1) # TCP_NODELAY: each as a segment
                    client.send(head + framing + b"\r\n\r\n")
                    for piece in pieces:
                        client.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                        time.sleep(0.0001)
                    status, _, body = client.send(b"0\r\n\r\n" if chunked else b"").answer()
                    self.assertEqual((status, body), (200, expected), (size, chunked))
                    n += len(pieces)
        figure(23, f"{n} pieces in 12 bodies, one picture")

    def test_24_what_looks_like_a_boundary(self):
        expected = self.post_form(BODY)[3]
        for name, body, status in (
                ("preamble", b"hello\r\n" + BODY, 200),
                ("preamble like a boundary", b"--XXextra\r\n" + BODY, 200),
                ("epilogue", BODY + b"--XX\r\nbye", 200),
                ("white space after the boundary", BODY.replace(b"--XX\r\n", b"--XX \t\r\n"), 200),
                ("line feeds only", BODY.replace(b"\r\n", b"\n"), 400),
                ("no final boundary", IMAGE + FORMAT, 400)):
            with self.subTest(name):
                got, _, _, text = self.post_form(body)
                self.assertEqual(got, status, text[:300])
                if status == 200:
                    self.assertEqual(text, expected)
        # The same inside a file: every byte of it must arrive, or the picture breaks.
        for trick in (b"\r\n--X", b"\r\n--XXextra", b"\n--XX\r\n", b"\r--XX\r\n", b"--XX--",
                      b"\r\n--XX-", b"\r\n-", b"\r\n\r\n", b"\r\n--YY\r\n"):
            with self.subTest(trick=trick):
                array = np.frombuffer(trick.ljust(16, b"."), np.uint8).reshape(4, 4)
                file = part('name="image"; filename="a.npy"', npy(array))
                values = part('name="config"', b'[{"type":"relu"}]') + \
                    part('name="stages"', b"Input") + part('name="format"', b"npy")
                got, _, _, body = self.post_form(file + values + FINAL)
                self.assertEqual(got, 200, body[:300])
                self.assertEqual(bytes(np.frombuffer(body[-64:], "<f4").astype(np.uint8)),
                                 array.tobytes())
        figure(24, "6 frames, 9 files that hold what looks like a boundary")

    def test_25_parts_that_are_wrong(self):
        rows = (("missing image", FORMAT, 400, "image"),
                ("doubled", IMAGE + IMAGE, 400, "image"),
                ("unknown", IMAGE + part('name="imge"', b"x"), 400, "imge"),
                ("1000 empty parts", b"".join(part(f'name="p{i}"') for i in range(1000)), 400, ""),
                ("nameless", IMAGE + part('filename="x"', b"x"), 400, ""),
                ("empty name", IMAGE + part('name=""', b"x"), 400, ""),
                ("unquoted name", IMAGE + part("name=format", b"png"), 200, ""),
                ("escaped name", IMAGE + part('name="for\\mat"', b"png"), None, ""),
                ("60 KB name", IMAGE + part(f'name="{"n" * 60000}"', b"x"), 400, ""),
                ("a path", part('name="image"; filename="../../../etc/passwd"', PICTURE), 200, ""),
                ("200 headers", IMAGE + part('name="format"', b"png",
                                              f"\r\nX-A: {'b' * 50}" * 200), 400, ""),
                ("base64", part('name="image"; filename="a"', PICTURE,
                                "\r\nContent-Transfer-Encoding: base64"), 400, ""),
                ("nested mixed", IMAGE + part('name="format"', b"--YY\r\n\r\nx\r\n--YY--",
                    "\r\nContent-Type: multipart/mixed; boundary=YY"), None, ""))
        for name, parts, status, word in rows:
            with self.subTest(name):
                got, code, _, body = self.post_form(parts + FINAL)
                if status:
                    self.assertEqual(got, status, body[:300])
                else:
                    self.assertIn(got, (200, 400, 422), body[:300])
                self.assertIn(word.encode(), body)
        self.assertNotIn("passwd", self.service.output())
        figure(25, f"{len(rows)} kinds of parts")




if __name__ == "__main__":
    unittest.main()

"""Checks 26 to 32: pictures that are too large, broken, disguised, or mutated."""

import io
import random
import struct
import unittest
import zlib

import numpy as np
from PIL import Image

import reference
from harness import LONG_RUN, MB, Check, figure, form, third_party

from service import png_chunk

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = png_chunk(b"IEND", b"")


def header(width, height, depth=8, colour=0, interlaced=0):
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0,
                                          interlaced))


def zeros(n):
    """n zero bytes, deflated, without ever having them."""
    deflate, block = zlib.compressobj(9), bytes(MB)
    parts = [deflate.compress(block) for _ in range(n // MB)]
    return b"".join(parts) + deflate.compress(bytes(n % MB)) + deflate.flush()


def picture(*ancillary, width=16, height=12):
    rows = np.arange(width * height, dtype=np.uint8).reshape(height, width)
    raw = np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes()
    return (SIGNATURE + header(width, height) + b"".join(ancillary) +
            png_chunk(b"IDAT", zlib.compress(raw)) + END)


def spoil(data, kind):
    """The same file with a wrong CRC in the first chunk of that kind."""
    at = data.index(kind)
    size, = struct.unpack_from(">I", data, at - 4)
    crc = at + 4 + size
    return data[:crc] + bytes([data[crc] ^ 1]) + data[crc + 1:]


class Pictures(Check):
    flags = ("--max-body-bytes", "8M")

    def extract(self, data, name="in.png", **options):
        return self.send(form(image=(name, data), images="none", **options))

    def pixels(self, data, **options):
        """The Input stage as float32, with the colours and the alpha as they are."""
        status, _, seconds, body = self.send(form(
            image=("in.png", data), config='[{"type":"relu"}]', stages="Input",
            format="npy", color="rgba", **options))
        self.assertEqual(status, 200, body[:300])
        return np.load(io.BytesIO(body)), seconds

    def refused(self, data, status=422, limit=0.05, **options):
        got, _, seconds, body = self.extract(data, **options)
        self.assertEqual(got, status, (data[:60], body[:300]))
        self.assert_cheap(seconds, limit, body[:200])
        return seconds

    def test_26_impossible_sizes(self):
        files = [SIGNATURE + header(width, height) + png_chunk(b"IDAT", b"x") + END
                 for width, height in ((0, 9), (9, 0), (2**31 - 1, 2**31 - 1),
                                       (10**9, 10**9), (2**32 - 1, 2**32 - 1), (2**31, 1))]
        files.append(SIGNATURE + header(9, 9) + struct.pack(">I", 2**31 - 1) + b"IDATx")
        took = []
        grown = self.growth(lambda: took.extend(map(self.refused, files)))
        self.assert_small(grown, MB)
        figure(26, f"{len(files)} refused, slowest {1e3 * max(took):.1f} ms of CPU, memory "
                   f"+{grown >> 10} KiB")

    def test_27_bombs(self):
        sizes = ((50000, 50000, 1, 0, 0), (12000, 12000, 8, 6, 0), (6000, 6000, 16, 6, 1),
                 (7000, 7000, 8, 0, 0))
        took = []
        for width, height, depth, colour, interlaced in sizes:
            rows = height * (1 + width * depth * {0: 1, 6: 4}[colour] // 8)
            body = zeros(min(rows, 64 * MB))
            took.append(self.refused(
                SIGNATURE + header(width, height, depth, colour, interlaced) +
                png_chunk(b"IDAT", body) + END))
        figure(27, f"4 bombs refused from the header, slowest {1e3 * max(took):.1f} ms of CPU")

    def test_28_ancillary_bombs(self):
        text = b"k\0\1\0\0\0" + zeros(7_500_000) # iTXt, compressed
        bombs = {"200 iTXt of 7.5 MB": [png_chunk(b"iTXt", text)] * 200,
                 "zTXt of 1 GB": [png_chunk(b"zTXt", b"k\0\0" + zeros(1024 * MB))],
                 "iCCP of 256 MB": [png_chunk(b"iCCP", b"k\0\0" + zeros(256 * MB))],
                 "10 sPLT": [png_chunk(b"sPLT", b"k\0\x08" + bytes(600_000))] * 10,
                 "100,000 tEXt": [png_chunk(b"tEXt", b"k\0v")] * 100_000,
                 "200,000 unknown": [png_chunk(b"teSt", b"x")] * 200_000,
                 "500,000 empty IDAT": [png_chunk(b"IDAT", b"")] * 500_000}
        expected, plain = self.pixels(picture())
        worst = 0
        for name, chunks in bombs.items():
            with self.subTest(name):
                got, cpu = self.pixels(picture(*chunks))
                np.testing.assert_array_equal(got, expected)
                self.assert_cheap(cpu - plain, 0.05)
                worst = max(worst, cpu - plain)
        figure(28, f"{len(bombs)} bombs on a good picture: same pixels, at most "
                   f"{1e3 * worst:.1f} ms of CPU more")

    def test_29_broken_files(self):
        text = png_chunk(b"tEXt", b"k\0v")
        good = picture(text)
        for kind, status in ((b"IHDR", 422), (b"IDAT", 422), (b"tEXt", 200)):
            with self.subTest(kind):
                self.assertEqual(self.extract(spoil(good, kind))[0], status)
        raw = bytearray(zlib.compress(bytes(17 * 12)))
        raw[-1] ^= 1 # the Adler checksum
        self.refused(SIGNATURE + header(16, 12) + png_chunk(b"IDAT", bytes(raw)) + END)
        self.refused(SIGNATURE + header(16, 12) + png_chunk(b"IDAT", b"rubbish") + END)
        self.refused(SIGNATURE + header(16, 12, colour=3) +
                     png_chunk(b"IDAT", zlib.compress(bytes(17 * 12))) + END) # no palette
        end = good.index(b"IDAT") + 4 + struct.unpack_from(">I", good, good.index(b"IDAT") - 4)[0]
        for cut in range(8, end):
            self.assertEqual(self.extract(good[:cut])[0], 422, cut)
        corrupt = 0
        try:
            for path in sorted(third_party("pngsuite").glob("x*.png")):
                with self.subTest(path.name):
                    self.assertIn(self.extract(path.read_bytes())[0], (415, 422))
                    corrupt += 1
            self.assertEqual(corrupt, 14)
        except unittest.SkipTest:
            corrupt = "no"
        figure(29, f"{end - 8} truncations, 6 damages, {corrupt} corrupt files of PngSuite")

    def test_30_pngsuite_pixel_by_pixel(self):
        """Against reference.py, every sample of every file, bit for bit."""
        files = [path for path in sorted(third_party("pngsuite").glob("*.png"))
                 if not path.name.startswith("x")]
        for path in files:
            with self.subTest(path.name):
                data = path.read_bytes()
                got, _ = self.pixels(data)
                samples, white = reference.read(data)
                expected = samples.astype(np.float32) * np.float32(1 / white)
                np.testing.assert_array_equal(got, expected)
        self.assertEqual(len(files), 161)
        figure(30, f"{len(files)} files of PngSuite decode exactly")

    def test_31_disguises(self):
        good, others = picture(), {
            "empty": b"", "GIF": b"GIF89a" + bytes(40), "PDF": b"%PDF-1.7\n" + bytes(40),
            "ZIP": b"PK\3\4" + bytes(40), "text": b"hello, world\n" * 5}
        for name, data in others.items():
            with self.subTest(name):
                status, code, _, _ = self.extract(data)
                self.assertEqual((status, code), (415, "image_format_unsupported"))
        jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(50)
        self.assertEqual(self.extract(jpeg)[0], 422) # it is read, so it is broken, not unknown
        expected, _ = self.pixels(good)
        for name, data in (("trailing megabyte", good + bytes(MB)),
                           ("trailing ZIP", good + others["ZIP"]),
                           ("APNG of 1e6 frames", picture(png_chunk(
                               b"acTL", struct.pack(">II", 10**6, 0))))):
            with self.subTest(name):
                np.testing.assert_array_equal(self.pixels(data)[0], expected)
        self.assertEqual(self.extract(good, name="photo.jpg")[0], 200)
        self.assertEqual(self.extract(good, name="../../etc/passwd")[0], 200)
        figure(31, f"{len(others)} other formats refused, a PNG is one under any name")

    def test_32_mutants_of_jpeg_and_webp(self):
        draw, n = random.Random(132), 3000 if LONG_RUN else 300
        array = np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8)
        seeds = []
        for kind, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}),
                              ("WEBP", {"lossless": True})):
            file = io.BytesIO()
            Image.fromarray(np.dstack([array, array * 3, array * 7])).save(
                file, kind, **options)
            seeds.append(file.getvalue())
            self.assertEqual(self.extract(seeds[-1])[0], 200)
        statuses, slowest = {}, 0
        for number in range(n):
            data = bytearray(draw.choice(seeds))
            for _ in range(draw.randint(1, 4)):
                data[draw.randrange(len(data))] = draw.choice((0, 1, 255, draw.randrange(256)))
            if draw.random() < 0.2:
                del data[draw.randrange(len(data)):]
            status, _, seconds, body = self.extract(bytes(data))
            self.assertIn(status, (200, 415, 422), (number, body[:200]))
            slowest = max(slowest, seconds)
            statuses[status] = statuses.get(status, 0) + 1
        self.assert_cheap(slowest, 1)
        figure(32, f"{n} mutants of JPEG and WebP {statuses}, slowest {1e3 * slowest:.0f} ms of CPU")

    def test_32_mutants(self):
        """Long fuzzing is done elsewhere; this is a corpus of a fixed seed."""
        draw, n = random.Random(32), 5000 if LONG_RUN else 400
        seeds = [picture(), picture(png_chunk(b"tRNS", b"\0\1")),
                 SIGNATURE + header(5, 7, 16, 6, 1) +
                 png_chunk(b"IDAT", zlib.compress(bytes(900))) + END]
        statuses, slowest = {}, 0
        for number in range(n):
            data = bytearray(draw.choice(seeds))
            for _ in range(draw.randint(1, 5)):
                at = draw.randrange(len(data))
                data[at] = draw.choice((0, 1, 127, 128, 255, draw.randrange(256)))
            if draw.random() < 0.7: # let it past the checksum of the header
                data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
            status, _, seconds, body = self.extract(bytes(data))
            self.assertIn(status, (200, 415, 422), (number, body[:200]))
            slowest = max(slowest, seconds)
            statuses[status] = statuses.get(status, 0) + 1
        self.assert_cheap(slowest, 1)
        figure(32, f"{n} mutants {statuses}, slowest {1e3 * slowest:.0f} ms of CPU")


if __name__ == "__main__":
    unittest.main()

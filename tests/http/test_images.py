"""Images in: every format and option of the input against independent readers.

Pillow writes the files; djpeg, dwebp, Pillow and the definitions say what is in them.
"""

import io
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
from PIL import Image, ImageOps

from service import ROOT, Service, npy, png, png_chunk, png_chunks, read_png

LUMA = np.array([0.2989, 0.587, 0.114])


def photo(height, width, seed=1):
    """Smooth colours, sharp edges and a little noise, 8-bit RGB."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    pixels = np.stack([np.sin(7 * x + 3 * y), np.cos(5 * y - 2 * x), np.sin(9 * x * y)],
                      -1) * 100 + 128
    for _ in range(6):
        a, b, r = rng.random(3)
        pixels[(x - a) ** 2 + (y - b) ** 2 < r * r / 30] = rng.integers(0, 256, 3)
    pixels += rng.normal(0, 6, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def alpha(height, width):
    y, x = np.mgrid[0:height, 0:width]
    return ((x * 7 + y * 3) % 256).astype(np.uint8)


def encode(pixels, kind, mode=None, **options):
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, kind, **options)
    return file.getvalue()


def read_pnm(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def tool(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def djpeg(data):
    return read_pnm(tool(["djpeg", "-pnm"], data))


def dwebp(data):
    """Straight RGBA, by way of a PNG."""
    out = tool(["dwebp", "-quiet", "-o", "-", "--", "-"], data)
    return np.asarray(Image.open(io.BytesIO(out)).convert("RGBA"))


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__(None, None, None)

    def post(self, data, **options):
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return self.service.post(f"/v1/extract?stages=Input&conv_padding=same&{query}", data)

    def read(self, data, **options):
        """The Input stage, float32, (H, W, C)."""
        reply = self.post(data, format="npy", **options)
        self.assertEqual(reply.status, 200, reply.body[:500])
        return np.load(io.BytesIO(reply.body))

    def refused(self, data, status, code, words="", **options):
        reply = self.post(data, **options)
        self.assertEqual(reply.status, status, reply.body[:300])
        self.assertEqual(reply.json()["code"], code)
        self.assertIn(words, reply.json()["detail"])
        return reply.json()

    def same_bytes(self, values, expected):
        """Samples of 8 bits over 255, every one."""
        np.testing.assert_array_equal(np.rint(values * 255).astype(int),
                                      expected.reshape(values.shape).astype(int))

    def described(self, data):
        return self.post(data, images="none").json()


class Jpeg(Images):
    def test_colours_and_gray_are_djpegs(self):
        pixels = photo(53, 37)
        for options in ({"quality": 75}, {"quality": 92, "subsampling": 0},
                        {"subsampling": 1}, {"progressive": True}, {"optimize": True},
                        {"quality": 20, "progressive": True, "subsampling": 0}):
            with self.subTest(**options):
                data = encode(pixels, "JPEG", **options)
                self.same_bytes(self.read(data, color="rgb"), djpeg(data))
                data = encode(pixels[..., 1], "JPEG", **options)
                self.same_bytes(self.read(data), djpeg(data))

    def test_arithmetic_coding_and_restarts(self):
        for flags in (["-arithmetic"], ["-restart", "1"], ["-sample", "4x1"],
                      ["-arithmetic", "-progressive"], ["-rgb"]):
            with self.subTest(flags=flags):
                data = tool(["cjpeg", *flags], pnm_of(photo(40, 33)))
                self.same_bytes(self.read(data, color="rgb"), djpeg(data))

    def test_inks_are_multiplied(self):
        inks = np.dstack([photo(24, 31), alpha(24, 31)])
        data = encode(inks, "JPEG", "CMYK", quality=90)
        cmyk = np.asarray(Image.open(io.BytesIO(data)), np.float64)
        paper = 255 - cmyk
        self.same_bytes(self.read(data, color="rgb"),
                        np.rint(paper[..., :3] * paper[..., 3:] / 255))

    def test_gray_of_colours_is_the_luma_of_their_rgb(self):
        data = encode(photo(64, 64), "JPEG", quality=60)
        luma = djpeg(data) @ LUMA / 255
        np.testing.assert_allclose(self.read(data)[..., 0], luma, atol=1e-6)

    def test_every_orientation_is_made_upright(self):
        for kind in (photo(21, 34), photo(21, 34)[..., 0]):
            for orientation in range(1, 9):
                exif = Image.Exif()
                exif[0x0112] = orientation
                data = encode(kind, "JPEG", exif=exif, quality=90)
                upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
                with self.subTest(orientation=orientation, shape=kind.shape):
                    color = "rgb" if kind.ndim == 3 else "gray"
                    self.same_bytes(self.read(data, color=color), np.asarray(upright))
                    image = self.described(data)["image"]
                    self.assertEqual((image["width"], image["height"]), upright.size)
                    small = self.read(data, color=color, resize="9,16")
                    again = self.read(png(np.asarray(upright)), color=color,
                                      resize="9,16")
                    np.testing.assert_allclose(small, again, atol=1e-6)

    def test_broken_exif_is_no_orientation(self):
        plain = encode(photo(9, 12), "JPEG")
        good = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
        turned = self.read(with_app1(plain, good), color="rgb")
        self.assertEqual(turned.shape, (12, 9, 3))
        broken = [b"Exif\0\0", b"Exif\0\0MM", good[:13], good[:-18],
                  good.replace(b"\0\x08\0\x01", b"\xff\xff\0\x01"),
                  good.replace(b"\x12\0\x03", b"\x13\0\x03"),
                  good.replace(b"\0\x06\0\0", b"\0\x09\0\0"),
                  good.replace(b"MM\0*", b"MM\0+"),
                  good.replace(b"\0\0\0\x08", b"\xff\xff\xff\xff"), b"", b"http://ns"]
        for segment in broken:
            with self.subTest(segment=segment):
                data = with_app1(plain, segment)
                self.assertEqual(self.read(data, color="rgb").shape, (9, 12, 3))

    def test_data_cut_short_is_refused(self):
        for options in ({}, {"progressive": True}):
            data = encode(photo(16, 16), "JPEG", **options)
            for n in [3, 10, 100, len(data) // 2, len(data) - 60, len(data) - 20]:
                with self.subTest(n=n, **options):
                    self.refused(data[:n], 422, "image_undecodable", "JPEG: ")

    def test_bytes_too_many_are_read_with_a_warning(self):
        data = encode(photo(16, 16)[..., 0], "JPEG")
        reply = self.described(data[:-2] + b"\x12\x34\x56" + data[-2:])
        self.assertEqual(reply["warnings"], [])  # after the picture: nobody looks
        dri = tool(["cjpeg", "-grayscale", "-restart", "1B"], pnm_of(photo(8, 32)))
        at = dri.index(b"\xff\xd0")
        reply = self.described(dri[:at] + b"\x12\x34" + dri[at:])
        self.assertIn("damaged", " ".join(reply["warnings"]))

    def test_kinds_that_are_not_read_are_named(self):
        data = bytearray(encode(photo(16, 16), "JPEG"))
        frame = data.index(b"\xff\xc0")
        twelve = bytes(data[:frame + 4]) + b"\x0c" + bytes(data[frame + 5:])
        self.refused(twelve, 422, "image_undecodable", "precision 12")
        lossless = bytes(data[:frame + 1]) + b"\xc3" + bytes(data[frame + 2:])
        self.refused(lossless, 422, "image_undecodable", "0xc3")

    def test_size_is_refused_before_decoding(self):
        data = bytearray(encode(photo(16, 16), "JPEG"))
        frame = data.index(b"\xff\xc0")
        data[frame + 5:frame + 9] = b"\xff\xdc\xff\xdc"
        problem = self.refused(bytes(data), 422, "image_too_many_pixels", "65500x65500")
        self.assertEqual(problem["limit"]["name"], "max_dimension")

    def test_a_bomb_of_scans_is_refused(self):
        with tempfile.NamedTemporaryFile("w") as script:
            script.write("0: 0-0, 0, 0;\n0: 1-63, 0, 0;\n")
            script.flush()
            data = tool(["cjpeg", "-grayscale", "-scans", script.name],
                        pnm_of(photo(16, 16)))
        scan = data[data.rindex(b"\xff\xda"):-2]
        self.same_bytes(self.read(data[:-2] + scan * 90 + b"\xff\xd9"), djpeg(data))
        self.refused(data[:-2] + scan * 200 + b"\xff\xd9", 422, "image_undecodable",
                     "100 scans")


def pnm_of(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PPM")
    return file.getvalue()


def with_app1(data, segment):
    length = (len(segment) + 2).to_bytes(2, "big")
    return data[:2] + b"\xff\xe1" + length + segment + data[2:]


class Webp(Images):
    def test_lossy_and_lossless_are_dwebps(self):
        pixels = photo(45, 38)
        for options in ({"quality": 80}, {"quality": 5}, {"lossless": True},
                        {"lossless": True, "quality": 100, "method": 6}):
            with self.subTest(**options):
                data = encode(pixels, "WEBP", **options)
                self.same_bytes(self.read(data, color="rgb"), dwebp(data)[..., :3])
        np.testing.assert_array_equal(dwebp(data)[..., :3], pixels)

    def test_alpha_is_composited_or_kept(self):
        pixels = np.dstack([photo(45, 38), alpha(45, 38)])
        for options in ({"quality": 80}, {"lossless": True, "exact": True}):
            with self.subTest(**options):
                data = encode(pixels, "WEBP", **options)
                rgba = dwebp(data).astype(np.float64)
                self.same_bytes(self.read(data, color="rgba"), rgba)
                a = rgba[..., 3:] / 255
                over = (rgba[..., :3] * a + np.array([0, 128, 255]) * (1 - a)) / 255
                np.testing.assert_allclose(
                    self.read(data, color="rgb", background="0,128,255"), over, atol=1e-6)

    def test_of_an_animation_the_first_frame_is_read(self):
        frames = [Image.fromarray(photo(20, 30, seed)) for seed in range(3)]
        file = io.BytesIO()
        frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:],
                       lossless=True)
        self.same_bytes(self.read(file.getvalue(), color="rgb"), np.asarray(frames[0]))
        reply = self.described(file.getvalue())
        self.assertIn("first frame", " ".join(reply["warnings"]))
        self.assertEqual(reply["image"], {"format": "webp", "width": 30, "height": 20,
                                          "bit_depth": 8})

    def test_a_frame_that_is_smaller_than_the_canvas_has_its_place(self):
        inner = encode(photo(8, 10), "WEBP", lossless=True)
        data = animation(30, 20, 6, 4, 10, 8, inner[12:])
        rgba = self.read(data, color="rgba")
        expected = np.zeros((20, 30, 4), np.uint8)
        expected[4:12, 6:16, :3] = photo(8, 10)
        expected[4:12, 6:16, 3] = 255
        self.same_bytes(rgba, expected)
        self.assertTrue((self.read(data, color="rgb")[0] == 1).all())

    def test_data_cut_short_or_damaged_is_refused(self):
        for options in ({"quality": 80}, {"lossless": True}):
            data = encode(photo(16, 16), "WEBP", **options)
            for n in [12, 15, 20, 30, len(data) // 2, len(data) - 1]:
                with self.subTest(n=n, **options):
                    self.refused(data[:n], 422, "image_undecodable", "WebP: ")

    def test_size_is_refused_before_decoding(self):
        self.refused(animation(16000, 2, 0, 0, 2, 2,
                               encode(photo(2, 2), "WEBP", lossless=True)[12:]),
                     422, "image_too_many_pixels", "16000x2")
        self.refused(animation(12001, 1, 0, 0, 10, 8, b""), 422, "image_undecodable")


def riff_chunk(kind, data):
    return kind + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def animation(width, height, x, y, w, h, frame):
    """A WebP animation of one frame at (x, y)."""
    def u24(value):
        return value.to_bytes(3, "little")
    body = (b"WEBP" +
            riff_chunk(b"VP8X", b"\x02\0\0\0" + u24(width - 1) + u24(height - 1)) +
            riff_chunk(b"ANIM", b"\xff\xff\xff\xff\0\0") +
            riff_chunk(b"ANMF", u24(x // 2) + u24(y // 2) + u24(w - 1) + u24(h - 1) +
                       u24(100) + b"\0" + frame))
    return b"RIFF" + len(body).to_bytes(4, "little") + body


class Apng(Images):
    FRAMES = [photo(20, 30, seed) for seed in range(3)]

    def warnings(self, data):
        return " ".join(self.described(data)["warnings"])

    def test_of_an_animation_the_first_frame_is_read(self):
        frames = [Image.fromarray(frame) for frame in self.FRAMES]
        file = io.BytesIO()
        frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
        self.same_bytes(self.read(file.getvalue(), color="rgb"), self.FRAMES[0])
        self.assertIn("first frame", self.warnings(file.getvalue()))

    def test_every_reader_warns(self):
        """Of one pixel an interlaced file, which libpng reads, is like any other."""
        for name, pixels, interlaced in (("ours", self.FRAMES[0], 0),
                                         ("libpng", self.FRAMES[0][:1, :1], 1)):
            head, *rest = png_chunks(png(pixels))
            for frames, expected in ((2, True), (1, False)):
                chunks = [(head[0], head[1][:12] + bytes([interlaced])),
                          (b"acTL", frames.to_bytes(4, "big") + bytes(4)), *rest]
                data = b"\x89PNG\r\n\x1a\n" + b"".join(
                    png_chunk(kind, body) for kind, body in chunks)
                with self.subTest(name, frames=frames):
                    self.same_bytes(self.read(data, color="rgb"), pixels)
                    self.assertEqual("first frame" in self.warnings(data), expected)

    def test_other_chunks_of_that_name_are_skipped(self):
        head, *rest = png_chunks(png(self.FRAMES[0]))
        for at, body in ((1, b""), (1, b"\0\0\0\2"), (1, bytes(9)), (2, b"\0\0\0\2" * 2)):
            chunks = [head, *rest]
            chunks.insert(at, (b"acTL", body))
            data = b"\x89PNG\r\n\x1a\n" + b"".join(
                png_chunk(kind, body) for kind, body in chunks)
            with self.subTest(at=at, body=body):
                self.assertEqual(self.warnings(data), "")


class Resize(Images):
    """Against Pillow, which antialiases as is promised here; OpenCV, which does so for
    INTER_AREA only, would say nothing more and is a large package."""

    METHODS = {"bilinear": Image.BILINEAR, "nearest": Image.NEAREST,
               "bicubic": Image.BICUBIC, "area": Image.BOX}
    SIZES = [(40, 60), (20, 30), (13, 7), (1, 1), (80, 120), (41, 200), (10, 180),
             (3, 59)]

    def pillow(self, plane, size, method):
        image = Image.fromarray(plane.astype(np.float32), "F")
        return np.asarray(image.resize(size[::-1], self.METHODS[method]), np.float64)

    def test_planes_are_pillows(self):
        plane = photo(40, 60)[..., 0]
        for method in self.METHODS:
            for size in self.SIZES:
                if method == "area" and (40 % size[0] or 60 % size[1]):
                    continue  # Pillow's BOX takes whole pixels; see the next test
                with self.subTest(method=method, size=size):
                    expected = np.clip(self.pillow(plane, size, method), 0, 255) / 255
                    got = self.read(png(plane), resize="%d,%d" % size,
                                    resize_method=method)
                    np.testing.assert_allclose(got[..., 0], expected, atol=2e-6)

    def test_area_is_the_mean_of_what_is_covered(self):
        plane = photo(40, 60)[..., 0] / 255

        def matrix(source, result):
            edges = np.arange(result + 1) * source / result
            left = np.maximum.outer(edges[:-1], np.arange(source))
            right = np.minimum.outer(edges[1:], np.arange(source) + 1.0)
            return np.clip(right - left, 0, None) * result / source

        for h, w in self.SIZES:
            expected = matrix(40, h) @ plane @ matrix(60, w).T
            got = self.read(png(photo(40, 60)[..., 0]), resize=f"{h},{w}",
                            resize_method="area")
            np.testing.assert_allclose(got[..., 0], expected, atol=2e-6)

    def test_colours_are_resized_before_they_become_gray(self):
        pixels = photo(40, 60)
        planes = [np.clip(self.pillow(pixels[..., c], (17, 23), "bicubic"), 0, 255)
                  for c in range(3)]
        expected = np.stack(planes, -1) / 255
        got = self.read(png(pixels), color="rgb", resize="17,23", resize_method="bicubic")
        np.testing.assert_allclose(got, expected, atol=2e-6)
        gray = self.read(png(pixels), resize="17,23", resize_method="bicubic")
        np.testing.assert_allclose(gray[..., 0], expected @ LUMA, atol=2e-6)

    def test_alpha_is_composited_first(self):
        pixels = np.dstack([photo(40, 60), alpha(40, 60)])
        a = pixels[..., 3:] / 255
        over = pixels[..., :3] * a + 255 * (1 - a)
        expected = self.pillow(over[..., 1], (9, 9), "bilinear") / 255
        got = self.read(png(pixels), color="rgb", resize=9)
        np.testing.assert_allclose(got[..., 1], expected, atol=2e-6)

    def test_alpha_that_stays_weighs_the_colours(self):
        pixels = np.dstack([photo(40, 60), alpha(40, 60)]).astype(np.float64)
        a = self.pillow(pixels[..., 3], (9, 11), "bilinear")
        red = self.pillow(pixels[..., 0] * pixels[..., 3] / 255, (9, 11), "bilinear")
        got = self.read(png(pixels), color="rgba", resize="9,11")
        np.testing.assert_allclose(got[..., 3], a / 255, atol=2e-6)
        np.testing.assert_allclose(got[..., 0], red / a, atol=1e-5)
        exact = self.read(png(pixels), color="rgba", resize="20,30",
                          resize_method="nearest")
        self.same_bytes(exact, pixels[1::2, 1::2])

    def test_arrays_are_resized_without_a_bound(self):
        array = np.random.default_rng(2).normal(0, 1000, (12, 15, 5)).astype(np.float32)
        expected = self.pillow(array[..., 4], (7, 31), "bicubic")
        got = self.read(npy(array), resize="7,31", resize_method="bicubic")
        self.assertEqual(got.shape, (7, 31, 5))
        np.testing.assert_allclose(got[..., 4], expected, rtol=1e-5, atol=1e-2)

    def test_generated_inputs_too(self):
        reply = self.service.get("/v1/extract?input=circle&size=64&r_shrink=3&val=1"
                                 "&resize=32&resize_method=area&stages=Input&format=npy")
        circle = np.load(io.BytesIO(self.service.get(
            "/v1/inputs/circle.npy?size=64&r_shrink=3&val=1").body))
        expected = circle.reshape(32, 2, 32, 2).mean((1, 3))
        np.testing.assert_allclose(np.load(io.BytesIO(reply.body))[..., 0], expected,
                                   atol=1e-6)

    def test_the_plan_knows_the_size(self):
        config = '{"layers":[{"type":"max_pooling2d"}],"resize":[10,20]}'
        plan = self.service.form("/v1/plan", {"image": png(photo(40, 60)),
                                              "config": config}).json()
        self.assertEqual(plan["input_shape"], [10, 20, 3])
        self.assertEqual(plan["layers"][0]["shape"], [5, 10, 3])

    def test_a_declared_size_is_met_by_it(self):
        config = ('{"layers":[{"class_name":"InputLayer","config":'
                  '{"batch_shape":[null,16,16,3]}},{"type":"max_pooling2d"}]}')
        fields = {"image": png(photo(40, 60)), "config": config}
        problem = self.service.form("/v1/extract", fields).json()
        self.assertIn("resize=16,16", problem["detail"])
        reply = self.service.form("/v1/extract", fields | {"resize": "16"})
        self.assertEqual(reply.json()["stages"][1]["shape"], [8, 8, 3])

    def test_limits_and_faults(self):
        data = png(photo(4, 4))
        problem = self.refused(data, 422, "image_too_many_pixels", resize="12001,1")
        self.assertEqual(problem["limit"]["name"], "max_dimension")
        self.refused(data, 422, "image_too_many_pixels", "resized", resize="11000,11000")
        self.refused(data, 422, "option_invalid", resize="0")
        self.refused(data, 422, "option_invalid", resize="4,4,4")
        self.refused(data, 422, "option_invalid", "bilinear", resize=4,
                     resize_method="lanczos")


class Scaling(Images):
    """rescale, mean, std, channel_order and preprocess, by their definitions."""

    def setUp(self):
        self.pixels = photo(6, 5)
        self.x = self.pixels.astype(np.float64)

    def check(self, expected, **options):
        got = self.read(png(self.pixels), color="rgb", **options)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)

    def test_steps(self):
        self.check(self.x / 255)
        self.check(self.x, rescale=1)
        self.check(self.x / 255 - 0.5, mean=0.5)
        self.check((self.x / 255 - [0.1, 0.2, 0.3]) / [1, 2, 4], mean="0.1,0.2,0.3",
                   std="1,2,4")
        self.check(self.x[..., ::-1] / 255, channel_order="bgr")
        self.check((self.x[..., ::-1] * 2 - [1, 2, 3]) / 5, rescale=2, std=5,
                   channel_order="bgr", mean="1,2,3")

    def test_preprocess(self):
        self.check(self.x / 127.5 - 1, preprocess="tf")
        self.check(self.x[..., ::-1] - [103.939, 116.779, 123.68], preprocess="caffe")
        self.check((self.x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
                   preprocess="torch")
        wide = self.x.astype(np.uint16) * 257
        data = io.BytesIO()
        Image.fromarray(wide[..., 0]).save(data, "PNG")
        got = self.read(data.getvalue(), preprocess="tf")
        np.testing.assert_allclose(got[..., 0], self.x[..., 0] / 127.5 - 1, atol=1e-5)

    def test_what_an_input_cannot_show_is_said(self):
        """Its picture is in its own colours, from 0 to 1."""
        clipped = "Input has values beyond 0..1, which are clipped"
        rows = [(f"preprocess={mode}&stages=Input", clipped)
                for mode in ("tf", "caffe", "torch")]
        rows += [
            ("mean=0.5", clipped),
            ("rescale=1&stages=Input,Filter&format=png&stage=Input", clipped),
            ("stages=Input", ""),
            ("resize=11,13&resize_method=area", ""),
            ("mean=0.5&range=-0.5,0.5", ""),
            ("mean=0.5&format=npz", ""),
            ("mean=0.5&images=none", ""),
            ("mean=0.5&stages=Filter", ""),
            ("mean=0.5&color=gray", ""),
            ("stages=Input&colormap=gray", "colormap does nothing here: it is for "
             "pictures, but an Input of three channels"),
            ("stages=Input&normalize=stage", "normalize does nothing here"),
            ("stages=Input&layout=separate", "layout does nothing here"),
            ("stages=Input&gap=3", "gap does nothing here"),
            ("stages=Input&colormap=gray&channel=1", ""),
            ("stages=Input,Filter&colormap=gray&gap=3", ""),
        ]
        for query, expected in rows:
            with self.subTest(query):
                color = "" if "color=" in query else "&color=rgb"
                reply = self.service.form(f"/v1/extract?{query}{color}",
                                          {"image": png(self.pixels)})
                self.assertEqual(reply.status, 200, reply.body[:500])
                told = (reply.json()["warnings"] if reply.type == "application/json"
                        else [reply.headers["X-Warning"]] if "X-Warning" in reply.headers
                        else [])
                self.assertEqual(len(told), bool(expected), told)
                self.assertIn(expected, "".join(told))

    def test_together_with_every_format(self):
        for kind in ("JPEG", "WEBP"):
            data = encode(self.pixels, kind)
            plain = self.read(data, color="rgb").astype(np.float64) * 255
            got = self.read(data, color="rgb", preprocess="caffe")
            np.testing.assert_allclose(
                got, plain[..., ::-1] - [103.939, 116.779, 123.68], atol=1e-3)

    def test_faults_name_the_option(self):
        gray = png(self.pixels[..., 0])
        for options in ({"preprocess": "caffe"}, {"channel_order": "bgr"},
                        {"mean": "1,2"}, {"std": "0"},
                        {"rescale": 2, "preprocess": "tf"}):
            with self.subTest(**options):
                problem = self.refused(gray, 422, "option_invalid", **options)
                self.assertIn(problem["errors"][0]["parameter"], options)


class Profiles(Images):
    def test_gamma_and_colour_profiles_change_nothing(self):
        plain = png(photo(5, 5))
        at = plain.index(b"IDAT") - 4
        chunk = png_chunk(b"gAMA", (100000).to_bytes(4, "big"))
        got = self.read(plain[:at] + chunk + plain[at:], color="rgb")
        np.testing.assert_array_equal(got, self.read(plain, color="rgb"))


# Public files that are not part of the project; where they are, they are read.
ORACLE = pathlib.Path(os.environ.get("CONVSCOPE_ORACLE", ROOT / "../shared/oracle"))
SUITE = sorted((ORACLE / "../third-party/pngsuite").glob("*.png"))


def pillow_rgba(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


@unittest.skipUnless(SUITE, "there is no PngSuite here")
class PngSuite(Images):
    def test_every_file_is_read_as_others_do_or_refused(self):
        for path in SUITE:
            data = path.read_bytes()
            with self.subTest(file=path.name):
                if path.name.startswith("x"):
                    reply = self.post(data)
                    self.assertIn(reply.status, (415, 422))
                    continue
                got = self.read(data, color="rgba")
                if self.described(data)["image"]["bit_depth"] == 16:
                    continue  # neither reader keeps 16 bits
                interlaced = data[28]
                self.same_bytes(got, pillow_rgba(data) if interlaced else read_png(data))


class Foreign(Images):
    def test_other_formats_are_named(self):
        for kind, name in (("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF"),
                           ("ICO", "ICO")):
            self.refused(encode(photo(16, 16), kind), 415, "image_format_unsupported", name)
        self.refused(b"hello", 415, "image_format_unsupported", "68 65 6c 6c 6f")
        self.refused(b"\xff\xd8", 415, "image_format_unsupported")


if __name__ == "__main__":
    unittest.main()

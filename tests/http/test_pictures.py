"""Figures, kernels and animations as other programs read them: pngcheck, librsvg,
poppler, gifsicle and Pillow."""

import base64
import io
import json
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from service import DATA, Service

CIRCLE = "input=circle&size=64&r_shrink=3&val=1"
LESSON = f"/v1/extract?{CIRCLE}&figsize=14,6&subplot_shape=1,4"


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def run(*command, data=None):
    """The output of a program that must not complain."""
    done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    return done.stdout


def through_file(data, *command):
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return run(*command[:-1], *(word.format(file.name) for word in command[-1:]))


class Pictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = cls.enterClassContext(Service())

    def get(self, path, **headers):
        reply = self.service.get(path, **headers)
        self.assertEqual(reply.status, 200, reply.body[:500])
        return reply.body

    def cells_agree(self, seen, name):
        """The middles of the cells have matplotlib's colours: 62 x 62 in the second of
        four panels, in whatever size the picture was drawn."""
        theirs = pixels((DATA / "figures" / f"{name}.png").read_bytes())
        k = seen.shape[1] / 1400
        at = (np.arange(62) + 0.5) * 331.25 / 62
        for x0 in (361.25, 707.5):
            ours = seen[np.ix_(((134.375 + at) * k).astype(int),
                               ((x0 + at) * k).astype(int))]
            right = theirs[np.ix_((134 + at + 0.375).astype(int), (x0 + at).astype(int))]
            self.assertLessEqual(np.abs(ours - right).max(), 2)


class Figures(Pictures):
    def test_png(self):
        for query in ("", "&colorbar=true&shapes=true", "&conv_stride=3&dpi=37"):
            data = self.get(LESSON + "&format=figure" + query)
            self.assertIn(b"OK:", through_file(data, "pngcheck", "{}"))
        self.assertEqual(pixels(self.get(LESSON + "&format=figure")).shape,
                         (600, 1400, 3))

    def test_svg(self):
        data = self.get(LESSON, accept="image/svg+xml")
        seen = pixels(run("rsvg-convert", "-w", "2800", data=data))
        self.assertEqual(seen.shape, (1200, 2800, 3))
        self.cells_agree(seen, "extraction_s1")
        for title in ("Input", "Filter", "Detect", "Condense"):
            self.assertIn(f'aria-label="{title}"'.encode(), data)
        # The words are where matplotlib has them.
        self.assertGreater((seen[200:246, 978:1130] < 100).mean(), 0.2)

    def test_pdf(self):
        data = self.get(LESSON, accept="application/pdf")
        seen = pixels(through_file(data, "pdftoppm", "-r", "200", "-png", "{}"))
        self.assertEqual(seen.shape, (1200, 2800, 3))
        self.cells_agree(seen, "extraction_s1")
        self.assertEqual(run("pdftotext", "-", "-", data=data).split(),
                         [b"Input", b"Filter", b"Detect", b"Condense"])
        self.assertIn(b"DejaVuSans-Bold", through_file(data, "pdffonts", "{}"))

    def test_titles_from_outside_stay_text(self):
        titles = "%3C%26%22'%5D%5D%3E,%01,Gr%C3%B6%C3%9Fe%20%F0%9F%98%80,%FF"
        query = f"{LESSON}&titles={titles}&format="
        run("rsvg-convert", data=self.get(query + "svg"))
        data = self.get(query + "pdf")
        self.assertIn("<&\"']]>", run("pdftotext", "-", "-", data=data).decode())
        through_file(self.get(query + "figure"), "pngcheck", "{}")

    def test_workers_draw_side_by_side(self):
        """The fonts are shared: what is drawn at the same time is the same."""
        paths = ([f"{LESSON}&format={kind}&dpi={dpi}&shapes=true&colorbar=true"
                  for kind in ("figure", "svg", "pdf") for dpi in (40, 77, 100)]
                 + ["/v1/kernels/edge.png", "/v1/animation?max_frames=4"])
        with Service("--workers", "4") as service, ThreadPoolExecutor(8) as pool:
            alone = [service.get(path).body for path in paths]
            together = pool.map(lambda path: service.get(path).body, paths * 4)
            for i, body in enumerate(together):
                self.assertTrue(body == alone[i % len(paths)], paths[i % len(paths)])

    def test_holes_let_the_page_through(self):
        hole = np.zeros((8, 8), np.float32)
        hole[2:6, 2:6] = np.nan
        file = io.BytesIO()
        np.save(file, hole)
        query = "/v1/extract?ops=Input&subplot_shape=1,1&titles=false&figsize=2,2&format="
        for kind in ("figure", "svg", "pdf"):
            reply = self.service.post(query + kind, file.getvalue())
            self.assertEqual(reply.status, 200, reply.body[:300])
            data = reply.body
            seen = (pixels(run("rsvg-convert", "-w", "200", data=data))
                    if kind == "svg" else
                    pixels(through_file(data, "pdftoppm", "-r", "100", "-png", "{}"))
                    if kind == "pdf" else pixels(data))
            self.assertEqual(seen[100, 100].tolist(), [255, 255, 255], kind)
            self.assertEqual(seen[30, 100].tolist(), [0, 0, 3], kind)


class Kernels(Pictures):
    def test_every_kernel_of_the_catalogue_has_a_picture(self):
        kernels = self.service.get("/v1/kernels").json()["kernels"]
        self.assertGreater(len(kernels), 10)
        for kernel in kernels:
            data = self.get(f"/v1/kernels/{kernel['name']}.png")
            self.assertIn(b"OK:", through_file(data, "pngcheck", "{}"))
            self.assertEqual(pixels(data).shape, (480, 640, 3))

    def test_pictures_can_be_cached(self):
        reply = self.service.get("/v1/kernels/edge.png")
        again = self.service.get("/v1/kernels/edge.png",
                                 if_none_match=reply.headers["ETag"])
        self.assertEqual((reply.status, again.status, again.body), (200, 304, b""))


class Render(Pictures):
    """A client with the values and the render block paints the very same pictures."""

    LAYERS = [{"type": "conv2d", "filters": 3, "kernel_size": 3, "name": "three"},
              {"type": "conv2d", "filters": 7, "kernel_size": 2, "name": "seven"},
              {"type": "global_average_pooling2d", "name": "mean"},
              {"type": "dense", "units": 40, "name": "top"}]

    def paint(self, stage, image):
        """What the render block says, in numpy."""
        render = stage["render"]
        table = np.array(self.colors.get(render["colormap"] or "gray"))
        values = np.frombuffer(base64.b64decode(stage["values"]), "<f4")
        shape = stage["shape"] if len(stage["shape"]) == 3 else [1, -1, 1]
        values = values.reshape(shape).astype(np.float32)
        if render["gamma"] != 1:
            values = values ** np.float32(render["gamma"])
        low, high = (np.broadcast_to(np.float32(render[k]), values.shape[-1:])
                     for k in ("vmin", "vmax"))
        x = (values - low) / (high - low)
        if render["colormap"] is None:
            picture = (np.clip(x, 0, 1) * np.float32(255)).astype(int)
        else:
            index = np.clip((x * np.float32(256)).astype(int), 0, 255)
            maps = ([image["channel"]] if image["channel"] is not None
                    else range(values.shape[-1]))
            h, w, columns = values.shape[0], values.shape[1], render["columns"]
            gap = render["gap"]
            rows = -(-len(maps) // columns)
            canvas = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap), int)
            for i, c in enumerate(maps):
                y, x0 = i // columns * (h + gap), i % columns * (w + gap)
                canvas[y:y + h, x0:x0 + w] = index[:, :, c]
            picture = table[canvas]
        return picture.repeat(render["cell"][0], 0).repeat(render["cell"][1], 1)

    def test_pictures_can_be_redone(self):
        self.colors = json.loads((DATA / "colors" / "colormaps.json").read_text())
        x = np.random.default_rng(2).uniform(0.1, 1, (12, 15, 3)).astype(np.float32)
        file = io.BytesIO()
        np.save(file, x)
        for query in ("", "normalize=stage", "normalize=none", "range=-0.2,0.4",
                      "gap=0", "gap=3&columns=2", "scale=3", "layout=separate",
                      "layout=separate&normalize=stage&scale=2", "channel=0",
                      "stages=three&layout=rgb", "colormap=turbo", "columns=100",
                      "stages=Input,mean,top&scale=2"):
            with self.subTest(query):
                reply = self.service.form(f"/v1/extract?values=base64&{query}", {
                    "config": json.dumps(self.LAYERS), "image": file.getvalue()})
                self.assertEqual(reply.status, 200, reply.body[:300])
                for stage in reply.json()["stages"]:
                    for image in stage["images"]:
                        seen = pixels(base64.b64decode(image["png"]))
                        np.testing.assert_array_equal(
                            seen, self.paint(stage, image), stage["name"])

    def test_without_pictures_the_rest_is_the_same(self):
        for query in ("", "&normalize=stage", "&range=0,1", "&gamma=0.5", "&channel=0"):
            both = [self.service.get(f"/v1/extract?{CIRCLE}&images={images}{query}")
                    .json()["stages"] for images in ("png", "none")]
            for with_images, without in zip(*both):
                self.assertEqual(without.pop("images"), [])
                with_images.pop("images")
                for stage in (with_images, without):
                    stage.pop("duration_ms")
                self.assertEqual(with_images, without)
                self.assertIsNotNone(without["render"]["vmin"])


LAYERS = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "name": "a"},
    {"type": "depthwise_conv2d", "kernel_size": 2, "name": "b"},
    {"type": "max_pooling2d"}, {"type": "flatten"},
    {"type": "dense", "units": 3, "name": "c"},
]


class LayerKernels(Pictures):
    """POST /v1/kernels: the weights of a config's layers."""

    def post(self, query, layers=LAYERS, shape="8,8,2", status=200):
        reply = self.service.form(f"/v1/kernels?{query}", {
            "config": json.dumps(layers), **({"input_shape": shape} if shape else {})})
        self.assertEqual(reply.status, status, reply.body[:500])
        return reply

    def test_every_weight_that_is_a_kernel(self):
        stages = self.post("").json()["stages"]
        self.assertEqual([(s["name"], s["shape"]) for s in stages],
                         [("a/kernel", [3, 3, 2, 4]), ("b/depthwise_kernel", [2, 2, 4, 1]),
                          ("c/kernel", [16, 3])])
        arrays = self.post("format=npz").arrays()
        self.assertEqual({name: list(a.shape) for name, a in arrays.items()},
                         {s["name"]: s["shape"] for s in stages})
        # The mosaic has a row for each input channel, a column for each filter.
        # Small ones are enlarged, and the gap has a colour that no value has.
        picture = pixels(base64.b64decode(stages[0]["images"][0]["png"]))
        self.assertEqual(picture.shape, (32 * (2 * 4 - 1), 32 * (4 * 4 - 1), 3))
        picture = picture[::32, ::32]
        self.assertTrue((picture[3] == (0xad, 0xb5, 0xbd)).all())
        self.assertTrue((picture[:, 3::4] == (0xad, 0xb5, 0xbd)).all())
        table = np.array(json.loads((DATA / "colors" / "colormaps.json").read_text())
                         ["Blues_r"])
        kernel = arrays["a/kernel"]
        for i in range(2):
            for f in range(4):
                k = kernel[:, :, i, f]
                x = (k - k.min()) / (k.max() - k.min())
                index = np.minimum((x * np.float32(256)).astype(int), 255)
                seen = picture[4 * i:4 * i + 3, 4 * f:4 * f + 3]
                np.testing.assert_array_equal(seen, table[index])

    def test_mosaics_are_nearly_square_and_can_be_seen(self):
        def conv(filters, size=3):
            return [{"type": "conv2d", "filters": filters, "kernel_size": size}]
        for layers, channels, query, shape, columns in (
                (conv(64), 3, "", (376, 504), 16),  # 12 rows, 8 pixels a cell
                (conv(64), 3, "&columns=64&scale=1", (11, 255), 64),
                (conv(64), 64, "&gap=0", (384, 384), 64),
                (conv(2), 64, "", (504, 248), 8),  # a row holds four channels
                (conv(31), 3, "", (507, 507), 10),  # no number of columns fits 31
                (conv(1), 1, "", (96, 96), 1),
                (conv(6, 5), 1, "", (330, 510), 3)):
            with self.subTest(query, layers=layers, channels=channels):
                stage, = self.post(f"images=png{query}", layers,
                                   f"16,16,{channels}").json()["stages"]
                picture = pixels(base64.b64decode(stage["images"][0]["png"]))
                self.assertEqual(picture.shape, (*shape, 3))
                self.assertEqual(stage["render"]["columns"], columns)

    def test_kernels_of_one_cell_are_a_matrix(self):
        layers = [{"type": "conv2d", "filters": 8, "kernel_size": 1, "name": "p"}]
        stage, = self.post("scale=1", layers, "8,8,8").json()["stages"]
        self.assertEqual(stage["render"]["normalize"], "stage")
        kernel = self.post("format=npz", layers, "8,8,8").arrays()["p/kernel"][0, 0]
        x = (kernel - kernel.min()) / (kernel.max() - kernel.min())
        table = np.array(json.loads((DATA / "colors" / "colormaps.json").read_text())
                         ["Blues_r"])
        np.testing.assert_array_equal(
            pixels(base64.b64decode(stage["images"][0]["png"])),
            table[np.minimum((x * np.float32(256)).astype(int), 255)])

    def test_one_layer_by_its_name(self):
        for name in ("b", "b/depthwise_kernel"):
            reply = self.post(f"format=npy&stage={name}")
            self.assertEqual(np.load(io.BytesIO(reply.body)).shape, (2, 2, 4, 1))
            self.assertEqual(reply.headers["X-Stage"], "b/depthwise_kernel")

    def test_kernels_are_those_that_run(self):
        kernels = self.post("format=npz&seed=7").arrays()
        x = np.random.default_rng(1).normal(size=(8, 8, 2)).astype(np.float32)
        file = io.BytesIO()
        np.save(file, x)
        reply = self.service.form("/v1/extract?format=npz&seed=7&stages=a", {
            "config": json.dumps(LAYERS), "image": file.getvalue()})
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))
        expected = np.einsum("yxcij,ijcf->yxf", windows, kernels["a/kernel"])
        np.testing.assert_allclose(reply.arrays()["a"], expected, atol=1e-5)

    def test_as_a_figure(self):
        reply = self.post("format=svg&shapes=true")
        for title in ("a/kernel", "3 × 3 × 2 × 4", "c/kernel"):
            self.assertIn(f'aria-label="{title}"'.encode(), reply.body)
        run("rsvg-convert", data=reply.body)

    def test_a_declared_shape_serves(self):
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": [
            {"class_name": "InputLayer", "config": {
                "batch_input_shape": [None, 9, 9, 3], "name": "in"}},
            {"class_name": "Conv2D", "config": {
                "name": "k", "filters": 2, "kernel_size": [5, 5]}}]}}
        stage, = self.post("", config, shape=None).json()["stages"]
        self.assertEqual(stage["shape"], [5, 5, 3, 2])

    def test_refusals(self):
        for layers, shape, query, status, detail in (
                (LAYERS, None, "", 400, "the shapes of kernels follow from the input's"),
                ([{"type": "flatten"}], "8,8,2", "", 422, "no layer of the config has a"),
                (LAYERS, "8,8,2", "stage=d", 422, "there is no stage d"),
                (LAYERS, "2,2,2", "", 422, "larger than the 2x2 input"),
                (LAYERS, "8,8,2", "format=figure&subplot_shape=1,2", 422,
                 "1x2 has room for 2 panels, the figure has 3")):
            reply = self.post(query, layers, shape, status)
            self.assertIn(detail, reply.json()["detail"])


OUTLINE = (0xe8, 0x59, 0x0c)


def frames_of(data):
    """What a viewer shows, frame by frame."""
    image = Image.open(io.BytesIO(data))
    for i in range(image.n_frames):
        image.seek(i)
        yield np.asarray(image.convert("RGB")).astype(int)


def outlines(frame):
    """The boxes (left, top, right, bottom) around the window and around the output's
    cell: what has the outlines' colour left and right of the middle."""
    ys, xs = np.nonzero((frame == OUTLINE).all(-1))
    gap = np.diff(np.unique(xs)).argmax()
    split = np.unique(xs)[gap]
    return [(xs[part].min(), ys[part].min(), xs[part].max(), ys[part].max())
            for part in (xs <= split, xs > split)]


class Animations(Pictures):
    def slide(self, query):
        """The positions of window and output cell, and the window's size, in cells."""
        data = self.get(f"/v1/animation?{query}")
        boxes = [outlines(frame) for frame in frames_of(data)]
        (x0, y0, *_), (u0, v0, u1, _) = boxes[0]
        cell = u1 - u0 - 1  # the line is three pixels wide, half of it outside
        positions = [((w[1] - y0) / cell, (w[0] - x0) / cell,
                      (o[1] - v0) / cell, (o[0] - u0) / cell) for w, o in boxes]
        size = ((boxes[0][0][3] - y0 - 1) / cell, (boxes[0][0][2] - x0 - 1) / cell)
        return np.array(positions), np.array(size)

    def test_the_window_goes_where_it_should(self):
        for query, (oh, ow), (sh, sw), (kh, kw) in (
                ("", (5, 5), (1, 1), (3, 3)),
                ("input_size=9,7&strides=2,1", (4, 5), (2, 1), (3, 3)),
                ("input_size=5&padding=same", (5, 5), (1, 1), (3, 3)),
                ("input_size=9&dilation=2", (5, 5), (1, 1), (5, 5)),
                ("op=max_pool&input_size=8", (4, 4), (2, 2), (2, 2)),
                ("op=average_pool&input_size=7&kernel_size=3&strides=2&padding=same",
                 (4, 4), (2, 2), (3, 3)),
                ("op=max_pool&input_size=9&kernel_size=3&strides=2&dilation=2"
                 "&padding=SAME", (5, 5), (2, 2), (5, 5)),
                ("preset=lesson_stride3&input=circle&resize=12,9",
                 (4, 3), (3, 3), (3, 3))):
            with self.subTest(query):
                positions, size = self.slide(query)
                expected = [(y * sh, x * sw, y, x)
                            for y in range(oh) for x in range(ow)]
                np.testing.assert_allclose(positions, expected, atol=0.01)
                np.testing.assert_allclose(size, (kh, kw), atol=0.01)

    def test_frames_beyond_the_limit_are_sampled_evenly(self):
        positions, _ = self.slide("input_size=12&max_frames=12")
        shown = (positions[:, 2] * 10 + positions[:, 3]).round().astype(int)
        self.assertEqual(shown.tolist(), np.linspace(0, 99, 12).round().tolist())

    def test_padding_and_what_is_known_are_seen(self):
        frames = list(frames_of(self.get("/v1/animation?input_size=5&padding=same")))
        _, (u0, v0, u1, _) = outlines(frames[0])
        cell = u1 - u0 - 1
        grey, white = [0xe9, 0xec, 0xef], [255, 255, 255]
        # The padding's last corner, before and after; an output cell likewise.
        (x0, y0, *_), _ = outlines(frames[0])
        corner = (y0 + 7 * cell - 6, x0 + 7 * cell - 6)
        self.assertEqual(frames[0][corner].tolist(), grey)
        later = (v0 + 2 * cell + 6, u0 + 2 * cell + 6)
        self.assertEqual(frames[0][later].tolist(), white)
        self.assertNotEqual(frames[-1][later].tolist(), white)

    def test_its_time_is_told_by_phases(self):
        for path, phases in (("/v1/animation?input_size=30", ("plan", "compute", "encode")),
                             ("/v1/animation?input=circle&max_frames=2",
                              ("plan", "decode", "encode")),
                             ("/v1/kernel.png?kernel=edge", ("encode",)),
                             ("/v1/kernels/edge.png", ("encode",))):
            timing = self.service.get(path).headers["Server-Timing"]
            times = {name: float(ms) for name, ms in
                     (part.split(";dur=") for part in timing.split(", "))}
            with self.subTest(path, timing=timing):
                self.assertTrue(all(times[phase] > 0 for phase in phases))

    def test_gifsicle_reads_the_same_frames_and_makes_them_hardly_smaller(self):
        for query in ("", "op=max_pool&input_size=9&dilation=2&padding=same",
                      "input=circle&size=40&max_frames=9&fps=50"):
            with self.subTest(query):
                data = self.get(f"/v1/animation?{query}")
                done = subprocess.run(["gifsicle", "--unoptimize"], input=data,
                                      capture_output=True, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                for ours, theirs in zip(frames_of(data), frames_of(done.stdout),
                                        strict=True):
                    np.testing.assert_array_equal(ours, theirs)
                smallest = run("gifsicle", "-O3", data=data)
                self.assertLess(len(data), 1.1 * len(smallest))

    def test_it_is_small_and_repeats(self):
        data = self.get("/v1/animation")
        image = Image.open(io.BytesIO(data))
        self.assertEqual((image.n_frames, image.info["loop"]), (25, 0))
        self.assertLess(len(data), 150_000)
        whole = sum(len(frame.tobytes()) // 8 for frame in frames_of(data))
        self.assertLess(len(data), whole / 40)


if __name__ == "__main__":
    unittest.main()

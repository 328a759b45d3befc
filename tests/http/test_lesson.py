"""The lesson, told through the service: one circle, three steps, four pictures.

A window slides over a 64x64 picture of a circle: `filter` answers where there is an
edge below, `detect` keeps what is positive, `condense` keeps the strongest of every
2x2. The numbers are the lesson's own; the reference arrays and pictures in data/lesson
were made by other implementations (numpy, and matplotlib's imshow).
"""

import base64
import json
import shutil
import subprocess
import tempfile
import unittest
import zipfile
import io

import numpy as np

from service import (DATA, Service, b64, npy, png, png_chunks, read_png, safetensors)

LESSON = DATA / "lesson"
CIRCLE = "input=circle&size=64&r_shrink=3&val=1"
STAGES = ["Input", "Filter", "Detect", "Condense"]

BOTTOM_SOBEL = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)

# The lesson's pipeline, written out as layers.
LAYERS = [
    {"class_name": "Conv2D", "config": {
        "name": "Filter", "filters": 1, "kernel_size": [3, 3], "use_bias": False,
        "kernel": "bottom_sobel"}},
    {"class_name": "Activation", "config": {"name": "Detect", "activation": "relu"}},
    {"type": "max_pooling2d", "name": "Condense", "pool_size": 2, "strides": 2,
     "padding": "same"},
]


def reference(name):
    return np.load(LESSON / f"{name}.npy")


def circle_png():
    return png(np.load(LESSON / "circle.npy") * 255)


class Lesson(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = cls.enterClassContext(Service())

    def extract(self, query, body=b"", **headers):
        reply = self.service.post(f"/v1/extract?{query}", body, **headers)
        self.assertEqual(reply.status, 200, reply.body[:500])
        return reply

    def stages(self, query, body=b"", **headers):
        return self.extract(query, body, **headers).json()["stages"]

    def arrays(self, query, body=b"", **headers):
        return self.extract(query + "&format=npz", body, **headers).arrays()

    def assert_lesson(self, arrays, strides=1):
        """The arrays are the reference's, bit for bit."""
        self.assertEqual(list(arrays), STAGES)
        for name in STAGES[1:]:
            expected = reference(f"s{strides}_{name.lower()}")
            self.assertEqual(arrays[name].dtype, np.float32)
            np.testing.assert_array_equal(arrays[name], expected)

    # The steps

    def test_the_circle_is_the_lessons_circle(self):
        reply = self.service.get("/v1/inputs/circle.npy?size=64&val=1&r_shrink=3")
        circle = np.load(io.BytesIO(reply.body))
        self.assertEqual((circle.dtype, circle.shape), (np.float64, (64, 64)))
        self.assertEqual(circle.sum(), 160)
        np.testing.assert_array_equal(circle, reference("circle"))

    def test_sixty_four_becomes_sixty_two_and_thirty_one(self):
        stages = self.stages(CIRCLE)
        self.assertEqual([stage["name"] for stage in stages], STAGES)
        self.assertEqual([stage["shape"] for stage in stages],
                         [[64, 64, 1], [62, 62, 1], [62, 62, 1], [31, 31, 1]])

    def test_a_stride_of_three_leaves_twenty_one_and_eleven(self):
        stages = self.stages(CIRCLE + "&conv_stride=3")
        self.assertEqual([stage["shape"] for stage in stages],
                         [[64, 64, 1], [21, 21, 1], [21, 21, 1], [11, 11, 1]])

    def test_same_padding_goes_to_the_bottom_right(self):
        condense = self.stages(CIRCLE + "&conv_stride=3")[-1]
        self.assertEqual(condense["pad"], {"top": 0, "bottom": 1, "left": 0, "right": 1})

    def test_the_numbers_are_the_references(self):
        self.assert_lesson(self.arrays(CIRCLE))
        self.assert_lesson(self.arrays(CIRCLE + "&conv_stride=3"), strides=3)

    def test_statistics_describe_the_numbers(self):
        for stage, name in zip(self.stages(CIRCLE)[1:], STAGES[1:]):
            values = reference(f"s1_{name.lower()}").astype(np.float64)
            stats = stage["stats"]
            self.assertEqual((stats["min"], stats["max"]), (values.min(), values.max()))
            self.assertAlmostEqual(stats["mean"], values.mean(), places=6)
            self.assertAlmostEqual(stats["std"], values.std(), places=6)
            self.assertEqual((stats["nan"], stats["inf"], stats["constant"]), (0, 0, False))

    # The pictures

    def test_the_pictures_are_matplotlibs_pixel_for_pixel(self):
        for strides in (1, 3):
            for stage in self.stages(f"{CIRCLE}&conv_stride={strides}"):
                picture = base64.b64decode(stage["images"][0]["png"])
                expected = LESSON / f"s{strides}_{stage['name'].lower()}_1to1.png"
                with self.subTest(expected.name):
                    np.testing.assert_array_equal(read_png(picture),
                                                  read_png(expected.read_bytes()))

    def test_a_picture_is_a_small_palette_png(self):
        picture = self.extract(CIRCLE + "&format=png&stage=Filter").body
        parts = dict(png_chunks(picture))
        self.assertEqual(parts[b"IHDR"][9], 3, "palette")
        colours = len(np.unique(reference("s1_filter")))
        self.assertEqual(len(parts[b"PLTE"]), 3 * colours, "only the colours used")

    def test_scale_enlarges_each_cell(self):
        small = read_png(self.extract(CIRCLE + "&format=png").body)
        large = read_png(self.extract(CIRCLE + "&format=png&scale=4").body)
        np.testing.assert_array_equal(large, small.repeat(4, 0).repeat(4, 1))

    # The ways in

    def test_a_png_in_any_way_in_is_the_same_picture(self):
        image = circle_png()
        form = self.service.form("/extract?format=npz", {"image": ("in.png", image)})
        self.assert_lesson(form.arrays())
        self.assert_lesson(self.arrays("", image, content_type="image/png"))
        self.assert_lesson(self.arrays(
            "", image, content_type="application/x-www-form-urlencoded"))
        document = json.dumps({"image": {"b64": b64(image)}, "format": "npz"})
        reply = self.extract("", document.encode(), content_type="application/json")
        self.assert_lesson(reply.arrays())

    def test_an_array_is_taken_as_it_is(self):
        array = reference("circle")
        for file in (npy(array), npy(array.astype(np.float64)), npy(array[..., None]),
                     npy(array[None, ..., None])):
            self.assert_lesson(self.arrays("", file))

    def test_layers_say_the_same_as_the_lessons_options(self):
        config = json.dumps({"layers": LAYERS})
        for document in (config, json.dumps(LAYERS)):
            reply = self.service.form(
                "/v1/extract", {"image": ("in.png", circle_png()), "config": document,
                                "format": "npz"})
            self.assertEqual(reply.status, 200, reply.body[:500])
            self.assert_lesson(reply.arrays())

    def test_uploaded_weights_are_the_kernel(self):
        layers = [{"type": "conv2d", "name": "Filter", "filters": 1, "kernel_size": 3,
                   "use_bias": False}, *LAYERS[1:]]
        kernel = {"Filter/kernel": BOTTOM_SOBEL[..., None, None]}
        fields = {"image": ("in.png", circle_png()), "config": json.dumps(layers),
                  "weights": ("w.safetensors", safetensors(kernel)), "format": "npz"}
        self.assert_lesson(self.service.form("/v1/extract", fields).arrays())

        document = {"image": {"b64": b64(circle_png())}, "config": layers,
                    "format": "npz", "weights": {"Filter/kernel": {
                        "shape": [3, 3, 1, 1], "b64": b64(BOTTOM_SOBEL.tobytes())}}}
        reply = self.extract("", json.dumps(document).encode(),
                             content_type="application/json")
        self.assert_lesson(reply.arrays())

    def test_options_stand_in_the_form_as_in_the_query(self):
        reply = self.service.form("/extract", {
            "image": ("in.png", circle_png()), "conv_stride": 3, "format": "npz"})
        self.assert_lesson(reply.arrays(), strides=3)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_one_line_of_curl(self):
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            file.write(circle_png())
            file.flush()
            output = subprocess.run(
                ["curl", "-sSf", "-F", f"image=@{file.name}", f"{self.service.url}/extract"],
                check=True, capture_output=True, timeout=60).stdout
        self.assertEqual([stage["name"] for stage in json.loads(output)["stages"]], STAGES)

    # The kinds of reply

    def test_one_stage_as_a_picture(self):
        reply = self.extract(CIRCLE, accept="image/png")
        self.assertEqual(reply.type, "image/png")
        self.assertEqual(reply.headers["X-Stage"], "Condense")
        self.assertEqual(reply.headers["X-Shape"], "31,31,1")
        expected = read_png((LESSON / "s1_condense_1to1.png").read_bytes())
        np.testing.assert_array_equal(read_png(reply.body), expected)

    def test_one_stage_as_an_array(self):
        reply = self.extract(CIRCLE + "&format=npy&stage=Filter")
        array = np.load(io.BytesIO(reply.body))
        np.testing.assert_array_equal(array, reference("s1_filter"))

    def test_numbers_inside_the_json(self):
        expected = reference("s1_condense")
        stage = self.stages(CIRCLE + "&values=base64&images=none")[-1]
        values = np.frombuffer(base64.b64decode(stage["values"]), "<f4")
        np.testing.assert_array_equal(values.reshape(stage["shape"]), expected)
        self.assertFalse(stage.get("images"))
        stage = self.stages(CIRCLE + "&values=list&images=none")[-1]
        values = np.array(stage["values"], np.float32).reshape(stage["shape"])
        np.testing.assert_array_equal(values, expected)

    def test_a_form_in_return(self):
        reply = self.extract(CIRCLE, accept="multipart/form-data")
        self.assertEqual(reply.type, "multipart/form-data")
        boundary = reply.headers["Content-Type"].split("boundary=")[1].strip('"').encode()
        parts = reply.body.split(b"--" + boundary)[1:-1]
        heads = [part.split(b"\r\n\r\n")[0].decode() for part in parts]
        self.assertIn('name="meta"', heads[0])
        for head, name in zip(heads[1:], STAGES, strict=True):
            self.assertIn(f'name="{name}"', head)
            self.assertIn("filename=", head)
            self.assertIn("image/png", head)

    def test_an_archive_of_pictures(self):
        first, second = (self.extract(CIRCLE + "&format=zip").body for _ in range(2))
        self.assertEqual(first, second, "reproducible")
        with zipfile.ZipFile(io.BytesIO(first)) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual(archive.namelist()[0], "manifest.json")
            self.assertEqual(archive.namelist()[1:], [
                f"{i:02}_{name}.png" for i, name in enumerate(STAGES)])
            picture = read_png(archive.read("03_Condense.png"))
        expected = read_png((LESSON / "s1_condense_1to1.png").read_bytes())
        np.testing.assert_array_equal(picture, expected)

    def test_ops_select_and_order(self):
        stages = self.stages(CIRCLE + "&ops=Condense,Input")
        self.assertEqual([(stage["name"], stage["index"]) for stage in stages],
                         [("Condense", 3), ("Input", 0)])

    def test_gamma_is_for_detect_and_condense(self):
        plain = self.stages(CIRCLE)
        bright = self.stages(CIRCLE + "&gamma=0.5")
        changed = [a["images"] != b["images"] for a, b in zip(plain, bright)]
        self.assertEqual(changed, [False, False, True, True])


class Problems(unittest.TestCase):
    """Every refusal is problem+json that says what is wrong and where."""

    @classmethod
    def setUpClass(cls):
        cls.service = cls.enterClassContext(Service())

    def refused(self, reply, status, code):
        self.assertEqual((reply.status, reply.type), (status, "application/problem+json"),
                         reply.body[:500])
        problem = reply.json()
        self.assertEqual((problem["code"], problem["status"]), (code, status))
        self.assertEqual(problem["type"], f"/problems/{code}")
        self.assertEqual(reply.headers["X-Error-Code"], code)
        self.assertEqual(reply.headers["X-Request-Id"], problem["request_id"])
        self.assertEqual(problem["error"], problem["detail"])
        return problem

    def with_config(self, config, code="config_invalid", status=422):
        text = config if isinstance(config, str) else json.dumps(config)
        reply = self.service.form("/v1/extract", {
            "image": ("in.png", circle_png()), "config": text})
        return self.refused(reply, status, code)

    def test_a_fault_of_the_config_carries_its_pointer(self):
        cases = [
            ([{"type": "conv3d"}], "/0/type"),
            ([{"type": "conv2d", "filters": 0, "kernel_size": 3}], "/0/filters"),
            ([{"type": "conv2d", "filters": 1, "kernel_size": 99}], "/0/kernel_size"),
            ([{"type": "max_pooling2d", "pool_size": 65}], "/0/pool_size"),
            ([{"type": "activation", "activation": "rellu"}], "/0/activation"),
            ({"layers": [{"type": "max_pooling2d", "padding": "some"}]},
             "/layers/0/padding"),
            ({"layers": [{"type": "max_pooling2d", "pol_size": 2}]},
             "/layers/0/pol_size"),
        ]
        for config, pointer in cases:
            with self.subTest(pointer=pointer):
                problem = self.with_config(config)
                self.assertEqual([item["pointer"] for item in problem["errors"]], [pointer])

    def test_independent_faults_are_told_together(self):
        problem = self.with_config([{"type": "max_pooling2d", "pool_size": 0},
                                    {"type": "activation", "activation": "no"}])
        self.assertEqual([item["pointer"] for item in problem["errors"]],
                         ["/0/pool_size", "/1/activation"])

    def test_a_misspelt_name_gets_the_nearest(self):
        reply = self.service.post(f"/v1/extract?{CIRCLE}&conv_strid=3")
        problem = self.refused(reply, 400, "option_unknown")
        self.assertEqual(problem["errors"][0]["parameter"], "conv_strid")
        self.assertIn("conv_stride", problem["detail"])

    def test_broken_json_gets_its_line_and_column(self):
        problem = self.with_config('{"layers":\n  [}', "json_malformed", 400)
        self.assertRegex(problem["detail"], r"line 2\b.*column 4\b")

    def test_what_is_no_picture(self):
        reply = self.service.form("/extract", {"image": ("in.png", b"GIF89a not today")})
        self.refused(reply, 415, "image_format_unsupported")
        reply = self.service.post("/extract", circle_png()[:200], content_type="image/png")
        self.refused(reply, 422, "image_undecodable")
        reply = self.service.post("/extract", b"x", content_type="text/plain")
        self.refused(reply, 415, "media_type_unsupported")

    def test_what_is_missing_doubled_or_unknown(self):
        self.refused(self.service.form("/extract", {"gamma": 1}), 400, "part_missing")
        reply = self.service.form(f"/extract?gamma=1", {
            "image": ("in.png", circle_png()), "gamma": 1})
        self.refused(reply, 400, "part_duplicate")
        reply = self.service.form("/extract", {
            "image": ("in.png", circle_png()), "picture": ("x.png", b"")})
        self.refused(reply, 400, "part_unknown")

    def test_values_out_of_range_name_their_option(self):
        for query, name in [("conv_stride=0", "conv_stride"), ("gamma=-1", "gamma"),
                            ("colormap=jet", "colormap"), ("kernel=nosuch", "kernel"),
                            ("pool_padding=maybe", "pool_padding")]:
            with self.subTest(query):
                reply = self.service.post(f"/v1/extract?{CIRCLE}&{query}")
                problem = self.refused(reply, 422, "option_invalid")
                self.assertEqual(problem["errors"][0]["parameter"], name)

    def test_uploaded_weights_must_fit(self):
        config = json.dumps([{"type": "conv2d", "name": "c", "filters": 1,
                              "kernel_size": 3}])
        kernel, bias = np.zeros((3, 3, 1, 1)), np.zeros(1)
        cases = [{"c/kernel": kernel},
                 {"c/kernel": kernel, "c/bias": bias, "d/bias": bias},
                 {"c/kernel": kernel[:2], "c/bias": bias},
                 {"c/kernel": kernel * np.nan, "c/bias": bias}]
        for weights in cases:
            with self.subTest(list(weights)):
                reply = self.service.form("/extract", {
                    "image": ("in.png", circle_png()), "config": config,
                    "weights": ("w.safetensors", safetensors(weights))})
                self.refused(reply, 422, "weights_invalid")

    def test_paths_methods_and_kinds(self):
        self.refused(self.service.get("/v1/nosuch"), 404, "not_found")
        reply = self.service.request("DELETE", "/v1/extract")
        self.refused(reply, 405, "method_not_allowed")
        self.assertIn("POST", reply.headers["Allow"])
        reply = self.service.post(f"/v1/extract?{CIRCLE}", accept="text/csv")
        self.refused(reply, 406, "not_acceptable")

    def test_a_limit_is_named_with_its_setting(self):
        with Service("--max-pixels", "4000") as small:
            reply = small.form("/extract", {"image": ("in.png", circle_png())})
        limit = self.refused(reply, 422, "image_too_many_pixels")["limit"]
        self.assertEqual(limit, {"name": "max_pixels", "max": 4000, "actual": 4096,
                                 "env": "CONVSCOPE_MAX_PIXELS"})


if __name__ == "__main__":
    unittest.main()

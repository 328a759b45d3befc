"""Well-known models, as Keras describes them: their plans and their runs."""

import io
import json
import unittest

import numpy as np

from client import metric
from service import Service, npy, safetensors

# Simonyan and Zisserman 2014; the parameter counts are those that Keras publishes for the
# models without their top.
VGG = {
    "VGG16": ([2, 2, 3, 3, 3], 14_714_688),
    "VGG19": ([2, 2, 4, 4, 4], 20_024_384),
}


def vgg(convolutions):
    """model.to_json() of the model, Keras 2 style, but for keys without meaning here."""
    layers = [{"class_name": "InputLayer", "config": {
        "batch_input_shape": [None, None, None, 3], "name": "input_1"}}]
    for block, count in enumerate(convolutions, 1):
        for i in range(1, count + 1):
            layers.append({"class_name": "Conv2D", "config": {
                "name": f"block{block}_conv{i}", "filters": min(64 << (block - 1), 512),
                "kernel_size": [3, 3], "padding": "same", "activation": "relu"}})
        layers.append({"class_name": "MaxPooling2D", "config": {
            "name": f"block{block}_pool", "pool_size": [2, 2], "strides": [2, 2]}})
    return {"class_name": "Sequential", "config": {"name": "vgg", "layers": layers}}


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = cls.enterClassContext(Service())

    def post(self, path, document, accept="*/*", status=200):
        reply = self.service.request("POST", path, json.dumps(document).encode(),
                                     {"Content-Type": "application/json",
                                      "Accept": accept})
        self.assertEqual(reply.status, status, reply.body[:500])
        return reply

    def test_plans_have_the_published_parameters(self):
        for name, (convolutions, params) in VGG.items():
            with self.subTest(name):
                plan = self.post("/v1/plan", {"config": vgg(convolutions),
                                              "input_shape": [224, 224, 3]}).json()
                self.assertEqual(plan["totals"]["params"], params)
                self.assertEqual(plan["layers"][-1]["shape"], [7, 7, 512])

    def test_a_plan_reads_as_a_table_too(self):
        ask = {"config": vgg(VGG["VGG16"][0]), "input_shape": [224, 224, 3]}
        reply = self.post("/v1/plan", ask, "text/html, text/plain;q=0.9, */*;q=0.1")
        lines = reply.body.decode().splitlines()
        self.assertEqual(reply.type, "text/plain")
        self.assertEqual(len(lines), 1 + 1 + 18 + 1)
        self.assertEqual(lines[2].split(), ["block1_conv1", "(Conv2D)", "224x224x64", "1,792",
                                            "1,1,1,1", "86,704,128", "3x3", "12,845,056"])
        self.assertIn("14,714,688 params", lines[-1])

    def test_a_declared_input_needs_neither_image_nor_shape(self):
        layers = [{"class_name": "InputLayer", "config": {"batch_shape": [None, 9, 8, 3]}},
                  {"class_name": "Flatten", "config": {}}]
        plan = self.post("/v1/plan", {"config": layers}).json()
        self.assertEqual(plan["input_shape"], [9, 8, 3])
        self.assertEqual(plan["layers"][0]["shape"], [216])
        layers[0]["config"]["batch_shape"] = [None, None, 8, 3]
        problem = self.post("/v1/plan", {"config": layers}, status=400).json()
        self.assertEqual(problem["code"], "part_missing")
        self.assertIn("input_shape=h,w,c", problem["detail"])

    def test_a_generated_input_becomes_rgb_where_that_is_declared(self):
        layers = [{"type": "input_layer", "shape": [None, None, 3]}, {"type": "identity"}]
        ask = {"config": layers, "input": "circle", "size": 16, "stages": "Input",
               "format": "npy"}
        rgb = np.load(io.BytesIO(self.post("/v1/extract", ask).body))
        gray = np.load(io.BytesIO(self.post("/v1/extract", {**ask, "config": {
            "layers": layers[1:]}}).body))
        self.assertEqual(rgb.shape, (16, 16, 3))
        np.testing.assert_array_equal(rgb, np.repeat(gray, 3, axis=2))

    def test_a_generated_input_has_the_declared_size(self):
        layers = [{"type": "input_layer", "shape": [12, 10, 1]}, {"type": "identity"}]
        ask = {"config": layers, "input": "circle", "images": "none"}
        self.assertEqual(self.post("/v1/extract", ask).json()["input_shape"], [12, 10, 1])
        problem = self.post("/v1/extract", {**ask, "size": 12}, status=422).json()
        self.assertEqual(problem["errors"][0]["pointer"], "/config/0/shape")

    def test_they_run_with_seeded_weights(self):
        for name, (convolutions, _) in VGG.items():
            with self.subTest(name):
                ask = {"config": vgg(convolutions), "input": "circle", "size": 32,
                       "format": "npy", "seed": 3}
                first, again = (np.frombuffer(self.post("/v1/extract", ask).body[-2048:],
                                              "<f4") for _ in range(2))
                self.assertTrue(np.isfinite(first).all() and first.max() > 0)
                np.testing.assert_array_equal(first, again)

    def test_a_network_that_was_seen_before_gives_the_same_bytes(self):
        """Sizes, other clients' weights and requests in between make no difference."""
        random = np.random.default_rng(0)
        tensors = {"c/kernel": random.normal(size=(3, 3, 32, 48)), "c/bias": np.zeros(48)}
        changed = {**tensors, "c/kernel": tensors["c/kernel"].copy()}
        changed["c/kernel"][1, 2, 17, 40] += 1
        layer = {"type": "conv2d", "name": "c", "filters": 48, "kernel_size": 3}
        image = random.normal(size=(24, 24, 32)).astype("<f4")
        uploads = [{"image": ("in.npy", npy(image)), "config": json.dumps([layer]),
                    "weights": ("w.safetensors", safetensors(w)), "format": "npy"}
                   for w in (tensors, changed)]
        drawn = [{"config": vgg([2, 2, 3]), "input": "circle", "size": size,
                  "format": "npy"} for size in (32, 48)]

        def replies(service):
            return [service.post("/v1/extract", json.dumps(ask).encode(),
                                 content_type="application/json").body for ask in drawn] + [
                    service.form("/v1/extract", upload).body for upload in uploads]

        with Service("--weights-cache-bytes", "0") as service:
            expected = replies(service)
            self.assertEqual(metric(service, "convscope_weights_cache_bytes"), 0)
        self.assertEqual(len(set(expected)), 4)
        with Service("--weights-cache-bytes", "128M") as service:
            self.assertEqual(replies(service), expected)
            hits = metric(service, "convscope_weights_cache_hits_total")
            self.assertEqual(replies(service), expected)
            self.assertEqual(metric(service, "convscope_weights_cache_hits_total"),
                             hits + 2 * 7 + 1)  # the uploads have one hash: one stays
            self.assertLessEqual(metric(service, "convscope_weights_cache_bytes"), 128 << 20)


if __name__ == "__main__":
    unittest.main()

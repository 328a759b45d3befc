"""Layers over HTTP: normalisations and initializers of Keras documents against NumPy."""

import io
import json
import pathlib
import unittest

import numpy as np

from service import Service, npy

README = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()


def keras3(class_name, **config):
    return {"module": "keras.layers", "class_name": class_name, "config": config,
            "registered_name": None}


def initializer(class_name, **config):
    return {"module": "keras.initializers", "class_name": class_name, "config": config,
            "registered_name": None}


def layer_normalization(x, axes, epsilon=1e-3):
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


class Layers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = cls.enterClassContext(Service())
        cls.image = np.random.default_rng(5).normal(3, 2, (9, 7, 4)).astype("f4")

    def ask(self, path, layers, **more):
        fields = {"image": ("in.npy", npy(self.image)), "config": json.dumps(layers)}
        return self.service.form(path, fields | more)

    def run_layers(self, layers, **more):
        reply = self.ask("/v1/extract", layers, format="npz", **more)
        self.assertEqual(reply.status, 200, reply.body[:500])
        return reply.arrays()

    def refused(self, reply, code):
        self.assertEqual((reply.status, reply.json()["code"]), (422, code))
        return reply.json()

    def test_a_chain_of_normalizations(self):
        mean, variance = [3.0, 2.5, 3.5, 0.0], [4.0, 1.0, 2.0, 0.0]
        stages = self.run_layers([
            keras3("Normalization", name="adapted", axis=[-1], invert=False, mean=mean,
                   variance=variance),
            keras3("LayerNormalization", name="map", axis=[1, 2], epsilon=1e-3, center=True,
                   scale=True, rms_scaling=False),
            keras3("Permute", name="turned", dims=[3, 1, 2]),
            keras3("LayerNormalization", name="rms", axis=-1, rms_scaling=True),
            keras3("Normalization", name="back", axis=None, invert=True, mean=1, variance=4),
            keras3("Identity", name="same")])
        x = self.image.astype("f8")
        x = (x - mean) / np.maximum(np.sqrt(variance), 1e-7)
        wanted = {"adapted": x}
        wanted["map"] = layer_normalization(x, (0, 1))
        wanted["turned"] = wanted["map"].transpose(2, 0, 1)
        last = wanted["turned"]
        wanted["rms"] = last / np.sqrt(last.var(-1, keepdims=True) + 1e-3)
        wanted["back"] = wanted["same"] = 1 + 2 * wanted["rms"]
        for name, want in wanted.items():
            with self.subTest(name):
                self.assertEqual(stages[name].shape, want.shape)
                np.testing.assert_allclose(stages[name], want, 2e-6, 2e-6)

    def test_an_adapted_normalization_is_uploaded_with_its_counter(self):
        weights = {"n/mean": np.arange(4, dtype="f4"), "n/variance": np.full(4, 4, "f4"),
                   "n/count": np.int64(1234)}
        file = io.BytesIO()
        np.savez(file, **weights)
        stages = self.run_layers([keras3("Normalization", name="n", axis=[-1])],
                                 weights=("w.npz", file.getvalue()))
        np.testing.assert_allclose(stages["n"], (self.image - np.arange(4)) / 2, 1e-6, 1e-6)

    def test_an_orthogonal_layer_keeps_lengths(self):
        stages = self.run_layers([
            keras3("Dense", name="d", units=4, use_bias=False,
                   kernel_initializer=initializer("Orthogonal", gain=2.0, seed=None)),
            keras3("Dense", name="e", units=4, use_bias=False,
                   kernel_initializer=initializer("Identity", gain=0.5))])
        length = np.linalg.norm(self.image, axis=-1)
        np.testing.assert_allclose(np.linalg.norm(stages["d"], axis=-1), 2 * length, 1e-5)
        np.testing.assert_array_equal(stages["e"], stages["d"] / 2)

    def test_what_would_take_too_long_is_refused_but_may_be_planned(self):
        layers = [keras3("Dense", units=4096),
                  keras3("Dense", units=4096,
                         kernel_initializer=initializer("Orthogonal"))]
        problem = self.refused(self.ask("/v1/extract", layers), "plan_too_large")
        self.assertEqual(problem["limit"]["name"], "max_macs")
        self.assertGreater(problem["limit"]["actual"], 2 * 100 * 4096 ** 3)
        self.assertEqual(self.ask("/v1/plan", layers).status, 200)

    def test_an_initializer_that_does_not_suit_is_refused_on_the_plan(self):
        layers = [keras3("Conv2D", filters=4, kernel_size=1,
                         kernel_initializer=initializer("Identity"))]
        for path in ("/v1/plan", "/v1/extract"):
            problem = self.refused(self.ask(path, layers), "config_invalid")
            self.assertEqual(problem["errors"][0]["pointer"],
                             "/0/config/kernel_initializer")

    def test_the_readme_names_every_layer(self):
        for layer in self.service.get("/v1/layers").json()["layers"]:
            self.assertIn(layer["class_name"], README)


if __name__ == "__main__":
    unittest.main()

"""The same request gives the same tensors and pixels on every instruction set and with
any number of workers."""

import io
import json
import re
import unittest
import zipfile
from pathlib import Path

import numpy as np

from service import Service, npy

# Big enough that rows, tiles and blocks all have remainders; every activation.
LAYERS = [
    {"type": "conv2d", "filters": 19, "kernel_size": [3, 5], "padding": "same",
     "activation": "tanh"},
    {"type": "max_pooling2d", "pool_size": 3, "strides": 2, "padding": "same"},
    {"type": "conv2d", "filters": 33, "kernel_size": 3, "activation": "sigmoid"},
    {"type": "average_pooling2d", "pool_size": [2, 3], "padding": "same"},
    {"type": "conv2d", "filters": 5, "kernel_size": 1, "strides": 2,
     "activation": "relu"},
    {"type": "activation", "activation": "softmax"},
]

# What the kernel says this CPU has, to hold the server's own choice against.
CPU = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
NEEDS = {"portable": set(), "avx2": {"avx2", "fma"}, "avx512": {"avx512f", "fma"},
         "neon": {"asimd"}}


def replies(service):
    """Tensors and pictures of an image of awkward size."""
    image = np.random.default_rng(7).normal(size=(157, 211, 3)).astype(np.float32)
    answers = []
    for kind in ("npz", "zip"):
        fields = {"image": ("in.npy", npy(image)), "config": json.dumps(LAYERS),
                  "format": kind}
        reply = service.form("/v1/extract", fields)
        assert reply.status == 200, reply.body[:500]
        answers.append(reply)
    with zipfile.ZipFile(io.BytesIO(answers[1].body)) as archive:
        pictures = {name: archive.read(name) for name in archive.namelist()
                    if name.endswith(".png")}
    return answers[0].arrays(), pictures


class SameBits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Service("--workers", "1", CONVSCOPE_ISA="portable") as service:
            cls.tensors, cls.pictures = replies(service)

    def assert_same(self, service):
        tensors, pictures = replies(service)
        self.assertEqual(list(tensors), list(self.tensors))
        for name, tensor in tensors.items():
            self.assertEqual(tensor.tobytes(), self.tensors[name].tobytes(), name)
        self.assertEqual(list(pictures), list(self.pictures))
        for name, picture in pictures.items():
            self.assertEqual(picture, self.pictures[name], name)

    def test_every_instruction_set(self):
        for isa, needs in NEEDS.items():
            with self.subTest(isa):
                if not needs <= CPU:
                    self.assert_refused(isa)
                    self.skipTest(f"this CPU has no {isa}")
                with Service("--workers", "1", CONVSCOPE_ISA=isa) as service:
                    self.assertEqual(service.get("/version").json()["isa"], isa)
                    self.assert_same(service)

    def test_an_unknown_instruction_set_is_refused(self):
        self.assert_refused("mmx")

    def assert_refused(self, isa):
        with self.assertRaisesRegex(RuntimeError, f"ended at once:\n.*{isa}"):
            Service(CONVSCOPE_ISA=isa).__enter__()

    def test_any_number_of_workers(self):
        for workers in (1, 2, 3, 7):
            with self.subTest(workers), Service("--workers", str(workers)) as service:
                self.assert_same(service)


if __name__ == "__main__":
    unittest.main()

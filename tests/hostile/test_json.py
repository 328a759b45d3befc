"""Checks 33 to 38: JSON that is none, configs that are too much, deadlines."""

import contextlib
import json
import random
import re
import unittest

from harness import LONG_RUN, MB, SLACK, Check, Client, eventually, figure, post, \
    slow_one, third_party

from service import multipart

CONV = {"type": "conv2d", "filters": 2, "kernel_size": 3}
LAYERS = 40 # of a job that takes much longer than it may, on any CPU


def with_config(text, size=32, **fields):
    fields = fields or {"images": "none"}
    body, content_type = multipart({"config": text, "input": "circle", "size": str(size),
                                    "val": "1"} | fields)
    return (f"POST /v1/extract HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Json(Check):
    def configure(self, text, **options):
        text = text if isinstance(text, (bytes, str)) else json.dumps(text)
        return self.send(with_config(text, **options))

    def test_33_json_test_suite(self):
        """y_ is JSON: 422 says that it is no config; n_ is none: 400 json_malformed."""
        folder, counts = third_party("json-test-suite", "test_parsing"), {}
        for path in sorted(folder.glob("*.json")):
            status, code, _, body = self.configure(path.read_bytes())
            with self.subTest(path.name, status=status, body=body[:200]):
                kind = path.name[0]
                counts[kind] = counts.get(kind, 0) + 1
                if kind == "y":
                    self.assertNotEqual(code, "json_malformed")
                    self.assertIn(status, (200, 422))
                elif kind == "n":
                    self.assertEqual((status, code), (400, "json_malformed"))
                else:
                    self.assertIn(status, (200, 400, 422))
                    if "utf-8" in path.name.lower() or "UTF-8" in path.name:
                        self.assertEqual(status, 400)
        self.assertEqual((counts["y"], counts["n"]), (95, 188))
        figure(33, f"{counts['y']} y_ taken, {counts['n']} n_ refused, {counts['i']} i_ survived")

    def test_34_extremes(self):
        one = json.dumps([CONV])
        rows = (("[" * 65 + "]" * 65, 422, 400), ("[" * 1001 + "]" * 1001, 400, 422),
                ("[" * 1_000_000, 400, 422), ("[" + "0," * 700_000 + "0]", 413, 422),
                ("{" + ",".join(f'"k{i}":0' for i in range(200_000)) + "}", 413, 422),
                ("{" + ",".join(f'"k{i}":0' for i in range(65_536)) + "}", 422, 422),
                ('[{"type":"conv2d","type":"relu"}]', 422, 400),
                ('[{"type":"re\\u0000lu"}]', 422, 400), ("[NaN]", 400, 400),
                ("[Infinity]", 400, 400), ("[-Infinity]", 400, 400), ("[1e400]", 400, 422),
                ('[{"type":"relu","a":1e-999}]', 422, 422), ("\ufeff" + one, 400, 400),
                ('[{"type":"relu"}]]', 400, 400), ("", 400, 400), (" ", 400, 400))
        took = []

        def ask_all():
            for text, *statuses in rows:
                with self.subTest(text[:40]):
                    status, _, seconds, body = self.configure(text)
                    self.assertIn(status, (*statuses, 400, 413) if len(text) > 60_000
                                  else statuses, body[:300])
                    took.append(seconds)
                    self.assert_cheap(seconds, 0.05)

        grown = self.growth(ask_all)
        for text in ('[{"type":"conv2d","filters":2,"kernel_size":3,"strides":-0}]',
                     '[{"type":"conv2d","filters":-0,"kernel_size":3}]'):
            self.assertEqual(self.configure(text)[0], 422)
        self.assert_small(grown, 8 * 4 * MB) # 8 times the limit of a config
        figure(34, f"{len(rows) + 2} texts, slowest {1e3 * max(took):.0f} ms of CPU, memory "
                   f"+{grown / MB:.0f} MiB")

    def test_35_values_out_of_range(self):
        rows = [("filters", value) for value in
                (10**6, 2**31, 2**32 + 1, -1, 0, 1.5, "3", True, None, [], {}, 1e300)]
        rows += [("kernel_size", value) for value in (0, 10_000, -3, [3, 0], [3], [3, 3, 3], "x")]
        rows += [("strides", 0), ("strides", -1), ("dilation_rate", 0), ("padding", "sane"),
                 ("padding", 1), ("activation", "relou"), ("activation", 7), ("groups", 0),
                 ("fliters", 3), ("type", "conv4d"), ("type", None), ("type", 7), ("use_bias", 3)]
        for key, value in rows:
            with self.subTest(key=key, value=value):
                status, code, seconds, body = self.configure([CONV, CONV | {key: value}])
                self.assertEqual((status, code), (422, "config_invalid"), body[:300])
                pointers = [item.get("pointer", "") for item in json.loads(body)["errors"]]
                self.assertTrue(any(pointer.startswith("/1") for pointer in pointers), body)
                self.assert_cheap(seconds, 0.1)
        body, kind = multipart({"config": json.dumps([CONV]), "input": "circle", "scale": "1e9"})
        status, _, _, text = self.send(
            (f"POST /extract HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: "
             f"{len(body)}\r\n\r\n").encode() + body)
        self.assertEqual(status, 422, text[:300])
        figure(35, f"{len(rows) + 1} values refused, each with its pointer")

    def test_36_products_that_are_too_much(self):
        up = {"type": "upsampling2d", "size": 2}
        rows = ([up] * 20, [up | {"size": 4096}] * 6,
                [{"type": "conv2d", "filters": 4096, "kernel_size": 63, "padding": "same"}] * 3,
                [CONV | {"padding": "same"}] * 1025,
                [{"type": "zero_padding2d", "padding": 2**30}],
                [{"type": "flatten"}, {"type": "dense", "units": 4096},
                 {"type": "reshape", "target_shape": [2**31, 2**31]}],
                [{"type": "conv2d", "filters": 4096, "kernel_size": 1}] * 1000)
        took = []

        def ask_all():
            for layers in rows:
                with self.subTest(layers=str(layers)[:80]):
                    status, code, seconds, body = self.configure(layers, size=512)
                    self.assertEqual(status, 422, body[:300])
                    self.assertIn(code, ("plan_too_large", "config_invalid"))
                    took.append(seconds)
                    self.assert_cheap(seconds, 0.01)

        grown = self.growth(ask_all)
        self.assert_small(grown, MB)
        figure(36, f"{len(rows)} refused on the plan, slowest {1e3 * max(took):.1f} ms of CPU, "
                   f"memory +{grown >> 10} KiB")


class Plans(Check):
    def random_layer(self, draw):
        kind = draw.randrange(8)
        if kind < 3:
            return {"type": "conv2d", "filters": draw.randint(1, 8),
                    "kernel_size": draw.randint(1, 5), "strides": draw.randint(1, 2),
                    "padding": draw.choice(("same", "valid")),
                    "activation": draw.choice(("linear", "relu", "softmax", "tanh"))}
        if kind < 5:
            return {"type": draw.choice(("max_pooling2d", "average_pooling2d")),
                    "pool_size": draw.randint(1, 3), "padding": "same"}
        return [{"type": "upsampling2d", "size": 2}, {"type": "batch_normalization"},
                {"type": "relu"}][kind - 5]

    def test_37_plans_keep_their_word(self):
        """A request's arena is as large as its plan says: if that is too little, the request
        is refused without the limit that a plan's own refusal names. (Time is not promised
        by a plan, so it is not compared.)"""
        draw, n, statuses = random.Random(37), 10_000 if LONG_RUN else 300, {}
        base = self.process.memory()
        with Client(self.service) as client:
            for number in range(n):
                layers = [self.random_layer(draw) for _ in range(draw.randint(1, 8))]
                form = draw.choice(({"images": "none"}, {"format": "npz"}, {"values": "list"},
                                    {"format": "zip", "layout": "separate"}, {"scale": "3"},
                                    {"format": "png", "gamma": "0.5"}, {"format": "figure"}))
                status, _, body = client.send(
                    with_config(json.dumps(layers), draw.randint(4, 96), **form)).answer()
                self.assertIn(status, (200, 422), (number, layers, body[:300]))
                if status == 422 and b'"plan_too_large"' in body:
                    self.assertIn(b'"limit":', body, (form, layers))
                statuses[status] = statuses.get(status, 0) + 1
        self.assertGreater(statuses[200], n / 2)
        grown = self.process.peak() - base
        figure(37, f"{n} random configs in the memory of their plans: {statuses}; memory "
                   f"+{grown / MB:.0f} MiB at its peak")


class Late(Check):
    flags = ("--request-timeout", "1")

    def setUp(self):
        """What a worker keeps of its memory between requests is no leak."""
        self.job, self.share = self.large()
        self.run_both()
        super().setUp()

    def run_both(self):
        """Answers to the job from both workers at once."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(self.service)) for _ in range(2)]
            for client in clients:
                client.send(self.job)
            return [client.answer() for client in clients]

    def large(self):
        """A job without an end that is planned to take 95 % of the memory of one, and how
        much that is of it."""
        def body(size):
            layer = {"type": "conv2d", "filters": 16, "kernel_size": 15, "padding": "same"}
            return json.dumps({"config": [layer] * LAYERS + [{**layer, "name": "last"}],
                               "stages": "last", "input": "circle", "size": size,
                               "images": "none", "val": 1}).encode()

        def share(size):
            status = 504 # on a busy machine; a plan, too, has a second
            while status == 504:
                status, _, _, text = self.send(post(body(size), path="/v1/plan"))
            return (json.loads(text)["totals"]["peak_bytes"] / (self.memory * MB)
                    if status == 200 else 1)

        least, most = 16, 2000
        while most - least > 1:
            size = (least + most) // 2
            least, most = (size, most) if share(size) < 0.95 else (least, size)
        return post(body(least)), share(least)

    def test_38_jobs_that_are_late(self):
        """Both workers at once, for longer than they may, in almost all the memory that they
        may take; then they are free again. Times are the server's own, from the last byte of
        the request to the answer."""
        times = []
        for _ in range(3):
            for status, headers, body in self.run_both():
                self.assertEqual((status, headers["x-error-code"]),
                                 (504, "deadline_exceeded"), body[:300])
                times.append(float(re.search(r"total;dur=([\d.]+)",
                                             headers["server-timing"])[1]) / 1e3)
            self.assertTrue(eventually(lambda: self.books.value("workers_busy") == 0))
        slack = SLACK * (5 if self.process.sanitized else 1)
        self.assertLess(slow_one(times), 1 + 0.1 * slack)
        self.assertGreaterEqual(min(times), 1)
        figure(38, f"6 jobs that take {100 * self.share:.0f} % of their memory ended after "
                   f"{max(times):.3f} s at most, of 1")


if __name__ == "__main__":
    unittest.main()

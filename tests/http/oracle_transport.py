"""The conformance oracle's way in: run its checker against our HTTP API.

    python3 tests/http/oracle_transport.py ORACLE_DIRECTORY

starts the server and runs the checker's parts: the lesson's extractions and circles,
the public cases whose layers and activations the server lists in its catalogues,
and the invalid documents. The checker itself loads this file for the class Http.
"""

import base64
import contextlib
import importlib.util
import io
import json
import pathlib
import re
import sys
import urllib.error
import urllib.request

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import service  # noqa: E402 (the checker loads this file from elsewhere)



class Http:
    def __init__(self, base, timeout="60"):
        self.base, self.timeout = base.rstrip("/"), float(timeout)

    def send(self, path, body=None, content_type=None):
        headers = {"Content-Type": content_type} if content_type else {}
        request = urllib.request.Request(self.base + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            text = f"{error.code} {error.read().decode(errors='replace')}"
            if 400 <= error.code < 500:
                raise Rejected(text) from None  # noqa: F821 (the checker puts it here)
            raise RuntimeError(text) from None

    def extract(self, config, image, weights):
        """config is bytes and reaches the server as they are."""
        fields = {"image": ("input.npy", service.npy(image)),
                  "config": ("config.json", config), "values": "base64",
                  "images": "none"}
        if weights:
            fields["weights"] = ("weights.safetensors", service.safetensors(weights))
        body, content_type = service.multipart(fields)
        return json.loads(self.send("/v1/extract", body, content_type))

    def run(self, case):
        reply = self.extract(case.config_text.encode(), case.input, case.weights)
        return [np.frombuffer(base64.b64decode(stage["values"]), "<f4")
                .reshape(stage["shape"]) for stage in reply["stages"][1:]]

    def reject(self, bad):
        self.extract(bad.config_bytes, bad.input, bad.weights)

    def circle(self, height, width, val, r_shrink):
        query = f"size={height},{width}&val={val}&r_shrink={r_shrink}"
        return np.load(io.BytesIO(self.send(f"/v1/inputs/circle.npy?{query}")))


def named(value, key):
    """Every string that stands under the key, anywhere in a document."""
    if isinstance(value, dict):
        if isinstance(value.get(key), str):
            yield value[key]
        value = value.values()
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        for item in value:
            yield from named(item, key)


def catalogue(server, kind, key):
    names = set()
    for row in server.get(f"/v1/{kind}").json()[kind]:
        names.update([row[key], *row.get("aliases", [])])
    return names


def runnable(oracle, server):
    """Ids of the public cases that use only what the server has."""
    layers = catalogue(server, "layers", "class_name") | {"InputLayer"}
    activations = catalogue(server, "activations", "name")
    public = oracle / "cases" / "public"
    for case in json.loads((public / "index.json").read_text()):
        config = json.loads((public / case["id"] / "config.json").read_text())
        if (set(case["classes"]) <= layers and
                set(named(config, "activation")) <= activations):
            yield case["id"]


def run_checker(checker, *arguments):
    """True if it passed; its output is shown, and shows that it ran something."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        failed = checker.main(list(arguments))
    print(output.getvalue(), end="", flush=True)
    return not failed and re.search(r"^total [1-9]", output.getvalue(), re.M)


def main(directory):
    oracle = pathlib.Path(directory).resolve()
    spec = importlib.util.spec_from_file_location("check", oracle / "check.py")
    checker = sys.modules["check"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    with service.Service() as server:
        common = ["--half", "public", "--transport", f"{__file__}:Http",
                  "--arg", f"base={server.url}"]
        cases = sorted(runnable(oracle, server))
        print(f"oracle: {len(cases)} public cases use only layers that exist")
        passed = [run_checker(checker, "--seed", "--tol", "2e-7", *common),  # an ulp of tanh
                  run_checker(checker, "--only", f"/({'|'.join(cases)})$", *common),
                  run_checker(checker, "--invalid", *common)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

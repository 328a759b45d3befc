"""The pictures of the README, as the service makes them; `make docs-pictures` writes
them anew into deploy/pictures, and test_readme.py compares."""

import json

from service import ROOT, Service

PICTURES = ROOT / "deploy" / "pictures"

KERNELS = ["edge", "sharpen", "emboss", "identity", "bottom_sobel", "top_sobel",
           "left_sobel", "right_sobel"]

# Name: path and query, and the fields of a form where it is a POST.
REQUESTS = {
    "figure.png": ("/v1/extract?input=circle&size=64&r_shrink=3&val=1&format=figure"
                   "&figsize=14,4&subplot_shape=1,4&shapes=true", None),
    "kernel.png": ("/v1/kernels/bottom_sobel.png?figsize=3.2,3.2&text_size=24", None),
    "mosaic.png": ("/v1/extract?input=circle&size=64&r_shrink=3&val=1&format=png"
                   "&columns=4&scale=2&colormap=coolwarm", {"config": json.dumps([
                       {"type": "conv2d", "filters": len(KERNELS), "kernel_size": 3,
                        "kernel": KERNELS, "use_bias": False}])}),
    "animation.gif": ("/v1/animation?op=conv&input_size=5&kernel=bottom_sobel"
                      "&padding=same&strides=2", None),
}


def ask(service, name):
    path, fields = REQUESTS[name]
    return service.form(path, fields) if fields else service.get(path)


def main():
    with Service() as service:
        for name in REQUESTS:
            reply = ask(service, name)
            if reply.status != 200:
                raise SystemExit(f"{name}: {reply.body.decode()}")
            (PICTURES / name).write_bytes(reply.body)


if __name__ == "__main__":
    main()

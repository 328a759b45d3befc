"""PNG read by its specification, in numpy: the reference that the server's decoder is
held against. Any colour type and depth, interlaced or not, transparency by tRNS. gAMA,
sRGB and iCCP are ignored, samples are as stored: that is the server's policy."""

import struct
import sys
import pathlib
import zlib

import numpy as np

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "http"))

from service import png_chunks, png_unfilter # noqa: E402

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7: first row, first column, step down, step right
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2),
          (0, 1, 2, 2), (1, 0, 2, 1))


def read_samples(raw, height, width, depth, samples):
    """(samples of one image or pass, the bytes that follow)"""
    row_bytes = (width * samples * depth + 7) // 8
    size = height * (row_bytes + 1)
    rows = png_unfilter(raw[:size], height, row_bytes, max(1, samples * depth // 8))
    if depth == 16:
        values = rows.reshape(height, -1, 2).astype(np.uint16) @ np.array([256, 1], np.uint16)
    elif depth == 8:
        values = rows.astype(np.uint16)
    else:
        bits = np.unpackbits(rows, axis=1).reshape(height, -1, depth).astype(np.uint16)
        values = bits @ (1 << np.arange(depth - 1, -1, -1)).astype(np.uint16)
    values = values[:, :width * samples].reshape(height, width, samples)
    return values, raw[size:]


def read_all(raw, height, width, depth, samples, interlaced):
    if not interlaced:
        return read_samples(raw, height, width, depth, samples)[0]
    out = np.zeros((height, width, samples), np.uint16)
    for y, x, down, right in PASSES:
        part = out[y::down, x::right]
        if part.size:
            part[...], raw = read_samples(raw, *part.shape[:2], depth, samples)
    return out


def read(data):
    """(RGBA samples as uint16, the sample value of white)"""
    chunks = png_chunks(data)
    parts = dict(chunks)
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    raw = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    values = read_all(raw, height, width, depth, SAMPLES[colour], interlaced)
    white = 65535 if depth == 16 else 255
    out = np.full((height, width, 4), white, np.uint16)
    transparent = parts.get(b"tRNS")
    if colour == 3:
        palette = np.frombuffer(parts[b"PLTE"], np.uint8).reshape(-1, 3)
        alpha = np.full(256, 255, np.uint16)
        if transparent:
            alpha[:len(transparent)] = np.frombuffer(transparent, np.uint8)
        out[..., :3], out[..., 3] = palette[values[..., 0]], alpha[values[..., 0]]
        return out, white
    if transparent and colour in (0, 2):
        key = np.frombuffer(transparent, ">u2").astype(np.uint16)
        out[..., 3] = np.where((values == key).all(axis=-1), 0, white)
    if depth < 8:
        values = values * (255 // ((1 << depth) - 1))
    out[..., :3] = values[..., :3] if colour in (2, 6) else values[..., :1]
    if colour in (4, 6):
        out[..., 3] = values[..., -1]
    return out, white

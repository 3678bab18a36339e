#!/usr/bin/env python3
"""Writes a BERT-family model.safetensors as model.onnx (f32), the form that onnxruntime reads.

    make-minilm-onnx.py FOLDER TARGET

FOLDER holds model.safetensors and config.json. The graph is of standard operators, as exporters write
it, so that onnxruntime fuses what it can: inputs input_ids, attention_mask and token_type_ids
[batch, tokens] (int64), output last_hidden_state [batch, tokens, hidden]. Needs nothing but Python: the
protocol buffers are few enough to be written here, field by field (onnx.proto of ONNX 1.17, opset 20).
"""

import array
import json
import os
import pathlib
import struct
import sys

FLOAT, INT64 = 1, 7


def number(field, value):
    return varint(field << 3) + varint(value & (1 << 64) - 1)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    if isinstance(value, float):
        return data(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, int):
        return data(1, name) + number(3, value) + number(20, 2)
    return data(1, name) + b"".join(number(8, item) for item in value) + number(20, 7)


def tensor(name, kind, shape, raw):
    return b"".join(number(1, size) for size in shape) + number(2, kind) + data(8, name) + data(9, raw)


def port(name, kind, shape):
    """An input or output; a dimension is a number or a name."""
    dimension = lambda size: data(1, number(1, size) if isinstance(size, int) else data(2, size))
    shape = b"".join(dimension(size) for size in shape)
    return data(1, name) + data(2, data(1, number(1, kind) + data(2, shape)))


def tensors(file):
    """Names, shapes and f32 arrays of a safetensors file: a length, a JSON table, the numbers."""
    whole = file.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    found = {}
    for name, entry in json.loads(whole[8:8 + length]).items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = entry["data_offsets"]
        numbers = array.array("f", whole[8 + length + start:8 + length + end])
        found[name.removeprefix("bert.")] = (entry["shape"], numbers)
    return found


def transposed(weight):
    (rows, columns), numbers = weight
    turned = array.array("f")
    for column in range(columns):
        turned.extend(numbers[column::columns])
    return [columns, rows], turned


class Graph:
    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], []

    def constant(self, name, weight):
        shape, numbers = weight
        self.constants.append(tensor(name, FLOAT, shape, numbers.tobytes()))
        return name

    def integers(self, name, values):
        """A list, or a single number without dimensions."""
        shape, values = ([len(values)], values) if isinstance(values, list) else ([], [values])
        self.constants.append(tensor(name, INT64, shape, struct.pack(f"<{len(values)}q", *values)))
        return name

    def node(self, kind, inputs, name, **attributes):
        parts = [data(1, each) for each in inputs] + [data(2, name), data(3, name), data(4, kind)]
        parts += [data(5, attribute(key, value)) for key, value in attributes.items()]
        self.nodes.append(b"".join(parts))
        return name

    def linear(self, x, name):
        weight = self.constant(f"{name}.weight", transposed(self.weights[f"{name}.weight"]))
        bias = self.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        product = self.node("MatMul", [x, weight], f"{name}/matmul")
        return self.node("Add", [bias, product], f"{name}/add")

    def norm(self, x, name, epsilon):
        weight = self.constant(f"{name}.weight", self.weights[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.node("LayerNormalization", [x, weight, bias], f"{name}/norm", axis=-1, epsilon=epsilon)

    def look_up(self, table, ids):
        table = self.constant(table, self.weights[table])
        return self.node("Gather", [table, ids], f"{table}/gather")


def build(weights, config):
    graph = Graph(weights)
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    size, epsilon = hidden // heads, config["layer_norm_eps"]
    scalar = lambda name, value: graph.constant(name, ([], array.array("f", [value])))
    integer = graph.integers

    one, far, scale = scalar("one", 1.0), scalar("far", -10000.0), scalar("scale", size ** 0.5)
    zero_axis, axes, first, second = (
        integer("zero_axis", [0]), integer("axes", [1, 2]), integer("first", 0), integer("second", 1))
    split, joined = integer("split", [0, 0, heads, size]), integer("joined", [0, 0, hidden])

    shape = graph.node("Shape", ["input_ids"], "shape")
    length = graph.node("Gather", [shape, second], "length", axis=0)
    step = integer("step", 1)
    positions = graph.node("Range", [first, length, step], "positions/range")
    positions = graph.node("Unsqueeze", [positions, zero_axis], "positions")

    words = graph.look_up("embeddings.word_embeddings.weight", "input_ids")
    places = graph.look_up("embeddings.position_embeddings.weight", positions)
    types = graph.look_up("embeddings.token_type_embeddings.weight", "token_type_ids")
    x = graph.node("Add", [words, types], "embeddings/words")
    x = graph.node("Add", [x, places], "embeddings/sum")
    x = graph.norm(x, "embeddings.LayerNorm", epsilon)

    mask = graph.node("Unsqueeze", ["attention_mask", axes], "mask/wide")
    mask = graph.node("Cast", [mask], "mask/float", to=FLOAT)
    mask = graph.node("Sub", [one, mask], "mask/inverse")
    mask = graph.node("Mul", [mask, far], "mask")

    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        part = f"{layer}.attention.self"

        def heads_of(name, order):
            rows = graph.linear(x, f"{part}.{name}")
            rows = graph.node("Reshape", [rows, split], f"{part}.{name}/split")
            return graph.node("Transpose", [rows], f"{part}.{name}/heads", perm=order)

        query, key = heads_of("query", [0, 2, 1, 3]), heads_of("key", [0, 2, 3, 1])
        value = heads_of("value", [0, 2, 1, 3])
        scores = graph.node("MatMul", [query, key], f"{part}/scores")
        scores = graph.node("Div", [scores, scale], f"{part}/scaled")
        scores = graph.node("Add", [scores, mask], f"{part}/masked")
        scores = graph.node("Softmax", [scores], f"{part}/softmax", axis=-1)
        mixed = graph.node("MatMul", [scores, value], f"{part}/mixed")
        mixed = graph.node("Transpose", [mixed], f"{part}/rows", perm=[0, 2, 1, 3])
        mixed = graph.node("Reshape", [mixed, joined], f"{part}/joined")

        out = graph.linear(mixed, f"{layer}.attention.output.dense")
        x = graph.norm(graph.node("Add", [out, x], f"{layer}.attention/sum"),
                       f"{layer}.attention.output.LayerNorm", epsilon)
        up = graph.linear(x, f"{layer}.intermediate.dense")
        up = graph.node("Gelu", [up], f"{layer}/gelu")
        down = graph.linear(up, f"{layer}.output.dense")
        x = graph.norm(graph.node("Add", [down, x], f"{layer}/sum"), f"{layer}.output.LayerNorm", epsilon)

    graph.node("Identity", [x], "last_hidden_state")
    ids = lambda name: data(11, port(name, INT64, ["batch", "tokens"]))
    made = [data(1, node) for node in graph.nodes] + [data(2, "bert")]
    made += [data(5, constant) for constant in graph.constants]
    made += [ids("input_ids"), ids("attention_mask"), ids("token_type_ids")]
    made += [data(12, port("last_hidden_state", FLOAT, ["batch", "tokens", hidden]))]
    return number(1, 9) + data(7, b"".join(made)) + data(8, data(1, "") + number(2, 20))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    config = json.loads((folder / "config.json").read_text())
    model = build(tensors(folder / "model.safetensors"), config)
    temporary = target.with_suffix(".part")
    temporary.write_bytes(model)
    os.replace(temporary, target)


if __name__ == "__main__":
    main()

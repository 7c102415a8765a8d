"""Files of weights as honest programs write them, and what is to be found in them."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
import torch


def saved(values, legacy=False) -> bytes:
    buffer = io.BytesIO()
    torch.save(values, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def weights(seed=0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return {
        "encoder.0.weight": torch.randn(8, 16),
        "encoder.0.bias": torch.randn(8),
        "decoder.0.weight": torch.randn(16, 8),
    }


def safetensors_bytes(tensors: dict[str, torch.Tensor]) -> bytes:
    from safetensors.torch import save

    return save(tensors)


def keras_bytes(full: bool, nested: bool = False) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("model_weights") if full else file
        if full:
            file.attrs["model_config"] = json.dumps({"class_name": "Model"})
            file.create_group("optimizer_weights").create_dataset("m", data=np.ones(100))
        group.attrs["layer_names"] = [b"z_first", b"input", b"a_second"]
        for layer in ("z_first", "input", "a_second"):
            inside = group.create_group(layer)
            kernel = "dense_1/kernel:0" if nested else f"{layer}/kernel:0"
            names = [] if layer == "input" else [kernel, kernel.replace("kernel", "bias")]
            inside.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                inside.create_dataset(name, data=np.ones((2, 3) if "kernel" in name else 3, np.float32))
    return buffer.getvalue()


def onnx_bytes(**tensor_changes) -> bytes:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    weight = onnx.numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
    for field, value in tensor_changes.items():
        if field == "dims":
            del weight.dims[:]
            weight.dims.extend(value)
        else:
            setattr(weight, field, value)
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1, alpha=0.5)
    x = helper.make_tensor_value_info("x", 1, ["batch", 3])
    y = helper.make_tensor_value_info("y", 1, ["batch", 4])
    return helper.make_model(helper.make_graph([node], "g", [x], [y], [weight])).SerializeToString()


def rezipped(entries: dict[str, bytes] | list[tuple[str, bytes]], compression=zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def entries_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name

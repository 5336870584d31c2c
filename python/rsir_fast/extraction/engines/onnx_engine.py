"""ONNX Runtime computes the network, on the CPU."""

from __future__ import annotations

import warnings
from importlib.metadata import version

import onnxruntime
import torch
from torch import Tensor
from torch.export import ExportedProgram

__all__ = ["OnnxEngine"]


class OnnxEngine:
    """A network's graph as ONNX Runtime runs it."""

    name = "onnx"

    def __init__(self, program: ExportedProgram, threads: int) -> None:
        with warnings.catch_warnings():  # of torch's own to itself
            warnings.simplefilter("ignore")
            made = torch.onnx.export(program, dynamo=True, verbose=False)
        assert made is not None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # A thread that spins while it waits takes the core on which images are decoded.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        content = made.model_proto.SerializeToString()
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def versions(self) -> dict[str, str]:
        """Return what else decides the bits."""
        return {"onnxruntime": version("onnxruntime")}

    def __call__(self, values: Tensor) -> Tensor:
        """Compute features, [n, dim], of network input, float32 [n, bands, H, W]."""
        return torch.from_numpy(self._session.run(None, {self._input: values.contiguous().numpy()})[0])

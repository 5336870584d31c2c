"""OpenVINO computes the network, on the CPU."""

from __future__ import annotations

import warnings
from importlib.metadata import version

import torch
from torch import Tensor
from torch.export import ExportedProgram

__all__ = ["OpenVinoEngine"]


class OpenVinoEngine:
    """A network's graph as OpenVINO runs it."""

    name = "openvino"

    def __init__(self, program: ExportedProgram, threads: int, *, bfloat16: bool) -> None:
        with warnings.catch_warnings():  # of its own to itself
            warnings.simplefilter("ignore")
            import openvino

            model = openvino.convert_model(program)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # images are decoded on the same cores
        }
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        # Where the processor has no bfloat16, it computes float32 and does not say so.
        if bfloat16 and compiled.get_property("INFERENCE_PRECISION_HINT") != openvino.Type.bf16:
            raise ValueError("this processor has no bfloat16")
        self._request = compiled.create_infer_request()

    def versions(self) -> dict[str, str]:
        """Return what else decides the bits."""
        return {"openvino": version("openvino")}

    def __call__(self, values: Tensor) -> Tensor:
        """Compute features, [n, dim], of network input, float32 [n, bands, H, W]."""
        found = self._request.infer([values.contiguous().numpy()], share_inputs=True, share_outputs=False)
        return torch.from_numpy(found[0])

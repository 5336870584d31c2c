"""Encoders: what makes the vectors of images, as a typed spec that is stored beside them, compared and loaded again.

>>> from rsir_fast.encoders import DescriptorSpec, differences
>>> hog = DescriptorSpec(name="hog", descriptor="hog", width=36, parameters={"bins": 9})
>>> differences(hog, hog.model_copy(update={"parameters": {"bins": 12}}))
{'descriptor': 'bins 9, now 12'}
"""

from __future__ import annotations

from rsir_fast.encoders.differences import differences, run_differences, told
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.run import EncoderRun
from rsir_fast.encoders.spec import (
    DescriptorSpec,
    EncoderSpec,
    HashModelSpec,
    LayerSpec,
    ModuleSpec,
    NetworkSpec,
    PreprocessingSpec,
    ReaderSpec,
    Spec,
    ViewSpec,
    parse_spec,
)

__all__ = [
    "DescriptorSpec",
    "EncoderRun",
    "EncoderSpec",
    "FieldSpec",
    "HashModelSpec",
    "LayerSpec",
    "ModuleSpec",
    "NetworkSpec",
    "PreprocessingSpec",
    "ReaderSpec",
    "Spec",
    "ViewSpec",
    "differences",
    "parse_spec",
    "run_differences",
    "told",
]

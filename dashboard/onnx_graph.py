"""A model as an ONNX graph: features in, corrected probabilities out, for programs without Python."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.errors import InputError
from .newest_model import NewestModel

INPUT, OUTPUT = "features", "shown_probabilities"
CHECKED = 200  # items of the pool that the graph is compared on
CLOSE = 1e-4


def onnx_graph(model: NewestModel) -> bytes:
    """The graph of a model, in which the correction of its probabilities is the last part.

    It takes ``features``, float32 ``(n_rows, n_features)``, and gives ``shown_probabilities``, float32
    ``(n_rows, n_classes)``.

    Raises
    ------
    InputError
        When skl2onnx cannot convert the classifier, or the graph says other than the model does.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    estimator = model.fitted.estimator
    try:
        graph = convert_sklearn(
            estimator,
            initial_types=[(INPUT, FloatTensorType([None, model.recipe.n_features]))],
            options={id(estimator): {"zipmap": False}},
        )
        _correct(graph, model)
        difference = _difference(graph, model)
    except Exception as error:  # converters raise all kinds
        name = type(error).__name__
        raise InputError(
            f"the classifier {model.settings.classifier} cannot be written as ONNX with the skl2onnx installed "
            f"({name}): save it with --format skops, or another one with --classifier"
        ) from error
    if difference > CLOSE:
        raise InputError(
            f"the classifier {model.settings.classifier} as ONNX says other than it does itself (by "
            f"{difference:.2g}): save it with --format skops"
        )
    return bytes(graph.SerializeToString())


def _correct(graph: Any, model: NewestModel) -> None:
    """Put softening, scale and offsets behind the classifier, and leave its labels out."""
    from onnx import TensorProto, helper, numpy_helper

    fitted, n = model.fitted, len(model.classes)
    inner = graph.graph
    raw = inner.output[-1].name
    del inner.output[:]
    inner.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, n]))
    if fitted.offsets is None or fitted.scale is None:
        inner.node.append(helper.make_node("Identity", [raw], [OUTPUT], name="shown"))
        return
    least = 1.0 / (2 * fitted.n_labels + 4)
    constants = {
        "soft_least": np.array([least], np.float32),
        "soft_sum": np.array([1.0 + n * least], np.float32),
        "scale": fitted.scale.astype(np.float32),
        "offsets": fitted.offsets.astype(np.float32),
    }
    for name, values in constants.items():
        inner.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), f"rareloop_{name}"))
    steps = [
        ("Add", [raw, "rareloop_soft_least"]),
        ("Div", ["rareloop_soft_sum"]),
        ("Log", []),
        ("Mul", ["rareloop_scale"]),
        ("Add", ["rareloop_offsets"]),
        ("Softmax", []),
    ]
    before = ""
    for number, (kind, inputs) in enumerate(steps):
        after = OUTPUT if number == len(steps) - 1 else f"rareloop_{number}"
        more: dict[str, Any] = {"axis": 1} if kind == "Softmax" else {}
        taken = inputs if not before else [before, *inputs]
        inner.node.append(helper.make_node(kind, taken, [after], name=f"rareloop_{kind}_{number}", **more))
        before = after


def _difference(graph: Any, model: NewestModel) -> float:
    """The largest difference between the graph's probabilities and the model's, on items of the pool."""
    import onnxruntime

    n_items = model.pool.n_items
    rows = np.unique(np.linspace(0, n_items - 1, min(CHECKED, n_items)).astype(np.int64))
    X = np.asarray(model.pool.X[rows], np.float32)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run([OUTPUT], {INPUT: X})
    return float(np.abs(found - model.fitted.probabilities(X)).max())

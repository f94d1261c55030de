"""Trains a forest large enough to measure with: 200 regression trees on Friedman's first synthetic problem."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestRegressor

SEED = 20260103
TREES, DEPTH, ROWS, FEATURES = 200, 10, 2000, 20


def build(directory: Path) -> None:
    """Writes `forest.onnx`: `X` float32 [N, 20] to `Y` float32 [N, 1], the mean of the trees."""
    x, y = make_friedman1(ROWS, FEATURES, noise=0.5, random_state=SEED)
    forest = RandomForestRegressor(TREES, max_depth=DEPTH, random_state=SEED).fit(x.astype(np.float32), y)
    (directory / "forest.onnx").write_bytes(model([tree.tree_ for tree in forest.estimators_]))


def model(trees: list) -> bytes:
    leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    ids = np.concatenate([np.arange(tree.node_count) for tree in trees])
    numbers = np.concatenate([np.full(tree.node_count, number) for number, tree in enumerate(trees)])
    join = lambda name: np.where(leaf, 0, np.concatenate([getattr(tree, name) for tree in trees]))
    values = np.concatenate([tree.value[:, 0, 0] for tree in trees])[leaf] / len(trees)
    node = helper.make_node(
        "TreeEnsembleRegressor", ["X"], ["Y"], domain="ai.onnx.ml", n_targets=1,
        nodes_treeids=numbers.tolist(), nodes_nodeids=ids.tolist(),
        nodes_modes=["LEAF" if is_leaf else "BRANCH_LEQ" for is_leaf in leaf],
        nodes_featureids=join("feature").tolist(), nodes_values=join("threshold").astype(np.float32).tolist(),
        nodes_truenodeids=join("children_left").tolist(), nodes_falsenodeids=join("children_right").tolist(),
        target_treeids=numbers[leaf].tolist(), target_nodeids=ids[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()), target_weights=values.astype(np.float32).tolist(),
    )  # fmt: skip
    value = lambda name, columns: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", columns])
    graph = helper.make_graph([node], "forest", [value("X", FEATURES)], [value("Y", 1)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets, producer_name="scorehost")
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made.SerializeToString(deterministic=True)

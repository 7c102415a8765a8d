"""Each of PyTorch's operations that are lowered gives what PyTorch gives: traced on some images, run on others."""

import pytest
import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.exporting import program_of
from latent.foreign.aten_graph import PLAIN, Program, Step, Value, graph_of
from latent.foreign.graph import Input
from tests.support.aten_functions import FUNCTIONS, All, images

ALLOWED = 1e-5


@pytest.fixture(scope="module")
def outputs() -> dict[str, tuple[Tensor, Tensor]]:
    """What each function gives, by the graph and by torch."""
    right = All()(images(1))  # which makes the weights before anything is traced
    graph = graph_of(program_of(torch.export.export(All(), (images(0),), strict=False)))
    found = graph.run({next(iter(graph.inputs)): images(1)})
    return dict(zip(FUNCTIONS, zip(found, right)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_operation_gives_what_torch_gives(name, outputs):
    found, right = outputs[name]
    assert found.shape == right.shape
    assert found.is_floating_point() == right.is_floating_point()
    assert float((found.float() - right.float()).abs().max()) <= ALLOWED


@pytest.mark.parametrize("name", [name for name, op in PLAIN.items() if op not in ("where", "matmul")])
def test_an_operation_on_single_numbers_gives_what_torch_gives(name):
    function = getattr(torch.ops.aten, name)
    schemas = [getattr(function, each)._schema for each in function.overloads()]
    two = any(len(schema.arguments) > 1 and schema.arguments[1].name in ("other", "mat2") for schema in schemas)
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    values = (x, x.flip(1)) if two else (x,)
    step = Step(f"aten.{name}.default", "node", tuple(Value(f"x{i}") for i in range(len(values))), {}, ("y",))
    graph = graph_of(Program([step], {}, {f"x{i}": Input((None, 4)) for i in range(len(values))}, ("y",)))
    (found,) = graph.run({f"x{i}": value for i, value in enumerate(values)})
    assert torch.allclose(found.float(), function(*values).float(), atol=ALLOWED, equal_nan=True)


def steps(*calls: tuple[str, list, str]) -> Program:
    found = [Step(op, f"node {y}", tuple(arguments), {}, (y,)) for op, arguments, y in calls]
    return Program(found, {}, {"x": Input((None, 4, 4))}, (calls[-1][2],))


X, Y = Value("x"), Value("y")
REFUSED = {
    "a view of what was changed": (
        steps(("aten.select.int", [X, 1, 0], "y"), ("aten.relu_.default", [X], "z"), ("aten.add.Tensor", [Y, 1], "w")),
        r"uses aten.add.Tensor \(node node w\) on y, a view of what was changed in place",
    ),
    "what a view of was changed": (
        steps(("aten.select.int", [X, 1, 0], "y"), ("aten.relu_.default", [Y], "z"), ("aten.add.Tensor", [X, 1], "w")),
        r"\(node node w\) on x, a view of what was changed in place",
    ),
    "statistics of a batch": (
        steps(("aten.batch_norm.default", [X, None, None, None, None, True, 0.1, 1e-5, False], "y")),
        "statistics of a batch",
    ),
    "a number of bits": (steps(("aten.to.dtype", [X, torch.uint8], "y")), "to uint8, which is not supported"),
    "an unknown one": (steps(("aten.svd.default", [X], "y")), r"the operation aten.svd.default \(node node y\)"),
    "a far axis": (steps(("aten.softmax.int", [X, 9], "y")), "do not fit"),
    "variance of all images": (steps(("aten.var.correction", [X, [0]], "y")), "over all images"),
    "a shape by the image": (
        steps(("aten.sum.default", [X], "y"), ("aten.view.default", [X, [Y]], "z")), "depend on the image|fit"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_wrong_is_refused(name):
    program, words = REFUSED[name]
    with pytest.raises(CheckpointError, match=words):
        graph_of(program)


def test_a_place_outside_of_a_table_is_said_when_it_is_met():
    graph = graph_of(steps(("aten.select.int", [X, 1, 99], "y")))
    with pytest.raises(CheckpointError, match=r"cannot be run: its operation gather \(node node y\) fails"):
        graph.run({"x": torch.rand(2, 4, 4)})

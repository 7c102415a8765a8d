"""How dark piles of dots are on the map, in Node."""

import json

import numpy as np
import pytest

from tests.support.javascript import needs_node, node


def run(modules, expression):
    script = f"""
        import {{ holds, opacities, opacityOf }} from "./density.js"
        console.log(JSON.stringify({expression}))
    """
    return json.loads(node(modules, "--input-type=module", "--eval", script))


@needs_node
def test_dots_on_one_place_are_together_as_dark_as_the_logarithm_of_their_number(modules):
    piles = [1, 2, 15, 200]
    cells = [-1, *np.repeat([4, 0, 7, 2], piles).tolist()]
    opacities = run(modules, f"Array.from(opacities(Int32Array.from({cells}), 9))")
    assert opacities[0] == 0  # which is not drawn
    (first, second, third, fourth) = np.split(opacities[1:], np.cumsum(piles)[:-1])
    painted = [1 - np.prod(1 - each) for each in (first, second, third, fourth)]  # each dot over those before it
    expected = 1 - 0.6 * (1 - np.log(piles) / np.log(200))
    assert painted == pytest.approx(expected, abs=1e-4)


@needs_node
def test_dots_that_lie_alone_are_all_opaque(modules):
    assert run(modules, "Array.from(opacities(Int32Array.from([3, 1]), 4))") == pytest.approx([0.97, 0.97])


@needs_node
@pytest.mark.parametrize(
    ("inner", "expected"), [([0, 0, 2, 1], True), ([-1e-5, 0, 1, 1], True), ([0.5, 0.5, 2.1, 0.9], False)]
)
def test_a_window_holds_a_view_that_is_its_own_as_the_server_rounds_it(modules, inner, expected):
    assert run(modules, f"holds([0, 0, 2, 1], {inner})") == expected

"""Every section of the page, the control of it that the benchmarks move, and the picture that then changes."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Section:
    """``control`` is the key of a slider or a number field; ``picture`` is a CSS selector, also into shadow roots.

    ``how`` is what a hand does: an arrow key on the control, a click on the map, a stroke on the canvas. ``query`` is
    what the address says beside the section.
    """

    name: str
    control: str
    picture: str
    how: Literal["keys", "click", "stroke"] = "keys"
    query: dict[str, str] = field(default_factory=dict)


SECTIONS = (
    Section("Model", "model_digits", ".st-key-model_grid img"),
    Section("Statistics", "statistics_images", "[data-testid=stVegaLiteChart] svg"),
    Section("Map", "map", ".st-key-map_place img", how="click"),
    Section("Clusters", "clusters_n", ".st-key-clusters_members img"),
    Section("Generate", "generate_pictures", ".st-key-generate_grid img"),
    Section("Live", "live", "canvas.picture"),
    Section("Custom vector", "custom_which", ".st-key-custom_grid img"),
    Section("Draw", "draw_canvas", ".st-key-draw_reconstructed img", how="stroke"),
    Section("Dimensions", "dimensions_steps", ".st-key-dimensions_strip img"),
    Section("Directions", "directions_at", ".st-key-directions_at_picture img"),
    Section(
        "Arithmetic", "arithmetic_a_which", ".st-key-arithmetic_grid_3 img", query={"arithmetic_a_source": "real image"}
    ),
    Section("Real vs generated", "compare_pictures", ".st-key-compare_generated img"),
    Section("Interpolate", "interpolate_steps", ".st-key-interpolate_linear img"),
)

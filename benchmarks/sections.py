"""Every section of the page, the control of it that the benchmarks move, and the picture that then changes."""

from dataclasses import dataclass, field
from typing import Literal

CHART = "[data-testid=stVegaLiteChart] svg"


@dataclass(frozen=True)
class Section:
    """``control`` is the key of a slider, a number field or a choice; ``picture`` is a CSS selector.

    ``how`` is what a hand does: an arrow key on the control, a click on the map, a stroke on the canvas. ``query`` is
    what the address says beside the section: sliders begin where eight steps to the left are free.
    """

    name: str
    control: str
    picture: str
    how: Literal["keys", "click", "stroke"] = "keys"
    query: dict[str, str] = field(default_factory=dict)

    @property
    def shows_chart(self) -> bool:
        """Whether the picture that changes is a chart, which Vega draws in the browser."""
        return self.picture == CHART


OVERVIEW = ".st-key-overview_images img"  # the first picture of the section that opens first, which has no control
SECTIONS = (
    Section("Model", "model_digits", ".st-key-model_grid img"),
    Section("Statistics", "statistics_images", CHART),
    Section("Map", "map", ".st-key-map_place img", how="click"),
    Section("Clusters", "clusters_n", ".st-key-clusters_members img"),
    Section("Generate", "generate_pictures", ".st-key-generate_grid img"),
    Section("Sampler lab", "samplers_pictures", "[class*=st-key-samplers_] img", query={"samplers_pictures": "50"}),
    Section("Live", "live", "canvas.picture"),
    Section("Custom vector", "custom_which", ".st-key-custom_grid img"),
    Section("Draw", "draw_canvas", ".st-key-draw_reconstructed img", how="stroke"),
    Section("Dimensions", "dimensions_steps", ".st-key-dimensions_strip img"),
    Section("Directions", "directions_at", ".st-key-directions_walk canvas"),
    Section(
        "Arithmetic", "arithmetic_a_which", ".st-key-arithmetic_grid_3 img", query={"arithmetic_a_source": "test image"}
    ),
    Section("Real vs generated", "compare_pictures", ".st-key-compare_generated img"),
    Section("Interpolate", "interpolate_steps", ".st-key-interpolate_linear img"),
    Section("Diagnose", "diagnose_topic", CHART),
    Section("Compare runs", "runs_pictures", ".st-key-runs_same img", query={"runs_pictures": "20"}),
)
MEASURED = ("Clusters", "Sampler lab", "Diagnose", "Compare runs")  # take up to minutes on a checkpoint's first visit

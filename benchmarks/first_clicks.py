"""Every section of every shipped model, complete after its first click, on a server that has measured nothing yet."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.chromium import PATIENCE, chromium, fresh_page, open_until_drawn, settle
from benchmarks.comparison import Row
from benchmarks.sections import OVERVIEW, SECTIONS
from benchmarks.serving import PAGE, ROOT, serve

LONGEST = 3.0  # seconds from a click to a complete section
LONGEST_AGAIN = 1.5  # for Overview, on a server that has shown it before
AGAIN = 5
# Nothing is on its way any more: no skeleton, no progress, no picture without its pixels, no chart without its marks.
COMPLETE = """name => document.querySelector('[data-testid=stMain] h2')?.textContent === name
    && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid=stMain] :is([data-testid=stSkeleton], [data-testid=stSpinner])')
    && [...document.querySelectorAll('[data-testid=stMain] img')].every(image => image.complete)
    && [...document.querySelectorAll('[data-testid=stMain] [data-testid=stVegaLiteChart]')]
        .every(chart => chart.querySelector('svg, canvas'))"""


def seconds_to(page: Any, section: str) -> float:
    """Seconds from a click on a section's name until it is complete."""
    begin = time.perf_counter()
    page.get_by_test_id("stSidebar").get_by_text(section, exact=True).first.click()
    page.wait_for_function(COMPLETE, arg=section, timeout=2 * PATIENCE)
    return time.perf_counter() - begin


def first_clicks(checkpoint: Path) -> list[Row]:
    """The section that takes longest, for each shipped model, and Overview again."""
    rows, again = [], []
    names = [section.name for section in SECTIONS]
    for model in sorted((ROOT / "checkpoints").glob("*.pt")):
        with (
            tempfile.TemporaryDirectory() as cache,
            serve(PAGE, LATENT_CACHE=cache) as ours,
            chromium() as browser,
            fresh_page(browser) as page,
        ):
            open_until_drawn(page, f"{ours.address}/?checkpoint={model.stem}", OVERVIEW)
            settle(page)
            times = {name: seconds_to(page, name) for name in names}
            slowest = max(times, key=times.__getitem__)
            against = f"all: {statistics.median(times.values()):.1f} s median"
            name = f"first click, {model.stem}: {slowest}"
            rows.append(Row(name, against, "s", times[slowest], LONGEST, times[slowest], LONGEST, figure_unit="s"))
            for _ in range(AGAIN if model == checkpoint else 0):
                again.append(seconds_to(page, "Overview"))
                seconds_to(page, "Model")
    middle = statistics.median(again)
    rows.append(
        Row("Overview, complete after its click, server warm", "", "s", middle, LONGEST_AGAIN, middle, LONGEST_AGAIN,
            figure_unit="s")
    )  # fmt: skip
    return rows

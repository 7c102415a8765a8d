"""``python -m benchmarks.footprint``: a server's memory, from its start until every section was opened.

A real Chromium opens the page and then every section in one session, with an empty cache, as on a host that was just
set up. Memory is read from Linux's ``/proc``: resident (RSS), the share that is this process's own (PSS), and the
largest resident size so far. ``--json`` prints the same for programs.
"""

import argparse
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.chromium import WINDOW, chromium
from benchmarks.comparison import machine
from benchmarks.serving import serve

PATIENCE = 180_000  # milliseconds: with an empty cache, and on a small host


@dataclass(frozen=True)
class Row:
    """One moment, in MB of 10^6 bytes."""

    moment: str
    rss: float
    pss: float
    peak: float


def row(moment: str, pid: int) -> Row:
    """The memory of a process now."""
    proc = Path("/proc") / str(pid)
    text = (proc / "smaps_rollup").read_text() + (proc / "status").read_text()
    kilobytes = {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    return Row(moment, *(kilobytes[name] * 1024 / 1e6 for name in ("Rss", "Pss", "VmHWM")))


def settled(page: Any, heading: str) -> None:
    """Wait until a section is drawn and the script at its end."""
    page.get_by_role("heading", name=heading, exact=True).wait_for(timeout=PATIENCE)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=PATIENCE)


def rows(script: str) -> list[Row]:
    """Every moment, in order."""
    with TemporaryDirectory() as cache, serve(script, LATENT_CACHE=cache) as server, chromium() as browser:
        pid = server.process.pid
        found = [row("server started", pid)]
        page = browser.new_page(viewport=WINDOW)
        page.goto(server.address)
        settled(page, "Overview")
        found.append(row("page opened", pid))
        sections = page.locator(".st-key-section label[data-testid=stRadioOption]")
        for number in range(sections.count()):
            sections.nth(number).click()
            name = sections.nth(number).inner_text()
            settled(page, name)
            found.append(row(name, pid))
    return found


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.footprint", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--script", default="streamlit_app.py", help="another script that shows the page")
    options = parser.parse_args()
    found = rows(options.script)
    if options.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(one) for one in found]}, indent=1))
        return
    print(machine())
    print(f"{'':24}{'RSS MB':>10}{'PSS MB':>10}{'peak MB':>10}")
    for one in found:
        print(f"{one.moment:24}{one.rss:10.0f}{one.pss:10.0f}{one.peak:10.0f}")


if __name__ == "__main__":
    main()

"""The page as it is deployed: replicas behind a real nginx, one of them killed, and Community Cloud's entry point."""

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.browser import (
    IMAGES,
    choose,
    chromium,
    click_a_picture,
    compact,
    expect_kept,
    kept_names,
    open_section,
    press,
    settled,
)
from tests.support.models import CHECKPOINTS, ROOT

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
HOST = "explorer.example"  # no name of this machine, which Streamlit would trust whatever the proxy says
COOKIE = "latent_replica"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return get(port, "/_stcore/health").status == 200
    return False


def wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait up to 60 seconds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)


def wait_for(port: int) -> None:
    wait_until(lambda: answers(port), f"nothing answers on port {port}")


@dataclass
class Answer:
    """An answer over HTTP."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def cookie(self) -> str | None:
        """The replica that the answer tells the browser to come back to."""
        found = re.search(rf"{COOKIE}=([\d.:]+);", " ".join(self.headers.get_all("Set-Cookie", [])))
        return found and found[1]


def get(
    port: int, path: str, cookie: str | None = None, method: str = "GET", body: bytes = b"", **headers: str
) -> Answer:
    """Ask for a path, as a browser with the cookie of this replica; underscores in names of headers are hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if cookie:
        headers["Cookie"] = f"{COOKIE}={cookie}; {headers.get('Cookie', '')}"
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@dataclass
class Fleet:
    """Replicas by their addresses, and the port of the nginx before them."""

    port: int
    log: Path
    replicas: dict[str, subprocess.Popen[bytes] | None] = field(default_factory=dict)

    def start(self) -> None:
        """Start those that do not run, and wait until nginx has noticed."""
        dead = [address for address, process in self.replicas.items() if process is None]
        for address in dead:
            port = address.split(":")[1]
            options = ["--server.port", port, "--server.address", "127.0.0.1", "--server.headless", "true"]
            command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", *options]
            self.replicas[address] = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        for address in dead:
            wait_for(int(address.split(":")[1]))

    def kill(self, address: str) -> None:
        """End a replica as a failing machine would, without a word."""
        process = self.replicas[address]
        assert process
        process.kill()
        process.wait(10)
        self.replicas[address] = None

    def other(self, address: str) -> str:
        return next(other for other in self.replicas if other != address)

    def served(self, start: str, at_least: int = 1) -> list[str]:
        """The replicas that answered requests for paths with this start, in the order of the log, which comes late."""
        end = time.monotonic() + 10
        while True:
            lines = self.log.read_text().splitlines()
            # Time, status, all replicas that were tried, method, path.
            found = [line.split(" ")[-3] for line in lines if line.rpartition(" ")[2].startswith(start)]
            if len(found) >= at_least or time.monotonic() > end:
                return found
            time.sleep(0.02)

    def visit(self) -> str:
        """Open the page as somebody new; the replica named by the cookie."""
        cookie = get(self.port, "/").cookie
        assert cookie in self.replicas
        return cookie

    def websocket(self, cookie: str | None, origin: str | None = None) -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream", subprotocols=["streamlit"], origin=origin,
            additional_headers={"Cookie": f"{COOKIE}={cookie}"} if cookie else None, max_size=None, proxy=None,
        )  # fmt: skip


def run_page(websocket: ClientConnection, query: str = "section=Generate") -> str:
    """Run the page once, as the browser asks for it; the session that it ran in."""
    message = BackMsg()
    message.rerun_script.query_string = query
    websocket.send(message.SerializeToString())
    session = ""
    while True:
        answer = ForwardMsg.FromString(websocket.recv(timeout=60))
        if answer.WhichOneof("type") == "new_session":
            session = answer.new_session.initialize.session_id
        elif answer.WhichOneof("type") == "script_finished":
            assert answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            return session


def ends(websocket: ClientConnection) -> bool:
    """Whether the other side ends the connection within 20 seconds, after what was still under way."""
    end = time.monotonic() + 20
    with contextlib.suppress(TimeoutError):
        while True:
            try:
                websocket.recv(timeout=end - time.monotonic())
            except ConnectionClosed:
                return True
    return False


def nginx_configuration(folder: Path, port: int, addresses: list[str]) -> str:
    """deploy/nginx.conf with the test's own addresses and folder, and nothing else changed."""
    lines = []
    for line in (ROOT / "deploy" / "nginx.conf").read_text().splitlines():
        number = re.search(r"172\.30\.85\.1(\d):8501", line)
        if number and int(number[1]) > len(addresses):
            continue
        lines.append(line.replace(number[0], addresses[int(number[1]) - 1]) if number else line)
    text = "\n".join(lines).replace("/tmp/", f"{folder}/").replace("/dev/stdout", f"{folder}/access.log")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
    return f"user root;\n{text}" if os.geteuid() == 0 else text  # its folder is nobody else's


@pytest.fixture(scope="module")
def running_fleet(tmp_path_factory) -> Iterator[Fleet]:
    if NGINX is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs nginx for the tests of several replicas")
        pytest.skip("no nginx was found: apt-get install nginx")
    folder = tmp_path_factory.mktemp("nginx")
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    fleet = Fleet(free_port(), folder / "access.log", dict.fromkeys(addresses))
    (folder / "nginx.conf").write_text(nginx_configuration(folder, fleet.port, addresses))
    nginx = None
    try:
        fleet.start()
        nginx = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"])
        wait_for(fleet.port)
        yield fleet
    finally:
        for process in (nginx, *fleet.replicas.values()):
            if process is not None:
                process.terminate()
                process.wait(10)


@pytest.fixture
def fleet(running_fleet) -> Fleet:
    """Both replicas running, and known to nginx as such."""
    running_fleet.start()
    everyone = set(running_fleet.replicas)
    wait_until(lambda: {running_fleet.visit() for _ in range(4)} == everyone, "nginx sends nobody to one of them")
    return running_fleet


# ---------------------------------------------------------------------------------------------------------------------
# Several replicas, without a browser.


def test_newcomers_are_spread_over_the_replicas(fleet):
    visits = [fleet.visit() for _ in range(20)]
    assert all(visits.count(address) >= 5 for address in fleet.replicas)


def test_all_requests_with_one_cookie_reach_one_replica(fleet):
    for cookie in fleet.replicas:
        for number in range(40):
            path = f"/media/{cookie}-{number}.png"  # no such file, which is an answer too
            assert get(fleet.port, path, cookie).status == 404
            assert fleet.served(path) == [cookie]


def test_a_page_that_is_opened_again_comes_from_the_same_replica(fleet):
    for cookie in fleet.replicas:
        assert {get(fleet.port, "/", cookie).cookie for _ in range(10)} == {cookie}


@pytest.mark.exhaustive
def test_a_websocket_names_the_replica_that_takes_files_for_its_session(fleet):
    with fleet.websocket(None) as websocket:
        assert websocket.response
        named = re.search(rf"{COOKIE}=([\d.:]+);", websocket.response.headers["Set-Cookie"])
        assert named
        session = run_page(websocket)
        token = re.search(r"_streamlit_xsrf=([^;]+)", get(fleet.port, "/_stcore/health").headers["Set-Cookie"])
        assert token
        headers = {"Cookie": token[0], "X_Xsrftoken": token[1], "Content_Type": "multipart/form-data; boundary=b"}
        head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        body = head + bytes(3 * 1024**2) + b"\r\n--b--\r\n"
        path = f"/_stcore/upload_file/{session}/1"
        statuses = {
            address: get(fleet.port, path, address, "PUT", body, **headers).status for address in fleet.replicas
        }
        assert statuses == {named[1]: 204, fleet.other(named[1]): 400}


def test_a_cookie_leads_to_no_address_but_a_replicas(fleet):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.settimeout(0.5)
        answer = get(fleet.port, "/", f"127.0.0.1:{stranger.getsockname()[1]}")
        assert answer.status == 200
        assert answer.cookie in fleet.replicas
        with pytest.raises(TimeoutError):
            stranger.accept()


def test_only_the_pages_own_origin_may_open_a_websocket(fleet):
    def open_from(origin: str) -> None:
        with socket.create_connection(("127.0.0.1", fleet.port)) as tcp:
            address = f"ws://{HOST}:{fleet.port}/_stcore/stream"
            with connect(address, sock=tcp, origin=origin, subprotocols=["streamlit"], proxy=None):
                pass

    open_from(f"http://{HOST}:{fleet.port}")
    with pytest.raises(InvalidStatus, match="403"):
        open_from("http://elsewhere.example")


def test_an_upload_without_the_token_against_forgery_is_refused(fleet):
    assert get(fleet.port, "/_stcore/upload_file/session/file", fleet.visit(), method="PUT").status == 403


def test_an_upload_that_is_too_large_is_refused_before_it_is_sent(fleet):
    headers = {"Content_Length": str(202 * 1024**2)}
    assert get(fleet.port, "/_stcore/upload_file/session/file", method="PUT", **headers).status == 413


def test_scripts_are_sent_compressed(fleet):
    script = re.search(rb'src="\.?(/static/js/index[^"]+\.js)"', get(fleet.port, "/").body)
    assert script
    plain = get(fleet.port, script[1].decode())
    packed = get(fleet.port, script[1].decode(), Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < 0.5 * len(plain.body)


def test_a_long_link_passes(fleet):
    link = "/?kept=" + "x" * 14_000
    assert get(fleet.port, link, Referer=f"http://{HOST}{link}").status == 200


@pytest.mark.exhaustive
def test_a_dead_replica_moves_its_own_users_and_nobody_else(fleet):
    stays, dies = fleet.replicas
    with fleet.websocket(stays) as untouched, fleet.websocket(dies) as cut:
        session = run_page(untouched)
        run_page(cut)
        fleet.kill(dies)
        assert ends(cut)
        assert {get(fleet.port, "/", stays).cookie for _ in range(10)} == {stays}
        assert run_page(untouched) == session

        moved = get(fleet.port, "/", dies)
        assert (moved.status, moved.cookie) == (200, stays)
        with fleet.websocket(dies) as again:  # as the page does by itself when it was not opened anew
            assert again.response
            assert f"{COOKIE}={stays};" in again.response.headers["Set-Cookie"]
            run_page(again)

        fleet.start()  # and nobody is moved back
        assert {get(fleet.port, "/", stays).cookie for _ in range(10)} == {stays}


# ---------------------------------------------------------------------------------------------------------------------
# The same in a real browser, and one replica killed under load.


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as browser:
        yield browser


@pytest.fixture
def page(browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield context.new_page()
    context.close()


def replica_of(page: Page) -> str:
    return next(str(cookie.get("value")) for cookie in page.context.cookies() if cookie.get("name") == COOKIE)


@contextlib.contextmanager
def load(fleet: Fleet) -> Iterator[list[int]]:
    """Four visitors who open the page and run it, at most 200 times in 60 seconds; what they were answered."""
    statuses: list[int] = []
    enough = threading.Event()

    def browse() -> None:
        end = time.monotonic() + 60
        cookie = fleet.visit()
        for _ in range(50):
            if enough.wait(0.2) or time.monotonic() > end:
                return
            answer = get(fleet.port, "/", cookie)
            statuses.append(answer.status)
            cookie = answer.cookie or cookie
            with contextlib.suppress(ConnectionClosed, InvalidStatus), fleet.websocket(cookie) as websocket:
                run_page(websocket)

    with ThreadPoolExecutor(4) as pool:
        visitors = [pool.submit(browse) for _ in range(4)]
        try:
            yield statuses
        finally:
            enough.set()
        for visitor in visitors:
            visitor.result()


@pytest.mark.browser
@pytest.mark.exhaustive
def test_a_view_comes_back_from_its_link_when_its_replica_is_killed_under_load(page, fleet):
    address = f"http://{HOST}:{fleet.port}"
    open_section(page, address, "Generate", "&checkpoint=ae-8")
    click_a_picture(page, "generate_grid", 1)
    choose("Model file", "ae-16")(page)
    page.wait_for_url("**/?section=Generate", timeout=60_000)
    expect(page.locator(".latent-shelf li")).to_have_count(0, timeout=60_000)
    settled(page)
    click_a_picture(page, "generate_grid", 3)
    before = page.evaluate(IMAGES)
    press("Scale", "ArrowLeft")(page)
    page.wait_for_function(f"before => JSON.stringify(({IMAGES})()) !== before", arg=compact(before))
    page.wait_for_url("**generate_scale=0.95**")
    settled(page)
    here, names, link, killed = page.evaluate(IMAGES), kept_names(page), page.url, replica_of(page)
    assert names == ["sample 4"]

    with load(fleet) as statuses:
        wait_until(lambda: len(statuses) >= 8, "the load does not come up")
        fleet.kill(killed)
        so_far = len(statuses)
        page.goto("about:blank")
        page.goto(link)
        page.wait_for_function(f"here => JSON.stringify(({IMAGES})()) === here", arg=compact(here), timeout=60_000)
        settled(page)
        wait_until(lambda: len(statuses) >= so_far + 8, "the load does not go on")
    assert set(statuses) == {200}
    expect_kept(page, names)
    assert replica_of(page) == fleet.other(killed)

    choose("Model file", "ae-8")(page)  # whose shelf was in the session and in no link
    page.wait_for_url("**checkpoint=ae-8**", timeout=60_000)
    expect(page.locator(".latent-shelf li")).to_have_count(0, timeout=60_000)


@pytest.mark.browser
@pytest.mark.exhaustive
def test_a_page_that_is_not_opened_again_goes_on_by_itself(page, fleet):
    open_section(page, f"http://{HOST}:{fleet.port}", "Generate", "&generate_scale=0.5")
    click_a_picture(page, "generate_grid", 3)
    before, names, killed = page.evaluate(IMAGES), kept_names(page), replica_of(page)
    fleet.kill(killed)
    wait_until(lambda: replica_of(page) != killed, "the page does not reconnect")
    settled(page)
    press("Scale", "ArrowRight")(page)
    page.wait_for_function(f"before => JSON.stringify(({IMAGES})()) !== before", arg=compact(before), timeout=60_000)
    page.wait_for_url("**generate_scale=0.55**")
    expect_kept(page, names)


@pytest.mark.browser
def test_files_go_up_and_come_down_through_the_proxy(page, fleet, tiny_file):
    open_section(page, f"http://{HOST}:{fleet.port}", "Generate")
    replica = replica_of(page)
    before = {path: len(fleet.served(path, at_least=0)) for path in ("/_stcore/upload_file/", "/media/")}
    page.get_by_text("Open a file").click()
    page.locator(".st-key-upload input[type=file]").set_input_files(tiny_file)
    expect(page.get_by_role("combobox", name="Model file")).to_have_value(re.compile("uploaded"), timeout=60_000)
    settled(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="NPZ", exact=True).click()
    assert download.value.path().read_bytes().startswith(b"PK")
    for path, count in before.items():
        assert set(fleet.served(path, count + 1)[count:]) == {replica}


# ---------------------------------------------------------------------------------------------------------------------
# Community Cloud, and the settings that all share.

ENTRY_POINT = ROOT / "deploy" / "community-cloud" / "streamlit_app.py"


def test_the_entry_point_of_community_cloud_shows_the_page():
    test = AppTest.from_file(str(ENTRY_POINT), default_timeout=120).run()
    test.radio(key="section").set_value("Generate").run()
    assert not test.exception
    assert [header.value for header in test.header] == ["Generate"]
    assert set(test.selectbox(key="checkpoint").options) == {path.stem for path in CHECKPOINTS.glob("*.pt")}


def test_the_entry_point_asks_for_all_that_the_page_needs():
    lines = (ENTRY_POINT.parent / "requirements.txt").read_text().splitlines()
    included = [ENTRY_POINT.parent / line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
    assert [path.resolve() for path in included] == [ROOT / "requirements.txt"]


@pytest.mark.browser
@pytest.mark.exhaustive
def test_a_link_opens_the_same_view_through_the_entry_point(page, fleet):
    port = free_port()
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    server = subprocess.Popen([sys.executable, "-m", "streamlit", "run", ENTRY_POINT, *options], cwd=ROOT)
    try:
        wait_for(port)
        open_section(page, f"http://127.0.0.1:{fleet.port}", "Generate", "&generate_scale=0.5")
        click_a_picture(page, "generate_grid", 3)
        here, query = page.evaluate(IMAGES), page.url.partition("?")[2]
        page.goto(f"http://127.0.0.1:{port}/?{query}")
        page.wait_for_function(f"here => JSON.stringify(({IMAGES})()) === here", arg=compact(here), timeout=60_000)
        settled(page)
        expect_kept(page, ["sample 4"])
        press("Scale", "ArrowRight")(page)
        page.wait_for_url("**generate_scale=0.55**")
        page.wait_for_function(f"here => JSON.stringify(({IMAGES})()) !== here", arg=compact(here))
    finally:
        server.terminate()
        server.wait(10)


def luminance(colour: list[float]) -> float:
    """Relative luminance of a colour of three parts in [0, 255] (WCAG 2.2)."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: str, background: str, opacity: float = 1) -> float:
    """Contrast ratio of a colour on a background, from 1 to 21 (WCAG 2.2)."""
    front, back = ([float(int(text[i : i + 2], 16)) for i in (1, 3, 5)] for text in (colour, background))
    seen = [opacity * ours + (1 - opacity) * behind for ours, behind in zip(front, back)]
    darker, lighter = sorted((luminance(seen), luminance(back)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_links_and_marks_can_be_read_in_both_themes(theme):
    colours = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][theme]
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for background in (colours["backgroundColor"], colours["secondaryBackgroundColor"]):
        assert contrast(colours["textColor"], background) >= 7
        assert contrast(colours["textColor"], background, opacity=0.6) >= 4.5  # Streamlit's fainter text
        assert contrast(colours["primaryColor"], background) >= 4.5
        assert contrast(colours["linkColor"], background) >= 4.5
    assert contrast(colours["codeTextColor"], colours["codeBackgroundColor"]) >= 7


def test_the_settings_are_private_and_bounded():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["server"]["enableXsrfProtection"] is True
    megabytes = settings["server"]["maxUploadSize"]
    body = re.search(r"client_max_body_size (\d+)m;", (ROOT / "deploy" / "nginx.conf").read_text())
    assert body
    assert megabytes == 200
    assert megabytes < int(body[1]) <= megabytes + 1

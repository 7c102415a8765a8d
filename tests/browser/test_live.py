"""The decoder in the browser: the program against torch, in Node; the component in a real Chromium."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.live import LIVE_PAGE
from benchmarks.serving import serve
from latent import checkpoint, interpolation
from latent.browser import live
from latent.browser.inbox import parcel
from latent.errors import CheckpointError, DecoderError
from latent.foreign.network import Network
from latent.foreign.operations import ACTIVATIONS, OUTPUTS
from latent.foreign.reading import Reading
from latent.foreign.search import Scored
from latent.images import to_uint8
from tests.support.authors import AUTHORS
from tests.support.browser import FITS, chromium
from tests.support.javascript import ALLOWED, largest_differences, needs_node, node, real_codes
from tests.support.models import CHECKPOINTS, ROOT, tiny
from tests.support.readings import all_states, lively, some_readings


@needs_node
def test_every_shipped_checkpoint_draws_in_javascript_what_torch_draws(modules):
    models = [checkpoint.load(path).model() for path in sorted(CHECKPOINTS.glob("*.pt"))]
    assert len(models) >= 7
    assert max(largest_differences(modules, models, list(map(real_codes, models)))) <= ALLOWED


@needs_node
def test_a_browser_without_webassembly_draws_the_same(modules):
    models = [checkpoint.load(CHECKPOINTS / f"{name}.pt").model() for name in ("ae-16", "vae-2")]
    assert max(largest_differences(modules, models, list(map(real_codes, models)), "javascript")) <= ALLOWED


PRODUCTS = """
import { readFileSync, writeSync } from "node:fs"
import { addProducts, engine } from "./products.js"
const shapes = JSON.parse(process.argv[2]), numbers = new Float32Array(readFileSync(process.argv[3]).buffer)
let start = 0
const next = (n) => numbers.subarray(start, (start += n))
for (const [m, n, k, gap] of shapes) {
  const sizes = [m * (k + gap), n * (k + gap), m * (n + gap)]
  const given = sizes.map(next), made = engine(sizes), told = []
  for (const [how, compute] of [[made.take, made.addProducts], [(n) => new Float32Array(n), addProducts]]) {
    const [a, b, c] = given.map((values) => { const array = how(values.length); array.set(values); return array })
    compute(a, 0, k + gap, m, b, 0, k + gap, n, c, 0, n + gap, k)
    writeSync(1, new Uint8Array(c.slice().buffer))
  }
  if (made.addProducts === addProducts) throw new Error("no WebAssembly here")
}
"""


@needs_node
def test_sums_of_products_are_those_of_numpy_at_every_edge(modules, tmp_path):
    """Rows two by four, numbers four by four: every remainder of each, also with gaps between the rows."""
    shapes = [(m, n, k, gap) for m in (1, 2, 3) for n in (1, 2, 3, 4, 5) for k in (1, 2, 3, 4, 5, 9) for gap in (0, 3)]
    random, given, expected = np.random.default_rng(0), [], []
    for m, n, k, gap in shapes:
        a, b, c = (random.normal(size=shape).astype(np.float32) for shape in ((m, k + gap), (n, k + gap), (m, n + gap)))
        given += [a, b, c]
        sums = c.astype(np.float64)
        sums[:, :n] += a[:, :k].astype(np.float64) @ b[:, :k].T.astype(np.float64)
        expected += [sums, sums]
    (tmp_path / "numbers").write_bytes(b"".join(each.tobytes() for each in given))
    (modules / "products_test.js").write_text(PRODUCTS)
    found = np.frombuffer(node(modules, "products_test.js", json.dumps(shapes), tmp_path / "numbers"), np.float32)
    assert np.allclose(found, np.concatenate([each.ravel() for each in expected]), atol=1e-5)


def test_the_webassembly_is_made_of_the_text_beside_it():
    wasmtime = pytest.importorskip("wasmtime", reason="wasmtime, which translates the text, is not installed")
    text, made = (ROOT / "latent" / "browser" / f"products.{kind}" for kind in ("wat", "wasm"))
    assert instructions(wasmtime.wat2wasm(text.read_text())) == instructions(made.read_bytes())


def instructions(module: bytes) -> dict[int, bytes]:
    """The sections of a WebAssembly module by number, but for those that only name things (WebAssembly 2.0, 5.5)."""
    assert module[:8] == b"\0asm\x01\0\0\0"
    sections, start = {}, 8
    while start < len(module):
        kind, start, size, shift = module[start], start + 1, 0, 0
        while True:  # LEB128
            byte, start = module[start], start + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if kind:
            sections[kind] = module[start : start + size]
        start += size
    return sections


STREAMED = {  # whose normalisations of features the browser has not
    "LayerNorm", "LayerNorm behind SiLU", "LayerNorm, GELU", "LayerNorm of maps", "GroupNorm 1", "GroupNorm 8",
    "InstanceNorm",
}  # fmt: skip


def in_the_browser(reading: Reading) -> Network | None:
    """The network of a reading, None where it cannot be run, or not in the browser; then it is refused."""
    try:
        network = Network([Scored(reading, 0.0)])
        live.compile(network)
    except (CheckpointError, DecoderError):
        return None
    return network


@pytest.mark.exhaustive
@needs_node
def test_whatever_the_reader_can_read_draws_in_javascript_what_torch_draws(modules):
    rng = np.random.default_rng(0)
    states = all_states()
    found: list[tuple[str, Network]] = []
    for name, state in states.items():
        networks = map(in_the_browser, some_readings(state, rng))
        found += [(name, network) for network in networks if network is not None]
    assert set(states) - {name for name, _ in found} == STREAMED  # and say why
    models = [model for _, model in found]
    codes = [rng.standard_normal((10, model.signature.latent_dim)).astype(np.float32) for model in models]
    differences = largest_differences(modules, models, codes)
    assert not [(name, worst) for (name, _), worst in zip(found, differences, strict=True) if worst > ALLOWED]

    layers = [layer for model in models for layer in live.compile(model).layers]
    assert {layer.get("name") for layer in layers} >= set(ACTIVATIONS) - {"none"}
    assert {layer.get("mode") for layer in layers} >= {"nearest", "bilinear"}
    assert {layer["op"] for layer in layers} >= {"label", "prelu", "affine", "reshape", "channels_first", "conv"}
    assert {model.reading.output for model in models} == set(OUTPUTS)


@pytest.mark.parametrize("name", ["ae-16", "vae-2"])
def test_multiplications_are_those_that_torch_counts(name):
    model = checkpoint.load(CHECKPOINTS / f"{name}.pt").model()
    assert live.compile(model).multiplications == counted(model)


def test_multiplications_of_every_kind_of_layer_are_those_that_torch_counts():
    rng = np.random.default_rng(1)
    for name in ("upsampled", "all convolution", "conditional", "functional"):
        for reading in some_readings(lively(AUTHORS[name].build()), rng, 3):
            model = Network([Scored(reading, 0.0)])
            assert live.compile(model).multiplications == counted(model)


def counted(model) -> int:
    """Multiplications for one picture, as torch counts them."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode(False):
        model.decode(torch.zeros(1, model.signature.latent_dim), torch.zeros(1, 10))
    return counter.get_total_flops() // 2  # it counts additions too


def test_normalisations_are_folded_into_the_weights_before_them():
    model = checkpoint.load(CHECKPOINTS / "ae-16.pt").model()
    program = live.compile(model)
    assert {layer["op"] for layer in program.layers} == {
        "linear", "activation", "channels_last", "conv_transpose", "conv"
    }  # fmt: skip
    weights = sum(p.numel() for p in model.decoder.parameters() if p.ndim > 1)
    biases = sum(layer["shape"][-1] for layer in program.layers if "bias" in layer)
    assert len(program.weights) == 4 * (weights + biases)


class Stranger(nn.Module):
    signature = tiny().model().signature


def with_layer(layer: nn.Module):
    model = tiny().model()
    model.decoder.append(layer)
    return model


def with_feature_norms():
    (reading, *_) = some_readings(lively(AUTHORS["LayerNorm"].build()), np.random.default_rng(0))
    return Network([Scored(replace(reading, norm_style="one group"), 0.0)])


REFUSED = {
    "a layer of our own network": (lambda: with_layer(nn.Softmax(1)), "Softmax"),
    "a normalisation": (with_feature_norms, "feature_norm"),
    "another network": (Stranger, "Stranger"),
    "too much work": (lambda: tiny(image_shape=(1, 2000, 2000)).model(), r"\d+ million multiplications.* 240 million"),
    "too many weights": (lambda: tiny(image_shape=(1, 2000, 2000)).model(), "MB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_in_the_browser_is_refused_in_one_sentence_that_says_why(name, monkeypatch):
    make, words = REFUSED[name]
    if name == "too many weights":
        monkeypatch.setattr(live, "MOST_MULTIPLICATIONS", 10**12)
        monkeypatch.setattr(live, "MOST_BYTES", 2**20)
    with pytest.raises(DecoderError, match=words) as caught:
        live.compile(make())
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@needs_node
def test_a_parcel_brings_what_was_put_in(modules):
    """Names of two bytes a letter and arrays of odd lengths, so that what follows has to be aligned."""
    whole = np.array([70_000], np.uint32)
    values = {"text": "größer ✓", "nothing": None, "bytes": b"abc", "floats": np.array([1.5, -2], np.float64)}
    (modules / "odd.parcel").write_bytes(parcel("näme", **values, whole=whole, last=np.arange(5, dtype=np.uint8)))
    script = """
        import { readFileSync } from "node:fs"
        import { unpack } from "./inbox.js"
        const { bytes, floats, last, whole, ...rest } = unpack(readFileSync("odd.parcel"))
        console.log(JSON.stringify([[...bytes], [...floats], [...last], [...whole], rest]))
    """
    found = json.loads(node(modules, "--input-type=module", "--eval", script))
    rest = {"name": "näme", "stays": False, "text": "größer ✓", "nothing": None}
    assert found == [[97, 98, 99], [1.5, -2], [0, 1, 2, 3, 4], [70_000], rest]


def called(modules: Path, name: str, calls: list) -> list:
    """What a function of stage.js gives for each list of arguments."""
    script = f"""
        import {{ {name} }} from "./stage.js"
        const plain = (value) => (ArrayBuffer.isView(value) ? [...value] : value)
        const found = {json.dumps(calls)}.map((call) => {name}(...call))
        console.log(JSON.stringify(found, (key, value) => plain(value)))
    """
    return json.loads(node(modules, "--input-type=module", "--eval", script))


@needs_node
@pytest.mark.parametrize(("name", "path"), [("lerp", interpolation.lerp), ("slerp", interpolation.slerp)])
def test_the_way_between_kept_codes_is_that_of_the_interpolate_section(modules, name, path):
    rng = np.random.default_rng(0)
    pairs = [rng.standard_normal((2, 5)) for _ in range(3)]
    pairs += [np.array([[1.0, 2, 3], [2, 4, 6]]), np.array([[0.0, 0], [1, 2]]), np.array([[1.0, 0], [1, 0]])]
    pairs += [np.array([[1.0, 2, 3], [-2, -4, -6]]), np.array([[1.5], [-3.0]])]  # opposite
    calls = [[a.tolist(), b.tolist(), t] for a, b in pairs for t in (0, 0.3, 1)]
    expected = [path(a, b, t)[0] for a, b, t in calls]
    for found, want in zip(called(modules, name, calls), expected, strict=True):
        assert np.allclose(found, want, atol=1e-6)


@needs_node
def test_the_nearest_codes_are_those_of_a_full_sort(modules):
    rng = np.random.default_rng(0)
    codes, queries = rng.standard_normal((300, 4)), rng.standard_normal((5, 4))
    calls = [[codes.ravel().tolist(), query.tolist(), 20] for query in queries]
    for query, found in zip(queries, called(modules, "nearest", calls), strict=True):
        distances = np.linalg.norm(codes - query, axis=1)
        assert found["places"] == np.argsort(distances)[:20].tolist()
        assert np.allclose(found["distances"], np.sort(distances)[:20])


# In a real Chromium, on the page that shows how the component is mounted.


@pytest.fixture(scope="module", name="chromium")
def one_chromium() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve(LIVE_PAGE) as server:
        yield server.port


class Screen:
    """The component on its page, and the messages that go between page and server, in order."""

    def __init__(self, page: Page, port: int) -> None:
        self.page, self.port = page, port
        self.messages: list[tuple[str, bytes]] = []
        self.complaints: list[str] = []
        page.on("websocket", self.listen)
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def listen(self, websocket) -> None:
        websocket.on("framesent", lambda frame: self.messages.append(("sent", frame)))
        websocket.on("framereceived", lambda frame: self.messages.append(("received", frame)))

    def open(self, query: str = "") -> None:
        self.page.goto(f"http://127.0.0.1:{self.port}/?{query}")
        expect(self.page.get_by_text("ms per image")).to_be_visible(timeout=60_000)  # said when all is at rest
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        self.messages.clear()

    def slider(self, dimension: int) -> Locator:
        return self.page.get_by_role("slider", name=f"Dimension {dimension}", exact=True)

    def choose(self, act: Callable[[], object]) -> np.ndarray:
        """The code that the page is told of after something was done."""
        told = self.page.get_by_text("Chosen: ")
        before = told.inner_text()
        act()
        expect(told).not_to_have_text(before)
        return np.array(json.loads(told.inner_text().removeprefix("Chosen: ")))

    def picture(self) -> np.ndarray:
        """Bytes of the picture as it is drawn."""
        return np.array(self.page.evaluate(PICTURE), np.uint8).reshape(28, 28)

    def stage(self, name: str) -> np.ndarray:
        """A value of what was sent of the checkpoint."""
        value = "[...window.latentInbox.values()].find((parcel) => parcel.codes)"
        return np.array(self.page.evaluate(f"() => [...{value}.{name}]"))

    def sent(self) -> int:
        return sum(way == "sent" for way, _ in self.messages)

    def drag(self, target: Locator, steps: int = 40) -> Iterator[None]:
        """From the middle of something to its right, a step a frame: long enough for anything delayed to happen.

        Stops on the way at every fourth step.
        """
        box = target.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for step in range(steps):
            self.page.mouse.move(x + 0.4 * box["width"] * step / steps, y - 0.2 * box["height"] * step / steps)
            if step % 4 == 0:
                yield
        self.page.mouse.up()


PICTURE = """() => {
    const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
    const canvas = hosts.map((host) => host.shadowRoot?.querySelector(".picture")).find(Boolean)
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    return [...data.filter((_, index) => index % 4 === 0)]
}"""


@pytest.fixture
def screen(chromium, port) -> Iterator[Screen]:
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    screen = Screen(page, port)
    yield screen
    assert not screen.complaints
    page.close()


def same_picture(found: np.ndarray, expected: np.ndarray) -> bool:
    """But for rounding."""
    return bool(np.abs(found.astype(int) - to_uint8(expected)).max() <= 1)


@pytest.mark.browser
def test_dragging_a_slider_changes_the_picture_and_tells_the_page_only_the_code_it_ends_with(screen, space):
    screen.open()
    assert same_picture(screen.picture(), space.decode(space.z[0])[0])
    pictures = set()

    def drag() -> None:
        for _ in screen.drag(screen.slider(3)):
            pictures.add(screen.picture().tobytes())
            assert screen.sent() == 0

    code = screen.choose(drag)
    assert len(pictures) >= 8
    assert screen.sent() == 1
    assert (code != space.z[0]).nonzero()[0].tolist() == [3]
    assert code[3] == pytest.approx(float(screen.slider(3).input_value()), abs=1e-5)
    assert same_picture(screen.picture(), space.decode(code)[0])


def on_the_pad(values: np.ndarray, share: float) -> float:
    """What lies at that share of the pad's width or height, which shows all real codes but for the outermost."""
    low, high = np.quantile(values, [0.005, 0.995], method="nearest")
    return (low + high) / 2 + 1.1 * (high - low) * (share - 0.5)


@pytest.mark.browser
def test_dragging_on_the_pad_moves_the_code_in_the_plane_and_nowhere_else(screen, space):
    screen.open()
    axes = screen.stage("axes").reshape(2, -1)
    places = []

    def drag() -> None:
        for _ in screen.drag(screen.page.get_by_role("application")):
            places.append(screen.picture().tobytes())
            assert screen.sent() == 0

    code = screen.choose(drag)
    assert len(set(places)) >= 8
    moved = code - space.z[0]
    assert np.allclose(moved, moved @ axes.T @ axes, atol=1e-4)
    for place, values, share in zip(code @ axes.T, (space.z @ axes.T).T, (0.5 + 0.39, 0.5 + 0.195)):
        assert place == pytest.approx(on_the_pad(values, share), abs=0.01 * np.ptp(values))
    assert same_picture(screen.picture(), space.decode(code)[0])


@pytest.mark.browser
def test_what_is_said_about_a_code_is_what_the_real_codes_say(screen, space):
    screen.open()
    code = screen.choose(lambda: screen.slider(5).press("End"))
    distances = np.linalg.norm(space.z - code, axis=1)
    nearest = np.argsort(distances)[:20]
    expect(screen.page.get_by_text(f"nearest: class {space.labels[nearest[0]]}")).to_be_visible()
    shares = screen.page.locator(".shares i").evaluate_all("bars => bars.map((bar) => bar.style.transform)")
    votes = np.bincount(space.labels[nearest], minlength=10) / 20
    assert [float(share.removeprefix("scaleY(").removesuffix(")")) for share in shares] == pytest.approx(votes)
    support = float(np.mean(screen.stage("distances") > distances[nearest[:10]].mean()))
    assert screen.page.get_by_role("meter").evaluate("meter => meter.value") == pytest.approx(support, abs=0.011)
    words = "in distribution" if support >= 0.1 else "borderline" if support >= 0.01 else "out of distribution"
    expect(screen.page.get_by_text(words)).to_be_visible()
    thumbnail = screen.page.get_by_role("img", name="Nearest test image", exact=True)
    pixels = "c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 === 0)]"
    assert np.array_equal(np.array(thumbnail.evaluate(pixels)).reshape(28, 28), space.images[nearest[0]])


@pytest.mark.exhaustive
@pytest.mark.browser
def test_one_dimension_and_all_of_them_go_back_to_where_they_were(screen, space):
    screen.open()
    for dimension in (3, 5, 9):
        screen.slider(dimension).press("Home")
    code = screen.choose(lambda: screen.slider(5).dblclick())
    assert (code != space.z[0]).nonzero()[0].tolist() == [3, 9]
    code = screen.choose(lambda: screen.page.get_by_role("button", name="Reset all").click())
    assert np.array_equal(code, space.z[0])


@pytest.mark.exhaustive
@pytest.mark.browser
def test_numbers_and_arrow_keys_move_the_code(screen, space):
    screen.open()
    code = screen.choose(lambda: screen.page.get_by_label("Dimension 4, exactly").fill("2.5"))
    assert code[4] == 2.5
    assert float(screen.slider(4).input_value()) == pytest.approx(2.5, abs=0.1)
    higher = screen.choose(lambda: screen.slider(7).press("ArrowRight"))
    assert higher[7] > code[7]
    pad = screen.page.get_by_role("application")
    axes = screen.stage("axes").reshape(2, -1)
    for key, way in (("ArrowRight", axes[0]), ("ArrowUp", axes[1]), ("ArrowLeft", -axes[0])):
        before = higher
        higher = screen.choose(lambda key=key: pad.press(key))
        step = higher - before
        assert step @ way == pytest.approx(np.linalg.norm(step), rel=1e-3)


@pytest.mark.browser
def test_keeping_sends_the_code_to_the_shelf_and_checkpoints_are_sent_once(screen):
    screen.page.goto(f"http://127.0.0.1:{screen.port}/")
    expect(screen.page.get_by_text("nearest: class")).to_be_visible(timeout=60_000)
    expect(screen.page.get_by_text("Kept: 3")).to_be_visible()
    screen.choose(lambda: screen.slider(3).press("End"))
    screen.page.get_by_role("button", name="Add to shelf").click()
    expect(screen.page.get_by_text("Kept: 4")).to_be_visible()
    screen.choose(lambda: screen.slider(3).press("Home"))
    screen.page.get_by_role("button", name="Add to shelf").click()
    expect(screen.page.get_by_text("Kept: 5")).to_be_visible()
    large = [len(frame) for way, frame in screen.messages if way == "received" and len(frame) > 100_000]
    assert len(large) == 1


@pytest.mark.browser
def test_a_code_from_the_page_is_put_into_the_hand_once_and_then_the_hand_has_it(screen, space):
    screen.open()
    four = space.z[space.labels == 4][0]
    before = screen.page.evaluate(PICTURE)
    screen.page.get_by_role("button", name="Take a real 4").click()
    screen.page.wait_for_function(f"before => String(({PICTURE})()) !== String(before)", arg=before)
    assert same_picture(screen.picture(), space.decode(four)[0])
    code = screen.choose(lambda: screen.slider(3).press("End"))
    assert (code != four).nonzero()[0].tolist() == [3]
    screen.page.get_by_role(
        "button", name="Add to shelf"
    ).click()  # the page runs again, with the same code to be taken
    expect(screen.page.get_by_text("Kept: 4")).to_be_visible()
    assert same_picture(screen.picture(), space.decode(code)[0])


@pytest.mark.exhaustive
@pytest.mark.browser
def test_who_moves_nothing_chooses_nothing(screen):
    screen.open()
    picture = screen.page.get_by_role("img", name="Decoded image")
    picture.click()
    for step in range(40):  # a frame each: long enough for anything delayed to happen
        screen.page.mouse.move(600 + step, 500)
    expect(screen.page.get_by_text("ms per image, in this browser")).to_be_visible()
    assert screen.sent() == 0


@pytest.mark.exhaustive
@pytest.mark.browser
def test_playing_goes_along_the_shelf_without_a_word_to_the_page_until_it_stops(screen, space):
    screen.open()
    start = screen.picture()
    screen.page.get_by_role("button", name="Play").click()
    for _ in range(5):
        before = screen.page.evaluate(PICTURE)
        screen.page.wait_for_function(f"before => String(({PICTURE})()) !== String(before)", arg=before)
    assert not np.array_equal(screen.picture(), start)
    assert screen.sent() == 0
    code = screen.choose(lambda: screen.page.get_by_role("button", name="Stop").click())
    legs = [(space.class_mean(a), space.class_mean(b)) for a, b in ((3, 8), (8, 5), (5, 3))]
    shares = [np.clip((code - a) @ (b - a) / np.square(b - a).sum(), 0, 1) for a, b in legs]
    assert min(np.abs(a + t * (b - a) - code).max() for (a, b), t in zip(legs, shares)) <= 1e-4


@pytest.mark.exhaustive
@pytest.mark.browser
def test_a_finger_moves_sliders_and_the_pad(chromium, port, space):
    context = chromium.new_context(viewport={"width": 400, "height": 900}, has_touch=True)
    screen = Screen(context.new_page(), port)
    screen.open()
    finger = context.new_cdp_session(screen.page)

    def draw(target: Locator, right: float, up: float) -> None:
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        x, y = box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 11):
            point = {"x": x + box["width"] * right * step / 10, "y": y - box["height"] * up * step / 10}
            finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    code = screen.choose(lambda: draw(screen.slider(3), 0.3, 0))
    low, high = (float(screen.slider(3).get_attribute(end)) for end in ("min", "max"))
    assert (code[3] - low) / (high - low) == pytest.approx(0.8, abs=0.1)
    axes = screen.stage("axes").reshape(2, -1)
    place = screen.choose(lambda: draw(screen.page.get_by_role("application"), 0.1, 0.4)) @ axes.T
    for found, values, share in zip(place, (space.z @ axes.T).T, (0.6, 0.9)):
        assert found == pytest.approx(on_the_pad(values, share), abs=0.05 * np.ptp(values))
    screen.page.wait_for_function(FITS)
    assert not screen.complaints
    context.close()


@pytest.mark.browser
@pytest.mark.exhaustive
def test_dimensions_beyond_sixteen_are_behind_a_switch(screen):
    screen.open("checkpoint=ae-32")
    sliders = screen.page.get_by_role("slider", name="Dimension")
    expect(sliders).to_have_count(16)
    screen.page.get_by_role("switch", name="Show all 32 dimensions").check()
    expect(sliders).to_have_count(32)
    assert all(float(slider.input_value()) != 0 for slider in sliders.all())


@pytest.mark.browser
@pytest.mark.exhaustive
def test_of_two_dimensions_the_pad_is_the_space_itself(screen):
    screen.open("checkpoint=ae-2")
    assert screen.stage("axes").tolist() == [1, 0, 0, 1]
    assert not screen.page.get_by_role("switch", name="Show all").is_visible()


@pytest.mark.browser
def test_a_decoder_that_cannot_run_in_the_browser_is_asked_one_picture_at_a_time(screen, space):
    screen.open("way=server")
    switch = screen.page.get_by_role("switch", name="Decode in the browser")
    assert not switch.is_checked()
    assert switch.is_disabled()
    assert same_picture(screen.picture(), space.decode(space.z[0])[0])
    code = screen.choose(lambda: [None for _ in screen.drag(screen.slider(3))])
    expect(screen.page.get_by_text("as the address asks")).to_be_visible()
    expected = to_uint8(space.decode(code)[0]).tolist()
    screen.page.wait_for_function(
        f"expected => ({PICTURE})().every((pixel, i) => Math.abs(pixel - expected.flat()[i]) <= 1)", arg=expected
    )
    under_way, most, answers = 0, 0, 0
    for way, frame in screen.messages:
        if way == "sent" and b'"ask"' in frame:
            under_way += 1
        if way == "received" and b'"serial"' in frame:
            under_way, answers = under_way - 1, answers + 1
        most = max(most, under_way)
    assert most == 1
    assert answers >= 5
    assert max(len(frame) for way, frame in screen.messages if way == "received") < 40_000


@pytest.mark.browser
def test_either_way_draws_the_same_picture(screen, space):
    screen.open()
    screen.page.get_by_role("switch", name="Decode in the browser").uncheck()
    code = screen.choose(lambda: screen.slider(3).press("End"))
    expect(screen.page.get_by_text("by the server")).to_be_visible()
    assert any(way == "sent" and b'"ask"' in frame for way, frame in screen.messages)
    assert same_picture(screen.picture(), space.decode(code)[0])


@pytest.mark.exhaustive
@pytest.mark.browser
def test_every_control_and_picture_has_a_name(screen):
    screen.open("checkpoint=ae-32")
    nameless = """() => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].flatMap((host) =>
        [...host.shadowRoot.querySelectorAll("button, input, select, meter, canvas, [tabindex]")].filter((control) =>
            !(control.ariaLabel || control.labels?.[0]?.textContent.trim() || control.textContent.trim())
            && control.ariaHidden !== "true").map((control) => control.className))"""
    assert screen.page.evaluate(nameless) == []

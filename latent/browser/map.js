import { densityPicture, holds, mostOf, opacities } from "./density.js"

/**
 * A map of many codes as dots: zoom with the wheel or two fingers, hover for the image, click a place, select by a box
 * or a lasso. One of three dimensions is turned. Of more codes than can be drawn, it shows the density, and the dots of
 * what is zoomed into.
 *
 * Everything but a click and a selection happens here; nothing is sent while the hand moves.
 *
 * What is large and stays the same comes by way of `inbox.js`, in the parcels that the data names.
 *
 * @typedef {Object} Dots
 * @property {Float32Array} places x, y of every dot, and z where there are three dimensions
 * @property {number} dimensions 2 or 3
 * @property {Uint16Array} labels the class of every dot, or nothing where classes are not known
 * @property {Uint16Array} numbers that of the image of every dot in its set
 *
 * @typedef {Object} Colours
 * @property {Uint8Array} colours red, green, blue of every dot
 * @property {Float32Array} values what is said of every dot that is hovered over, or nothing
 * @property {string} value what these values are
 * @property {Uint16Array} categories the entry of the legend that every dot belongs to, or nothing where it is a scale
 * @property {{name: string, colour: string}[]} legend
 *
 * @typedef {Object} MapData
 * @property {string} dots name of the parcel of the Dots
 * @property {string} colours name of the parcel of the Colours
 * @property {string} atlas that of the picture that lies under the dots ({picture, type, box: left, bottom, right, top}), or ""
 * @property {string} thumbnails that of the small pictures of all images ({picture, type, size: width, height}), 100 in
 *   a row, or ""
 * @property {string} selected that of the images that are selected ({numbers: Uint16Array}), or ""
 * @property {string[]} windows of more codes than can be drawn, in place of `dots` and `colours`: the parcels of the
 *   Windows (density.js) of all of them and of what was zoomed into
 * @property {number[] | null} view where one looks at first: the angles of a turn, or the box of a window
 * @property {string} group maps of one group are of the same images: what is pointed at or selected on one is so on all;
 *   "" where there is one map
 * @property {{numbers: number[], colour: string}[]} lines from the chosen dot to those of these images, in a colour
 * @property {string[]} classes their names
 * @property {boolean} isReal whether the dots are codes of real images
 * @property {[string, string]} axes what the axes are
 * @property {number | null} chosen the dot that stands out
 * @property {[number, number] | null} at the place that was clicked
 * @property {{name: string, x: number, y: number}[]} marks named places
 * @property {number} opacity of the dots
 * @property {number} height in pixels
 * @property {string} alt what the map shows
 */

const MARGIN = { left: 8, right: 8, top: 8, bottom: 26 };
const IN_A_ROW = 100; // thumbnails
const ENLARGED = 56; // pixels of the longer side of the one that is shown
const NEAR = 9; // pixels within which a click is on a dot
const CLICK = 5; // pixels that a hand moves at most in a click
const LOWEST = 380; // pixels of a map that is no higher than the window leaves room for …
const ABOVE = 232; // … below what stands above it
const PALE = 0.12; // opacity of dots that are not selected
const FEW = 30; // selected dots that are ringed
const TURN = 0.01; // radians of a turn for a pixel
const STEP = 0.1; // and for an arrow key
const START = [0.6, 0.35]; // how far a map of three dimensions is turned at first, around the upright axis and the level one
const AXIS = 30; // pixels of an axis in the corner
const FARTHEST = 0.25; // opacity of the dots at the back
const LEAST = 1e-5; // of a place: the smallest box that is looked at, below which float32 does not tell places apart
const AT_REST = 250; // milliseconds without a move after which it is told where one looks

/** What a drag with a tool does. */
const TOOLS = { move: "Drag to move the map", box: "Drag to select by a box", lasso: "Drag to select by a line around", turn: "Drag to turn" };

/** @param {{data: MapData, parentElement: HTMLElement, setTriggerValue: (name: string, value: unknown) => void}} component */
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".latent-map");
  const map = (root.map ??= new LatentMap(root));
  map.tell = setTriggerValue;
  map.show(data);
  return () => map.forget();
}

/** The address of a picture in a parcel. */
function pictureAddress({ picture, type }) {
  return URL.createObjectURL(new Blob([picture], { type }));
}

/** Whether a place lies within a closed line of x, y, …: whether a ray from it crosses the line an odd number of times. */
function isWithin(x, y, line) {
  let within = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
    const [[x1, y1], [x2, y2]] = [line[i], line[j]];
    if (y1 > y !== y2 > y && x < x1 + ((x2 - x1) * (y - y1)) / (y2 - y1)) within = !within;
  }
  return within;
}

/**
 * A square dot on an image, over what is there: a tenth of the time that a canvas takes for its rectangles.
 * @param {ImageData} image
 * @param {number} x the middle @param {number} y @param {number} size of a side, in whole pixels
 * @param {Uint8Array} colours red, green, blue of every dot @param {number} first of these numbers
 * @param {number} opacity from 0 to 1
 */
function dab({ data, width, height }, x, y, size, colours, first, opacity) {
  const [left, top] = [Math.round(x - size / 2), Math.round(y - size / 2)];
  for (let row = Math.max(0, top); row < Math.min(height, top + size); row++) {
    for (let column = Math.max(0, left); column < Math.min(width, left + size); column++) {
      const at = 4 * (row * width + column);
      const below = (data[at + 3] / 255) * (1 - opacity);
      const whole = opacity + below;
      for (let part = 0; part < 3; part++) {
        data[at + part] = (colours[first + part] * opacity + data[at + part] * below) / whole;
      }
      data[at + 3] = 255 * whole;
    }
  }
}

/**
 * The order of values from the least to the greatest, as near as a byte tells them apart.
 * @param {Float32Array} values @param {number} reach of which none is farther from 0
 */
function ordered(values, reach) {
  const bins = Uint8Array.from(values, (value) => (127.5 * (value / reach + 1)) | 0);
  const starts = new Uint32Array(257);
  for (const bin of bins) starts[bin + 1]++;
  for (let bin = 0; bin < 256; bin++) starts[bin + 1] += starts[bin];
  const order = new Uint32Array(values.length);
  bins.forEach((bin, index) => (order[starts[bin]++] = index));
  return order;
}

/** A patch of colour and what it stands for. */
function legendEntry({ name, colour }) {
  const entry = document.createElement("span");
  const patch = document.createElement("i");
  patch.style.background = colour;
  entry.append(patch, name);
  return entry;
}

class LatentMap {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.hint = root.querySelector(".hint");
    this.thumbnail = this.hint.querySelector("i");
    this.drag = null;
    /** @type {Map<number, [number, number]>} where the fingers or the mouse are, by pointer */
    this.hands = new Map();
    this.windows = [];
    this.only = new Set(); // the entries of the legend whose dots alone are shown
    this.pointed = -1; // the dot that is pointed at, on this map or on one of its group
    /** @type {Uint8Array | null} which dots are selected */
    this.mask = null;
    this.turned = [...START];
    this.canvas.onpointerdown = (event) => this.press(event);
    this.canvas.onpointermove = (event) => this.move(event);
    this.canvas.onpointerup = (event) => this.release(event);
    this.canvas.onpointercancel = (event) => this.letGo(event);
    this.canvas.onpointerleave = () => this.point(-1, true);
    this.canvas.ondblclick = () => this.home();
    this.canvas.onkeydown = (event) => this.key(event);
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.arrived = () => this.take();
    window.addEventListener("latent-inbox", this.arrived);
    this.heard = ({ detail }) => this.hear(detail);
    window.addEventListener("latent-map", this.heard);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.canvas);
    root.querySelector("[data-do=in]").onclick = () => this.zoom(0.7, ...this.middle());
    root.querySelector("[data-do=out]").onclick = () => this.zoom(1 / 0.7, ...this.middle());
    root.querySelector("[data-do=home]").onclick = () => this.home();
    root.querySelector("[data-do=clear]").onclick = () => this.select(null, "");
    for (const button of root.querySelectorAll("[data-tool]")) {
      button.title = TOOLS[button.dataset.tool];
      button.onclick = () => this.takeUp(button.dataset.tool, true);
    }
    this.takeUp("box");
  }

  /** What a drag does from now on. A finger that moves up or down scrolls the page, until a tool is `pressed`. */
  takeUp(tool, pressed = false) {
    this.tool = tool;
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.canvas.style.touchAction = pressed ? "none" : "";
    this.canvas.style.cursor = tool === "turn" || tool === "move" ? "grab" : "";
  }

  forget() {
    clearTimeout(this.rest);
    this.resized.disconnect();
    window.removeEventListener("latent-inbox", this.arrived);
    window.removeEventListener("latent-map", this.heard);
    delete this.root.map;
  }

  /** @param {MapData} data */
  show(data) {
    this.data = data;
    this.canvas.style.height = `min(${data.height}px, max(${LOWEST}px, 100vh - ${ABOVE}px))`;
    this.canvas.setAttribute("aria-label", data.alt);
    this.take();
  }

  /** Take what is there of the inbox; the rest when it comes. */
  take() {
    const inbox = window.latentInbox ?? new Map();
    const { dots, colours, atlas, thumbnails, selected, windows } = this.data;
    if (windows.length) this.open(windows.map((name) => inbox.get(name) ?? this.windows.find((one) => one.name === name)));
    if (inbox.has(dots) && dots !== this.dots) this.lay(inbox.get(dots), dots);
    if (this.places && selected !== this.marked && (!selected || inbox.has(selected))) {
      this.mark(selected ? inbox.get(selected).numbers : null);
      this.marked = selected;
    }
    if (inbox.has(colours) && colours !== this.painted) {
      const { legend, ...painted } = inbox.get(colours);
      const { values, value, categories } = painted;
      Object.assign(this, { colours: painted.colours, values, value, categories });
      this.only = new Set();
      const entries = categories.length ? legend.map((entry, index) => this.choice(entry, index)) : legend.map(legendEntry);
      this.root.querySelector(".legend").replaceChildren(...entries);
      this.painted = colours;
    }
    if (inbox.has(atlas) && atlas !== this.under) {
      this.atlas = Object.assign(new Image(), { src: pictureAddress(inbox.get(atlas)), onload: () => this.draw() });
      this.atlasBox = inbox.get(atlas).box;
      this.under = atlas;
    }
    if (inbox.has(thumbnails) && thumbnails !== this.small) {
      this.enter(inbox.get(thumbnails), this.places.length / 2);
      this.small = thumbnails;
    }
    this.draw();
  }

  /** Take the windows that are there. @param {(import("./density.js").Window | undefined)[]} windows */
  open(windows) {
    const isFirst = !this.windows.length;
    this.windows = windows.filter(Boolean);
    if (!this.windows.length) return;
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    pen.fillStyle = getComputedStyle(this.root).getPropertyValue("--st-primary-color") || "#2f6bc4";
    pen.fillRect(0, 0, 1, 1);
    this.colour = pen.getImageData(0, 0, 1, 1).data.slice(0, 3);
    for (const name of ["box", "lasso"]) this.root.querySelector(`[data-tool=${name}]`).hidden = true;
    if (!isFirst) return this.look();
    this.takeUp("move");
    this.view = this.data.view ?? this.whole();
    this.look();
  }

  /** Show the window that is looked into: the last one that holds all of the view. */
  look() {
    const window = this.windows.findLast(({ box }) => holds(box, this.view)) ?? this.windows[0];
    if (window === this.window) return;
    const { places, numbers, name } = (this.window = window);
    const colours = new Uint8Array(3 * numbers.length).map((_, part) => this.colour[part % 3]);
    this.lay({ places, numbers, labels: [], dimensions: 2 }, name);
    Object.assign(this, { colours, values: [], categories: [], painted: name, density: densityPicture(window, this.colour) });
    const said = numbers.length
      ? `${numbers.length.toLocaleString("en")} codes, each a dot`
      : `Density: at most ${mostOf(window.counts).toLocaleString("en")} codes per cell; opacity is logarithmic`;
    this.root.querySelector(".legend").replaceChildren(said);
  }

  /** Where one looks, or how far the dots are turned, is another one: told when it stays so. */
  tellView() {
    clearTimeout(this.rest);
    const view = Array.from(this.solid ? this.turned : this.view);
    if ((!this.solid && !this.windows.length) || String(view) === this.told) return;
    this.rest = setTimeout(() => {
      this.told = String(view);
      this.tell("viewed", { view });
    }, AT_REST);
  }

  /** Other dots. @param {Dots} dots @param {string} name */
  lay({ places, labels, numbers, dimensions }, name) {
    Object.assign(this, { labels, numbers, pointed: -1, dots: name });
    const isSolid = dimensions === 3;
    if (isSolid !== Boolean(this.solid)) this.takeUp(isSolid ? "turn" : "box");
    this.root.querySelector("[data-tool=turn]").hidden = !isSolid;
    this.root.querySelector("[data-tool=move]").hidden = isSolid;
    this.solid = isSolid ? places : null;
    this.places = isSolid ? new Float32Array((places.length / 3) * 2) : places;
    this.dotOf = new Map(Array.from(numbers, (number, dot) => [number, dot]));
    if (isSolid) {
      this.reach = 0;
      for (let i = 0; i < places.length; i += 3) {
        this.reach = Math.max(this.reach, Math.hypot(places[i], places[i + 1], places[i + 2]));
      }
      this.turned = [...(this.data.view ?? START)];
      this.turn(0, 0);
    }
    this.marked = undefined; // what is selected has other dots now
    if (!this.windows.length) this.view = this.whole();
  }

  /** Turn the dots by two angles: places as they are seen from the front, and the order from the back to the front. */
  turn(around, over) {
    const half = Math.PI / 2;
    this.turned = [this.turned[0] + around, Math.max(-half, Math.min(half, this.turned[1] + over))];
    const [[sinA, cosA], [sinB, cosB]] = this.turned.map((angle) => [Math.sin(angle), Math.cos(angle)]);
    const n = this.solid.length / 3;
    this.depth ??= new Float32Array(0);
    if (this.depth.length !== n) this.depth = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const [x, y, z] = [this.solid[3 * i], this.solid[3 * i + 1], this.solid[3 * i + 2]];
      const back = z * cosA - x * sinA;
      this.places[2 * i] = x * cosA + z * sinA;
      this.places[2 * i + 1] = y * cosB - back * sinB;
      this.depth[i] = y * sinB + back * cosB;
    }
    this.order = ordered(this.depth, this.reach);
    this.draw();
  }

  /** An entry of the legend that is a button: the dots of those that are pressed are shown, or all where none is. */
  choice(entry, index) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.title = `Show only ${entry.name}; press several to compare them`;
    button.append(legendEntry(entry));
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => {
      if (!this.only.delete(index)) this.only.add(index);
      button.setAttribute("aria-pressed", String(this.only.has(index)));
      this.draw();
    };
    return button;
  }

  /** Whether a dot is among those that are shown. */
  isShown(dot) {
    return !this.only.size || this.only.has(this.categories[dot]);
  }

  /** Take the small pictures of n images. */
  enter(pictures, n) {
    const [width, height] = pictures.size;
    const zoom = ENLARGED / Math.max(width, height);
    this.tile = [width * zoom, height * zoom];
    const rows = Math.ceil(n / IN_A_ROW);
    Object.assign(this.thumbnail.style, {
      width: `${this.tile[0]}px`,
      height: `${this.tile[1]}px`,
      backgroundImage: `url(${pictureAddress(pictures)})`,
      backgroundSize: `${this.tile[0] * IN_A_ROW}px ${this.tile[1] * rows}px`,
    });
  }

  /** All dots, with a little room around them. */
  whole() {
    if (this.windows.length) return Array.from(this.windows[0].box);
    if (this.solid) {
      const [width, height] = this.plot();
      const [x, y] = [Math.max(1, width / height), Math.max(1, height / width)].map((part) => part * this.reach);
      return [-x, -y, x, y];
    }
    let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < this.places.length; i += 2) {
      left = Math.min(left, this.places[i]);
      right = Math.max(right, this.places[i]);
      bottom = Math.min(bottom, this.places[i + 1]);
      top = Math.max(top, this.places[i + 1]);
    }
    const x = Math.max(0.04 * (right - left), 1e-6);
    const y = Math.max(0.04 * (top - bottom), 1e-6);
    return [left - x, bottom - y, right + x, top + y];
  }

  home() {
    if (this.solid) {
      this.turned = [...START];
      this.turn(0, 0);
    }
    this.see(this.whole());
  }

  middle() {
    return [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
  }

  /** Look at a box, where it is as large as numbers can tell. */
  see(view) {
    if (!(view[2] - view[0] > LEAST * Math.max(...view.map(Math.abs)))) return;
    this.view = view;
    this.tellView();
    this.draw();
  }

  /** Move what is seen by some pixels. */
  pan(across, down) {
    const [left, bottom, right, top] = this.view;
    const [width, height] = this.plot();
    const [x, y] = [(across / width) * (right - left), (-down / height) * (top - bottom)];
    this.see([left - x, bottom - y, right - x, top - y]);
  }

  /** Zoom so that the place under a pixel stays there. */
  zoom(factor, px, py) {
    const [x, y] = this.placeOf(px, py);
    const [left, bottom, right, top] = this.view;
    this.see([x - (x - left) * factor, y - (y - bottom) * factor, x + (right - x) * factor, y + (top - y) * factor]);
  }

  wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.canvas) return; // the page scrolls on, unless the map is in use
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, event.offsetX, event.offsetY);
  }

  /** Arrow keys move a cross or turn, Enter clicks there, + and - zoom, Escape selects nothing. */
  key(event) {
    const [left, bottom, right, top] = this.view;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (step && this.solid) {
      this.turn(step[0] * STEP, -step[1] * STEP);
      this.tellView();
    } else if (step) {
      const from = this.cross ?? this.data.at ?? [(left + right) / 2, (bottom + top) / 2];
      this.cross = [from[0] + (step[0] * (right - left)) / 50, from[1] + (step[1] * (top - bottom)) / 50];
    } else if (event.key === "Enter" && this.cross) {
      this.click(...this.pixelOf(...this.cross));
    } else if (event.key === "Escape" && (this.drag || this.mask)) {
      if (!this.drag) this.select(null, "");
      this.drag = null;
    } else if (event.key === "+" || event.key === "-") {
      this.zoom(event.key === "+" ? 0.7 : 1 / 0.7, ...this.middle());
    } else return;
    event.preventDefault();
    this.draw();
  }

  plot() {
    const { clientWidth, clientHeight } = this.canvas;
    return [clientWidth - MARGIN.left - MARGIN.right, clientHeight - MARGIN.top - MARGIN.bottom];
  }

  pixelOf(x, y) {
    const [left, bottom, right, top] = this.view;
    const [width, height] = this.plot();
    return [
      MARGIN.left + ((x - left) / (right - left)) * width,
      MARGIN.top + ((top - y) / (top - bottom)) * height,
    ];
  }

  placeOf(px, py) {
    const [left, bottom, right, top] = this.view;
    const [width, height] = this.plot();
    return [
      left + ((px - MARGIN.left) / width) * (right - left),
      top - ((py - MARGIN.top) / height) * (top - bottom),
    ];
  }

  /** The dot nearest to a pixel, or -1 where none is near. */
  dotAt(px, py) {
    const [left, bottom, right, top] = this.view;
    const [width, height] = this.plot();
    const [x, y] = this.placeOf(px, py);
    const [across, up] = [width / (right - left), height / (top - bottom)]; // pixels a unit
    let best = -1;
    let least = NEAR * NEAR;
    for (let i = 0; i < this.places.length; i += 2) {
      const square = ((this.places[i] - x) * across) ** 2 + ((this.places[i + 1] - y) * up) ** 2;
      if (square < least && this.isShown(i / 2)) [best, least] = [i / 2, square];
    }
    return best;
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.hands.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.drag = this.hands.size === 1 ? [[event.offsetX, event.offsetY]] : null; // two fingers zoom
  }

  move(event) {
    const at = [event.offsetX, event.offsetY];
    if (this.hands.size === 2) return this.pinch(event.pointerId, at);
    if (!this.drag) return this.point(this.dotAt(...at), true);
    const [x, y] = this.drag.at(-1);
    if (Math.hypot(at[0] - x, at[1] - y) < 2) return;
    this.drag.push(at);
    this.point(-1, true);
    if (this.tool === "turn") this.turn(TURN * (at[0] - x), TURN * (at[1] - y));
    if (this.tool === "move") this.pan(at[0] - x, at[1] - y);
    this.draw();
  }

  /** Let the places under two fingers stay there when one of them moves. */
  pinch(id, at) {
    const [, still] = [...this.hands].find(([other]) => other !== id);
    const before = this.hands.get(id);
    const apart = (from) => Math.max(1, Math.hypot(from[0] - still[0], from[1] - still[1]));
    const middle = [0, 1].map((axis) => (before[axis] + still[axis]) / 2);
    this.zoom(apart(before) / apart(at), ...middle);
    this.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.hands.set(id, at);
  }

  release(event) {
    const line = this.drag;
    this.letGo(event);
    if (!line) return;
    const [x, y] = line[0];
    if (Math.max(...line.map(([px, py]) => Math.hypot(px - x, py - y))) < CLICK) this.click(x, y);
    else if (this.tool === "turn") this.tellView();
    else if (this.tool !== "move") this.select(this.dotsWithin(this.outline(line)), this.tool);
    this.draw();
  }

  /** A hand is off the map, or the browser has taken its move for a scroll of the page. */
  letGo(event) {
    this.hands.delete(event.pointerId);
    this.drag = null;
    this.draw();
  }

  /** What a drag goes around: the corners of a box, or the line itself. */
  outline(line) {
    if (this.tool === "lasso") return line;
    const [[x0, y0], [x1, y1]] = [line[0], line.at(-1)];
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  }

  /** The dots that are shown within a line of pixels. */
  dotsWithin(line) {
    const around = line.map(([px, py]) => this.placeOf(px, py));
    const found = [];
    for (let dot = 0; dot < this.numbers.length; dot++) {
      const [x, y] = [this.places[2 * dot], this.places[2 * dot + 1]];
      if (this.isShown(dot) && isWithin(x, y, around)) found.push(dot);
    }
    return found;
  }

  /** Select dots, or nothing where there are none, and say so; `how` they were selected. */
  select(dots, how) {
    const numbers = dots?.length ? Array.from(dots, (dot) => this.numbers[dot]) : null;
    this.mark(numbers);
    this.say({ numbers });
    this.tell("selected", { numbers, how });
  }

  /** Let the dots of these images stand out; all are alike where there are none. */
  mark(numbers) {
    this.mask = numbers?.length ? new Uint8Array(this.numbers.length) : null;
    this.nth = (this.nth ?? 0) + 1; // selection, which the layer of the dots is drawn for
    let n = 0;
    for (const number of numbers ?? []) {
      const dot = this.dotOf.get(number);
      if (dot !== undefined) n += this.mask[dot] = 1;
    }
    const said = this.root.querySelector(".selected");
    said.hidden = !this.mask;
    said.querySelector("span").textContent = `${n.toLocaleString("en")} selected`;
    this.few = this.mask && n <= FEW ? [...this.mask.keys()].filter((dot) => this.mask[dot]) : [];
    this.draw();
  }

  /** Tell the other maps of the group. */
  say(detail) {
    if (!this.data.group) return;
    window.dispatchEvent(new CustomEvent("latent-map", { detail: { ...detail, group: this.data.group, from: this } }));
  }

  /** What another map of the group says: what is pointed at on it, or what is selected. */
  hear({ group, from, pointed, numbers }) {
    if (from === this || !this.dotOf || group !== this.data.group) return;
    if (numbers === undefined) this.point(this.dotOf.get(pointed) ?? -1, false);
    else this.mark(numbers);
  }

  click(px, py) {
    const dot = this.dotAt(px, py);
    if (dot < 0 && this.solid) return; // which place is meant, nobody can see
    this.cross = null;
    this.data.at = dot < 0 ? this.placeOf(px, py) : [this.places[2 * dot], this.places[2 * dot + 1]];
    this.data.chosen = dot < 0 ? null : dot;
    this.tell("clicked", { at: this.data.at, dot: this.data.chosen, number: dot < 0 ? null : this.numbers[dot] });
    this.draw();
  }

  /** Show a dot that is pointed at, as a picture and in words, or none; `here` where the pointer is on this map. */
  point(dot, here) {
    if (dot === this.pointed) return;
    this.pointed = dot;
    this.hint.hidden = dot < 0;
    if (here) this.say({ pointed: dot < 0 ? null : this.numbers[dot] });
    this.draw();
    if (dot < 0) return;
    this.thumbnail.hidden = !this.tile || !this.data.thumbnails;
    if (this.tile) {
      const [left, top] = [this.tile[0] * (dot % IN_A_ROW), this.tile[1] * Math.floor(dot / IN_A_ROW)];
      this.thumbnail.style.backgroundPosition = `${-left}px ${-top}px`;
    }
    const value = this.values.length ? ` · ${this.value} ${Number(this.values[dot].toPrecision(3))}` : "";
    const ofClass = this.labels.length ? `class ${this.data.classes[this.labels[dot]]} · ` : "";
    const noun = this.windows.length ? "code" : this.data.isReal ? "test image" : "random code";
    const what = `${ofClass}${noun} ${this.numbers[dot]}`;
    this.hint.querySelector("span").textContent = what + value;
    const [px, py] = this.pixelOf(this.places[2 * dot], this.places[2 * dot + 1]);
    const right = px > this.canvas.clientWidth / 2;
    Object.assign(this.hint.style, { left: right ? "" : `${px + 14}px`, top: `${py + 10}px` });
    this.hint.style.right = right ? `${this.canvas.clientWidth - px + 14}px` : "";
  }

  /** Draw all of it, once a frame at most. */
  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    if (this.windows.length) this.look();
    if (!clientWidth || !this.places || !this.colours) return;
    this.canvas.width = clientWidth * ratio;
    this.canvas.height = clientHeight * ratio;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(this.root);
    const [width, height] = this.plot();
    pen.save();
    pen.beginPath();
    pen.rect(MARGIN.left, MARGIN.top, width, height);
    pen.clip();
    if (this.data.atlas && this.atlas?.complete) this.paintPicture(pen, this.atlas, this.atlasBox, false);
    if (this.window && !this.numbers.length) this.paintPicture(pen, this.density, this.window.box, true);
    pen.globalAlpha = this.data.opacity;
    pen.drawImage(this.dotsLayer(clientWidth, clientHeight, ratio), 0, 0, clientWidth, clientHeight);
    pen.globalAlpha = 1;
    this.paintMarks(pen, style);
    pen.restore();
    pen.strokeStyle = style.getPropertyValue("--st-border-color") || "#8888";
    pen.strokeRect(MARGIN.left, MARGIN.top, width, height);
    pen.fillStyle = style.color;
    pen.font = `12px ${style.fontFamily}`;
    pen.textAlign = "center";
    pen.fillText(this.data.axes.filter(Boolean).join("   ×   "), clientWidth / 2, clientHeight - 8, clientWidth - 20);
    this.canvas.dataset.painted = String(this.places.length / 2);
  }

  /** A picture of a part of the plane, between left, bottom, right, top. */
  paintPicture(pen, picture, [left, bottom, right, top], isSmooth) {
    const [x0, y0] = this.pixelOf(left, top);
    const [x1, y1] = this.pixelOf(right, bottom);
    pen.imageSmoothingEnabled = isSmooth;
    pen.drawImage(picture, x0, y0, x1 - x0, y1 - y0);
  }

  /** How large dots are, in pixels, on so many pixels: the larger the more one has zoomed in, or the fewer they are. */
  sizeOfDots(area) {
    if (this.windows.length) return 0.4 * Math.sqrt(area / this.numbers.length);
    const whole = this.whole();
    return 2.6 * Math.sqrt((whole[2] - whole[0]) / (this.view[2] - this.view[0]));
  }

  /** All dots on a canvas of their own, drawn again only where they or the view are others. */
  dotsLayer(width, height, ratio) {
    const turned = this.solid ? this.turned : [];
    const state = [this.dots, this.painted, this.nth, ...this.only, "", ...turned, ...this.view, width, height, ratio].join();
    if (state === this.layerState) return this.layer;
    this.layerState = state;
    this.layer ??= document.createElement("canvas");
    Object.assign(this.layer, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const image = new ImageData(this.layer.width, this.layer.height);
    const size = Math.max(1, Math.round(ratio * Math.max(2, Math.min(9, this.sizeOfDots(width * height)))));
    const [left, bottom, right, top] = this.view;
    const [across, up] = this.plot().map((length, axis) => length / (axis ? top - bottom : right - left)); // pixels a unit
    const n = this.numbers.length;
    const x = Float32Array.from({ length: n }, (_, dot) => ratio * (MARGIN.left + (this.places[2 * dot] - left) * across));
    const y = Float32Array.from({ length: n }, (_, dot) => ratio * (MARGIN.top + (top - this.places[2 * dot + 1]) * up));
    const [columns, rows] = [image.width, image.height].map((length) => Math.ceil(length / size));
    for (const isSelected of this.mask ? [0, 1] : [1]) {
      const cells = Int32Array.from({ length: n }, (_, dot) => {
        if (!this.isShown(dot) || (this.mask && this.mask[dot] !== isSelected)) return -1;
        const [column, row] = [Math.floor(x[dot] / size), Math.floor(y[dot] / size)];
        return column < 0 || row < 0 || column >= columns || row >= rows ? -1 : row * columns + column;
      });
      const opaque = opacities(cells, columns * rows);
      for (let i = 0; i < n; i++) {
        const dot = this.solid ? this.order[i] : i;
        if (!opaque[dot]) continue;
        const near = this.solid ? (this.depth[dot] / this.reach + 1) / 2 : 1;
        const opacity = opaque[dot] * (isSelected ? 1 : PALE) * (FARTHEST + (1 - FARTHEST) * near);
        dab(image, x[dot], y[dot], size, this.colours, 3 * dot, opacity);
      }
    }
    this.layer.getContext("2d").putImageData(image, 0, 0);
    return this.layer;
  }

  /** How the three axes lie, in a corner: their numbers, from 1. */
  paintAxes(pen, style) {
    const [[sinA, cosA], [sinB, cosB]] = this.turned.map((angle) => [Math.sin(angle), Math.cos(angle)]);
    const ends = [[cosA, sinA * sinB], [0, cosB], [sinA, -cosA * sinB]]; // of axes of length 1, seen from the front
    const [x, y] = [MARGIN.left + AXIS + 14, this.canvas.clientHeight - MARGIN.bottom - AXIS - 14];
    pen.strokeStyle = pen.fillStyle = style.color;
    pen.font = `12px ${style.fontFamily}`;
    pen.textAlign = "center";
    ends.forEach(([right, up], axis) => {
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x + AXIS * right, y - AXIS * up);
      pen.stroke();
      pen.fillText(String(axis + 1), x + (AXIS + 9) * right, y - (AXIS + 9) * up + 4);
    });
  }

  /** What was chosen: the box, the place, the dot, the named marks. */
  paintMarks(pen, style) {
    const accent = style.getPropertyValue("--st-primary-color") || "#2f6bc4";
    const halo = style.getPropertyValue("--st-background-color") || "#fff";
    const ring = (x, y, radius) => {
      for (const [colour, width] of [[halo, 5], [accent, 2.5]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width;
        pen.beginPath();
        pen.arc(x, y, radius, 0, 7);
        pen.stroke();
      }
      pen.lineWidth = 1;
    };
    if (this.drag?.length > 1 && (this.tool === "box" || this.tool === "lasso")) {
      pen.beginPath();
      for (const [x, y] of this.outline(this.drag)) pen.lineTo(x, y);
      pen.closePath();
      pen.fillStyle = accent;
      pen.globalAlpha = 0.12;
      pen.fill();
      pen.globalAlpha = 1;
      pen.strokeStyle = accent;
      pen.stroke();
    }
    const pixelsOf = (dot) => this.pixelOf(this.places[2 * dot], this.places[2 * dot + 1]);
    for (const { numbers, colour } of this.data.lines) {
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = 1.5;
      for (const [px, py] of numbers.map((number) => pixelsOf(this.dotOf.get(number)))) {
        pen.beginPath();
        pen.moveTo(...pixelsOf(this.data.chosen));
        pen.lineTo(px, py);
        pen.stroke();
        pen.fillRect(px - 3.5, py - 3.5, 7, 7);
      }
      pen.lineWidth = 1;
    }
    for (const dot of this.few ?? []) ring(...pixelsOf(dot), 5);
    if (this.pointed >= 0) ring(...pixelsOf(this.pointed), 6);
    for (const { name, x, y } of this.data.marks) {
      const [px, py] = this.pixelOf(x, y);
      ring(px, py, 5);
      pen.font = `600 13px ${style.fontFamily}`;
      pen.textAlign = "left";
      pen.lineWidth = 4;
      pen.strokeStyle = halo;
      pen.strokeText(name, px + 9, py + 4);
      pen.lineWidth = 1;
      pen.fillStyle = style.color;
      pen.fillText(name, px + 9, py + 4);
    }
    if (this.solid) this.paintAxes(pen, style);
    const cross = this.solid ? null : (this.cross ?? this.data.at);
    if (this.solid && this.data.chosen !== null) ring(...pixelsOf(this.data.chosen), 7);
    if (cross) ring(...this.pixelOf(...cross), 7);
  }
}

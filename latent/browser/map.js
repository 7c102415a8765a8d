/**
 * A map of many codes as dots: zoom with the wheel, hover for the image, click a place, drag a box.
 *
 * Everything but a click and a finished box happens here; nothing is sent while the hand moves.
 *
 * What is large and stays the same comes by way of `inbox.js`, in the parcels that the data names.
 *
 * @typedef {Object} Dots
 * @property {Float32Array} places x, y of every dot
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
 * @property {string[]} classes their names
 * @property {boolean} isReal whether the dots are codes of real images
 * @property {[string, string]} axes what the axes are
 * @property {number | null} chosen the dot that stands out
 * @property {[number, number] | null} at the place that was clicked
 * @property {number[] | null} box the box that was drawn: left, bottom, right, top
 * @property {{name: string, x: number, y: number}[]} marks named places
 * @property {number} opacity of the dots
 * @property {number} height in pixels
 * @property {string} alt what the map shows
 */

const MARGIN = { left: 8, right: 8, top: 8, bottom: 26 };
const IN_A_ROW = 100; // thumbnails
const ENLARGED = 56; // pixels of the longer side of the one that is shown
const NEAR = 9; // pixels within which a click is on a dot

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
    this.canvas.onpointerdown = (event) => this.press(event);
    this.canvas.onpointermove = (event) => this.move(event);
    this.canvas.onpointerup = (event) => this.release(event);
    this.canvas.onpointercancel = () => this.draw((this.drag = null));
    this.canvas.onpointerleave = () => (this.hint.hidden = true);
    this.canvas.ondblclick = () => this.home();
    this.canvas.onkeydown = (event) => this.key(event);
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.arrived = () => this.take();
    window.addEventListener("latent-inbox", this.arrived);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.canvas);
    root.querySelector("[data-do=in]").onclick = () => this.zoom(0.7, ...this.middle());
    root.querySelector("[data-do=out]").onclick = () => this.zoom(1 / 0.7, ...this.middle());
    root.querySelector("[data-do=home]").onclick = () => this.home();
  }

  forget() {
    this.resized.disconnect();
    window.removeEventListener("latent-inbox", this.arrived);
    delete this.root.map;
  }

  /** @param {MapData} data */
  show(data) {
    this.data = data;
    this.canvas.style.height = `${data.height}px`;
    this.canvas.setAttribute("aria-label", data.alt);
    this.take();
  }

  /** Take what is there of the inbox; the rest when it comes. */
  take() {
    const inbox = window.latentInbox ?? new Map();
    const { dots, colours, atlas, thumbnails } = this.data;
    if (inbox.has(dots) && dots !== this.dots) {
      const { places, labels, numbers } = inbox.get(dots);
      Object.assign(this, { places, labels, numbers });
      this.view = this.whole();
      this.dots = dots;
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
    return !this.only?.size || this.only.has(this.categories[dot]);
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
    this.view = this.whole();
    this.draw();
  }

  middle() {
    return [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
  }

  /** Zoom so that the place under a pixel stays there. */
  zoom(factor, px, py) {
    const [x, y] = this.placeOf(px, py);
    const [left, bottom, right, top] = this.view;
    this.view = [x - (x - left) * factor, y - (y - bottom) * factor, x + (right - x) * factor, y + (top - y) * factor];
    this.draw();
  }

  wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.canvas) return; // the page scrolls on, unless the map is in use
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, event.offsetX, event.offsetY);
  }

  /** Arrow keys move a cross, Enter clicks there, + and - zoom. */
  key(event) {
    const [left, bottom, right, top] = this.view;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (step) {
      const from = this.cross ?? this.data.at ?? [(left + right) / 2, (bottom + top) / 2];
      this.cross = [from[0] + (step[0] * (right - left)) / 50, from[1] + (step[1] * (top - bottom)) / 50];
    } else if (event.key === "Enter" && this.cross) {
      this.click(...this.pixelOf(...this.cross));
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
    this.drag = { from: [event.offsetX, event.offsetY], to: [event.offsetX, event.offsetY] };
  }

  move(event) {
    if (this.drag) {
      this.drag.to = [event.offsetX, event.offsetY];
      this.hint.hidden = true;
      this.draw();
    } else this.hover(event.offsetX, event.offsetY);
  }

  release() {
    if (!this.drag) return;
    const { from, to } = this.drag;
    this.drag = null;
    if (Math.hypot(to[0] - from[0], to[1] - from[1]) < 5) this.click(...from);
    else {
      const [a, b] = [this.placeOf(...from), this.placeOf(...to)];
      const box = [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
      this.data.box = box;
      this.tell("boxed", box);
    }
    this.draw();
  }

  click(px, py) {
    const dot = this.dotAt(px, py);
    this.cross = null;
    this.data.at = dot < 0 ? this.placeOf(px, py) : [this.places[2 * dot], this.places[2 * dot + 1]];
    this.data.chosen = dot < 0 ? null : dot;
    this.tell("clicked", { at: this.data.at, dot: this.data.chosen });
    this.draw();
  }

  /** The image under the pointer, as a picture and in words. */
  hover(px, py) {
    const dot = this.dotAt(px, py);
    this.hint.hidden = dot < 0;
    if (dot < 0) return;
    this.thumbnail.hidden = !this.tile || !this.data.thumbnails;
    if (this.tile) {
      const [left, top] = [this.tile[0] * (dot % IN_A_ROW), this.tile[1] * Math.floor(dot / IN_A_ROW)];
      this.thumbnail.style.backgroundPosition = `${-left}px ${-top}px`;
    }
    const value = this.values.length ? ` · ${this.value} ${Number(this.values[dot].toPrecision(3))}` : "";
    const ofClass = this.labels.length ? `class ${this.data.classes[this.labels[dot]]} · ` : "";
    const what = this.data.isReal ? `${ofClass}test image ${this.numbers[dot]}` : `random code ${this.numbers[dot]}`;
    this.hint.querySelector("span").textContent = what + value;
    const right = px + 150 > this.canvas.clientWidth;
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
    if (this.data.atlas && this.atlas?.complete) this.paintAtlas(pen);
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

  paintAtlas(pen) {
    const [left, bottom, right, top] = this.atlasBox;
    const [x0, y0] = this.pixelOf(left, top);
    const [x1, y1] = this.pixelOf(right, bottom);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.atlas, x0, y0, x1 - x0, y1 - y0);
  }

  /** All dots on a canvas of their own, drawn again only where they or the view are others. */
  dotsLayer(width, height, ratio) {
    const state = [this.dots, this.painted, ...this.only, "", ...this.view, width, height, ratio].join();
    if (state === this.layerState) return this.layer;
    this.layerState = state;
    this.layer = Object.assign(document.createElement("canvas"), { width: width * ratio, height: height * ratio });
    const pen = this.layer.getContext("2d");
    pen.scale(ratio, ratio);
    const whole = this.whole();
    const zoomed = Math.sqrt((whole[2] - whole[0]) / (this.view[2] - this.view[0]));
    const size = Math.max(2, Math.min(9, 2.6 * zoomed));
    for (let i = 0; i < this.places.length / 2; i++) {
      if (!this.isShown(i)) continue;
      const [x, y] = this.pixelOf(this.places[2 * i], this.places[2 * i + 1]);
      pen.fillStyle = `rgb(${this.colours[3 * i]} ${this.colours[3 * i + 1]} ${this.colours[3 * i + 2]})`;
      pen.fillRect(x - size / 2, y - size / 2, size, size);
    }
    return this.layer;
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
    const corners = this.drag
      ? [...this.drag.from, ...this.drag.to]
      : this.data.box && [...this.pixelOf(this.data.box[0], this.data.box[3]), ...this.pixelOf(this.data.box[2], this.data.box[1])];
    if (corners) {
      const [x0, y0, x1, y1] = corners;
      pen.fillStyle = accent;
      pen.globalAlpha = 0.12;
      pen.fillRect(x0, y0, x1 - x0, y1 - y0);
      pen.globalAlpha = 1;
      pen.strokeStyle = accent;
      pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
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
    const cross = this.cross ?? this.data.at;
    if (cross) ring(...this.pixelOf(...cross), 7);
  }
}

/**
 * A surface to draw a digit on, light on black, with a mouse, a pen, a finger or the arrow keys.
 *
 * At the end of each stroke it tells the page once what it shows, as one string, "drawn": a PNG of its ink as a data:
 * address, the text of a picture that was brought to it, or "" where it is empty. Nothing is sent while the hand moves.
 *
 * @typedef {Object} DrawData
 * @property {string} drawn the drawing that the page has, as text
 * @property {string} pixels the same as base64 of bytes, row by row of a square, or "" where there is none
 * @property {boolean} example whether it is an example, to be replaced
 * @property {number} brought counts the pictures that came from elsewhere: a photo replaces what is shown
 * @property {number} side of the surface, in which `width` is measured
 * @property {number} width of the pen
 * @property {number} ink side of the PNG in pixels
 *
 * @typedef {[number, number]} Point in units of the side
 * @typedef {{width: number, points: Point[]}} Stroke
 * @typedef {{text: string, image: HTMLCanvasElement, example: boolean}} Picture
 * @typedef {{picture: Picture | null, strokes: Stroke[]}} Content what the surface shows; a stroke removes a picture
 */

const STEP = 7; // units that an arrow key moves the pen
const FAINT = 0.55; // opacity of an example
/** @type {{drawn: string, now: Content, before: Content[]} | null} what a surface held when its section was left */
let left = null;

/** @param {{data: DrawData, parentElement: HTMLElement, setTriggerValue: (name: string, value: unknown) => void}} component */
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".latent-draw");
  const surface = (root.surface ??= new Surface(root));
  surface.tell = () => setTriggerValue("drawn", surface.reading());
  surface.show(data);
  return () => surface.leave();
}

class Surface {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.undoButton = root.querySelector(".undo");
    this.clearButton = root.querySelector(".clear");
    /** @type {Content} */
    this.now = { picture: null, strokes: [] };
    /** @type {Content[]} */
    this.before = []; // what was shown before each change, oldest first
    /** @type {Stroke | null} */
    this.stroke = null; // the one that is being drawn
    /** @type {Point | null} */
    this.spot = null; // where the pen of the keyboard is
    this.canvas.onpointerdown = (event) => this.press(event);
    this.canvas.onpointermove = (event) => this.move(event);
    this.canvas.onpointerup = (event) => event.isPrimary && this.lift();
    this.canvas.onpointercancel = (event) => event.isPrimary && this.drop();
    this.canvas.onkeydown = (event) => this.key(event);
    this.canvas.onblur = () => this.blur();
    this.undoButton.onclick = () => this.undo();
    this.clearButton.onclick = () => this.clear();
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.canvas);
  }

  leave() {
    this.resized.disconnect();
    left = { drawn: this.data.drawn, now: this.now, before: this.before };
    delete this.root.surface;
  }

  /** @param {DrawData} data */
  show(data) {
    const [first, other] = [!this.data, this.data?.brought !== data.brought];
    this.data = data;
    if (first && left?.drawn === data.drawn) [this.now, this.before] = [left.now, left.before];
    else if (first) this.now = { picture: pictureOf(data), strokes: [] };
    else if (other) this.change({ picture: pictureOf(data), strokes: [] });
    this.draw();
  }

  /** @param {Content} content */
  change(content) {
    this.before.push(this.now);
    this.now = content;
    this.draw();
  }

  undo() {
    if (!this.before.length) return;
    this.stroke = null;
    this.now = this.before.pop();
    this.draw();
    this.tell();
  }

  clear() {
    if (this.isEmpty()) return;
    this.stroke = null;
    this.change({ picture: null, strokes: [] });
    this.tell();
  }

  isEmpty() {
    return !this.now.picture && !this.now.strokes.length;
  }

  /** What the page is told. */
  reading() {
    if (!this.now.strokes.length) return this.now.picture?.text ?? "";
    const ink = Object.assign(document.createElement("canvas"), { width: this.data.ink, height: this.data.ink });
    const pen = ink.getContext("2d", { alpha: false, willReadFrequently: true });
    this.paintContent(pen, this.data.ink);
    return ink.toDataURL("image/png");
  }

  /** Where the pointer is on the surface. @returns {Point} */
  place({ clientX, clientY }) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    return [((clientX - left) * this.data.side) / width, ((clientY - top) * this.data.side) / width];
  }

  press(event) {
    if (!event.isPrimary || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.spot = null;
    this.lower(this.place(event));
  }

  move(event) {
    if (!this.stroke || !event.isPrimary || this.spot) return;
    const between = event.getCoalescedEvents?.() ?? []; // of a pen, several a frame
    for (const each of between.length ? between : [event]) this.stroke.points.push(this.place(each));
    this.draw();
  }

  /** Begin a stroke. @param {Point} point */
  lower(point) {
    this.stroke = { width: this.data.width, points: [point] };
    this.draw();
  }

  /** End a stroke. */
  lift() {
    if (!this.stroke) return;
    const strokes = [...this.now.strokes, this.stroke];
    this.stroke = null;
    this.change({ picture: null, strokes });
    this.tell();
  }

  /** Take a stroke back that was never ended. */
  drop() {
    this.stroke = null;
    this.draw();
  }

  /** Arrow keys move a pen, which Space lowers and lifts. */
  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const middle = this.data.side / 2;
    if (step) {
      const from = this.spot ?? [middle, middle];
      this.spot = [0, 1].map((axis) => Math.min(this.data.side, Math.max(0, from[axis] + STEP * step[axis])));
      this.stroke?.points.push(this.spot);
    } else if (event.key === " ") {
      this.spot ??= [middle, middle];
      if (this.stroke) this.lift();
      else this.lower(this.spot);
    } else if (event.key === "Escape") this.drop();
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else return;
    event.preventDefault();
    event.stopPropagation(); // some letters are shortcuts of the page
    this.draw();
  }

  blur() {
    if (this.spot) this.lift();
    this.spot = null;
    this.draw();
  }

  /** Draw all of it, once a frame at most. */
  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    const size = Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1));
    if (!size) return;
    if (this.canvas.width !== size) this.canvas.width = this.canvas.height = size;
    const pen = this.canvas.getContext("2d", { alpha: false });
    this.paintContent(pen, size);
    if (this.spot) this.paintSpot(pen);
    this.canvas.setAttribute("aria-label", `${this.description()} Arrow keys move the pen, Space lowers and lifts it.`);
    this.undoButton.setAttribute("aria-disabled", String(!this.before.length));
    this.clearButton.setAttribute("aria-disabled", String(this.isEmpty()));
  }

  /** The text alternative. */
  description() {
    const { picture, strokes } = this.now;
    if (picture) return `Surface to draw a digit on, with ${picture.example ? "an example" : "a digit"} on it.`;
    const count = strokes.length === 1 ? "1 stroke" : `${strokes.length} strokes`;
    return `Surface to draw a digit on, ${strokes.length ? `with ${count} on it` : "empty"}.`;
  }

  /** What is drawn, on a square of so many pixels. */
  paintContent(pen, size) {
    const scale = size / this.data.side;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, this.data.side, this.data.side);
    const { picture, strokes } = this.now;
    if (picture && !this.stroke) {
      pen.globalAlpha = picture.example ? FAINT : 1;
      pen.drawImage(picture.image, 0, 0, this.data.side, this.data.side);
      pen.globalAlpha = 1;
    }
    for (const stroke of strokes) trace(pen, stroke);
    if (this.stroke) trace(pen, this.stroke);
  }

  /** A ring as wide as the pen, filled while it is down. */
  paintSpot(pen) {
    pen.beginPath();
    pen.arc(...this.spot, this.data.width / 2, 0, 7);
    for (const [colour, width] of [["#000", 4], ["#4da3ff", 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.stroke();
    }
  }
}

/** A stroke as a smooth line: curves from the middle of each two points to the next. @param {Stroke} stroke */
function trace(pen, { width, points }) {
  const [first, last] = [points[0], points[points.length - 1]];
  pen.strokeStyle = "#fff";
  pen.lineWidth = width;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...first);
  for (let i = 1; i < points.length - 1; i++) {
    const [[x, y], [nextX, nextY]] = [points[i], points[i + 1]];
    pen.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  pen.lineTo(last[0] + 0.01, last[1]); // a dot, too, has a length
  pen.stroke();
}

/** A picture that was brought, as if a pen had drawn it. @param {DrawData} data @returns {Picture | null} */
function pictureOf({ drawn, pixels, example, ink }) {
  if (!pixels) return null;
  const grey = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
  const side = Math.sqrt(grey.length);
  const small = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const image = new ImageData(side, side);
  grey.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  small.getContext("2d").putImageData(image, 0, 0);
  return { text: drawn, image: sharpened(small, ink), example };
}

/** A small picture enlarged, its soft edges made those of a pen. */
function sharpened(small, side) {
  const large = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const pen = large.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  pen.drawImage(small, 0, 0, side, side);
  const image = pen.getImageData(0, 0, side, side);
  for (let i = 0; i < image.data.length; i++) {
    if (i % 4 < 3) image.data[i] = 128 + 4 * (image.data[i] - 112); // clamped to 0 and 255 by its type
  }
  pen.putImageData(image, 0, 0);
  return large;
}

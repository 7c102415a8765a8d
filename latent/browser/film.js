/**
 * A training run, played: the codes glide from epoch to epoch on one map, and the reconstructions get sharp beside it.
 *
 * All of it comes once, by way of `inbox.js`; neither playing nor the slider sends anything.
 *
 * @typedef {Object} Frames
 * @property {Uint16Array} places (frames, dots, 2): shares of the map in 65,535ths, after `Film` in film.py
 * @property {Uint8Array} labels the class of every dot
 * @property {Uint8Array} pictures a zlib stream of uint8 (frames, pictures, height, width, channels)
 * @property {number[]} shape of the pictures
 *
 * @typedef {Object} FilmData
 * @property {string} frames name of the parcel of the Frames
 * @property {string[]} captions what is said of every frame
 * @property {(number | null)[]} losses of every frame
 * @property {[string, string]} axes what the axes of the map are
 * @property {string[]} colours of the classes
 */

const OUTSIDE = 65535; // stands for 1, the right and the upper edge of the map
const COLUMNS = 8; // of pictures
const GAP = 2; // pixels between pictures
const SHORTEST = 4; // seconds that a film takes at least
const EVERY = 0.22; // seconds a frame

/** @param {{data: FilmData, parentElement: HTMLElement}} component */
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".latent-film");
  const film = (root.film ??= new Film(root));
  film.show(data);
  return () => film.leave();
}

/** The bytes of a zlib stream. */
async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

class Film {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const find = (name) => root.querySelector(`.${name}`);
    [this.map, this.reconstructed, this.slider, this.button, this.said] = ["map", "reconstructed", "epoch", "play", "said"].map(find);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.at = 0; // the frame, with a fraction between two of them
    this.playing = false;
    this.button.onclick = () => this.play(!this.playing);
    this.slider.oninput = () => this.go(this.slider.valueAsNumber);
    this.slider.onkeydown = (event) => this.key(event);
    this.arrived = () => this.take();
    window.addEventListener("latent-inbox", this.arrived);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.map);
    // The film starts by itself when it is first seen, unless motion is unwelcome: then its end is shown.
    this.seen = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.begin(), { threshold: 0.5 });
  }

  leave() {
    cancelAnimationFrame(this.frame);
    this.resized.disconnect();
    this.seen.disconnect();
    window.removeEventListener("latent-inbox", this.arrived);
    delete this.root.film;
  }

  /** @param {FilmData} data */
  show(data) {
    this.data = data;
    this.last = data.captions.length - 1;
    this.slider.max = String(this.last);
    this.root.querySelector(".axes").textContent = data.axes.filter(Boolean).join("   ×   ");
    this.root.querySelector(".legend").replaceChildren(...data.colours.map(legendEntry));
    this.root.querySelector("polyline").setAttribute("points", curve(data.losses));
    this.take();
  }

  /** Take the frames when they are there. */
  async take() {
    const frames = window.latentInbox?.get(this.data.frames);
    if (!frames || this.taken === this.data.frames) return;
    this.taken = this.data.frames;
    this.pictures = null;
    this.places = frames.places;
    this.labels = frames.labels;
    this.shape = frames.shape;
    this.pictures = await inflated(frames.pictures);
    this.go(this.last);
    if (!this.still.matches) this.seen.observe(this.root);
  }

  begin() {
    this.seen.disconnect();
    if (this.at === this.last) this.play(true);
  }

  /** @param {boolean} on */
  play(on) {
    if (on && this.at >= this.last) this.at = 0;
    this.playing = on;
    this.button.textContent = on ? "Pause" : "Play";
    this.started = null;
    this.draw();
  }

  /** Show one place of the film, and stay there. @param {number} at */
  go(at) {
    this.seen.disconnect();
    this.at = Math.min(this.last, Math.max(0, at));
    this.play(false);
  }

  /** The keyboard goes from epoch to epoch, where the hand may stop in between. */
  key(event) {
    const now = Math.round(this.at);
    const to = {
      ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1,
      PageDown: now - 5, PageUp: now + 5, Home: 0, End: this.last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.go(to);
  }

  /** Show the present place in the next frame of the screen. */
  draw() {
    this.frame ||= requestAnimationFrame((now) => {
      this.frame = 0;
      if (this.playing) this.advance(now);
      this.paint();
      if (this.playing) this.draw();
    });
  }

  /** @param {number} now in milliseconds */
  advance(now) {
    this.started ??= now - this.at * this.pace();
    this.at = Math.min(this.last, (now - this.started) / this.pace());
    if (this.at === this.last) this.play(false);
  }

  /** Milliseconds from one frame to the next. */
  pace() {
    return 1000 * Math.max(EVERY, SHORTEST / Math.max(1, this.last));
  }

  paint() {
    if (!this.pictures) return;
    const at = this.still.matches ? Math.round(this.at) : this.at; // or else between two epochs
    const before = Math.floor(at);
    const after = Math.min(this.last, before + 1);
    this.paintMap(before, after, at - before);
    this.paintPictures(before, after, at - before);
    this.say(Math.round(at));
  }

  paintMap(before, after, share) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.map;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.map.width !== width || this.map.height !== height) Object.assign(this.map, { width, height });
    const pen = this.map.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.globalAlpha = 0.85;
    const dot = Math.max(3, Math.min(5, clientWidth / 110)) * ratio;
    const n = this.labels.length;
    for (let i = 0; i < n; i++) {
      const [a, b] = [2 * (before * n + i), 2 * (after * n + i)];
      const x = this.places[a] + share * (this.places[b] - this.places[a]);
      const y = this.places[a + 1] + share * (this.places[b + 1] - this.places[a + 1]);
      pen.fillStyle = this.data.colours[this.labels[i] % this.data.colours.length];
      pen.fillRect((x / OUTSIDE) * (width - dot), (1 - y / OUTSIDE) * (height - dot), dot, dot);
    }
  }

  paintPictures(before, after, share) {
    const [, n, height, width, channels] = this.shape;
    const columns = Math.min(COLUMNS, n);
    const sheetWidth = columns * (width + GAP) - GAP;
    const sheetHeight = Math.ceil(n / columns) * (height + GAP) - GAP;
    if (this.sheet?.width !== sheetWidth || this.sheet.height !== sheetHeight) {
      Object.assign(this.reconstructed, { width: sheetWidth, height: sheetHeight });
      this.sheet = new ImageData(sheetWidth, sheetHeight);
    }
    const { data } = this.sheet;
    const size = height * width * channels;
    for (let i = 0; i < n; i++) {
      const corner = Math.floor(i / columns) * (height + GAP) * sheetWidth + (i % columns) * (width + GAP);
      const [a, b] = [(before * n + i) * size, (after * n + i) * size];
      for (let pixel = 0; pixel < height * width; pixel++) {
        const to = 4 * (corner + Math.floor(pixel / width) * sheetWidth + (pixel % width));
        for (let c = 0; c < 3; c++) {
          const from = pixel * channels + (channels === 3 ? c : 0);
          data[to + c] = this.pictures[a + from] + share * (this.pictures[b + from] - this.pictures[a + from]);
        }
        data[to + 3] = 255;
      }
    }
    this.reconstructed.getContext("2d").putImageData(this.sheet, 0, 0);
  }

  /** The epoch in words, where it is another one. @param {number} frame */
  say(frame) {
    this.slider.value = String(this.at);
    const caption = this.data.captions[frame];
    if (this.said.textContent === caption && this.map.dataset.frame === String(frame)) return;
    this.said.textContent = caption;
    this.slider.setAttribute("aria-valuetext", caption);
    this.map.setAttribute("aria-label", `Map of ${this.labels.length} codes, ${caption}`);
    this.reconstructed.setAttribute("aria-label", `${this.shape[1]} reconstructed test images, ${caption}`);
    this.map.dataset.frame = String(frame);
  }
}

/** A patch of colour and the class it stands for. */
function legendEntry(colour, name) {
  const entry = document.createElement("span");
  const patch = document.createElement("i");
  patch.style.background = colour;
  entry.append(patch, String(name));
  return entry;
}

/** The losses as points of a line in a box of 100 × 100, the greatest at the top, on a logarithmic scale. */
function curve(losses) {
  const known = losses.flatMap((loss, frame) => (loss > 0 ? [[frame, Math.log(loss)]] : []));
  const [low, high] = [Math.min(...known.map(([, loss]) => loss)), Math.max(...known.map(([, loss]) => loss))];
  return known
    .map(([frame, loss]) => `${(100 * frame) / Math.max(1, losses.length - 1)},${100 * (1 - (loss - low) / (high - low || 1))}`)
    .join(" ");
}

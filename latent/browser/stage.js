/**
 * What Live and the strips share: the stage that came of a checkpoint, a picture on a canvas, pictures that the server
 * decodes, what the real codes say about a code, and the paths between codes.
 *
 * @typedef {{name: string, program: import("./decoder.js").Program | null, weights: Float32Array, codes: Float32Array,
 *   labels: Uint16Array, numbers: Uint16Array, classes: string[], images: Uint8Array, columns: number, picture: number[],
 *   thumbnail: number[], order: number[], low: Float32Array,
 *   high: Float32Array, start: Float32Array, axes: Float32Array, colours: string[],
 *   neighbours: number, distances: Float32Array, edges: number[]}} Stage as `Stage.parcel` in `live.py` makes it
 * @typedef {(name: string, value: unknown) => void} Send
 */

const PATIENCE = 5000 // milliseconds until a picture is asked for again
const BUDGET = 10 // milliseconds of a frame for what is computed in it; the browser needs the rest
const SELDOM = 100 // milliseconds between readings where they do not fit into every frame

/** @returns {Map<string, any>} what `inbox.js` keeps */
export function inbox() {
  return /** @type {any} */ (window).latentInbox ?? new Map()
}

/** @returns {string[]} the names of the stages that are here */
export function stagesHere() {
  return [...inbox().values()].filter((parcel) => "program" in parcel).map((stage) => stage.name)
}

/**
 * @param {ShadowRoot | HTMLElement} root
 * @returns {(name: string) => any} the element of a class
 */
export function finder(root) {
  return (name) => root.querySelector(`.${name}`)
}

/**
 * Text, where it is another one: the browser lays out anew whatever is touched.
 * @param {Element} place
 * @param {string} text
 */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text
}

/**
 * A picture (rows, columns, channels), floats in [0, 1] or bytes, on a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageData} image of the size of the picture; it is written over
 * @param {Float32Array | Uint8Array} picture
 */
export function paint(canvas, image, picture) {
  const { data } = image
  const channels = picture.length / (data.length / 4)
  const scale = picture instanceof Float32Array ? 255 : 1
  for (let pixel = 0, from = 0; pixel < data.length; pixel += 4, from += channels) {
    for (let c = 0; c < 3; c++) data[pixel + c] = picture[from + (channels === 3 ? c : 0)] * scale
    data[pixel + 3] = 255
  }
  canvas.getContext("2d").putImageData(image, 0, 0)
}

/** Pictures that the server decodes: asked for one at a time, and answered by the parcel "answer". */
export class Streamed {
  /** @param {() => void} again called when a picture is wanted that was not asked for, or not answered */
  constructor(again) {
    this.again = again
    this.serial = this.asked = 0
    this.outdated = false
  }

  /**
   * While a picture is under way it is only noted that another is wanted.
   * @param {(serial: number) => void} send what asks for it
   */
  ask(send) {
    this.outdated = this.asked > 0
    if (this.outdated) return
    this.asked = performance.now()
    this.serial = Math.floor(Math.random() * 2 ** 48) // no other component asks with the same
    send(this.serial)
    this.retry = setTimeout(() => {
      this.asked = 0
      this.again()
    }, PATIENCE)
  }

  /** The picture that was asked for, where it is there now, and when it was. */
  answered() {
    const { serial, pixels } = inbox().get("answer")
    if (!this.asked || serial !== this.serial) return null
    clearTimeout(this.retry)
    const wanted = this.asked
    this.asked = 0
    if (this.outdated) this.again()
    return { pixels, wanted }
  }

  leave() {
    clearTimeout(this.retry)
  }
}

/** What the real codes say, read in every frame that has the time for it behind its picture, and else now and then. */
export class Reader {
  /** @param {() => void} read */
  constructor(read) {
    this.read = read
    this.readAt = this.cost = 0
  }

  /** @param {number} started when the frame began */
  follow(started) {
    const late = started - this.readAt > SELDOM
    if (late || performance.now() - started + this.cost < BUDGET) this.readNow()
    else this.later ||= setTimeout(() => this.readNow(), SELDOM)
  }

  readNow() {
    this.leave()
    const started = performance.now()
    this.read()
    this.readAt = performance.now()
    this.cost = this.readAt - started
  }

  leave() {
    clearTimeout(this.later)
    this.later = 0
  }
}

/**
 * The `count` rows of `codes` nearest to `code`, nearest first, and their Euclidean distances.
 * @param {Float32Array} codes
 * @param {ArrayLike<number>} code
 * @param {number} count
 */
export function nearest(codes, code, count) {
  const n = code.length
  const distances = new Float64Array(count).fill(Infinity)
  const places = new Int32Array(count)
  for (let row = 0, start = 0; start < codes.length; row++, start += n) {
    let square = 0
    for (let i = 0; i < n; i++) {
      const offset = codes[start + i] - code[i]
      square += offset * offset
    }
    if (square >= distances[count - 1]) continue
    let rank = count - 1
    for (; rank > 0 && distances[rank - 1] > square; rank--) {
      distances[rank] = distances[rank - 1]
      places[rank] = places[rank - 1]
    }
    distances[rank] = square
    places[rank] = row
  }
  return { places, distances: distances.map(Math.sqrt) }
}

/**
 * How well the real codes support a code, as `latent/support.py` has it: the share of them that lie farther from their
 * neighbours than it does, and that in words.
 * @param {Pick<Stage, "neighbours" | "distances" | "edges">} stage
 * @param {Float64Array} near distances to the nearest real codes, the nearest first
 */
export function support({ neighbours, distances, edges }, near) {
  const mean = near.subarray(0, neighbours).reduce((a, b) => a + b) / neighbours
  const share = distances.filter((distance) => distance > mean).length / distances.length
  const words = share >= edges[0] ? "in distribution" : share >= edges[1] ? "borderline" : "out of distribution"
  return { share, words }
}

/**
 * A point on the straight line from `a` at t = 0 to `b` at t = 1.
 * @param {number[]} a
 * @param {number[]} b
 * @param {number} t
 */
export function lerp(a, b, t) {
  return a.map((value, i) => value + t * (b[i] - value))
}

/**
 * A point on the arc, as in `latent/interpolation.py`; where the arc is not defined, on the path that is taken there.
 * @param {number[]} a
 * @param {number[]} b
 * @param {number} t
 */
export function slerp(a, b, t) {
  const [lengthA, lengthB] = [Math.hypot(...a), Math.hypot(...b)]
  const unit = a.map((value) => value / lengthA)
  const difference = Math.hypot(...unit.map((value, i) => value - b[i] / lengthB))
  const sum = Math.hypot(...unit.map((value, i) => value + b[i] / lengthB))
  const angle = 2 * Math.atan2(difference, sum)
  if (!(angle >= 1e-6)) return lerp(a, b, t)
  if (Math.PI - angle < 1e-6) {
    const radius = (1 - t) * lengthA + t * lengthB
    const [along, across] = [radius * Math.cos(Math.PI * t), radius * Math.sin(Math.PI * t)]
    return perpendicular(unit).map((value, i) => along * unit[i] + across * value)
  }
  const [partA, partB] = [Math.sin((1 - t) * angle), Math.sin(t * angle)]
  return a.map((value, i) => (partA * value + partB * b[i]) / Math.sin(angle))
}

/** A unit vector at a right angle to `unit`, the same one every time. @param {number[]} unit */
function perpendicular(unit) {
  if (unit.length === 1) return [0]
  const sizes = unit.map(Math.abs)
  const axis = sizes.indexOf(Math.min(...sizes))
  const across = unit.map((value, i) => (i === axis ? 1 : 0) - unit[axis] * value)
  const length = Math.hypot(...across)
  return across.map((value) => value / length)
}

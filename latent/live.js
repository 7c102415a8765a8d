/**
 * A code in the hand: sliders, a pad and a path move it, and the picture follows in the next frame.
 *
 * What belongs to a checkpoint, its weights and real codes, comes once as a parcel (`parcel.js`). Nothing is sent to
 * the page while a code moves, but where the decoder cannot run here: then each picture is asked for, one at a time.
 *
 * @typedef {{name: string, program: import("./decoder.js").Program | null, weights: Float32Array, codes: Float32Array,
 *   labels: Uint8Array, images: Uint8Array, columns: number, picture: number[], order: number[], low: Float32Array,
 *   high: Float32Array, start: Float32Array, mean: Float32Array, axes: Float32Array, colours: string[],
 *   neighbours: number, distances: Float32Array, edges: number[]}} Stage as `Stage.parcel` in `latent/live.py` makes it
 * @typedef {{stage: string, holds: string[], base: number[] | null, digit: number, shelf: number[][], refusal: string}}
 *   Data `holds` the stages that the page takes to be here already
 */
import { decoder } from "./decoder.js"

const FIRST = 16 // dimensions shown before the switch
const VOTERS = 20 // nearest real codes whose digits are counted
const SETTLED = 400 // milliseconds without movement, after which the code is chosen
const BUDGET = 10 // milliseconds of a frame for what is computed in it; the browser needs the rest
const SELDOM = 100 // milliseconds between readings where they do not fit in every frame
const PATIENCE = 3000 // milliseconds until a picture is asked for again

/** @type {WeakMap<object, Live>} */
const mounted = new WeakMap()

/** Called by the page at first, and again with other data. */
export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!mounted.has(parentElement)) mounted.set(parentElement, new Live(parentElement))
  const live = mounted.get(parentElement)
  live.take(data, setStateValue, setTriggerValue)
  return () => live.leave()
}

class Live {
  /** @param {ShadowRoot} root which holds `live.html` */
  constructor(root) {
    this.root = root
    this.find = (name) => root.querySelector(`.${name}`)
    /** @type {Stage | null} */
    this.stage = null
    this.adopted = this.chosen = "" // as JSON
    this.serial = this.asked = this.way = this.readAt = this.cost = this.took = 0
    this.outdated = this.playing = this.down = false
    this.onParcel = ({ detail }) => (detail === "answer" ? this.answered() : this.enter())
    this.onRelease = () => {
      this.down = false
      if (this.stage) this.settle()
    }
    window.addEventListener("latent-parcel", this.onParcel)
    for (const type of ["pointerup", "pointercancel"]) window.addEventListener(type, this.onRelease)
    root.addEventListener("pointerdown", () => (this.down = true))
    this.listen()
  }

  leave() {
    window.removeEventListener("latent-parcel", this.onParcel)
    for (const type of ["pointerup", "pointercancel"]) window.removeEventListener(type, this.onRelease)
    for (const timer of [this.settling, this.retry, this.reading]) clearTimeout(timer)
    cancelAnimationFrame(this.frame)
    mounted.delete(this.root)
  }

  listen() {
    this.find("keep").onclick = () => this.setTriggerValue("keep", this.numbers())
    this.find("reset").onclick = () => this.move(() => this.code.set(this.stage.start))
    this.find("play").onclick = () => this.play(!this.playing)
    this.find("local").onchange = () => this.changed()
    this.find("all").onchange = () => this.changed()
    const pad = this.find("pad")
    pad.onpointerdown = (event) => {
      pad.setPointerCapture(event.pointerId)
      this.drag(event)
    }
    pad.onpointermove = (event) => pad.hasPointerCapture(event.pointerId) && this.drag(event)
    pad.onkeydown = (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key]
      if (!way || !this.stage) return
      event.preventDefault()
      const [x, y] = this.place(this.code)
      this.goTo(x + way[0] * this.reach[0] / 50, y + way[1] * this.reach[1] / 50)
    }
  }

  /** Text, where it is another one: the browser lays out anew what is touched. */
  say(name, text) {
    if (this.find(name).textContent !== text) this.find(name).textContent = text
  }

  // What comes from the page.

  /** @param {Data} data */
  take(data, setStateValue, setTriggerValue) {
    Object.assign(this, { data, setStateValue, setTriggerValue })
    this.find("play").disabled = data.shelf.length < 2
    this.enter()
    this.adopt()
    this.changed()
  }

  /** The stage of the data, once it is there; the page learns that it need not be sent again. */
  enter() {
    const kept = window.latentParcels ?? new Map()
    const holds = [...kept.keys()].filter((name) => name !== "answer")
    if (String(holds) !== String(this.data.holds)) this.setStateValue("holds", holds)
    const stage = kept.get(this.data.stage)
    if (!stage || stage.name === this.stage?.name) return
    this.stage = stage
    this.code = Float32Array.from(stage.start)
    this.decode = stage.program && decoder(stage.program, stage.weights)
    const [height, width] = stage.picture
    for (const name of ["picture", "nearest"]) Object.assign(this.find(name), { height, width })
    this.image = new ImageData(width, height)
    this.sprite = null
    createImageBitmap(new Blob([stage.images])).then((sprite) => {
      this.sprite = sprite
      this.changed()
    })
    const local = this.find("local")
    local.checked = Boolean(this.decode)
    local.disabled = !this.decode
    this.buildSliders()
    this.buildShares()
    this.drawPad()
    this.play(false)
    this.adopt()
    this.changed()
  }

  /** The page's code goes into the hand where it is another one, and not what the hand itself has chosen. */
  adopt() {
    const base = JSON.stringify(this.data.base)
    if (!this.stage || !this.data.base || base === this.adopted || base === this.chosen) return
    this.adopted = base
    this.code.set(this.data.base)
  }

  // The code moves.

  /** A movement by hand: it ends the play. */
  move(change) {
    if (!this.stage) return
    this.play(false)
    change()
    this.changed()
    this.settle()
  }

  /** Whatever is shown is shown anew in the next frame. */
  changed() {
    if (this.stage) this.frame ||= requestAnimationFrame((now) => this.draw(now))
  }

  /** After the last movement the code is chosen, once. */
  settle() {
    clearTimeout(this.settling)
    this.settling = setTimeout(() => {
      this.sayHowLong()
      const code = this.numbers()
      if (this.down || this.playing || JSON.stringify(code) === this.chosen) return
      this.chosen = JSON.stringify(code)
      this.setStateValue("code", code)
    }, SETTLED)
  }

  sayHowLong() {
    const refusal = this.data.refusal && ` (${this.data.refusal})`
    const where = this.find("local").checked ? "in this browser" : `by the server${refusal}`
    this.say("note", `${this.took.toFixed(1)} ms a picture, ${where}`)
  }

  numbers() {
    return Array.from(this.code)
  }

  play(on) {
    this.playing = on
    this.say("play", on ? "Stop" : "Play")
    this.last = performance.now()
    this.changed()
  }

  /** Along the loop through the shelf: at rest for a moment at each code, fastest halfway between. */
  advance(now) {
    const { shelf } = this.data
    this.way = (this.way + Math.max(0, now - this.last) / 1000 * this.find("speed").value) % shelf.length
    this.last = now
    const stop = Math.floor(this.way)
    const t = this.way - stop
    const path = PATHS[this.find("path").value]
    this.code.set(path(shelf[stop], shelf[(stop + 1) % shelf.length], t * t * (3 - 2 * t)))
  }

  drag({ clientX, clientY }) {
    const box = this.find("pad").getBoundingClientRect()
    const across = Math.min(1, Math.max(0, (clientX - box.left) / box.width))
    const up = Math.min(1, Math.max(0, 1 - (clientY - box.top) / box.height))
    this.goTo(this.corner[0] + across * this.reach[0], this.corner[1] + up * this.reach[1])
  }

  /** To a place on the plane; what of the code lies outside the plane stays. */
  goTo(x, y) {
    this.move(() => {
      const { axes } = this.stage
      const n = this.code.length
      const [fromX, fromY] = this.place(this.code)
      for (let i = 0; i < n; i++) this.code[i] += (x - fromX) * axes[i] + (y - fromY) * axes[n + i]
    })
  }

  /** Where a code lies on the plane. */
  place(codes, row = 0) {
    const { axes, mean } = this.stage
    const n = mean.length
    let x = 0, y = 0
    for (let i = 0; i < n; i++) {
      const offset = codes[row * n + i] - mean[i]
      x += offset * axes[i]
      y += offset * axes[n + i]
    }
    return [x, y]
  }

  // A frame.

  draw(now) {
    this.frame = 0
    const started = performance.now()
    if (this.playing) this.advance(now)
    if (this.find("local").checked) this.paint(this.decode(this.code, this.data.digit), 1, started)
    else this.ask()
    this.follow()
    const late = started - this.readAt > SELDOM
    if (late || performance.now() - started + this.cost < BUDGET) this.read()
    else this.reading ||= setTimeout(() => this.read(), SELDOM)
    if (this.playing) this.changed()
  }

  /** A picture, rows, columns and channels, with `white` the brightest, that was wanted at a certain time. */
  paint(picture, white, wanted) {
    const { data } = this.image
    const channels = picture.length / (data.length / 4)
    const scale = 255 / white
    for (let pixel = 0, from = 0; pixel < data.length; pixel += 4, from += channels) {
      for (let c = 0; c < 3; c++) data[pixel + c] = picture[from + (channels === 3 ? c : 0)] * scale
      data[pixel + 3] = 255
    }
    this.find("picture").getContext("2d").putImageData(this.image, 0, 0)
    this.took = 0.9 * this.took + 0.1 * (performance.now() - wanted)
  }

  /** The picture from the server; while one is under way no other is asked for, and then only the latest. */
  ask() {
    this.outdated = Boolean(this.asked)
    if (this.asked) return
    this.asked = performance.now()
    this.setTriggerValue("ask", { serial: ++this.serial, code: this.numbers() })
    this.retry = setTimeout(() => {
      this.asked = 0
      this.changed()
    }, PATIENCE)
  }

  answered() {
    const { serial, pixels } = window.latentParcels.get("answer")
    if (!this.asked || serial !== this.serial) return
    clearTimeout(this.retry)
    const wanted = this.asked
    this.asked = 0
    if (this.find("local").checked) return
    this.paint(pixels, 255, wanted)
    if (this.outdated) this.ask()
  }

  /** The controls follow the code. */
  follow() {
    const all = this.find("all").checked
    this.find("dimensions").classList.toggle("everything", all)
    for (const slider of this.sliders.slice(0, all ? undefined : FIRST)) {
      const value = this.code[slider.dimension]
      if (slider.shown === value) continue
      slider.shown = value
      slider.range.value = value
      if (this.root.activeElement !== slider.box) slider.box.value = value.toFixed(3)
    }
    const [x, y] = this.place(this.code)
    const percent = [(x - this.corner[0]) / this.reach[0], 1 - (y - this.corner[1]) / this.reach[1]]
    const [left, top] = percent.map((share) => 100 * Math.min(1, Math.max(0, share)))
    this.find("spot").style.transform = `translate(${left}%, ${top}%)`
  }

  /** What the real codes say about this one. */
  read() {
    clearTimeout(this.reading)
    this.reading = 0
    const started = performance.now()
    const { codes, labels, neighbours, distances, edges } = this.stage
    const near = nearest(codes, this.code, Math.min(labels.length, Math.max(VOTERS, neighbours)))
    const mean = near.distances.slice(0, neighbours).reduce((a, b) => a + b) / neighbours
    const farther = distances.filter((distance) => distance > mean).length / distances.length
    this.find("support").value = farther
    this.say("where", farther >= edges[0] ? "on the data" : farther >= edges[1] ? "at the edge" : "off the data")
    const votes = Array(10).fill(0)
    for (const place of near.places.subarray(0, VOTERS)) votes[labels[place]]++
    this.shares.forEach((bar, digit) => (bar.style.transform = `scaleY(${votes[digit] / VOTERS})`))
    this.showNearest(near.places[0])
    this.readAt = performance.now()
    this.cost = this.readAt - started
  }

  showNearest(place) {
    const { labels, picture: [height, width], columns } = this.stage
    this.say("nearest-name", `nearest: a real ${labels[place]}`)
    if (!this.sprite) return
    const left = (place % columns) * width
    const top = Math.floor(place / columns) * height
    this.find("nearest").getContext("2d").drawImage(this.sprite, left, top, width, height, 0, 0, width, height)
  }

  // What is made once a stage.

  buildSliders() {
    const { order, low, high, start } = this.stage
    const rows = order.map((dimension, index) => {
      const row = document.createElement("div")
      row.className = index < FIRST ? "dimension" : "dimension extra"
      row.innerHTML = `<span>${dimension}</span><input type="range" aria-label="Dimension ${dimension}">
        <input type="number" step="any" aria-label="Dimension ${dimension}, exactly">`
      const [range, box] = row.querySelectorAll("input")
      const [from, to] = [low[dimension], high[dimension]]
      Object.assign(range, { min: from, max: to, step: (to - from) / 200 || 1 })
      range.oninput = () => this.move(() => (this.code[dimension] = range.valueAsNumber))
      box.oninput = () => Number.isFinite(box.valueAsNumber) && this.move(() => (this.code[dimension] = box.valueAsNumber))
      row.ondblclick = (event) => event.target !== box && this.move(() => (this.code[dimension] = start[dimension]))
      return { row, range, box, dimension, shown: NaN }
    })
    this.sliders = rows
    this.find("dimensions").replaceChildren(...rows.map(({ row }) => row))
    this.find("rest").hidden = order.length <= FIRST
    this.say("rest-name", `Show all ${order.length} dimensions`)
  }

  buildShares() {
    this.shares = this.stage.colours.map((colour, digit) => {
      const share = document.createElement("div")
      share.innerHTML = `<i></i>${digit}`
      share.firstElementChild.style.background = colour
      return share
    })
    this.find("shares").replaceChildren(...this.shares)
    this.shares = this.shares.map((share) => share.firstElementChild)
  }

  /** The real codes on the plane, seen from their 0.5th to their 99.5th percentile and a little beyond. */
  drawPad() {
    const { codes, labels, colours } = this.stage
    const places = Array.from(labels, (_, row) => this.place(codes, row))
    const ends = [0, 1].map((axis) => {
      const sorted = places.map((place) => place[axis]).sort((a, b) => a - b)
      const at = (share) => sorted[Math.round(share * (sorted.length - 1))]
      return [at(0.005), at(0.995)]
    })
    this.reach = ends.map(([from, to]) => 1.1 * (to - from) || 1)
    this.corner = ends.map(([from, to], axis) => (from + to - this.reach[axis]) / 2)
    const canvas = this.find("dots")
    const context = canvas.getContext("2d")
    context.clearRect(0, 0, canvas.width, canvas.height)
    context.globalAlpha = 0.6
    places.forEach(([x, y], row) => {
      context.fillStyle = colours[labels[row]]
      const left = (x - this.corner[0]) / this.reach[0] * canvas.width
      const top = (1 - (y - this.corner[1]) / this.reach[1]) * canvas.height
      context.fillRect(left - 1.5, top - 1.5, 3, 3)
    })
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

/** A point on the straight line from `a` at t = 0 to `b` at t = 1. */
export function lerp(a, b, t) {
  return a.map((value, i) => value + t * (b[i] - value))
}

/** A point on the arc, as in `latent/interpolation.py`; where the arc is not defined, on the line. */
export function slerp(a, b, t) {
  const [lengthA, lengthB] = [Math.hypot(...a), Math.hypot(...b)]
  const difference = Math.hypot(...a.map((value, i) => value / lengthA - b[i] / lengthB))
  const sum = Math.hypot(...a.map((value, i) => value / lengthA + b[i] / lengthB))
  const angle = 2 * Math.atan2(difference, sum)
  if (!(angle > 1e-6 && angle < Math.PI - 1e-6)) return lerp(a, b, t)
  const [fromA, fromB] = [Math.sin((1 - t) * angle), Math.sin(t * angle)]
  return a.map((value, i) => (fromA * value + fromB * b[i]) / Math.sin(angle))
}

const PATHS = { linear: lerp, spherical: slerp }

/**
 * A code in the hand: sliders, a pad and a path move it, and the picture follows in the next frame.
 *
 * What belongs to a checkpoint, its weights and real codes, comes once as a parcel (`inbox.js`). Nothing is sent to
 * the page while a code moves, but where the decoder cannot run here: then each picture is asked for, one at a time.
 *
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {import("./stage.js").Send} Send
 * @typedef {{stage: string, holds: string[], base: number[] | null, asked: number, shelf: number[][], refusal: string,
 *   alone?: boolean}} Data `holds` are the stages that the page takes to be here already; `refusal` is why the decoder
 *   cannot run here; `alone` whether there is no server that could run it
 * @typedef {(change: (code: Float32Array) => void) => void} Move what a control calls to change the code
 */
import { decoder } from "./decoder.js"
import { Reader, Streamed, finder, inbox, lerp, nearest, paint, say, slerp, stagesHere, support } from "./stage.js"

const FIRST = 16 // dimensions shown before the switch
const MOST_SHARES = 12 // classes that have a bar
const VOTERS = 20 // nearest real codes whose classes are counted
const SETTLED = 400 // milliseconds without movement, after which the code is chosen

/** @type {Record<string, number[]>} */
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }

/** @type {WeakMap<object, Live>} */
const mounted = new WeakMap()

/**
 * Called by the page at first, and again whenever the data are others.
 * @param {{data: Data, parentElement: ShadowRoot, setStateValue: Send, setTriggerValue: Send}} component
 */
export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!mounted.has(parentElement)) mounted.set(parentElement, new Live(parentElement))
  const live = mounted.get(parentElement)
  live.take(data, setStateValue, setTriggerValue)
  return () => live.leave()
}

/** The code, its picture, and what is said to the page. */
class Live {
  /** @param {ShadowRoot} root which holds `live.html` */
  constructor(root) {
    this.root = root
    this.find = finder(root)
    /** @type {Stage} */
    this.stage = null
    /** @type {Send} */
    this.setStateValue = this.setTriggerValue = null
    this.adopted = this.chosen = "" // codes as JSON
    this.way = this.took = 0
    this.playing = this.down = false
    this.streamed = new Streamed(() => this.changed())
    /** @type {Move} */
    this.move = (change) => {
      this.play(false)
      change(this.code)
      this.changed()
      this.settle()
    }
    this.sliders = new Sliders(root, this.move)
    this.pad = new Pad(root, this.move)
    this.readings = new Readings(root)
    this.reader = new Reader(() => this.readings.follow(this.code))

    this.find("keep").onclick = () => this.setTriggerValue("keep", Array.from(this.code))
    this.find("reset").onclick = () => this.move((code) => code.set(this.stage.start))
    this.find("play").onclick = () => this.play(!this.playing)
    this.find("local").onchange = () => {
      this.took = 0
      this.changed()
      this.settle()
    }
    this.find("all").onchange = () => this.changed()
    this.left = new AbortController()
    const { signal } = this.left
    root.addEventListener("pointerdown", () => (this.down = true), { signal })
    for (const type of ["pointerup", "pointercancel"]) addEventListener(type, () => this.release(), { signal })
    addEventListener("latent-inbox", (event) => this.arrived(/** @type {CustomEvent} */ (event).detail), { signal })
  }

  leave() {
    this.left.abort()
    this.streamed.leave()
    this.reader.leave()
    clearTimeout(this.settling)
    cancelAnimationFrame(this.frame)
    mounted.delete(this.root)
  }

  // What comes from the page.

  /**
   * @param {Data} data
   * @param {Send} setStateValue
   * @param {Send} setTriggerValue
   */
  take(data, setStateValue, setTriggerValue) {
    Object.assign(this, { setStateValue, setTriggerValue })
    this.data = data
    this.find("play").disabled = data.shelf.length < 2
    this.find("decodes").hidden = Boolean(data.alone)
    this.arrived(data.stage)
    this.adopt()
    this.changed()
  }

  /** A parcel is here, perhaps. @param {string} name */
  arrived(name) {
    if (name === "answer") return this.answered()
    const holds = stagesHere()
    if (String(holds) !== String(this.data.holds)) this.setStateValue("holds", holds)
    const stage = inbox().get(this.data.stage)
    if (stage && stage.name !== this.stage?.name) this.enter(stage)
  }

  /** Another checkpoint. @param {Stage} stage */
  enter(stage) {
    this.stage = stage
    this.code = Float32Array.from(stage.start)
    this.decode = stage.program && decoder(stage.program, stage.weights)
    const [height, width] = stage.picture
    this.image = new ImageData(width, height)
    Object.assign(this.find("picture"), { height, width })
    Object.assign(this.find("local"), { checked: Boolean(this.decode), disabled: !this.decode })
    this.sliders.enter(stage)
    this.pad.enter(stage)
    this.readings.enter(stage, () => this.changed())
    this.play(false)
    this.adopted = ""
    this.chosen = this.asJSON()
    this.adopt()
    this.settle()
    this.find("live").inert = false // before, there is nothing that a control could move
  }

  /** The page's code goes into the hand where it is another one, and not what the hand itself has chosen. */
  adopt() {
    if (!this.stage || !this.data.base) return
    const base = JSON.stringify(this.data.base)
    if (base !== this.adopted && base !== this.chosen) {
      this.code.set(this.data.base)
      this.chosen = this.asJSON()
    }
    this.adopted = base
  }

  // The code moves.

  /** Everything is shown anew in the next frame. */
  changed() {
    if (this.stage) this.frame ||= requestAnimationFrame((now) => this.draw(now))
  }

  release() {
    this.down = false
    if (this.stage) this.settle()
  }

  /** After the last movement the code is chosen, once. */
  settle() {
    clearTimeout(this.settling)
    this.settling = setTimeout(() => {
      if (this.down || this.playing) return
      if (this.streamed.asked) return this.settle() // another word would cut the answer off
      this.sayHowLong()
      if (this.asJSON() === this.chosen) return
      this.chosen = this.asJSON()
      this.setStateValue("code", Array.from(this.code))
    }, SETTLED)
  }

  asJSON() {
    return JSON.stringify(Array.from(this.code))
  }

  /** @param {boolean} on */
  play(on) {
    if (this.playing && !on) this.settle()
    this.playing = on
    this.played = performance.now()
    say(this.find("play"), on ? "Stop" : "Play")
    this.changed()
  }

  /** Along the loop through the shelf: slowest at the kept codes, fastest halfway between. @param {number} now */
  advance(now) {
    const { shelf } = this.data
    this.way = (this.way + (Math.max(0, now - this.played) / 1000) * this.find("speed").value) % shelf.length
    this.played = now
    const stop = Math.floor(this.way)
    const t = this.way - stop
    const path = this.find("path").value === "linear" ? lerp : slerp
    this.code.set(path(shelf[stop], shelf[(stop + 1) % shelf.length], t * t * (3 - 2 * t)))
  }

  // A frame.

  /** @param {number} now */
  draw(now) {
    this.frame = 0
    const started = performance.now()
    if (this.playing) this.advance(now)
    if (this.find("local").checked) this.paint(this.decode(this.code, this.data.asked), started)
    else this.ask()
    this.sliders.follow(this.code, this.find("all").checked)
    this.pad.follow(this.code)
    this.reader.follow(started)
    if (this.playing) this.changed()
  }

  /**
   * A picture (rows, columns, channels), floats in [0, 1] or bytes, that was wanted at a certain time.
   * @param {Float32Array | Uint8Array} picture
   * @param {number} wanted
   */
  paint(picture, wanted) {
    paint(this.find("picture"), this.image, picture)
    this.took += (this.took ? 0.1 : 1) * (performance.now() - wanted - this.took)
  }

  sayHowLong() {
    const refusal = this.data.refusal && ` (${this.data.refusal})`
    const where = this.find("local").checked ? "in this browser" : `by the server${refusal}`
    say(this.find("note"), `${this.took.toFixed(1)} ms per image, ${where}`)
  }

  /** Asks the server for the picture. */
  ask() {
    this.streamed.ask((serial) => this.setTriggerValue("ask", { serial, code: Array.from(this.code) }))
  }

  answered() {
    const answer = this.streamed.answered()
    if (answer && !this.find("local").checked) this.paint(answer.pixels, answer.wanted)
  }
}

/** A slider and a number box a dimension. */
class Sliders {
  /**
   * @param {ShadowRoot} root
   * @param {Move} move
   */
  constructor(root, move) {
    this.root = root
    this.find = finder(root)
    this.move = move
  }

  /** @param {Stage} stage */
  enter({ order, low, high, start }) {
    this.rows = order.map((dimension, index) => {
      const row = document.createElement("div")
      row.className = index < FIRST ? "dimension" : "dimension extra"
      row.innerHTML = `<span>${dimension}</span><input type="range" aria-label="Dimension ${dimension}">
        <input type="number" step="any" aria-label="Dimension ${dimension}, exactly">`
      const [range, box] = row.querySelectorAll("input")
      const [min, max] = [low[dimension], high[dimension]]
      Object.assign(range, { min, max, step: (max - min) / 200 || 1 })
      /** @param {number} value */
      const set = (value) => Number.isFinite(value) && this.move((code) => (code[dimension] = value))
      range.oninput = () => set(range.valueAsNumber)
      range.ondblclick = () => set(start[dimension])
      box.oninput = () => set(box.valueAsNumber)
      return { row, range, box, dimension, shown: NaN }
    })
    this.find("dimensions").replaceChildren(...this.rows.map(({ row }) => row))
    this.find("rest").hidden = order.length <= FIRST
    say(this.find("rest-name"), `Show all ${order.length} dimensions`)
  }

  /**
   * @param {Float32Array} code
   * @param {boolean} all whether those behind the switch are shown
   */
  follow(code, all) {
    this.find("dimensions").classList.toggle("all-shown", all)
    for (const each of all ? this.rows : this.rows.slice(0, FIRST)) {
      const value = code[each.dimension]
      if (each.shown === value) continue
      each.shown = value
      each.range.valueAsNumber = value
      if (this.root.activeElement !== each.box) each.box.value = value.toFixed(3)
    }
  }
}

/** The colour of a class; after the last one they repeat. @param {Stage} stage @param {number} index */
function colourOf({ colours }, index) {
  return colours[index % colours.length]
}

/** A plane through the space, with the real codes as dots. What of a code lies outside the plane, stays. */
class Pad {
  /**
   * @param {ShadowRoot} root
   * @param {Move} move
   */
  constructor(root, move) {
    this.find = finder(root)
    this.move = move
    /** @type {Float32Array} */
    this.axes = null
    const pad = this.find("pad")
    pad.onpointerdown = (/** @type {PointerEvent} */ event) => {
      pad.setPointerCapture(event.pointerId)
      this.drag(event)
    }
    pad.onpointermove = (/** @type {PointerEvent} */ event) => {
      if (pad.hasPointerCapture(event.pointerId)) this.drag(event)
    }
    pad.onkeydown = (/** @type {KeyboardEvent} */ event) => this.press(event)
  }

  /** The real codes are seen from their 0.5th to their 99.5th percentile and a little beyond. @param {Stage} stage */
  enter({ codes, labels, colours, axes }) {
    this.axes = axes
    const places = Array.from(labels, (_, row) => this.place(codes, row))
    const ends = [0, 1].map((axis) => {
      const sorted = places.map((place) => place[axis]).sort((a, b) => a - b)
      return [0.005, 0.995].map((share) => sorted[Math.round(share * (sorted.length - 1))])
    })
    this.reach = ends.map(([from, to]) => 1.1 * (to - from) || 1)
    this.corner = ends.map(([from, to], axis) => (from + to - this.reach[axis]) / 2)
    const { width, height } = this.find("dots")
    const context = this.find("dots").getContext("2d")
    context.clearRect(0, 0, width, height)
    context.globalAlpha = 0.6
    places.forEach((place, row) => {
      const [left, top] = this.shares(place)
      context.fillStyle = colourOf({ colours }, labels[row])
      context.fillRect(left * width - 1.5, top * height - 1.5, 3, 3)
    })
  }

  /** @param {Float32Array} code */
  follow(code) {
    const [left, top] = this.shares(this.place(code)).map((share) => 100 * Math.min(1, Math.max(0, share)))
    this.find("spot").style.transform = `translate(${left}%, ${top}%)`
  }

  /**
   * Where a code, or one row of many, lies on the plane.
   * @param {Float32Array} codes
   * @param {number} row
   */
  place(codes, row = 0) {
    const n = this.axes.length / 2
    let [x, y] = [0, 0]
    for (let i = 0; i < n; i++) {
      x += codes[row * n + i] * this.axes[i]
      y += codes[row * n + i] * this.axes[n + i]
    }
    return [x, y]
  }

  /** A place on the plane as shares of the pad, from the left and from the top. @param {number[]} place */
  shares([x, y]) {
    return [(x - this.corner[0]) / this.reach[0], 1 - (y - this.corner[1]) / this.reach[1]]
  }

  /**
   * @param {Float32Array} code
   * @param {number} x
   * @param {number} y
   */
  shift(code, x, y) {
    const n = code.length
    for (let i = 0; i < n; i++) code[i] += x * this.axes[i] + y * this.axes[n + i]
  }

  /** @param {PointerEvent} event */
  drag({ clientX, clientY }) {
    const box = this.find("pad").getBoundingClientRect()
    const right = Math.min(1, Math.max(0, (clientX - box.left) / box.width))
    const up = Math.min(1, Math.max(0, (box.bottom - clientY) / box.height))
    this.move((code) => {
      const [x, y] = this.place(code)
      this.shift(code, this.corner[0] + right * this.reach[0] - x, this.corner[1] + up * this.reach[1] - y)
    })
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const way = WAYS[event.key]
    if (!way) return
    const [x, y] = way
    event.preventDefault()
    this.move((code) => this.shift(code, (x * this.reach[0]) / 50, (y * this.reach[1]) / 50))
  }
}

/** What the real codes say about this one. */
class Readings {
  /** @param {ShadowRoot} root */
  constructor(root) {
    this.find = finder(root)
  }

  /**
   * @param {Stage} stage
   * @param {() => void} ready called when the images are there to be shown
   */
  enter(stage, ready) {
    this.stage = stage
    const [height, width] = stage.thumbnail
    Object.assign(this.find("nearest"), { height, width })
    this.sprite = null
    createImageBitmap(new Blob([/** @type {BlobPart} */ (stage.images)])).then((sprite) => {
      this.sprite = sprite
      ready()
    })
    const few = stage.classes.length <= MOST_SHARES
    const shares = (few ? stage.classes : []).map((name) => {
      const share = document.createElement("div")
      share.append(document.createElement("i"), name)
      share.title = name
      return share
    })
    this.bars = shares.map((share) => /** @type {HTMLElement} */ (share.firstElementChild))
    this.bars.forEach((bar, index) => (bar.style.background = colourOf(stage, index)))
    this.find("shares").replaceChildren(...shares)
    this.find("shares").hidden = !shares.length
  }

  /** @param {Float32Array} code */
  follow(code) {
    const { codes, labels, neighbours } = this.stage
    const near = nearest(codes, code, Math.min(labels.length, Math.max(VOTERS, neighbours)))
    const { share, words } = support(this.stage, near.distances)
    this.find("support").value = share
    say(this.find("where"), words)
    const votes = this.bars.map(() => 0)
    for (const row of near.places.subarray(0, VOTERS)) votes[labels[row]]++
    this.bars.forEach((bar, index) => (bar.style.transform = `scaleY(${votes[index] / VOTERS})`))
    this.show(near.places[0])
  }

  /** A real image. @param {number} row */
  show(row) {
    const { labels, numbers, classes, columns } = this.stage
    const [height, width] = this.stage.thumbnail
    say(this.find("nearest-name"), classes.length ? `nearest: class ${classes[labels[row]]}` : `nearest: image ${numbers[row]}`)
    if (!this.sprite) return
    const [left, top] = [(row % columns) * width, Math.floor(row / columns) * height]
    this.find("nearest").getContext("2d").drawImage(this.sprite, left, top, width, height, 0, 0, width, height)
  }
}

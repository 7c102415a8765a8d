/**
 * Rows of pictures along lines through the latent space: wherever a hand points at one, the picture of that very place
 * is shown large in the next frame, with how well the real codes support it.
 *
 * Nothing is sent to the page while the hand moves, but where the decoder cannot run here: then each picture is asked
 * for. When the hand lets go, the place is fixed: the page is told, which keeps it in the address. Before the stage is
 * here (`stage.js`), the nearest picture of the strip stands for that of the place.
 *
 * @typedef {{kind: "sweep", base: number[], dimension: number} | {kind: "walk", base: number[], direction: number[]} |
 *   {kind: "linear" | "spherical", start: number[], end: number[]}} Line
 * @typedef {import("./sheet.js").Sheet & {line: Line | null, label: string, heading: string}} Row `line` is null where
 *   its pictures are about those of the first row
 * @typedef {{rows: Row[], places: number[], at: number, decimals: number, sign: string, note: string, asked: number,
 *   picture: number[], stage: string, holds: string[]}} Data `places` are those of the pictures of every row, evenly
 *   spaced; `at` is the one fixed, to `decimals` decimals where a hand chose it, shown behind `sign`; `asked` is what a
 *   conditional decoder draws; `picture` is [height, width]; `holds` are the stages that the page takes to be here
 * @typedef {import("./stage.js").Send} Send
 */
import { decoder } from "./decoder.js"
import { showSheet } from "./sheet.js"
import { Reader, Streamed, finder, inbox, lerp, nearest, paint, say, slerp, stagesHere, support } from "./stage.js"

const SETTLED = 400 // milliseconds without movement, after which a place is fixed
const A_DRAG = 4 // pixels
const WIDTH = 168 // of the large picture, in pixels, as near as whole pixels come to it

/** @type {Record<string, number>} what a key does, in hundredths of the strip */
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }

/** @type {WeakMap<object, Strip>} */
const mounted = new WeakMap()

/**
 * Called by the page at first, and again whenever the data are others.
 * @param {{data: Data, parentElement: HTMLElement, setStateValue: Send, setTriggerValue: Send}} component
 */
export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!mounted.has(parentElement)) mounted.set(parentElement, new Strip(parentElement))
  const strip = mounted.get(parentElement)
  strip.take(data, setStateValue, setTriggerValue)
  return () => strip.leave()
}

/**
 * The code at a place of a line, as `traversal.py`, `directions.py` and `interpolation.py` compute it.
 * @param {Line} line
 * @param {number} at
 * @returns {number[]}
 */
export function codeAt(line, at) {
  switch (line.kind) {
    case "sweep":
      return line.base.map((value, dimension) => (dimension === line.dimension ? at : value))
    case "walk":
      return line.base.map((value, i) => value + at * line.direction[i])
    case "linear":
      return lerp(line.start, line.end, at)
    case "spherical":
      return slerp(line.start, line.end, at)
  }
}

/** The place in the hand, its picture, and what is said to the page. */
class Strip {
  /** @param {HTMLElement} root which holds `strip.html` */
  constructor(root) {
    this.root = root
    this.find = finder(root)
    /** @type {Data} */
    this.data = null
    /** @type {import("./stage.js").Stage} */
    this.stage = null
    /** @type {ReturnType<typeof decoder>} */
    this.decode = null
    /** @type {Send} */
    this.setStateValue = this.setTriggerValue = null
    this.at = this.fixed = NaN
    this.row = 0 // the one that the hand is on
    this.seen = NaN // the page's place when it last spoke
    /** @type {number[]} places that the page was told of and has not answered to */
    this.told = []
    /** @type {{x: number, dragged: boolean} | null} */
    this.press = null
    this.pinned = false // by a press, until the pointer leaves: on the way to the button it passes other places
    this.streamed = new Streamed(() => this.changed())
    this.reader = new Reader(() => this.read())
    this.listen()
    this.left = new AbortController()
    const { signal } = this.left
    addEventListener("latent-inbox", (event) => this.arrived(/** @type {CustomEvent} */ (event).detail), { signal })
  }

  listen() {
    const rows = this.find("rows")
    rows.onpointerdown = (/** @type {PointerEvent} */ event) => this.begin(event)
    rows.onpointermove = (/** @type {PointerEvent} */ event) => this.go(event)
    rows.onpointerup = (/** @type {PointerEvent} */ event) => this.letGo(event)
    rows.onpointercancel = () => this.cancel()
    rows.onpointerleave = () => {
      this.pinned = false
      if (!this.press) this.settle()
    }
    this.find("add").onclick = () => this.tell("added", { row: this.row, at: this.at })
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
    Object.assign(this, { data, setStateValue, setTriggerValue })
    this.showRows()
    this.sizePicture()
    say(this.find("note"), data.note)
    this.arrived(data.stage)
    this.adopt()
    this.changed()
    if (!this.decode) this.showNearest()
  }

  /** Every row with its sheet, and a slider over it where it has a line of its own. */
  showRows() {
    const { rows, places } = this.data
    const shown = this.find("rows")
    while (shown.children.length > rows.length) shown.lastChild.remove()
    while (shown.children.length < rows.length) shown.append(this.newRow(shown.children.length))
    rows.forEach((row, index) => {
      const find = finder(shown.children[index])
      say(find("heading"), row.heading)
      showSheet(find("latent-sheet"), row, (place) => this.keep(index, place))
      const scrub = find("scrub")
      scrub.hidden = !row.line
      scrub.ariaLabel = `Place along the pictures, ${row.label}`
      scrub.ariaValueMin = String(places[0])
      scrub.ariaValueMax = String(places.at(-1))
    })
    if (!rows[this.row]?.line) this.row = 0
  }

  /** @param {number} index */
  newRow(index) {
    const row = document.createElement("div")
    row.innerHTML = `<div class="heading"></div>
      <div class="line"><figure class="latent-sheet"><img draggable="false"><div role="toolbar"></div></figure>
      <div class="scrub" role="slider" tabindex="0"></div><div class="track"><i class="marker"></i></div></div>`
    const scrub = finder(row)("scrub")
    scrub.onkeydown = (/** @type {KeyboardEvent} */ event) => this.key(event)
    scrub.onfocus = () => {
      this.row = index
      this.changed()
    }
    return row
  }

  sizePicture() {
    const [height, width] = this.data.picture
    if (this.image?.width === width && this.image.height === height) return
    const canvas = this.find("picture")
    Object.assign(canvas, { height, width })
    this.image = new ImageData(width, height)
    canvas.style.width = `${Math.max(1, Math.round(WIDTH / width)) * width}px`
  }

  /** A part of a row. @param {string} name */
  part(name, row = this.row) {
    return finder(this.find("rows").children[row])(name)
  }

  /** A parcel is here, perhaps. @param {string} name */
  arrived(name) {
    if (name === "answer") return this.answered()
    const { holds, stage } = this.data
    if (String(stagesHere()) !== String(holds)) this.setStateValue("holds", stagesHere())
    const found = inbox().get(stage) ?? null
    if (found === this.stage) return
    this.stage = found
    this.decode = found?.program ? decoder(found.program, found.weights) : null
    this.changed()
  }

  /** The page's place goes into the hand where it is not one that the hand itself has told of. */
  adopt() {
    const { at } = this.data
    const answered = this.told.lastIndexOf(at)
    if (answered >= 0) this.told.splice(0, answered + 1)
    else if (at !== this.seen) {
      this.told = []
      this.at = this.fixed = at
    }
    this.seen = at
  }

  // The hand.

  /** @param {PointerEvent} event */
  begin(event) {
    if (event.button !== 0) return
    this.press = { x: event.clientX, dragged: false }
    this.pinned = false
    this.point(event)
  }

  /** @param {PointerEvent} event */
  go(event) {
    if (this.press && !event.buttons) this.press = null // let go somewhere else
    if (this.press && !this.press.dragged && Math.abs(event.clientX - this.press.x) >= A_DRAG) {
      this.press.dragged = true
      this.find("rows").setPointerCapture(event.pointerId) // and no click follows on the picture below
    }
    if (this.press || (event.pointerType === "mouse" && !this.pinned)) this.point(event)
  }

  /** @param {PointerEvent} event */
  letGo(event) {
    if (!this.press) return
    const isClick = !this.press.dragged && /** @type {Element} */ (event.target).closest("button")
    this.press = null
    this.pinned = true
    if (isClick) return // which keeps the picture
    this.part("scrub").focus({ preventScroll: true })
    this.fix()
  }

  cancel() {
    this.press = null
    this.move(this.fixed)
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { places } = this.data
    const [first, last] = [places[0], places.at(-1)]
    if (event.key === "Enter") this.fix()
    else if (event.key in STEPS) this.move(this.at + (STEPS[event.key] / 100) * (last - first))
    else if (event.key === "Home" || event.key === "End") this.move(event.key === "Home" ? first : last)
    else return
    event.preventDefault()
    if (event.key !== "Enter") this.settle()
  }

  /** To the place under the pointer: the middle of each picture is that picture's place. @param {PointerEvent} event */
  point({ target, clientX }) {
    const { rows, places } = this.data
    const under = [...this.find("rows").children].findIndex((row) => row.contains(/** @type {Node} */ (target)))
    if (under >= 0) this.row = rows[under].line ? under : 0
    const { left, width } = this.part("latent-sheet").getBoundingClientRect()
    const [from, to] = ends(rows[this.row])
    const share = ((clientX - left) / width - from) / (to - from || 1)
    this.move(places[0] + share * (places.at(-1) - places[0]))
  }

  /** @param {number} place */
  move(place) {
    const { places, decimals } = this.data
    clearTimeout(this.settling)
    this.at = Math.min(places.at(-1), Math.max(places[0], Number(place.toFixed(decimals))))
    this.changed()
  }

  /** After the last movement the place is fixed, once. */
  settle() {
    clearTimeout(this.settling)
    this.settling = setTimeout(() => this.fix(), SETTLED)
  }

  fix() {
    clearTimeout(this.settling)
    if (this.at === this.fixed) return
    if (this.streamed.asked) this.settle() // another word would cut the answer off
    else this.tell("placed", this.at)
  }

  /**
   * Keeps a picture.
   * @param {number} row
   * @param {number} index
   */
  keep(row, index) {
    const { rows, places } = this.data
    if (rows[row].line) this.row = row
    this.at = places[index]
    this.changed()
    this.tell("clicked", index + row * places.length)
  }

  /**
   * @param {string} trigger
   * @param {unknown} value
   */
  tell(trigger, value) {
    clearTimeout(this.settling)
    this.told.push(this.at)
    this.fixed = this.at
    this.setTriggerValue(trigger, value)
  }

  // A frame.

  /** Everything is shown anew in the next frame. */
  changed() {
    this.frame ||= requestAnimationFrame(() => this.draw())
  }

  draw() {
    this.frame = 0
    const started = performance.now()
    const { rows, places, asked, sign } = this.data
    const { line, label } = rows[this.row]
    if (this.decode) paint(this.find("picture"), this.image, this.decode(codeAt(line, this.at), asked))
    else if (this.stage) this.ask()
    else this.showNearest()
    const way = (this.at - places[0]) / (places.at(-1) - places[0] || 1)
    rows.forEach((row, index) => {
      const [from, to] = ends(row)
      this.part("marker", index).style.transform = `translateX(${100 * (from + (to - from) * way)}%)`
    })
    say(this.find("label"), label)
    say(this.find("value"), `${sign} ${this.value()}`)
    this.reader.follow(started)
  }

  /** The place as it is shown. */
  value() {
    return this.at.toFixed(Math.max(2, this.data.decimals))
  }

  ask() {
    this.streamed.ask((serial) => this.setTriggerValue("ask", { serial, row: this.row, at: this.at }))
  }

  /** What the real codes say, and all that is said to those who do not see it. */
  read() {
    const { rows, sign } = this.data
    const text = [this.value(), this.readSupport()].filter(Boolean).join(", ")
    rows.forEach((_, index) => {
      Object.assign(this.part("scrub", index), { ariaValueNow: String(this.at), ariaValueText: text })
    })
    this.find("picture").ariaLabel = `Decoded image, ${rows[this.row].label} ${sign} ${this.value()}`
  }

  /** How well the real codes support the place, in words; empty where they are not here. */
  readSupport() {
    if (!this.stage) return ""
    const { codes, labels, neighbours } = this.stage
    const code = codeAt(this.data.rows[this.row].line, this.at)
    const near = nearest(codes, code, Math.min(labels.length, neighbours))
    const { share, words } = support(this.stage, near.distances)
    this.find("meter").firstElementChild.style.transform = `scaleX(${1 - share})`
    say(this.find("verdict"), words[0].toUpperCase() + words.slice(1))
    say(this.find("closer"), `${Math.round(100 * (1 - share))}% of real codes lie closer`)
    return words
  }

  /** The picture of the strip that is nearest to the place, until there is its own. */
  async showNearest() {
    const image = this.part("latent-sheet").querySelector("img")
    await image.decode().catch(() => {})
    if (this.decode || !image.naturalWidth) return
    const { rows, places, picture } = this.data
    const { boxes, size } = rows[this.row]
    const far = places.map((place) => Math.abs(place - this.at))
    const [left, top, right, bottom] = boxes[far.indexOf(Math.min(...far))]
    const [height, width] = picture
    const scale = image.naturalWidth / size[0]
    const context = this.find("picture").getContext("2d")
    context.imageSmoothingEnabled = false
    const part = [left, top, right - left, bottom - top].map((length) => length * scale)
    context.drawImage(image, part[0], part[1], part[2], part[3], 0, 0, width, height)
  }

  answered() {
    const answer = this.streamed.answered()
    if (answer) paint(this.find("picture"), this.image, answer.pixels)
  }
}

/** Where the middle of the first picture is and that of the last, as shares of the row's width. @param {Row} row */
function ends({ boxes, size }) {
  return [boxes[0], boxes.at(-1)].map(([left, , right]) => (left + right) / 2 / size[0])
}

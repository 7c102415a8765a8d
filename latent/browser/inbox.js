/**
 * Takes in parcels for the components beside it: a mount of its own, so that what is large goes over once and a small
 * message brings nothing else along. The layout is that of `parcel` in `inbox.py`.
 *
 * Components find a parcel by its name in `window.latentInbox`; the event `latent-inbox` names the one that came.
 */

const MOST_KEPT = 4 // of the parcels that may be sent again

/** @param {{data: Uint8Array}} mount */
export default function deliver({ data }) {
  /** @type {{latentInbox?: Map<string, any>}} */
  const page = /** @type {any} */ (window)
  const inbox = (page.latentInbox ??= new Map())
  const { name, stays } = head(data).values
  if (stays && inbox.has(name)) return
  inbox.delete(name)
  inbox.set(name, unpack(data))
  const passing = [...inbox.keys()].filter((key) => !inbox.get(key).stays)
  if (passing.length > MOST_KEPT) inbox.delete(passing[0])
  window.dispatchEvent(new CustomEvent("latent-inbox", { detail: name }))
}

/**
 * The values of a parcel by name; arrays as typed arrays.
 * @param {Uint8Array} bytes
 * @returns {Record<string, any>}
 */
export function unpack(bytes) {
  const copy = new Uint8Array(bytes) // it begins at 0, so that numbers of several bytes can be read in place
  const { values, length } = head(copy)
  const { arrays, ...unpacked } = values
  const types = { float32: Float32Array, uint32: Uint32Array, uint16: Uint16Array, uint8: Uint8Array }
  for (const [name, [type, start, size]] of Object.entries(arrays)) {
    unpacked[name] = new types[type](copy.buffer, length + start, size)
  }
  return unpacked
}

/** What a parcel says of itself, and how long that is. @param {Uint8Array} bytes */
function head(bytes) {
  const length = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  return { values: JSON.parse(new TextDecoder().decode(bytes.subarray(4, length))), length }
}

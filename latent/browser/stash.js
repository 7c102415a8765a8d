/**
 * Takes in what is large and stays the same, once: the page need not send it again at every click.
 *
 * Other components find it under its key in `window.latentStash`; the event `latent-stash` tells that something came.
 *
 * @param {{data: Uint8Array}} component of which the data are a key, a line break, and JSON
 */
export default function ({ data }) {
  const stash = (window.latentStash ??= {});
  const [end, text] = [data.indexOf(10), new TextDecoder()];
  const key = text.decode(data.subarray(0, end));
  if (key in stash) return;
  stash[key] = JSON.parse(text.decode(data.subarray(end + 1)));
  window.dispatchEvent(new Event("latent-stash"));
}

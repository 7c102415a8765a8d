/**
 * Takes in what is large and stays the same, once: the page need not send it again at every click.
 *
 * Other components find it under its key in `window.latentStash`; the event `latent-stash` tells that something came.
 */
export default function ({ data }) {
  const stash = (window.latentStash ??= {});
  if (data.key in stash) return;
  stash[data.key] = data.value;
  window.dispatchEvent(new Event("latent-stash"));
}

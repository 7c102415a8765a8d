/**
 * Runs the whole page again when a lost connection is back: the server may be another one by then, or have started
 * anew, and it takes in a control of a section only once it has drawn that section. So it is run a second time then,
 * with whatever was moved in between.
 */
const CONNECTION = "data-test-connection-state";
const SCRIPT = "data-test-script-state";
const watched = new WeakSet();

export default function ({ parentElement, setTriggerValue }) {
  const app = document.querySelector("[data-testid=stApp]");
  if (!app || watched.has(parentElement)) return;
  watched.add(parentElement);
  let lost = false;
  let drawing = false;
  const observer = new MutationObserver(() => {
    const connected = app.getAttribute(CONNECTION) === "CONNECTED";
    const running = app.getAttribute(SCRIPT) !== "notRunning";
    if (!connected) lost = true;
    else if (lost) {
      lost = false;
      drawing = true;
      setTriggerValue("back", "connection");
    } else if (drawing && !running) {
      drawing = false;
      setTriggerValue("back", "page");
    }
  });
  observer.observe(app, { attributeFilter: [CONNECTION, SCRIPT] });
  return () => {
    watched.delete(parentElement);
    observer.disconnect();
  };
}

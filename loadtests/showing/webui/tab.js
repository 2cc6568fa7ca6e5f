// Locust draws an empty panel for a tab that it does not know: this puts the page into it.
const TITLE = "Tail latency";

function fit(frame) {
  const content = frame.contentDocument.documentElement;
  new ResizeObserver(() => { frame.style.height = `${content.scrollHeight}px`; }).observe(frame.contentDocument.body);
}

function place() {
  const tabs = document.querySelector('[role="tablist"]');
  const selected = tabs?.querySelector('[aria-selected="true"]')?.textContent.includes(TITLE);
  const present = document.getElementById("tail-latency");
  if (!selected) { present?.remove(); return; }
  if (present) { return; }
  const frame = document.createElement("iframe");
  frame.id = "tail-latency";
  frame.title = TITLE;
  frame.src = `${location.pathname.replace(/\/$/, "")}/tail-latency`;
  frame.style = "border: 0; width: 100%; height: 70vh;";
  frame.addEventListener("load", () => fit(frame));
  tabs.closest(".MuiContainer-root").append(frame);
}

// Our options stand in a part of the form that Locust shows folded: unfold it once.
function unfold() {
  const heads = [...document.querySelectorAll("button[aria-expanded]")];
  const ours = heads.find((head) => head.textContent.includes("Custom parameters"));
  if (!ours || ours.dataset.unfolded) { return; }
  ours.dataset.unfolded = "yes";
  if (ours.getAttribute("aria-expanded") === "false") { ours.click(); }
}

function update() { place(); unfold(); }

new MutationObserver(update).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-selected"] });
update();

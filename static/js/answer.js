// The page of a question: how far it has come, a first answer, and the answer with what can be done from there.
/* global htmx */

import { loadLeaflet } from "./leaflet.js";

const RETRY_MS = 2000;

let told = "";
let lost = 0;
let map = null;

document.addEventListener("htmx:afterSettle", refresh);
document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
  if (!target.matches("[data-asks-again]") || !detail.xhr) return;
  if (detail.xhr.status === 404) location.reload(); // expired meanwhile: the page says so
  lost = detail.successful ? 0 : lost + 1;
  const note = document.getElementById("polling-lost");
  if (note) note.hidden = lost < 3;
});
document.addEventListener("click", (event) => {
  const { target } = event;
  const link = target.closest?.('.actions a[href^="#"]');
  if (link && goTo(link.hash)) {
    event.preventDefault(); // going there itself, the browser would take the focus away again
    history.replaceState(null, "", link.hash);
  }
  const copier = target.closest?.("[data-copy]");
  if (copier) copy(copier);
});
refresh();
if (location.hash) goTo(location.hash);

function refresh() {
  tellNews();
  const data = document.getElementById("answer-data");
  if (!data || data.dataset.drawn) return;
  data.dataset.drawn = "yes";
  const answer = JSON.parse(data.textContent);
  const isFirst = Boolean(document.querySelector(".first"));
  if (!isFirst) document.title = `${answer.verdict} · Geolocator`;
  drawEvidence(answer, { isFirst });
  if (isFirst) return;
  if (document.getElementById("region")) import("./region.js").then(({ startRegion }) => startRegion());
  const place = document.getElementById("place-map");
  if (place) whenNear(place, () => loadLeaflet().then(() => import("./place.js")).then(({ startPlace }) => startPlace(place, answer)));
}

// one short sentence for those who hear the page, each only once
function tellNews() {
  const now = document.querySelector("#progress [aria-current=step]") ?? document.querySelector("#result h1");
  const text = now?.textContent.trim() ?? "";
  if (!text || text === told) return;
  told = text;
  document.getElementById("stage-news").textContent = text;
}

async function drawEvidence(answer, { isFirst }) {
  const element = document.querySelector("#map, #first-map");
  map?.remove();
  map = null;
  if (!element) return;
  const why = isFirst ? null : import("./pair.js").then(({ startPair }) => startPair(answer));
  await loadLeaflet();
  const { drawAnswer } = await import("./answer_map.js");
  if (!element.isConnected) return; // the answer came while the library was on its way
  map = drawAnswer(element, answer);
  offerArea(map);
  await why;
}

function offerArea(shown) {
  const label = document.getElementById("refine-area");
  if (!label) return;
  const box = label.querySelector("input");
  label.hidden = false;
  box.addEventListener("change", () => (box.value = ""));
  box.form.addEventListener("submit", () => {
    if (!box.checked || box.value) return;
    const area = shown.getBounds();
    box.value = [area.getWest(), area.getSouth(), area.getEast(), area.getNorth()].map((degrees) => degrees.toFixed(6)).join(",");
  });
}

function goTo(hash) {
  const drawer = document.getElementById(hash.slice(1));
  if (!drawer?.matches("details")) return false;
  drawer.open = true;
  drawer.scrollIntoView({ behavior: "instant" }); // gliding there is broken off by whatever loads on the way
  drawer.querySelector("summary").focus({ preventScroll: true });
  return true;
}

async function copy(button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    // without a secure origin there is no clipboard: what can be selected is selected
    const field = button.parentElement.querySelector("input");
    field?.select();
    if (!document.execCommand("copy")) return;
  }
  button.textContent = button.dataset.wordsCopied;
  setTimeout(() => (button.textContent = before), RETRY_MS);
}

function whenNear(element, act) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    act();
  }, { rootMargin: "400px" });
  watcher.observe(element);
}

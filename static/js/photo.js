// One photo: its place, its segments, and the keys that lead to the next.
/* global L */

import { createMap, pin } from "./map.js";
import { makeZoomable } from "./zoom.js";

const CELL_DEGREES = 0.01; // as photos.models.photo.GRID_DEGREES
const WEDGE_PIXELS = 64;
const WEDGE_HALF_ANGLE = 25;
const SWIPE_PIXELS = 60;

const element = document.getElementById("map");
if (element) drawPlace(element);

function drawPlace({ dataset }) {
  const point = L.latLng(Number(dataset.latitude), Number(dataset.longitude));
  const map = createMap(element, { center: point, zoom: 15 });
  if ("cell" in dataset) {
    const half = CELL_DEGREES / 2;
    const cell = L.rectangle([[point.lat - half, point.lng - half], [point.lat + half, point.lng + half]], { className: "cell", interactive: false }).addTo(map);
    map.fitBounds(cell.getBounds(), { padding: [30, 30], animate: false });
    return;
  }
  if (dataset.radius) L.circle(point, { radius: Number(dataset.radius), className: "accuracy", interactive: false }).addTo(map);
  if (dataset.bearing) drawWedge(map, point, Number(dataset.bearing));
  L.marker(point, { icon: pin(), keyboard: false, interactive: false }).addTo(map);
}

// a wedge of constant size on the screen, so that the direction shows at every zoom
function drawWedge(map, point, bearing) {
  let wedge;
  const draw = () => {
    const tip = map.latLngToLayerPoint(point);
    const corners = [-WEDGE_HALF_ANGLE, 0, WEDGE_HALF_ANGLE].map((turn) => {
      const radians = ((bearing + turn) * Math.PI) / 180;
      return map.layerPointToLatLng(tip.add(L.point(Math.sin(radians), -Math.cos(radians)).multiplyBy(WEDGE_PIXELS)));
    });
    wedge?.remove();
    wedge = L.polygon([point, ...corners], { className: "bearing", interactive: false }).addTo(map);
  };
  map.on("zoomend", draw);
  draw();
}

const stage = document.getElementById("stage");
const zoom = makeZoomable(stage, stage.querySelector(".frame"));
for (const button of stage.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoom[button.dataset.zoom]());

// --- segments: on and off, and each by the list below ---
const segments = document.getElementById("segments");
const legend = document.getElementById("segment-legend");
const toggle = document.getElementById("toggle-segments");
toggle?.addEventListener("click", () => {
  const on = press(toggle);
  for (const element of [segments, legend]) element.toggleAttribute("hidden", !on);
});
const pathOf = (number) => segments.querySelector(`[data-segment="${number}"]`);
const buttonOf = (number) => legend.querySelector(`[data-segment="${number}"]`);
for (const [parent, other] of [[legend, pathOf], [segments, buttonOf]]) {
  for (const [event, on] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]]) {
    parent?.addEventListener(event, ({ target }) => {
      const number = target.closest("[data-segment]")?.dataset.segment;
      if (number) other(number).classList.toggle("lit", on);
    });
  }
}
legend?.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button) pathOf(button.dataset.segment).classList.toggle("held", press(button));
});

// --- tags on the photo: shown or not, as chosen the last time ---
const tagToggle = document.getElementById("toggle-tags");
const tags = document.getElementById("picture-tags");
if (tagToggle && localStorage.getItem("picture-tags") === "off") showTags(false);
tagToggle?.addEventListener("click", () => showTags(tags.hidden));

function showTags(on) {
  tags.hidden = !on;
  tagToggle.setAttribute("aria-pressed", String(on));
  localStorage.setItem("picture-tags", on ? "on" : "off");
}

function press(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  return on;
}

// --- keys and fingers ---
const help = document.getElementById("help");
document.getElementById("open-help").addEventListener("click", () => help.showModal());
const go = (id) => document.getElementById(id)?.click();
const KEYS = {
  ArrowLeft: () => go("newer"),
  ArrowRight: () => go("older"),
  s: () => toggle?.click(),
  t: () => tagToggle?.click(),
  g: () => document.querySelector(".back a").click(),
  "+": zoom.in,
  "=": zoom.in,
  "-": zoom.out,
  0: zoom.fit,
  "?": () => (help.open ? help.close() : help.showModal()),
};
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, .leaflet-container")) return;
  if (help.open && event.key !== "?") return;
  KEYS[event.key]?.();
});

let touched = null;
stage.addEventListener("touchstart", ({ touches }) => (touched = touches.length === 1 && !zoom.isZoomed() ? touches[0] : null), { passive: true });
stage.addEventListener("touchend", ({ changedTouches: [end] }) => {
  if (!touched || zoom.isZoomed()) return;
  const [dx, dy] = [end.clientX - touched.clientX, end.clientY - touched.clientY];
  if (Math.abs(dx) > SWIPE_PIXELS && Math.abs(dx) > 2 * Math.abs(dy)) go(dx > 0 ? "newer" : "older");
});

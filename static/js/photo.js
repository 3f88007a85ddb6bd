// One photo: its place, its segments, and the keys that lead to the next.
/* global L */

import { createMap, pin } from "./map.js";

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

const toggle = document.getElementById("toggle-segments");
toggle?.addEventListener("click", () => {
  const on = toggle.getAttribute("aria-pressed") !== "true";
  toggle.setAttribute("aria-pressed", String(on));
  document.getElementById("segments").toggleAttribute("hidden", !on);
});

const go = (id) => document.getElementById(id)?.click();
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, .leaflet-container")) return;
  if (event.key === "ArrowLeft") go("newer");
  if (event.key === "ArrowRight") go("older");
  if (event.key === "s") toggle?.click();
});

let touched = null;
const stage = document.querySelector(".stage");
stage.addEventListener("touchstart", ({ touches }) => (touched = touches.length === 1 ? touches[0] : null), { passive: true });
stage.addEventListener("touchend", ({ changedTouches: [end] }) => {
  if (!touched) return;
  const [dx, dy] = [end.clientX - touched.clientX, end.clientY - touched.clientY];
  if (Math.abs(dx) > SWIPE_PIXELS && Math.abs(dx) > 2 * Math.abs(dy)) go(dx > 0 ? "newer" : "older");
});

// Maps of the administration: a point that is shown, or one that is edited together with its number inputs.

/* global L */

import { boundsAround, createMap } from "../js/map.js";

const CELL_DEGREES = 0.01; // as photos.models.photo.GRID_DEGREES
const WEDGE_PIXELS = 70;
const WEDGE_HALF_ANGLE = 25;
const DECIMALS = 6;

for (const element of document.querySelectorAll(".point-map")) {
  if (element.dataset.edits) {
    editPoint(element);
  } else {
    showPoint(element);
  }
}

function showPoint(element) {
  const point = [Number(element.dataset.latitude), Number(element.dataset.longitude)];
  const map = createMap(element, { center: point, zoom: 15 });
  const radius = Number(element.dataset.radius) || 0;
  L.circle(point, { radius, className: "accuracy" }).addTo(map);
  L.marker(point, { icon: new L.Icon.Default() }).addTo(map);
  map.fitBounds(boundsAround([point], Math.max(radius, 100)), { padding: [20, 20], animate: false });
}

function editPoint(element) {
  const [latitude, longitude, accuracy, bearing] = element.dataset.edits
    .split(" ")
    .map((name) => document.getElementById(`id_${name}`));
  const visibility = document.getElementById("id_location_visibility");
  const clear = element.parentElement.querySelector(".point-clear");
  const map = createMap(element);
  const drawn = L.layerGroup().addTo(map);
  const marker = L.marker([0, 0], { icon: new L.Icon.Default(), draggable: true, autoPan: true, keyboard: false });

  const numberOf = (input, low, high) => {
    const value = input?.value.trim() ? Number(input.value) : NaN;
    return Number.isFinite(value) && value >= low && value <= high ? value : null;
  };
  const readPoint = () => {
    const point = [numberOf(latitude, -90, 90), numberOf(longitude, -180, 180)];
    return point.includes(null) ? null : point;
  };

  function draw() {
    const point = readPoint();
    drawn.clearLayers();
    clear.hidden = !latitude.value && !longitude.value;
    if (!point) {
      marker.remove();
      return;
    }
    const radius = numberOf(accuracy, 0, 2e7);
    if (radius) L.circle(point, { radius, className: "accuracy", interactive: false }).addTo(drawn);
    if (visibility?.value === "approximate") drawCell(point);
    const angle = numberOf(bearing, 0, 360);
    if (angle !== null) drawWedge(point, angle);
    marker.setLatLng(point).addTo(map);
  }

  function drawCell([south, west]) {
    const corner = [south, west].map((value) => Math.floor(value / CELL_DEGREES) * CELL_DEGREES);
    const opposite = corner.map((value) => value + CELL_DEGREES);
    L.rectangle([corner, opposite], { className: "cell", interactive: false }).addTo(drawn);
  }

  function drawWedge(point, angle) {
    const tip = map.latLngToLayerPoint(point);
    const corners = [-WEDGE_HALF_ANGLE, 0, WEDGE_HALF_ANGLE].map((turn) => {
      const radians = ((angle + turn) * Math.PI) / 180;
      const away = L.point(Math.sin(radians), -Math.cos(radians)).multiplyBy(WEDGE_PIXELS);
      return map.layerPointToLatLng(tip.add(away));
    });
    L.polygon([point, ...corners], { className: "bearing", interactive: false }).addTo(drawn);
  }

  function place(latLng) {
    const wrapped = latLng.wrap();
    latitude.value = Math.max(-90, Math.min(90, wrapped.lat)).toFixed(DECIMALS);
    longitude.value = wrapped.lng.toFixed(DECIMALS);
    if (accuracy) accuracy.value = ""; // it belonged to the former point
    draw();
  }

  function show({ zoom } = {}) {
    const point = readPoint();
    if (!point) return;
    if (zoom) {
      const radius = numberOf(accuracy, 0, 2e7) || 0;
      map.fitBounds(boundsAround([point], Math.max(300, 1.5 * radius)), { animate: false });
    } else if (!map.getBounds().contains(point)) {
      map.panTo(point);
    }
  }

  map.on("click", (event) => place(event.latlng));
  map.on("zoomend", draw);
  marker.on("dragend", () => place(marker.getLatLng()));
  for (const input of [latitude, longitude, accuracy, bearing, visibility]) {
    input?.addEventListener("input", () => {
      draw();
      if (readPoint()) show();
    });
  }
  clear.addEventListener("click", () => {
    for (const input of [latitude, longitude, accuracy]) if (input) input.value = "";
    draw();
    latitude.focus();
  });
  show({ zoom: true });
  draw();
}

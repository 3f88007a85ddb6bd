// Every map of the site: Natural Earth's land drawn from our own files, a graticule, and raster tiles when they load.
/* global L */

const LAND = new URL("../data/land.geojson", import.meta.url);
const BORDERS = new URL("../data/borders.geojson", import.meta.url);
const WORLDS = [-360, 0, 360]; // the world is drawn three times side by side, so that no map ends at 180 degrees
const GRID_STEPS = [45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const GRID_PIXELS = 130;
const TILE_FAILURES = 4; // without a single tile after so many, there is no tile server to be had

const FALLBACK = { land: "#f3efe4", shore: "#b9b39f", border: "#cfc8b5", grid: "#b3c8d0" };

let shapes;

export function pin(label = "", className = "") {
  const span = document.createElement("span");
  span.textContent = label;
  const body = document.createElement("div");
  body.className = `pin ${className}`;
  body.append(span);
  const size = className.includes("answer-pin") ? 38 : 30;
  return L.divIcon({ html: body, className: "pin-holder", iconSize: [size, size], iconAnchor: [size / 2, size * 1.2] });
}

// `center` is [latitude, longitude]; without it the whole world is shown
export function createMap(element, { center, zoom } = {}) {
  const map = L.map(element, { worldCopyJump: true, minZoom: 1, maxZoom: 19, zoomSnap: 0.5, attributionControl: false });
  L.control.attribution({ prefix: false }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  if (center) map.setView(center, zoom ?? 12);
  else map.setView([25, 0], 1.5);
  drawLand(map);
  drawGraticule(map);
  addTiles(map, element.dataset);
  return map;
}

// Longitudes are brought next to the first one, so that points on both sides of the antimeridian stay together.
export function unwrap(points) {
  if (!points.length) return [];
  const first = points[0][1];
  return points.map(([latitude, longitude]) => [latitude, longitude - 360 * Math.round((longitude - first) / 360)]);
}

export function boundsAround(points, metres) {
  const bounds = L.latLngBounds([]);
  for (const point of points) bounds.extend(L.latLng(point).toBounds(Math.max(2 * metres, 1)));
  return bounds;
}

// A canvas knows no custom properties and no light-dark(): a hidden element works the colours out.
function colours() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const known = Object.entries(FALLBACK).map(([name, colour]) => {
    probe.style.color = `var(--${name}, ${colour})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(known);
}

async function loadShapes() {
  shapes ??= Promise.all([LAND, BORDERS].map(async (url) => (await fetch(url)).json()));
  return shapes;
}

async function drawLand(map) {
  map.createPane("land").style.zIndex = 150; // beneath the tiles
  const renderer = L.canvas({ pane: "land", padding: 0.5 });
  const group = L.layerGroup().addTo(map);
  map.attributionControl.addAttribution('<a href="https://www.naturalearthdata.com">Natural Earth</a>');
  const [land, borders] = await loadShapes();
  const draw = () => {
    const colour = colours();
    group.clearLayers();
    for (const shift of WORLDS) {
      const options = {
        renderer,
        pane: "land",
        interactive: false,
        coordsToLatLng: ([longitude, latitude]) => L.latLng(latitude, longitude + shift),
      };
      L.geoJSON(land, { ...options, style: { color: colour.shore, weight: 1, fillColor: colour.land, fillOpacity: 1 } }).addTo(group);
      L.geoJSON(borders, { ...options, style: { color: colour.border, weight: 1, fill: false } }).addTo(group);
    }
  };
  draw();
  document.addEventListener("themechange", draw);
  map.on("unload", () => document.removeEventListener("themechange", draw));
}

function drawGraticule(map) {
  map.createPane("grid").style.zIndex = 160;
  map.getPane("grid").style.pointerEvents = "none";
  const group = L.layerGroup().addTo(map);
  const label = (latLng, text, anchor) =>
    L.marker(latLng, { pane: "grid", interactive: false, keyboard: false, icon: L.divIcon({ className: "grid-label", html: text, iconSize: null, iconAnchor: anchor }) }).addTo(group);
  const draw = () => {
    const bounds = map.getBounds();
    const size = map.getSize();
    if (!size.x || !size.y) return;
    const wanted = ((bounds.getEast() - bounds.getWest()) / size.x) * GRID_PIXELS;
    const step = GRID_STEPS.findLast((one) => one >= wanted) ?? GRID_STEPS[0];
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const name = (value, [positive, negative]) => `${Math.abs(value).toFixed(digits)}° ${Math.abs(value) < 1e-9 ? "" : value > 0 ? positive : negative}`;
    const line = { pane: "grid", color: colours().grid, weight: 1, interactive: false, noClip: true };
    const [north, south] = [Math.min(bounds.getNorth(), 85), Math.max(bounds.getSouth(), -85)];
    group.clearLayers();
    for (let x = Math.ceil(bounds.getWest() / step) * step; x <= bounds.getEast(); x += step) {
      L.polyline([[south, x], [north, x]], line).addTo(group);
      label([north, x], name(((((x + 180) % 360) + 360) % 360) - 180, "EW"), [-4, -4]);
    }
    for (let y = Math.ceil(south / step) * step; y <= north; y += step) {
      L.polyline([[y, bounds.getWest()], [y, bounds.getEast()]], line).addTo(group);
      label([y, bounds.getEast()], name(y, "NS"), [58, 18]);
    }
  };
  map.on("moveend viewreset resize", draw);
  document.addEventListener("themechange", draw);
  map.on("unload", () => document.removeEventListener("themechange", draw));
  draw();
}

function addTiles(map, { tiles, tilesAttribution }) {
  if (!tiles) return;
  let failures = 0;
  const layer = L.tileLayer(tiles, { attribution: tilesAttribution, maxZoom: 19, referrerPolicy: "strict-origin-when-cross-origin" });
  const giveUp = () => {
    failures += 1;
    if (failures >= TILE_FAILURES) layer.remove();
  };
  layer.on("tileerror", giveUp);
  layer.on("tileload", () => layer.off("tileerror", giveUp));
  layer.addTo(map);
}

if (globalThis.L) L.Marker.prototype.options.icon = pin();

// The collection on a map: the server counts, the map draws; what is drawn is a list beside it, too.
/* global L */

import { createMap } from "./map.js";

const WAIT_MS = 120;
const THUMBNAIL_ZOOM = 11;
const DEEPEST = 18;
const MAX_LISTED = 40;
const FEW = 25; // so few clusters have room for pictures at any zoom

const element = document.getElementById("map");
if (element) start(element);

function start({ dataset }) {
  const opened = readView();
  const map = createMap(element, opened ?? {});
  if (!opened && dataset.extent) {
    const [west, south, east, north] = dataset.extent.split(",").map(Number);
    map.fitBounds([[south, west], [north, east]], { padding: [40, 40], maxZoom: 15, animate: false });
  }
  const layer = L.layerGroup().addTo(map);
  let timer;
  let asking;
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    const query = new URLSearchParams(dataset.query);
    query.set("view", boundsOf(map).join(","));
    query.set("zoom", map.getZoom());
    try {
      const response = await fetch(`${dataset.clusters}?${query}`, { signal: asking.signal });
      if (!response.ok) throw new Error(response.statusText);
      draw(map, layer, await response.json(), dataset);
    } catch (error) {
      const status = document.getElementById("in-view");
      if (error.name !== "AbortError" && status) status.textContent = dataset.wordsFailed;
    }
  };
  const moved = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
    const area = document.getElementById("area");
    if (!area) return; // a small map on another page
    keepView(map);
    const query = new URLSearchParams(dataset.query);
    query.set("bbox", boundsOf(map).join(","));
    area.href = `${dataset.gallery}?${query}`;
  };
  map.on("moveend", moved);
  moved();
}

function boundsOf(map) {
  const bounds = map.getBounds();
  return [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()].map((one) => Number(one.toFixed(6)));
}

// the view stands in the address, so that the back button and a link come to it
function readView() {
  const [latitude, longitude, zoom] = new URLSearchParams(location.search).get("at")?.split(",").map(Number) ?? [];
  return [latitude, longitude, zoom].every(Number.isFinite) ? { center: [latitude, longitude], zoom } : null;
}

function keepView(map) {
  const { lat, lng } = map.getCenter();
  const address = new URL(location.href);
  address.searchParams.set("at", `${lat.toFixed(5)},${lng.toFixed(5)},${map.getZoom()}`);
  history.replaceState(history.state, "", address);
}

function draw(map, layer, { in_view: inView, clusters }, dataset) {
  const status = document.getElementById("in-view");
  const words = status?.dataset;
  if (status) status.textContent = inView === 0 ? words.wordsNone : inView === 1 ? words.wordsOne : words.wordsMany.replace("%d", inView.toLocaleString(document.documentElement.lang));
  layer.clearLayers();
  const items = [];
  const withPictures = map.getZoom() >= THUMBNAIL_ZOOM || clusters.length <= FEW;
  for (const cluster of clusters) {
    const target = targetOf(cluster, dataset);
    const marker = L.marker([cluster.latitude, nearest(map, cluster.longitude)], {
      icon: iconOf(cluster, withPictures),
      title: labelOf(cluster, dataset),
      riseOnHover: true,
    });
    marker.on("add", () => marker.getElement().setAttribute("aria-label", labelOf(cluster, dataset)));
    marker.on("click", () => open(map, cluster, target));
    marker.on("keypress", ({ originalEvent }) => originalEvent.key === "Enter" && open(map, cluster, target));
    marker.addTo(layer);
    if (cluster.inside && items.length < MAX_LISTED) items.push(itemOf(cluster, target, marker, dataset));
  }
  document.getElementById("list")?.replaceChildren(...items);
}

// on the copy of the world that is looked at
function nearest(map, longitude) {
  return longitude + 360 * Math.round((map.getCenter().lng - longitude) / 360);
}

function open(map, { count, bounds: [west, south, east, north] }, target) {
  const isPoint = east - west < 1e-5 && north - south < 1e-5;
  if (count === 1 || isPoint || map.getZoom() >= DEEPEST) location.assign(target);
  else map.fitBounds([[south, nearest(map, west)], [north, nearest(map, west) + east - west]], { padding: [60, 60], maxZoom: DEEPEST, animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
}

function targetOf({ count, url, bounds: [west, south, east, north] }, dataset) {
  if (count === 1) return dataset.query ? `${url}?${dataset.query}` : url;
  const query = new URLSearchParams(dataset.query);
  const margin = 1e-5; // rounding must lose none
  query.set("bbox", [west - margin, south - margin, east + margin, north + margin].map((one) => one.toFixed(6)).join(","));
  return `${dataset.gallery}?${query}`;
}

function nameOf({ count, title }, { wordsOne, wordsMany, wordsMore }) {
  if (count === 1) return title || wordsOne;
  return title ? wordsMore.replace("%d", count - 1).replace("%t", title) : wordsMany.replace("%d", count);
}

function labelOf({ count, title, exact, latitude, longitude }, { wordsOne, wordsMany, wordsNear, wordsCell }) {
  if (count === 1) return exact ? title || wordsOne : `${title || wordsOne} (${wordsCell})`;
  return wordsNear.replace("%n", wordsMany.replace("%d", count)).replace("%p", `${latitude.toFixed(2)}, ${longitude.toFixed(2)}`);
}

function iconOf({ count, thumbnail }, withPicture) {
  const body = document.createElement("div");
  const number = document.createElement("span");
  number.textContent = short(count);
  if (withPicture) {
    const image = document.createElement("img");
    Object.assign(image, { src: thumbnail, alt: "", loading: "lazy" });
    body.append(image);
    body.className = "cluster-picture";
    if (count > 1) body.append(number);
  } else {
    body.className = `cluster cluster-${Math.min(String(count).length, 4)}`;
    body.append(number);
  }
  const size = withPicture ? 52 : [0, 30, 36, 44, 54][Math.min(String(count).length, 4)];
  return L.divIcon({ html: body, className: "cluster-holder", iconSize: [size, size] });
}

function short(count) {
  return count < 1000 ? String(count) : new Intl.NumberFormat(document.documentElement.lang, { notation: "compact" }).format(count);
}

function itemOf(cluster, target, marker, dataset) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = target;
  const image = document.createElement("img");
  Object.assign(image, { src: cluster.thumbnail, width: 64, height: 48, alt: "", loading: "lazy" });
  const text = document.createElement("span");
  const [name, where] = [document.createElement("span"), document.createElement("span")];
  name.textContent = nameOf(cluster, dataset);
  where.textContent = `${cluster.latitude.toFixed(4)}, ${cluster.longitude.toFixed(4)}${cluster.exact ? "" : ` · ${dataset.wordsCell}`}`;
  where.className = "quiet small";
  text.append(name, document.createElement("br"), where);
  link.append(image, text);
  item.append(link);
  for (const [event, on] of [["mouseenter", true], ["mouseleave", false], ["focusin", true], ["focusout", false]]) {
    item.addEventListener(event, () => {
      marker.getElement()?.classList.toggle("lit", on);
      marker.setZIndexOffset(on ? 1000 : 0);
    });
  }
  return item;
}

// The answer on the map: the circle that holds the place, fainter ones, and the matches as pictures around.
/* global L */

import { boundsAround, createMap, pin, unwrap } from "./map.js";

const SIDE = 52;
const GAP = 6;
const DISTANCES = [0, 62, 92, 124, 160, 200]; // pixels between a photo's point and its picture
const TURNS = 16;
const CONTROLS = { left: 0, top: 0, right: 52, bottom: 92 }; // where the map keeps its zoom buttons

export function drawAnswer(element, answer) {
  const placed = answer.matches.map((match, number) => ({ match, number })).filter(({ match }) => match.latitude !== null);
  const estimates = [answer.location, ...answer.alternatives].filter(Boolean);
  const exif = (answer.sources ?? []).filter(({ source, latitude }) => source === "exif" && latitude !== null);
  const points = unwrap([...estimates, ...placed.map(({ match }) => match), ...exif].map(({ latitude, longitude }) => [latitude, longitude]));
  const map = createMap(element, points.length ? { center: points[0], zoom: 13 } : {});
  const bounds = L.latLngBounds([]);
  drawEstimates(map, answer, estimates, points, bounds, element.dataset.wordsVerdict);
  const photos = placed.map((one, index) => ({ ...one, point: L.latLng(points[estimates.length + index]), confirmed: one.match.verification?.level === "confirmed" }));
  for (const { point, confirmed } of photos) if (confirmed || !answer.location) bounds.extend(boundsAround([[point.lat, point.lng]], 40));
  if (exif.length) drawExif(map, exif[0], L.latLng(points.at(-1)), answer.location ? null : bounds);
  if (bounds.isValid()) map.fitBounds(bounds, { padding: [70, 70], maxZoom: 17, animate: false });
  const markers = drawPhotos(map, photos, answer.location ? L.latLng(points[0]) : null);
  listen(markers);
  return map;
}

function drawEstimates(map, answer, estimates, points, bounds, words) {
  estimates.forEach((estimate, index) => {
    const chief = answer.location && index === 0;
    const circle = L.circle(points[index], { radius: estimate.radius_m, className: `radius ${chief ? "" : "alternative"}`, interactive: false }).addTo(map);
    if (chief || !answer.location) bounds.extend(circle.getBounds());
  });
  if (!answer.location) return;
  L.marker(points[0], { icon: pin("", "answer-pin"), zIndexOffset: 1000, alt: words, title: answer.verdict, keyboard: false }).addTo(map);
}

// What the file says of itself: a square of its own, which widens the view only where there is no answer.
function drawExif(map, exif, point, bounds) {
  bounds?.extend(boundsAround([[point.lat, point.lng]], 40));
  const body = document.createElement("div");
  body.className = "exif-pin";
  body.textContent = "EXIF";
  const icon = L.divIcon({ html: body, className: "pin-holder", iconSize: [44, 22], iconAnchor: [22, -4] });
  L.marker(point, { icon, alt: `${exif.name}: ${exif.says}`, title: `${exif.name}: ${exif.says}`, keyboard: false, zIndexOffset: 900 }).addTo(map);
}

// Pictures are laid out anew at each zoom: each as near to its point as there is room, the best match first. One
// that finds no room stays a dot with its number.
function drawPhotos(map, photos, answerPoint) {
  const leaders = L.layerGroup().addTo(map);
  const markers = new Map();
  for (const { match, number, point, confirmed } of photos) {
    const marker = L.marker(point, { icon: picture(match, number, confirmed), alt: `${number + 1}. ${match.title}`, title: match.title, riseOnHover: true }).addTo(map);
    markers.set(number, marker);
  }
  const layOut = () => {
    leaders.clearLayers();
    const taken = [CONTROLS];
    if (answerPoint) taken.push(around(map.latLngToContainerPoint(answerPoint).subtract([0, 22]), 46));
    for (const { match, number, point, confirmed } of photos) {
      const marker = markers.get(number);
      const tip = map.latLngToContainerPoint(point);
      const seat = findSeat(tip, taken, map.getSize());
      marker.setIcon(seat ? picture(match, number, confirmed) : dot(number, confirmed));
      marker.setLatLng(seat ? map.containerPointToLatLng(seat) : point);
      if (!seat) continue;
      taken.push(around(seat, SIDE));
      if (seat.distanceTo(tip) > 1) {
        L.polyline([point, map.containerPointToLatLng(seat)], { className: `leader${confirmed ? " confirmed" : ""}`, interactive: false }).addTo(leaders);
        L.circleMarker(point, { radius: 4, className: `leader-end${confirmed ? " confirmed" : ""}`, interactive: false }).addTo(leaders);
      }
    }
    decorate(markers);
  };
  layOut();
  map.on("zoomend resize", layOut);
  return markers;
}

function findSeat(tip, taken, size) {
  if (tip.x < 0 || tip.y < 0 || tip.x > size.x || tip.y > size.y) return null; // not in sight
  for (const distance of DISTANCES) {
    for (let turn = 0; turn < (distance ? TURNS : 1); turn += 1) {
      const angle = (turn % 2 ? -1 : 1) * Math.ceil(turn / 2) * ((2 * Math.PI) / TURNS) - Math.PI / 2; // upwards first, then to both sides
      const seat = tip.add([Math.cos(angle) * distance, Math.sin(angle) * distance]);
      const box = around(seat, SIDE);
      const fits = box.left > 4 && box.top > 4 && box.right < size.x - 4 && box.bottom < size.y - 20;
      if (fits && !taken.some((other) => overlap(box, other))) return seat;
    }
  }
  return null;
}

function around(centre, side) {
  return { left: centre.x - side / 2, right: centre.x + side / 2, top: centre.y - side / 2, bottom: centre.y + side / 2 };
}

function overlap(a, b) {
  return a.left < b.right + GAP && b.left < a.right + GAP && a.top < b.bottom + GAP && b.top < a.bottom + GAP;
}

function picture(match, number, confirmed) {
  const body = document.createElement("div");
  body.className = `photo-pin${confirmed ? " confirmed" : ""}`;
  const image = document.createElement("img");
  image.src = match.thumbnail;
  image.alt = "";
  const label = document.createElement("span");
  label.textContent = number + 1;
  body.append(image, label);
  return L.divIcon({ html: body, className: "pin-holder", iconSize: [SIDE, SIDE], iconAnchor: [SIDE / 2, SIDE / 2] });
}

function dot(number, confirmed) {
  const body = document.createElement("div");
  body.className = `dot-pin${confirmed ? " confirmed" : ""}`;
  body.textContent = number + 1;
  return L.divIcon({ html: body, className: "pin-holder", iconSize: [24, 24], iconAnchor: [12, 12] });
}

// a new icon is a new element: it has to be told again what its name is
function decorate(markers) {
  for (const marker of markers.values()) {
    const element = marker.getElement();
    element.setAttribute("aria-label", marker.options.alt);
    element.onfocus = () => marker.fire("mouseover");
    element.onblur = () => marker.fire("mouseout");
  }
}

function listen(markers) {
  const light = (number, on) => {
    cardOf(number)?.classList.toggle("lit", on);
    const marker = markers.get(number);
    marker?.getElement()?.firstElementChild?.classList.toggle("lit", on);
    marker?.setZIndexOffset(on ? 2000 : 0);
  };
  for (const [number, marker] of markers) {
    marker.on("mouseover", () => light(number, true)).on("mouseout", () => light(number, false));
    marker.on("click keypress", ({ type, originalEvent }) => {
      if (type === "keypress" && originalEvent.key !== "Enter") return;
      cardOf(number)?.scrollIntoView({ block: "center" });
      cardOf(number)?.querySelector("h3 a").focus({ preventScroll: true });
    });
  }
  for (const card of document.querySelectorAll(".match[data-match]")) {
    const number = Number(card.dataset.match);
    for (const [begin, end] of [["mouseenter", "mouseleave"], ["focusin", "focusout"]]) {
      card.addEventListener(begin, () => light(number, true));
      card.addEventListener(end, () => light(number, false));
    }
  }
}

function cardOf(number) {
  return document.querySelector(`.match[data-match="${number}"]`);
}

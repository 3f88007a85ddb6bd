// The answer: the map, the matches that light up with it, and why a match is one.
/* global L, htmx */

import { boundsAround, createMap, pin, unwrap } from "./map.js";

const SVG = "http://www.w3.org/2000/svg";
const HUES = 10;

let observer = null;

document.addEventListener("htmx:afterSwap", (event) => event.target.id === "answer" && start());
for (const name of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(name, ({ target }) => {
    // the network was away: ask again, the worker goes on in the meantime
    if (target.matches("[data-asks-again]")) setTimeout(() => htmx.ajax("GET", location.pathname, "#answer"), 2000);
  });
}
start();

function start() {
  const data = document.getElementById("answer-data");
  if (!data) return;
  const answer = JSON.parse(data.textContent);
  document.title = `${answer.verdict} · Geolocator`;
  const markers = drawMap(answer);
  for (const card of document.querySelectorAll(".match[data-match]")) {
    const number = Number(card.dataset.match);
    for (const [begin, end] of [["mouseenter", "mouseleave"], ["focusin", "focusout"]]) {
      card.addEventListener(begin, () => light(number, markers, true));
      card.addEventListener(end, () => light(number, markers, false));
    }
  }
  for (const button of document.querySelectorAll("[data-why]")) {
    button.addEventListener("click", () => explain(answer.matches[Number(button.dataset.why)], { move: true }));
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.wordsCopied;
    });
  }
  const best = answer.matches.find((match) => match.verification?.level === "confirmed");
  if (best) explain(best);
}

function light(number, markers, on) {
  document.querySelector(`.match[data-match="${number}"]`)?.classList.toggle("lit", on);
  markers.get(number)?.getElement()?.querySelector(".pin")?.classList.toggle("lit", on);
  markers.get(number)?.setZIndexOffset(on ? 2000 : 0);
}

function drawMap(answer) {
  const markers = new Map();
  const element = document.getElementById("map");
  const placed = answer.matches.map((match, number) => ({ match, number })).filter(({ match }) => match.latitude !== null);
  const estimates = [answer.location, ...answer.alternatives].filter(Boolean);
  const raw = [...estimates.map(({ latitude, longitude }) => [latitude, longitude]), ...placed.map(({ match }) => [match.latitude, match.longitude])];
  const points = unwrap(raw);
  const map = createMap(element, points.length ? { center: points[0], zoom: 13 } : {});
  const bounds = L.latLngBounds([]);
  estimates.forEach((estimate, index) => {
    const chief = answer.location && index === 0;
    const circle = L.circle(points[index], { radius: estimate.radius_m, className: `radius ${chief ? "" : "alternative"}`, interactive: false }).addTo(map);
    if (chief || !answer.location) bounds.extend(circle.getBounds());
  });
  placed.forEach(({ match, number }, index) => {
    const point = points[estimates.length + index];
    const confirmed = match.verification?.level === "confirmed";
    const marker = L.marker(point, { icon: pin(String(number + 1), confirmed ? "" : "faint"), alt: match.title, title: match.title }).addTo(map);
    marker.on("mouseover", () => light(number, markers, true)).on("mouseout", () => light(number, markers, false));
    marker.on("click", () => document.querySelector(`.match[data-match="${number}"]`)?.scrollIntoView({ block: "center" }));
    markers.set(number, marker);
    if (confirmed || !answer.location) bounds.extend(boundsAround([point], 40));
  });
  if (answer.location) {
    L.marker(points[0], { icon: pin("", "answer-pin"), zIndexOffset: 1000, alt: answer.verdict, title: answer.verdict, keyboard: false }).addTo(map);
  }
  if (bounds.isValid()) map.fitBounds(bounds, { padding: [40, 40], maxZoom: 17, animate: false });
  return markers;
}

function explain(match, { move = false } = {}) {
  const panel = document.getElementById("why");
  const image = document.getElementById("why-match");
  const words = document.getElementById("why-words").dataset;
  panel.hidden = false;
  const points = match.verification?.points ?? [];
  document.getElementById("why-says").textContent = points.length ? words.wordsPoints.replace("{}", agreeing(match)) : words.wordsNoPoints;
  document.getElementById("why-caption").textContent = match.title;
  const redraw = () => drawPair(match);
  for (const id of ["why-points", "why-segments"]) document.getElementById(id).onchange = redraw;
  document.getElementById("why-segments").checked = !points.length;
  image.width = match.width;
  image.height = match.height;
  image.alt = match.title;
  image.onload = redraw;
  image.src = match.display;
  observer?.disconnect();
  observer = new ResizeObserver(redraw);
  observer.observe(document.getElementById("pair"));
  if (move) document.getElementById("why-title").focus();
  if (move) panel.scrollIntoView();
}

function agreeing(match) {
  return Math.max(match.verification.fundamental_inliers, match.verification.homography_inliers);
}

function drawPair(match) {
  const pair = document.getElementById("pair");
  pair.querySelector(".lines")?.remove();
  const svg = document.createElementNS(SVG, "svg");
  svg.classList.add("lines");
  svg.setAttribute("aria-hidden", "true");
  const [query, other] = [document.getElementById("why-query"), document.getElementById("why-match")];
  const outer = pair.getBoundingClientRect();
  const onScreen = (image) => {
    const box = image.getBoundingClientRect();
    const scale = box.width / Number(image.getAttribute("width"));
    return { x: (value) => box.left - outer.left + value * scale, y: (value) => box.top - outer.top + value * scale, scale };
  };
  const [left, right] = [onScreen(query), onScreen(other)];
  if (document.getElementById("why-segments").checked) {
    for (const segment of match.segments) {
      for (const [side, box] of [[left, segment.query_box], [right, segment.photo_box]]) {
        if (box) add(svg, "rect", { x: side.x(box[0]), y: side.y(box[1]), width: box[2] * side.scale, height: box[3] * side.scale, rx: 4, class: `hue-${segment.query_rank % HUES}` });
      }
    }
  }
  if (document.getElementById("why-points").checked) {
    for (const [x1, y1, x2, y2] of match.verification?.points ?? []) {
      const ends = { x1: left.x(x1), y1: left.y(y1), x2: right.x(x2), y2: right.y(y2) };
      add(svg, "line", ends);
      add(svg, "circle", { cx: ends.x1, cy: ends.y1, r: 2.5 });
      add(svg, "circle", { cx: ends.x2, cy: ends.y2, r: 2.5 });
    }
  }
  pair.append(svg);
}

function add(parent, name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
}

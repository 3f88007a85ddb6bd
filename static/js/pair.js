// Why a match is one: both pictures, the points that agree as lines, matched segments in one colour, and words.

const SVG = "http://www.w3.org/2000/svg";
const HUES = 10;
const SHOWN_PAIRS = 6;
const CROP = 64;
const UNKNOWN = 0.5; // the distinctiveness of a segment of which nothing can be said

let lit; // the segment that is looked at: it stays lit when the pictures come or the window changes
let shown = 0;
let observer = null;

const byId = (id) => document.getElementById(id);

export function startPair(answer) {
  const { matches } = answer;
  if (!matches.length) return;
  for (const button of document.querySelectorAll("[data-why]")) {
    button.addEventListener("click", () => explain(matches, Number(button.dataset.why), { move: true }));
  }
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => explain(matches, (shown + Number(button.dataset.step) + matches.length) % matches.length));
  }
  const best = matches.findIndex((match) => match.verification?.level === "confirmed");
  if (best >= 0) explain(matches, best);
}

function explain(matches, number, { move = false } = {}) {
  const match = matches[number];
  const panel = byId("why");
  const title = `${number + 1}. ${match.title || panel.dataset.wordsUntitled}`;
  shown = number;
  panel.hidden = false;
  const points = match.verification?.points ?? [];
  byId("why-points").disabled = !points.length;
  byId("why-segments").checked = !points.length;
  byId("why-caption").textContent = title;
  byId("why-number").textContent = `${number + 1} / ${matches.length}`;
  tell(match, panel.dataset);
  lit = undefined;
  const redraw = () => drawPair(match, lit);
  for (const id of ["why-points", "why-segments"]) byId(id).onchange = redraw;
  showPicture(match, title, redraw);
  observer?.disconnect();
  observer = new ResizeObserver(redraw);
  observer.observe(byId("pair"));
  if (!move) return;
  panel.scrollIntoView();
  byId("why-title").focus({ preventScroll: true });
}

function showPicture(match, title, redraw) {
  const image = byId("why-match");
  image.width = match.width;
  image.height = match.height;
  image.alt = title;
  image.onload = () => {
    redraw();
    drawCrops(match);
  };
  image.src = match.display;
}

function tell(match, words) {
  byId("why-says").replaceChildren(...match.why.map((reason) => make("li", "", reason)));
  const pairs = [...match.segments].sort((a, b) => b.similarity * (b.distinctiveness ?? UNKNOWN) - a.similarity * (a.distinctiveness ?? UNKNOWN)).slice(0, SHOWN_PAIRS);
  byId("why-pairs").replaceChildren(...pairs.map((segment) => tellPair(match, segment, words)));
}

function tellPair(match, segment, words) {
  const item = make("li", `segment-pair hue-${segment.query_rank % HUES}`);
  item.tabIndex = 0;
  const alike = words.wordsAlike.replace("{}", Math.round(100 * segment.similarity));
  const { distinctiveness = UNKNOWN } = segment;
  const weight = distinctiveness === UNKNOWN ? "" : ` · ${words.wordsWeight.replace("{}", Math.round(100 * distinctiveness))}`;
  item.append(crop("query", segment.query_box), crop("match", segment.photo_box), make("span", "small", alike + weight));
  const light = (one) => {
    lit = one;
    drawPair(match, lit);
  };
  for (const [begin, end] of [["mouseenter", "mouseleave"], ["focus", "blur"]]) {
    item.addEventListener(begin, () => light(segment));
    item.addEventListener(end, () => light(undefined));
  }
  return item;
}

// without a box the whole picture stands for a segment
function crop(side, box) {
  const canvas = make("canvas");
  canvas.width = canvas.height = CROP;
  canvas.dataset.of = side;
  canvas.dataset.crop = (box ?? []).join(" ");
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

function drawCrops() {
  for (const canvas of byId("why-pairs").querySelectorAll("canvas")) {
    const image = byId(`why-${canvas.dataset.of}`);
    const draw = () => drawCrop(canvas, image, canvas.dataset.crop);
    if (image.complete && image.naturalWidth) draw();
    else image.addEventListener("load", draw, { once: true });
  }
}

// `box` is "x y width height" in pixels of the upright picture, which the image shows smaller
export function drawCrop(canvas, image, box) {
  const scale = image.naturalWidth / Number(image.getAttribute("width"));
  const whole = [0, 0, image.naturalWidth, image.naturalHeight];
  const [x, y, width, height] = box ? box.split(" ").map((value) => Number(value) * scale) : whole;
  const side = Math.min(width, height);
  const [left, top] = [x + (width - side) / 2, y + (height - side) / 2];
  canvas.getContext("2d").drawImage(image, left, top, side, side, 0, 0, canvas.width, canvas.height);
}

function drawPair(match, only = null) {
  const pair = byId("pair");
  pair.querySelector(".lines")?.remove();
  const svg = document.createElementNS(SVG, "svg");
  svg.classList.add("lines");
  svg.setAttribute("aria-hidden", "true");
  const outer = pair.getBoundingClientRect();
  const [left, right] = [byId("why-query"), byId("why-match")].map((image) => onScreen(image, outer));
  if (only || byId("why-segments").checked) {
    for (const segment of only ? [only] : match.segments) drawSegment(svg, segment, left, right);
  }
  if (!only && byId("why-points").checked) {
    for (const pairOfPoints of match.verification?.points ?? []) drawLine(svg, pairOfPoints, left, right);
  }
  pair.append(svg);
}

function onScreen(image, outer) {
  const box = image.getBoundingClientRect();
  const scale = box.width / Number(image.getAttribute("width"));
  return { x: (value) => box.left - outer.left + value * scale, y: (value) => box.top - outer.top + value * scale, scale };
}

function drawSegment(svg, segment, left, right) {
  for (const [side, box] of [[left, segment.query_box], [right, segment.photo_box]]) {
    if (!box) continue;
    const place = { x: side.x(box[0]), y: side.y(box[1]), width: box[2] * side.scale, height: box[3] * side.scale, rx: 4 };
    add(svg, "rect", { ...place, class: "halo" });
    add(svg, "rect", { ...place, class: `hue-${segment.query_rank % HUES}` });
  }
}

function drawLine(svg, [x1, y1, x2, y2], left, right) {
  const ends = { x1: left.x(x1), y1: left.y(y1), x2: right.x(x2), y2: right.y(y2) };
  add(svg, "line", ends);
  add(svg, "circle", { cx: ends.x1, cy: ends.y1, r: 2.5 });
  add(svg, "circle", { cx: ends.x2, cy: ends.y2, r: 2.5 });
}

function add(parent, name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
}

function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

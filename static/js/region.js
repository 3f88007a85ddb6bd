// A part of the query picture to search with: drawn with the mouse, set with the thumb, moved with the keys.

import { drawCrop } from "./pair.js";

const STEP = 0.02; // of the picture's side, for one press of an arrow key
const FIRST = 0.4; // of both sides, for a part that is not drawn but set
const LEAST = 0.04;
const CLICK_PIXELS = 6;
const FIELDS = ["box_x", "box_y", "box_width", "box_height"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function startRegion() {
  const frame = document.getElementById("region");
  const { form } = frame.closest("details").querySelector("input[name=segment]");
  new Region(frame, form);
}

class Region {
  constructor(frame, form) {
    this.frame = frame;
    this.form = form;
    this.width = Number(frame.dataset.width);
    this.height = Number(frame.dataset.height);
    this.says = document.getElementById("region-says");
    this.box = this.readBox(); // in shares of the picture's sides
    this.grip = null;
    frame.addEventListener("pointerdown", (event) => this.down(event));
    frame.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, (event) => this.up(event));
    frame.addEventListener("keydown", (event) => this.key(event));
    form.addEventListener("change", ({ target }) => target.name === "segment" && this.draw({ tell: true }));
    this.drawChips();
    this.draw();
  }

  get choice() {
    return this.form.elements.segment.value;
  }

  readBox() {
    const values = FIELDS.map((name) => this.form.elements[name].value);
    if (values.includes("")) return null;
    const [x, y, width, height] = values.map(Number);
    return { x: x / this.width, y: y / this.height, width: width / this.width, height: height / this.height };
  }

  // --- pointers ---

  at({ clientX, clientY }) {
    const area = this.frame.getBoundingClientRect();
    return { x: between((clientX - area.left) / area.width, 0, 1), y: between((clientY - area.top) / area.height, 0, 1) };
  }

  down(event) {
    if (event.button !== 0) return;
    const start = this.at(event);
    const held = this.choice === "box" ? this.box : null;
    const onHandle = event.target.closest(".region-handle");
    const inside = held && start.x > held.x && start.x < held.x + held.width && start.y > held.y && start.y < held.y + held.height;
    const kind = onHandle ? "resize" : inside ? "move" : event.pointerType === "touch" ? "tap" : "draw";
    this.grip = { kind, start, held, at: [event.clientX, event.clientY], moved: false };
    if (kind !== "tap") this.frame.setPointerCapture(event.pointerId); // a thumb that misses the part scrolls the page
  }

  move(event) {
    if (!this.grip || this.grip.kind === "tap") return;
    const { kind, start, held, at } = this.grip;
    this.grip.moved ||= Math.hypot(event.clientX - at[0], event.clientY - at[1]) > CLICK_PIXELS;
    if (!this.grip.moved) return;
    const now = this.at(event);
    if (kind === "draw") this.setBox(spanned(start, now));
    if (kind === "move") this.setBox({ ...held, x: held.x + now.x - start.x, y: held.y + now.y - start.y });
    if (kind === "resize") this.setBox({ ...held, width: now.x - held.x, height: now.y - held.y });
  }

  up(event) {
    const grip = this.grip;
    this.grip = null;
    if (!grip || event.type === "pointercancel") return;
    if (grip.kind === "tap") this.setBox({ x: grip.start.x - FIRST / 2, y: grip.start.y - FIRST / 2, width: FIRST, height: FIRST });
    else if (!grip.moved && grip.kind === "draw") this.chooseSegment(event);
    this.tell();
  }

  // the smallest segment under the pointer: a large one can be clicked beside the small ones
  chooseSegment(event) {
    const { x, y } = this.at(event);
    const [px, py] = [x * this.width, y * this.height];
    const under = [...this.frame.querySelectorAll(".segment-box")]
      .map((rect) => ({ rect, box: ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name))) }))
      .filter(({ box: [left, top, width, height] }) => px >= left && px <= left + width && py >= top && py <= top + height)
      .sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3]);
    if (under.length) this.choose(under[0].rect.dataset.segment);
  }

  // --- keys ---

  key(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.form.requestSubmit();
      return;
    }
    if (event.key === "Escape") this.choose("");
    const direction = ARROWS[event.key];
    if (!direction) {
      if (event.key === "Escape") this.tell();
      return;
    }
    event.preventDefault();
    const [dx, dy] = direction.map((one) => one * STEP);
    const box = this.choice === "box" && this.box;
    if (!box) this.setBox({ x: (1 - FIRST) / 2, y: (1 - FIRST) / 2, width: FIRST, height: FIRST });
    else if (event.shiftKey) this.setBox({ ...box, width: box.width + dx, height: box.height + dy });
    else this.setBox({ ...box, x: box.x + dx, y: box.y + dy });
    this.tell();
  }

  // --- state ---

  setBox({ x, y, width, height }) {
    width = between(width, LEAST, 1);
    height = between(height, LEAST, 1);
    this.box = { x: between(x, 0, 1 - width), y: between(y, 0, 1 - height), width, height };
    const sizes = [this.width, this.height, this.width, this.height];
    Object.values(this.box).forEach((share, index) => (this.form.elements[FIELDS[index]].value = Math.round(share * sizes[index])));
    this.choose("box");
  }

  choose(value) {
    this.form.elements.segment.value = value;
    this.draw();
  }

  draw({ tell = false } = {}) {
    const { choice, box, frame } = this;
    const shows = choice === "box" && box;
    document.getElementById("chip-box").hidden = !box;
    for (const rect of frame.querySelectorAll(".segment-box")) rect.classList.toggle("chosen", rect.dataset.segment === choice);
    frame.querySelector(".chosen-box").toggleAttribute("hidden", !shows);
    frame.querySelector(".region-handle").hidden = !shows;
    if (shows) this.drawBox();
    if (tell) this.tell();
  }

  drawBox() {
    const [x, y, width, height] = [this.box.x * this.width, this.box.y * this.height, this.box.width * this.width, this.box.height * this.height];
    const [shade, rect] = this.frame.querySelector(".chosen-box").children;
    shade.setAttribute("d", `M0 0H${this.width}V${this.height}H0ZM${x} ${y}v${height}h${width}v${-height}Z`);
    for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, value);
    const handle = this.frame.querySelector(".region-handle");
    handle.style.left = `${100 * (this.box.x + this.box.width)}%`;
    handle.style.top = `${100 * (this.box.y + this.box.height)}%`;
  }

  tell() {
    const words = this.frame.dataset;
    const { choice } = this;
    const share = (name) => Math.round(100 * this.box[name]);
    if (choice === "") this.says.textContent = words.wordsWhole;
    else if (choice !== "box") this.says.textContent = words.wordsSegment.replace("{}", Number(choice) + 1);
    else this.says.textContent = words.wordsBox.replace("{left}", share("x")).replace("{top}", share("y")).replace("{width}", share("width")).replace("{height}", share("height"));
  }

  drawChips() {
    const image = this.frame.querySelector("img");
    const draw = () => {
      for (const canvas of this.form.querySelectorAll(".chip canvas")) drawCrop(canvas, image, canvas.dataset.crop);
    };
    if (image.complete && image.naturalWidth) draw();
    else image.addEventListener("load", draw, { once: true });
  }
}

function between(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function spanned(a, b) {
  return { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y) };
}

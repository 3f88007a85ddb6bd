// Choosing photos in the grid: with the mouse, shift for a range, and the keyboard; what is chosen survives scrolling.

const form = document.getElementById("chosen");
const grid = document.getElementById("grid");
const count = form?.querySelector("[data-count]");
const clear = form?.querySelector("[data-clear]");
const links = new Map([...(form?.querySelectorAll("[data-link]") ?? [])].map((link) => [link.dataset.link, [link, link.href]]));
const MOST_IN_ADDRESS = 80;
let last = null;

const boxes = () => [...grid.querySelectorAll(".pick input")];

function show() {
  const chosen = boxes().filter((box) => box.checked);
  document.documentElement.classList.toggle("choosing", chosen.length > 0);
  count.textContent = !chosen.length ? form.dataset.wordsAll : chosen.length === 1 ? form.dataset.wordsOne : form.dataset.wordsMany.replace("%d", chosen.length);
  clear.hidden = !chosen.length;
  for (const box of boxes()) box.closest(".photo-card").classList.toggle("is-chosen", box.checked);
  for (const [name, [link, everything]] of links) {
    const query = new URLSearchParams(chosen.map((box) => ["id", box.value]));
    link.href = chosen.length ? `${form.dataset[name]}?${query}` : everything;
    link.hidden = name === "map" && chosen.length > MOST_IN_ADDRESS;
  }
}

// more than an address can hold are posted
function download(event) {
  const chosen = boxes().filter((box) => box.checked);
  const name = event.currentTarget.dataset.link;
  if (name === "map" || chosen.length <= MOST_IN_ADDRESS) return;
  event.preventDefault();
  const post = document.createElement("form");
  Object.assign(post, { method: "post", action: form.dataset[name], hidden: true });
  for (const [key, value] of [["csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value], ["id", chosen.map((box) => box.value).join(",")]]) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: key, value });
    post.append(field);
  }
  document.body.append(post);
  post.submit();
  post.remove();
}

function chooseRange(box) {
  const all = boxes();
  const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
  if (from < 0) return;
  for (const one of all.slice(from, to + 1)) one.checked = box.checked;
}

function toggle(box, withRange) {
  if (withRange && last) chooseRange(box);
  last = box;
  show();
}

if (form && grid) {
  grid.addEventListener("click", (event) => {
    const box = event.target.closest(".pick")?.querySelector("input");
    if (box && event.target === box) toggle(box, event.shiftKey);
    // while choosing, a click on a photo chooses it, too
    const card = event.target.closest(".photo-card");
    if (!card || event.target.closest(".pick") || !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    const own = card.querySelector(".pick input");
    own.checked = event.shiftKey ? true : !own.checked;
    toggle(own, event.shiftKey);
  });
  // a label's text would be selected by shift-clicks
  grid.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault());
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input[type=text], input[type=search], select, textarea")) return;
    const card = document.activeElement?.closest?.(".photo-card");
    if (event.key === "x" && card) {
      const box = card.querySelector(".pick input");
      box.checked = !box.checked;
      toggle(box, event.shiftKey);
    }
    if (event.key === "Escape" && boxes().some((box) => box.checked)) {
      form.reset();
      show();
    }
  });
  form.addEventListener("reset", () => setTimeout(show));
  // one field for all ids: a server takes few fields
  form.addEventListener("formdata", ({ formData }) => formData.set("id", formData.getAll("id").join(",")));
  for (const [link] of links.values()) link.addEventListener("click", download);
  document.addEventListener("htmx:load", show);
  addEventListener("pageshow", show);
  show();
}

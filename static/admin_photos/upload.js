// Sends many pictures to the API, two at a time, and says of each what became of it.

const AT_ONCE = 2;
const MIB = 1024 * 1024;

const form = document.getElementById("upload-form");
const input = document.getElementById("id_images");
const zone = document.getElementById("drop-zone");
const list = document.getElementById("uploads");
const summary = document.getElementById("upload-summary");
const words = form.dataset;
const queue = [];
let running = 0;
let done = 0;
let failed = 0;
let total = 0;

input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());
for (const kind of ["dragenter", "dragover"]) {
  zone.addEventListener(kind, (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  zone.addEventListener(kind, () => zone.classList.remove("over"));
}
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  add(event.dataTransfer.files);
});
window.addEventListener("beforeunload", (event) => {
  if (queue.length || running) event.preventDefault();
});

function add(files) {
  for (const file of files) {
    const row = document.createElement("li");
    const name = Object.assign(document.createElement("span"), { className: "name", textContent: file.name });
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
    const outcome = Object.assign(document.createElement("span"), { className: "outcome", textContent: words.wordsWaiting });
    row.append(name, bar, outcome);
    list.append(row);
    total += 1;
    queue.push({ file, row, bar, outcome });
  }
  pump();
}

function pump() {
  while (running < AT_ONCE && queue.length) {
    running += 1;
    send(queue.shift()).finally(() => {
      running -= 1;
      done += 1;
      pump();
    });
  }
  summary.textContent = total ? `${done} / ${total}${failed ? ` (${failed} ✗)` : ""}` : "";
}

async function send({ file, row, bar, outcome }) {
  if (file.size > Number(words.maxMib) * MIB) {
    finish(row, outcome, "refused", words.wordsTooLarge);
    return;
  }
  outcome.textContent = words.wordsSending;
  const body = new FormData(form);
  body.delete("image");
  body.append("image", file);
  const { status, answer } = await post(body, (share) => (bar.value = share));
  bar.value = 1;
  const photo = status === 201 ? answer : answer?.photo;
  if (status === 201) finish(row, outcome, "added", words.wordsAdded, photo);
  else if (status === 409) finish(row, outcome, "duplicate", words.wordsDuplicate, photo);
  else finish(row, outcome, "refused", answer?.detail || words.wordsLost);
}

function post(body, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of an upload's progress
    request.open("POST", form.action);
    request.setRequestHeader("X-CSRFToken", body.get("csrfmiddlewaretoken"));
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    request.addEventListener("loadend", () => resolve({ status: request.status, answer: request.response }));
    request.send(body);
  });
}

function finish(row, outcome, kind, text, photo) {
  row.classList.add(kind);
  if (kind === "refused") failed += 1;
  outcome.textContent = text;
  if (!photo) return;
  const link = Object.assign(document.createElement("a"), { href: `${words.admin}${photo.id}/`, textContent: text });
  outcome.replaceChildren(link);
}

// The question: drop, paste, choose or take a photo; it is sent with progress, and can be cancelled or sent again.

const form = document.getElementById("ask");
const drop = document.getElementById("drop");
const preview = drop.querySelector(".preview");
const name = document.getElementById("ask-name");
const progress = drop.querySelector("progress");
const status = document.getElementById("ask-status");
const error = document.getElementById("ask-error");
const again = document.getElementById("ask-again");
const cancel = drop.querySelector("[data-cancel]");
const retry = again.querySelector("[data-retry]");
const inputs = [...drop.querySelectorAll("input[type=file]")];
const words = form.dataset;
const TYPES = /^image\/(jpeg|jpg|pjpeg|png|webp|tiff|heic|heif|heic-sequence|heif-sequence)$/;
const ENDINGS = /\.(jpe?g|png|webp|tiff?|heic|heif)$/i;
let chosen = null;
let request = null;

function show({ idle, sending = false, problem = "", canRetry = false, says = "" }) {
  for (const element of drop.querySelectorAll("[data-idle]")) element.toggleAttribute("hidden", !idle); // the icon is no HTML element
  progress.hidden = cancel.hidden = !sending;
  status.textContent = sending ? words.wordsSending : says;
  error.hidden = !problem;
  error.firstElementChild.textContent = problem;
  again.hidden = !canRetry;
  if (canRetry) retry.focus();
}

// a file whose type the system does not know is judged by its name's ending, and then by the server
function isPicture(file) {
  return file.type ? TYPES.test(file.type) || ENDINGS.test(file.name) : !/\.\w+$/.test(file.name) || ENDINGS.test(file.name);
}

function ask(file) {
  if (!file) return;
  request?.abort();
  if (!isPicture(file)) return refuse(words.wordsNotAPicture);
  if (file.size > Number(words.maxBytes)) return refuse(words.wordsTooLarge);
  chosen = file;
  showPreview(file);
  send(file);
}

function showPreview(file) {
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.hidden = true;
  name.hidden = false;
  name.textContent = `${file.name || words.wordsPasted} · ${size(file.size)}`;
  preview.onload = () => (preview.hidden = false); // not every browser can show every format: the name stays
  preview.src = URL.createObjectURL(file);
}

function size(bytes) {
  const language = document.documentElement.lang;
  const [amount, unit] = bytes < 1e6 ? [bytes / 1e3, "kilobyte"] : [bytes / 1e6, "megabyte"];
  return new Intl.NumberFormat(language, { style: "unit", unit, maximumFractionDigits: amount < 10 ? 1 : 0 }).format(amount);
}

function send(file) {
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.append("image", file, file.name || "pasted.png");
  request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.onprogress = ({ loaded, total }) => {
    progress.value = loaded / total;
    if (loaded === total) status.textContent = words.wordsSent;
  };
  request.onload = () => answered(request);
  request.onerror = () => show({ idle: false, problem: words.wordsNetwork, canRetry: true });
  progress.value = 0;
  show({ idle: false, sending: true });
  request.send(body);
}

function answered({ status: code, response }) {
  if (code < 300 && response?.url) location.assign(response.url);
  else if (code < 500 && response?.detail && code !== 429) refuse(response.detail);
  else show({ idle: false, problem: response?.detail ?? words.wordsServer, canRetry: true });
}

function refuse(problem, says = "") {
  request = chosen = null;
  preview.hidden = name.hidden = true;
  show({ idle: true, problem, says });
  for (const input of inputs) input.value = "";
}

for (const input of inputs) input.addEventListener("change", () => ask(input.files[0]));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(inputs.map((input) => input.files[0]).find(Boolean));
});
retry.addEventListener("click", () => send(chosen));
again.querySelector("[data-other]").addEventListener("click", () => refuse(""));
cancel.addEventListener("click", () => {
  request?.abort();
  refuse("", words.wordsCancelled);
  inputs[0].focus();
});
// back on the network, a photo that was lost on the way is sent without being asked for
addEventListener("online", () => !again.hidden && chosen && send(chosen));

document.addEventListener("dragover", (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  ask(event.dataTransfer.files[0]);
});
document.addEventListener("paste", ({ clipboardData }) => ask([...clipboardData.files].find((file) => file.type.startsWith("image/"))));

// a camera button only where there is likely a camera to hold
document.querySelector(".camera").hidden = !matchMedia("(pointer: coarse)").matches;
// coming back by the browser's button finds a fresh question
addEventListener("pageshow", (event) => event.persisted && refuse(""));

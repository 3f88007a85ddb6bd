// The question: drop, paste, choose or take a photo; it is sent with progress and can be sent again.

const form = document.getElementById("ask");
const drop = document.getElementById("drop");
const preview = drop.querySelector(".preview");
const progress = drop.querySelector("progress");
const status = document.getElementById("ask-status");
const error = document.getElementById("ask-error");
const again = document.getElementById("ask-again");
const inputs = [...drop.querySelectorAll("input[type=file]")];
const words = form.dataset;
let chosen = null;

function show({ idle, sending = false, problem = "", retry = false }) {
  for (const element of drop.querySelectorAll("[data-idle]")) element.hidden = !idle;
  progress.hidden = !sending;
  status.textContent = sending ? words.wordsSending : "";
  error.hidden = !problem;
  error.firstElementChild.textContent = problem;
  again.hidden = !retry;
  if (retry) again.querySelector("[data-retry]").focus();
}

function ask(file) {
  if (!file) return;
  chosen = file;
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.hidden = true;
  if (file.size > Number(words.maxBytes)) {
    show({ idle: true, problem: words.wordsTooLarge });
    return;
  }
  preview.onload = () => (preview.hidden = false);
  preview.src = URL.createObjectURL(file);
  send(file);
}

function send(file) {
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.append("image", file, file.name || "pasted.png");
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.onprogress = ({ loaded, total }) => (progress.value = loaded / total);
  request.onload = () => {
    if (request.status < 300 && request.response?.url) location.assign(request.response.url);
    else if (request.status < 500 && request.response?.detail) refuse(request.response.detail);
    else show({ idle: false, problem: words.wordsServer, retry: true });
  };
  request.onerror = () => show({ idle: false, problem: words.wordsNetwork, retry: true });
  progress.value = 0;
  show({ idle: false, sending: true });
  request.send(body);
}

function refuse(problem) {
  preview.hidden = true;
  show({ idle: true, problem });
  for (const input of inputs) input.value = "";
}

for (const input of inputs) input.addEventListener("change", () => ask(input.files[0]));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(inputs.map((input) => input.files[0]).find(Boolean));
});
again.querySelector("[data-retry]").addEventListener("click", () => send(chosen));
again.querySelector("[data-other]").addEventListener("click", () => refuse(""));

document.addEventListener("dragover", (event) => {
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
document.addEventListener("paste", (event) => ask([...event.clipboardData.files].find((file) => file.type.startsWith("image/"))));

// a camera button only where there is likely a camera to hold
document.querySelector(".camera").hidden = !matchMedia("(pointer: coarse)").matches;
// coming back by the browser's button finds a fresh question
addEventListener("pageshow", (event) => event.persisted && refuse(""));

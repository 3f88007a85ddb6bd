// Fills in the photos most like the one in the form, asking the API as the signed-in curator.

for (const panel of document.querySelectorAll(".similar[data-url]")) {
  fill(panel).catch((error) => {
    panel.replaceChildren(text("p", `${panel.dataset.wordsFailed} ${error.message}`, "reason"));
  });
}

async function fill(panel) {
  const response = await fetch(`${panel.dataset.url}?limit=8`, { headers: { Accept: "application/json" } });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail);
  if (!body.matches.length) {
    panel.replaceChildren(text("p", panel.dataset.wordsNone, "quiet"));
    return;
  }
  const list = document.createElement("ul");
  list.append(...body.matches.map((match) => card(match, panel.dataset)));
  panel.replaceChildren(list);
}

function card(match, words) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `${words.admin}${match.photo}/`;
  const image = document.createElement("img");
  Object.assign(image, { src: match.thumbnail, alt: match.title || match.photo, loading: "lazy" });
  link.append(image);
  const level = match.verification?.level;
  item.append(link, text("span", match.score.toFixed(2), "score"));
  if (level === "confirmed") item.append(text("span", words.wordsConfirmed, "badge badge-ready"));
  if (level === "possible") item.append(text("span", words.wordsPossible, "badge badge-pending"));
  if (match.latitude !== null && document.getElementById("id_latitude")) item.append(placeButton(match, words));
  return item;
}

function placeButton(match, words) {
  const button = text("button", words.wordsUse, "button");
  button.type = "button";
  button.addEventListener("click", () => {
    for (const name of ["latitude", "longitude"]) {
      const input = document.getElementById(`id_${name}`);
      input.value = match[name].toFixed(6);
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    document.getElementById("id_latitude").focus();
  });
  return button;
}

function text(tag, words, className) {
  const element = document.createElement(tag);
  element.textContent = words;
  element.className = className;
  return element;
}

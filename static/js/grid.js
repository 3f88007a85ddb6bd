// A justified grid: each photo takes the width that its shape asks for. Also for the cards that arrive by scrolling.

function justify(root) {
  for (const card of root.querySelectorAll("[data-ratio]")) {
    card.style.flexBasis = `calc(var(--height) * ${card.dataset.ratio})`;
    card.style.flexGrow = card.dataset.ratio;
    card.removeAttribute("data-ratio");
  }
}

justify(document);
document.addEventListener("htmx:load", ({ target }) => justify(target.parentElement ?? document));

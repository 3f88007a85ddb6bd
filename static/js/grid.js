// A justified grid: each photo takes the width that its shape asks for, also those that arrive by scrolling. The
// address follows what is in view, so that the back button and a reload come back to it.

function justify(root) {
  for (const card of root.querySelectorAll("[data-ratio]")) {
    card.style.flexBasis = `calc(var(--height) * ${card.dataset.ratio})`;
    card.style.flexGrow = card.dataset.ratio;
    card.removeAttribute("data-ratio");
    if (!card.dataset.blur) continue;
    const image = card.querySelector("img");
    if (image.complete) continue;
    card.style.backgroundImage = `url("data:image/png;base64,${card.dataset.blur}")`;
    image.addEventListener("load", () => (card.style.backgroundImage = ""), { once: true });
  }
}

justify(document);
document.addEventListener("htmx:load", ({ target }) => justify(target.parentElement ?? document));

const grid = document.getElementById("grid");
let page = location.href; // the address whose photos end with the cards before the next `.more`

// cards of a later page remember the address they came from
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const more = detail.elt.closest?.(".more.older");
  if (more) page = new URL(more.dataset.page, location.href).href;
});
document.addEventListener("htmx:load", ({ target }) => {
  if (target.matches?.(".photo-card")) target.dataset.address = page;
});

grid?.addEventListener("click", (event) => {
  const card = event.target.closest("a")?.closest(".photo-card");
  if (!card) return;
  const address = new URL(card.dataset.address ?? location.href);
  address.hash = card.id;
  history.replaceState(history.state, "", address);
});

// a filter that hangs over the photos goes with a click beside it, and with Escape
const closeFacets = (but) => {
  for (const facet of document.querySelectorAll(".facet[open]")) if (facet !== but) facet.open = false;
};
document.addEventListener("click", ({ target }) => closeFacets(target.closest(".facet")));
document.addEventListener("keydown", (event) => {
  const facet = document.querySelector(".facet[open]");
  if (event.key !== "Escape" || !facet) return;
  facet.open = false;
  facet.querySelector("summary").focus();
});

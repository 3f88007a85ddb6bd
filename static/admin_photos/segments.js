// Switches the segments over a photo on and off, and marks the one under the pointer or the focus.

for (const list of document.querySelectorAll(".segment-list")) {
  const figure = list.closest(".panel").querySelector(".segmented");
  const drawing = figure.querySelector(`svg[data-segmenter="${CSS.escape(list.dataset.segmenter)}"]`);
  const all = list.querySelector("[data-all]");
  const boxes = [...list.querySelectorAll("[data-segment]")];

  const update = () => {
    for (const box of boxes) {
      document.getElementById(box.dataset.segment).classList.toggle("off", !box.checked);
    }
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    drawing.classList.toggle("off", chosen === 0);
  };
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    update();
  });
  for (const box of boxes) {
    box.addEventListener("change", update);
    const row = box.closest("li");
    const segment = document.getElementById(box.dataset.segment);
    const mark = (on) => () => {
      segment.classList.toggle("marked", on);
      row.classList.toggle("marked", on);
      drawing.classList.toggle("has-marked", on);
    };
    for (const part of [row, segment]) {
      part.addEventListener("pointerenter", mark(true));
      part.addEventListener("pointerleave", mark(false));
    }
    box.addEventListener("focus", mark(true));
    box.addEventListener("blur", mark(false));
  }
  update();
}

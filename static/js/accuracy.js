// The accuracy page's map: from each answer a line to where the photo was really taken.
/* global L */

import { boundsAround, createMap, unwrap } from "./map.js";

const data = document.getElementById("errors-data");
const element = document.getElementById("errors-map");
if (data && element) draw(JSON.parse(data.textContent).rows);

function draw(rows) {
  const map = createMap(element);
  const first = rows[0].truth;
  const ends = rows.map((row) => unwrap([first, row.truth, row.answer]).slice(1));
  map.fitBounds(boundsAround(ends.flat(), 60), { padding: [24, 24], maxZoom: 17, animate: false });
  rows.forEach((row, index) => {
    const [truth, answer] = ends[index];
    const name = row.is_held ? "held" : "missed";
    L.polyline([answer, truth], { className: `error-line ${name}`, weight: 2, interactive: false }).addTo(map);
    const dot = L.circleMarker(truth, { className: `error-dot ${name}`, radius: 6, weight: 2 }).addTo(map);
    dot.bindPopup(() => popup(row));
  });
}

function popup(row) {
  const link = document.createElement("a");
  link.href = row.url;
  const image = document.createElement("img");
  image.src = row.thumbnail;
  image.alt = "";
  image.width = 160;
  link.append(image, row.title);
  const words = document.createElement("p");
  words.textContent = `${row.error_words} / ${row.radius_words}`;
  const box = document.createElement("div");
  box.className = "error-popup";
  box.append(link, words);
  return box;
}

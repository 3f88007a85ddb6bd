// A place is chosen on a map and in two number fields, which always say the same.
/* global L */

import { createMap, pin, unwrap } from "./map.js";

const DECIMALS = 6;
const NEAR_ZOOM = 16;
const CANDIDATE_ZOOM = 12;

export function startPlace(element, answer) {
  const { form } = document.getElementById("save-latitude");
  const { latitude, longitude } = form.elements;
  const start = startOf(answer);
  const map = createMap(element, start ? { center: start, zoom: answer.location ? NEAR_ZOOM : CANDIDATE_ZOOM } : {});
  if (answer.location) L.circle(start, { radius: answer.location.radius_m, className: "radius alternative", interactive: false }).addTo(map);
  const marker = L.marker([0, 0], { icon: pin("", "answer-pin"), draggable: true, autoPan: true, keyboard: false });

  const write = ({ lat, lng }) => {
    latitude.value = lat.toFixed(DECIMALS);
    longitude.value = (lng - 360 * Math.round(lng / 360)).toFixed(DECIMALS);
    marker.setLatLng([lat, lng]).addTo(map);
  };
  const read = () => {
    if (!latitude.value || !longitude.value || !latitude.validity.valid || !longitude.validity.valid) return marker.remove();
    const [point] = unwrap([[Number(latitude.value), Number(longitude.value)]]);
    marker.setLatLng(point).addTo(map);
    if (!map.getBounds().contains(point)) map.panTo(point);
  };

  map.on("click", ({ latlng }) => write(latlng));
  marker.on("drag", () => write(marker.getLatLng()));
  for (const input of [latitude, longitude]) input.addEventListener("input", read);
  read();
}

function startOf({ location, alternatives, matches }) {
  const best = location ?? alternatives[0] ?? matches.find((match) => match.latitude !== null);
  return best ? [best.latitude, best.longitude] : null;
}

// Going nearer to a picture: wheel, two fingers, plus and minus, double click; dragged about while it is large.

const MOST = 8;
const STEP = 1.5;

export function makeZoomable(stage, frame) {
  let scale = 1;
  let [x, y] = [0, 0];
  const fingers = new Map();
  let spread = 0;

  const apply = () => {
    const [w, h] = [frame.offsetWidth, frame.offsetHeight];
    // an edge of the picture never comes further in than the stage's middle lets it
    const [roomX, roomY] = [(w * (scale - 1)) / 2, (h * (scale - 1)) / 2];
    x = Math.max(-roomX, Math.min(roomX, x));
    y = Math.max(-roomY, Math.min(roomY, y));
    frame.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
    stage.classList.toggle("is-zoomed", scale > 1);
  };
  // the point under `at` (from the stage's middle) stays where it is
  const zoom = (factor, at = { x: 0, y: 0 }) => {
    const next = Math.max(1, Math.min(MOST, scale * factor));
    x = at.x - ((at.x - x) * next) / scale;
    y = at.y - ((at.y - y) * next) / scale;
    scale = next;
    apply();
  };
  const fit = () => {
    [scale, x, y] = [1, 0, 0];
    apply();
  };
  const fromMiddle = ({ clientX, clientY }) => {
    const box = stage.getBoundingClientRect();
    return { x: clientX - box.left - box.width / 2, y: clientY - box.top - box.height / 2 };
  };
  const between = () => {
    const [a, b] = [...fingers.values()];
    return { distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), middle: fromMiddle({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }) };
  };

  stage.addEventListener("wheel", (event) => {
    // a plain wheel scrolls the page until the picture has been gone nearer to
    if (!event.ctrlKey && scale === 1 && !stage.matches(":focus-within")) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), fromMiddle(event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => (scale > 1 ? fit() : zoom(2.5, fromMiddle(event))));
  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("a, button")) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) spread = between().distance;
    if (scale > 1 || fingers.size === 2) stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const former = fingers.get(event.pointerId);
    if (!former) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) {
      const { distance, middle } = between();
      zoom(distance / spread, middle);
      spread = distance;
    } else if (scale > 1) {
      x += event.clientX - former.clientX;
      y += event.clientY - former.clientY;
      apply();
    }
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) stage.addEventListener(name, ({ pointerId }) => fingers.delete(pointerId));
  return { in: () => zoom(STEP), out: () => zoom(1 / STEP), fit, isZoomed: () => scale > 1, isPinching: () => fingers.size > 1 };
}

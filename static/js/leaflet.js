// Leaflet is fetched only where a map is about to be drawn. Its style sheet goes before ours, which changes it.

let loading;

export function loadLeaflet() {
  const { script, style } = document.querySelector("[data-script][data-style]").dataset;
  loading ??= globalThis.L ? Promise.resolve() : Promise.all([addStyle(style), addScript(script)]);
  return loading;
}

function addStyle(href) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  const added = settled(link);
  document.querySelector("link[rel=stylesheet]").before(link);
  return added;
}

function addScript(src) {
  const script = document.createElement("script");
  script.src = src;
  const added = settled(script);
  document.head.append(script);
  return added;
}

function settled(element) {
  return new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = () => {
      loading = undefined; // the next map may find the network back
      reject(new Error(`cannot load ${element.src ?? element.href}`));
    };
  });
}

{% load static %}// Shows a page of our own where the network is lost; answers nothing else from its store.
const STORE = "offline-{{ version }}";
const OFFLINE = "{% url 'offline' %}";
const KEPT = [OFFLINE, "{% static 'css/geolocator.css' %}", "{% static 'images/logo.svg' %}", "{% static 'js/theme.js' %}", "{% static 'js/offline.js' %}"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(STORE).then((store) => store.addAll(KEPT)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const forget = (names) => Promise.all(names.filter((name) => name !== STORE).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(forget));
});

self.addEventListener("fetch", (event) => {
  const asked = event.request;
  const address = new URL(asked.url);
  if (asked.mode === "navigate" && asked.method === "GET") {
    event.respondWith(fetch(asked).catch(() => caches.match(OFFLINE)));
  } else if (address.origin === location.origin && KEPT.includes(address.pathname)) {
    event.respondWith(fetch(asked).catch(() => caches.match(asked, { ignoreVary: true })));
  }
});

// Keeps a page for when the network is lost, and leaves that page when the network is back.
if (document.body.hasAttribute("data-offline")) {
  // Browsers know badly when they are back: ask.
  const ask = () => fetch("/healthz", { cache: "no-store" }).then((answer) => answer.ok && location.reload(), () => {});
  addEventListener("online", ask);
  setInterval(ask, 4000);
} else if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register(document.documentElement.dataset.worker).catch(() => {});
}

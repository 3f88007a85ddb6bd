// Keeps a page for when the network is lost, and leaves that page when the network is back.
if (document.body.hasAttribute("data-offline")) {
  addEventListener("online", () => location.reload());
} else if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register(document.documentElement.dataset.worker).catch(() => {});
}

// Follows the progress of a start and goes to JupyterLab when it is ready. Without scripts the page reloads itself instead.
const box = document.getElementById("pending");
const bar = document.getElementById("bar");
const message = document.getElementById("message");
const source = new EventSource(box.dataset.progress);

source.onmessage = (event) => {
  const news = JSON.parse(event.data);
  bar.value = news.progress;
  message.textContent = news.message;
  if (news.ready) {
    source.close();
    location.replace(box.dataset.open);
  } else if (news.failed) {
    source.close();
    location.replace(box.dataset.home);
  }
};
// EventSource tries again by itself; when the start has ended meanwhile the hub answers with an error, and the page knows where to go.
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 1000);
};

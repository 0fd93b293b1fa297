// The end of a job's output as it grows: a bar that overwrites itself leaves its last word, as in a terminal.
"use strict";
(() => {
  const KEPT = 2000;
  let box = document.getElementById("output");
  const said = document.getElementById("output-said");
  let whole = [];
  let open = "";
  let source = null;
  let isOver = false;
  let due = false;

  function overwritten(line) {
    const parts = line.split("\r").filter((part) => part.trim());
    return parts.length ? parts[parts.length - 1] : "";
  }

  function add(text) {
    const lines = (open + text.replaceAll("\r\n", "\n")).split("\n");
    open = lines.pop();
    if (open.length > 4000) open = open.slice(open.lastIndexOf("\r", open.length - 2)).slice(-4000);
    whole = whole.concat(lines.map(overwritten)).slice(-KEPT);
    if (!due) requestAnimationFrame(draw);
    due = true;
  }

  function draw() {
    due = false;
    const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 40;
    box.textContent = [...whole, overwritten(open)].join("\n");
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  }

  function listen() {
    if (source || isOver || document.hidden || !box.dataset.output) return;
    source = new EventSource(box.dataset.output);
    source.onopen = () => {
      whole = [];
      open = "";
      said.textContent = "live";
    };
    source.addEventListener("chunk", (event) => add(JSON.parse(event.data).text));
    source.addEventListener("end", () => over("complete"));
    source.addEventListener("refused", (event) => over(JSON.parse(event.data).what));
    source.onerror = () => {
      said.textContent = "cut off";
    };
  }

  function over(words) {
    isOver = true;
    said.textContent = words;
    hush();
  }

  function hush() {
    if (source) source.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
  document.addEventListener("runexp:refreshed", () => {
    const now = document.getElementById("output");
    if (!now || now === box) return;
    box = now; // another attempt's
    isOver = false;
    hush();
    listen();
  });
  addEventListener("pagehide", hush);
  listen();
})();

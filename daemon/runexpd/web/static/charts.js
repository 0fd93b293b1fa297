// Curves that can be looked into: plotly takes the place of the picture, at once on a desk, when asked for on a phone.
"use strict";
(() => {
  const own = document.getElementById("charts");
  const PAUSE = 10000;
  const MANY = 12;
  const NARROW = 30;
  const WIDE = 70;
  //: Lines that the reader has hidden, by what they are called.
  const hidden = new Set();
  let loading = null;
  let drawnAt = 0;

  function figure() {
    return document.getElementById("curves");
  }

  // Styles set as attributes are refused by the page's policy; set as properties they are not. Sheets that a script writes are
  // refused, too: plotly's own is a file (plotly.css), and that of its maps is not needed.
  function allowStyles() {
    const plain = Element.prototype.setAttribute;
    Element.prototype.setAttribute = function (name, value) {
      if (name === "style" && this.style) this.style.cssText = value;
      else plain.call(this, name, value);
    };
    const create = document.createElement;
    document.createElement = (name, ...more) => create.call(document, name === "style" ? "template" : name, ...more);
  }

  function load() {
    if (loading) return loading;
    allowStyles();
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = own.dataset.style;
    style.id = "plotly.js-style-global";
    style.className = "no-inline-styles";
    document.head.append(style);
    loading = new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = own.dataset.plotly;
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    });
    return loading;
  }

  // Plotly reads a little HTML in names; ours are text.
  function text(name) {
    const printable = name.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, "\ufffd");
    const most = matchMedia("(max-width: 700px)").matches ? NARROW : WIDE;
    const half = Math.floor(most / 2);
    const short = printable.length > most ? `${printable.slice(0, half)}…${printable.slice(-half)}` : printable;
    return short.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // The lines of the picture are those that have a value.
  function drawn(series) {
    return series.filter((each) => each.values.some((value) => value !== null));
  }

  function traces(series) {
    const jobs = [...new Set(series.map((each) => each.job))];
    const newest = new Map(series.map((each) => [each.job, each.attempt]));
    const dashes = ["solid", "dash", "dot", "dashdot"];
    return series.map((each) => {
      const place = jobs.indexOf(each.job);
      const isEarlier = newest.get(each.job) !== each.attempt;
      return {
        x: each.steps,
        y: each.values,
        name: text(each.job + (isEarlier ? `, attempt ${each.attempt}` : "")),
        mode: each.steps.length < 3 ? "lines+markers" : "lines",
        opacity: isEarlier ? 0.4 : 1,
        line: { color: colour(`--c${place % 8}`), dash: dashes[Math.floor(place / 8) % 4], width: 2 },
        connectgaps: false,
      };
    });
  }

  function layout(name, count) {
    const ink = colour("--ink");
    const rule = colour("--rule");
    const axis = { gridcolor: rule, zerolinecolor: rule, linecolor: rule };
    return {
      height: 340,
      margin: { l: 64, r: 10, t: 10, b: 32 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, family: "system-ui, sans-serif", size: 13 },
      hoverlabel: { namelength: -1, bgcolor: colour("--card"), font: { color: ink } },
      hovermode: count > MANY ? "closest" : "x unified",
      dragmode: "zoom",
      uirevision: name,
      showlegend: false,
      xaxis: axis,
      yaxis: { ...axis, title: { text: text(name.replaceAll("_", " ")) } },
    };
  }

  async function draw() {
    const box = figure();
    if (!box) return;
    drawnAt = Date.now();
    const address = new URL(box.dataset.curves, location.href);
    address.searchParams.set("name", box.dataset.name);
    try {
      const [reply] = await Promise.all([fetch(address), load()]);
      if (!reply.ok) return;
      const series = drawn((await reply.json()).series);
      const options = { displayModeBar: false, responsive: true };
      const plot = box.querySelector(".plot");
      await Plotly.react(plot, traces(series), layout(box.dataset.name, series.length), options);
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", `${box.dataset.name} by step, ${series.length} lines`);
      hideButton();
      hideLines();
    } catch {
      // the picture stays
    }
  }

  function isDrawn() {
    const box = figure();
    return box && box.querySelector(".plot").childElementCount > 0;
  }

  function hideButton() {
    const box = figure();
    if (!box) return;
    box.querySelector(".zoom").hidden = Boolean(isDrawn());
  }

  // The legend is a list beside the picture, the same for both; its buttons hide lines and show them.
  function hideLines() {
    const box = figure();
    if (!box) return;
    const buttons = [...box.querySelectorAll(".line")];
    for (const each of buttons) {
      const isShown = !hidden.has(each.textContent.trim());
      each.setAttribute("aria-pressed", String(isShown));
      const line = box.querySelector(`g[data-place="${each.dataset.place}"]`);
      if (line) line.classList.toggle("off", !isShown);
    }
    if (!isDrawn()) return;
    const count = box.querySelector(".plot").data.length;
    const off = new Set(buttons.filter((each) => each.ariaPressed === "false").map((each) => Number(each.dataset.place)));
    const visible = Array.from({ length: count }, (_, place) => !off.has(place));
    Plotly.restyle(box.querySelector(".plot"), { visible });
  }

  function toggle(button) {
    const name = button.textContent.trim();
    if (!hidden.delete(name)) hidden.add(name);
    hideLines();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("zoom")) draw();
    if (button.classList.contains("line")) toggle(button);
  });
  document.addEventListener("runexp:refreshed", () => {
    hideButton();
    hideLines();
    if (isDrawn() && Date.now() - drawnAt > PAUSE) draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => isDrawn() && draw());

  hideButton();
  const isSparing = navigator.connection && navigator.connection.saveData;
  if (matchMedia("(min-width: 700px)").matches && !isSparing) draw();
})();

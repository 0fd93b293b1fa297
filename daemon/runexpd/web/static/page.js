// Keeps a page as things stand: it hears that something happened, asks the server for the page again, and changes what differs.
"use strict";
(() => {
  const main = document.getElementById("main");
  const lost = document.getElementById("lost");
  const SHORTEST_PAUSE = 1000;
  const SILENCE = 40000; // the server says something every 15 s

  // Times in the reader's own zone, and clocks that run.
  function dressTimes() {
    const today = new Date().toDateString();
    for (const each of document.querySelectorAll("time[datetime]")) {
      const at = new Date(each.dateTime);
      const clock = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      const day = at.toLocaleDateString([], { day: "numeric", month: "short" });
      const words = at.toDateString() === today ? clock : `${day}, ${clock}`;
      if (each.textContent !== words) each.textContent = words;
      if (!each.title) each.title = at.toLocaleString();
    }
  }

  function duration(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const two = (number) => String(number).padStart(2, "0");
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
    return `${Math.floor(whole / 86400)} d ${two(Math.floor((whole % 86400) / 3600))} h`;
  }

  function tick() {
    if (!lost.hidden) return; // clocks stop with the news
    for (const each of document.querySelectorAll("[data-since]")) {
      each.textContent = duration(Date.now() / 1000 - Number(each.dataset.since));
    }
  }

  // What differs is changed, and nothing else: focus, folds, selections and scrolling stay.
  function morph(old, now) {
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== now.data) old.data = now.data;
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) return;
    if (old.dataset.keep !== undefined && old.dataset.keep === now.dataset.keep) return;
    if (old.localName === "time" && old.dateTime === now.dateTime) return;
    for (const { name, value } of now.attributes) {
      const isReaders = name === "open"; // what is folded stays so
      if (!isReaders && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      const isReaders = name === "open" || (name === "title" && old.localName === "time");
      if (!now.hasAttribute(name) && !isReaders) old.removeAttribute(name);
    }
    const wanted = new Set([...now.children].map((each) => each.id).filter(Boolean));
    let place = old.firstChild;
    for (const child of [...now.childNodes]) {
      const same = child.id ? [...old.children].find((each) => each.id === child.id) : alike(place, child);
      if (same) {
        // What is gone goes first: a node that is moved loses the focus.
        while (child.id && place !== same && place && !wanted.has(place.id)) place = after(place);
        if (same === place) place = place.nextSibling;
        else old.insertBefore(same, place);
        morph(same, child);
      } else {
        old.insertBefore(document.adoptNode(child), place);
      }
    }
    while (place) place = after(place);
  }

  function after(place) {
    const next = place.nextSibling;
    place.remove();
    return next;
  }

  function alike(one, other) {
    return one && one.nodeName === other.nodeName && !one.id ? one : null;
  }

  let wanted = false;
  let asking = false;
  let pause = SHORTEST_PAUSE;

  function refresh() {
    wanted = true;
    if (!asking && !document.hidden) ask();
  }

  async function ask() {
    asking = true;
    while (wanted && !document.hidden) {
      wanted = false;
      const began = performance.now();
      try {
        const reply = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
        if (reply.status === 401) return stop("Nobody is logged in here any more. In a terminal: runexp web");
        if (reply.ok) show(await reply.text());
      } catch {
        wanted = true; // the stream says when the way is there again
        break;
      }
      pause = Math.max(SHORTEST_PAUSE, 3 * (performance.now() - began));
      await new Promise((done) => setTimeout(done, pause));
    }
    asking = false;
  }

  function show(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const now = page.getElementById("main");
    if (!now) return;
    document.title = page.title;
    morph(main, now);
    dressTimes();
    tick();
    document.dispatchEvent(new Event("runexp:refreshed"));
  }

  let source = null;
  let heardAt = 0;
  let last = null;

  function listen() {
    if (source || document.hidden || !main.dataset.events) return;
    const address = new URL(main.dataset.events, location.href);
    if (last) address.searchParams.set("after", last);
    source = new EventSource(address);
    heardAt = Date.now();
    for (const kind of ["seen", "changed", "as_of", "reset", "live", "ping", "refused"]) source.addEventListener(kind, hear);
    source.onerror = fail;
  }

  function hear(event) {
    heardAt = Date.now();
    if (event.lastEventId) last = event.lastEventId;
    if (!lost.hidden) {
      lost.hidden = true;
      refresh();
    }
    if (event.type === "refused") return hush();
    if (event.type !== "ping" && event.type !== "live") refresh();
  }

  function hush() {
    if (source) source.close();
    source = null;
  }

  async function fail() {
    say("The daemon gives no answer; what is shown is as old as the clocks say. Trying again …");
    if (source && source.readyState === EventSource.CLOSED) {
      hush();
      try {
        const known = await (await fetch("/login/known")).json();
        if (!known.is_known) return stop("Nobody is logged in here any more. In a terminal: runexp web");
      } catch {
        // no daemon yet
      }
      setTimeout(listen, 3000);
    }
  }

  function say(words) {
    lost.textContent = words;
    lost.hidden = false;
  }

  function stop(words) {
    hush();
    main.removeAttribute("data-events");
    say(words);
  }

  function watch() {
    tick();
    if (source && Date.now() - heardAt > SILENCE) {
      hush();
      say("Nothing is heard of the daemon; trying again …");
      listen();
    }
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return hush();
    listen();
    refresh();
  });
  addEventListener("pagehide", hush);
  addEventListener("pageshow", listen);
  addEventListener("online", () => {
    hush();
    listen();
  });

  // What is listed is found as one types; without a script the button does it.
  let typing = 0;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "q") return;
    clearTimeout(typing);
    typing = setTimeout(() => {
      const address = new URL(location.href);
      for (const name of ["q", "page", "show"]) address.searchParams.delete(name);
      if (event.target.value) address.searchParams.set("q", event.target.value);
      history.replaceState(null, "", address);
      refresh();
    }, 250);
  });

  dressTimes();
  setInterval(watch, 1000);
  listen();
})();

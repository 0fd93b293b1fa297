// The token stands behind the #, so that no server, log or link preview gets it; a browser that opens the page sends it.
"use strict";
(() => {
  const form = document.getElementById("login");

  function logIn() {
    const token = location.hash.slice(1);
    if (!token) return false;
    history.replaceState(null, "", location.pathname);
    form.elements.token.value = token;
    form.submit();
    return true;
  }

  // A link from elsewhere brings no cookie along (SameSite=Strict), but from here it is sent.
  async function goOn() {
    const answer = await (await fetch("/login/known")).json();
    if (answer.is_known) location.replace(location.pathname === "/login" ? "/" : location.href);
  }

  addEventListener("hashchange", logIn); // the address was pasted over this page's
  if (!logIn()) goOn().catch(() => {});
})();

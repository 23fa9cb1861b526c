// What makes a page pleasanter where scripts run: parts that change by themselves, and a button that copies.
"use strict";

const SLOWER = 10; // times, while the service does not answer

// Makes a node like a fresh one and touches only what differs, so that what is focused, selected or scrolled to stays.
function renew(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.classList.contains("log")) lengthen(old, fresh);
  else renewChildren(old, fresh);
}

function renewChildren(old, fresh) {
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = old.firstChild;
  const pass = () => {
    const next = at.nextSibling;
    at.remove();
    at = next;
  };
  for (const node of [...fresh.childNodes]) {
    const found = node.id ? named.get(node.id) : at && isSame(at, node) && at;
    if (found && found.isConnected) {
      while (at && at !== found) pass();
      renew(found, node);
      at = found.nextSibling;
    } else {
      old.insertBefore(node, at);
    }
  }
  while (at) pass();
}

// A form that does something else is another form: nobody shall press "cancel" and find it was "retry".
function isSame(one, other) {
  return one.nodeName === other.nodeName && !one.id && (one.nodeName !== "FORM" || one.action === other.action);
}

// The lines that a log has gained go behind those that it had; fresh ones may begin later, where the log is long.
function lengthen(log, fresh) {
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  const had = [...log.children].map((line) => line.textContent);
  const lines = [...fresh.children];
  const follows = (shared) => lines.slice(0, shared).every((line, at) => line.textContent === had[had.length - shared + at]);
  let shared = Math.min(had.length, lines.length);
  while (shared > 0 && !follows(shared)) shared -= 1;
  if (shared > 0) log.append(...lines.slice(shared));
  else log.replaceChildren(...lines);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function show(page) {
  document.title = page.title;
  const focused = document.activeElement;
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh) renew(part, fresh);
  }
  if (focused && !focused.isConnected) document.getElementById("main").focus({ preventScroll: true });
}

// Says since when the page stands still, and why; nothing once it moves again.
let seen = new Date();
function tell(fault) {
  const place = document.getElementById("stale");
  const text = fault && `This page is as of ${seen.toLocaleTimeString([], { timeStyle: "medium" })}: ${fault}`;
  if (place.textContent !== text) place.textContent = text;
}

async function follow() {
  let fault = "the service does not answer. It is tried again by itself.";
  try {
    const reply = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (reply.ok) {
      show(new DOMParser().parseFromString(await reply.text(), "text/html"));
      seen = new Date();
      fault = "";
    } else if (reply.type === "opaqueredirect") {
      fault = "you are not signed in any more. Load it again to sign in.";
    }
  } catch {
    // the service is away
  }
  tell(fault);
  soon(fault ? SLOWER : 1);
}

// Parts say how many seconds they stay as they are; none does once nothing changes any more.
function soon(times) {
  const changing = [...document.querySelectorAll("[data-changing]")];
  if (changing.length) setTimeout(follow, 1000 * times * Math.min(...changing.map((part) => Number(part.dataset.changing))));
}

function offerCopy(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy the lines for ${block.querySelector("code").dataset.snippet}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.querySelector("code").textContent);
    button.textContent = "Copied";
  });
  block.append(button);
}

for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
soon(1);
if (navigator.clipboard) document.querySelectorAll(".code").forEach(offerCopy);

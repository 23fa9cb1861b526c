// What makes a page pleasanter where scripts run: parts that change by themselves, and a button that copies.
"use strict";

const EVERY_MS = 1500;

function replace(part, fresh) {
  if (part.innerHTML === fresh.innerHTML) return;
  const hadFocus = part.contains(document.activeElement);
  const log = part.querySelector(".log");
  const atEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  part.innerHTML = fresh.innerHTML;
  part.toggleAttribute("data-changing", fresh.hasAttribute("data-changing"));
  if (hadFocus) (part.querySelector("button, a") || document.getElementById("main")).focus();
  const grown = part.querySelector(".log");
  if (grown && atEnd) grown.scrollTop = grown.scrollHeight;
}

async function follow() {
  let wait = EVERY_MS;
  try {
    const reply = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (reply.ok) {
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      document.title = page.title;
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (fresh) replace(part, fresh);
      }
    } else {
      wait = 10 * EVERY_MS;
    }
  } catch {
    wait = 10 * EVERY_MS; // the service is away, or the session has ended: look again later
  }
  if (document.querySelector("[data-changing]")) setTimeout(follow, wait);
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

if (document.querySelector("[data-changing]")) setTimeout(follow, EVERY_MS);
if (navigator.clipboard) document.querySelectorAll(".code").forEach(offerCopy);

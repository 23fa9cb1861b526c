// Leaflet over plain degrees: the month's map moves and zooms, and a box can be drawn on the form's.
"use strict";

const WORLD = [[-90, -180], [90, 180]];
const OPTIONS = { crs: L.CRS.EPSG4326, attributionControl: false, zoomSnap: 0, minZoom: -1, maxZoom: 8, maxBounds: WORLD, keyboard: true };
// One finger scrolls the page; two move and zoom the map.
OPTIONS.dragging = !matchMedia("(pointer: coarse)").matches;

function showMonth(figure) {
  const svg = figure.querySelector("svg");
  const [left, top, width, height] = figure.dataset.view.split(" ").map(Number);
  svg.setAttribute("viewBox", "0 0 360 180");
  svg.remove();
  figure.setAttribute("role", "group");
  figure.setAttribute("aria-label", "Map of where the items are; arrow keys move it, plus and minus zoom");
  figure.tabIndex = 0;
  const map = L.map(figure, OPTIONS);
  L.svgOverlay(svg, WORLD, { interactive: true }).addTo(map);
  map.fitBounds([[90 - top - height, left - 180], [90 - top, left + width - 180]]);
}

function edges() {
  return ["west", "south", "east", "north"].map((name) => document.getElementById(name));
}

function offerBox(holder) {
  holder.hidden = false;
  holder.setAttribute("role", "group");
  holder.setAttribute("aria-label", "Map of the box; the four fields above say the same");
  const map = L.map(holder, OPTIONS);
  L.imageOverlay(holder.dataset.land, WORLD, { alt: "Outline of the land" }).addTo(map);
  map.fitBounds(WORLD);
  const shapes = L.layerGroup().addTo(map);
  const bar = L.control({ position: "topright" });
  const button = L.DomUtil.create("button", "plain");
  button.type = "button";
  button.textContent = "Draw a box";
  button.setAttribute("aria-pressed", "false");
  bar.onAdd = () => {
    const frame = L.DomUtil.create("div", "leaflet-bar");
    frame.append(button);
    L.DomEvent.disableClickPropagation(frame);
    return frame;
  };
  bar.addTo(map);

  function show() {
    shapes.clearLayers();
    const [west, south, east, north] = edges().map((field) => (field.value.trim() === "" ? NaN : Number(field.value)));
    if (![west, south, east, north].every(Number.isFinite) || Math.max(Math.abs(west), Math.abs(east)) > 180) return;
    const halves = west > east ? [[west, 180], [-180, east]] : [[west, east]];
    for (const [from, to] of halves) L.rectangle([[south, from], [north, to]], { className: "box", interactive: false }).addTo(shapes);
  }

  function draw(on) {
    button.setAttribute("aria-pressed", String(on));
    holder.classList.toggle("drawing", on);
    map.dragging[on || !OPTIONS.dragging ? "disable" : "enable"]();
  }

  function fill(one, other) {
    const round = (value, limit) => String(Math.round(Math.max(-limit, Math.min(limit, value)) * 100) / 100);
    const [west, south, east, north] = edges();
    west.value = round(Math.min(one.lng, other.lng), 180);
    east.value = round(Math.max(one.lng, other.lng), 180);
    south.value = round(Math.min(one.lat, other.lat), 90);
    north.value = round(Math.max(one.lat, other.lat), 90);
    show();
  }

  let start = null;
  button.addEventListener("click", () => draw(button.getAttribute("aria-pressed") !== "true"));
  holder.addEventListener("pointerdown", (event) => {
    if (holder.classList.contains("drawing") && !bar.getContainer().contains(event.target)) start = map.mouseEventToLatLng(event);
  });
  holder.addEventListener("pointermove", (event) => start && fill(start, map.mouseEventToLatLng(event)));
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => {
      if (start) draw(false);
      start = null;
    });
  }
  edges().forEach((field) => field.addEventListener("input", show));
  show();
}

const figure = document.getElementById("map");
if (figure) showMonth(figure);
const holder = document.getElementById("box-map");
if (holder) offerBox(holder);

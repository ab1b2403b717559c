// Boxes of a photograph: chosen, moved, renamed, deleted and drawn, by keys, mouse or finger.
"use strict";

const form = document.querySelector("[data-review]");
if (form) {
  const width = Number(form.dataset.width), height = Number(form.dataset.height), may = form.dataset.may === "yes";
  const proposed = JSON.parse(form.dataset.proposed), names = JSON.parse(form.dataset.names), words = JSON.parse(form.dataset.words);
  const kinds = Object.keys(names), field = form.querySelector("[name=boxes]");
  const canvas = form.querySelector(".review-canvas"), stage = form.querySelector(".review-stage"), svg = canvas.querySelector("svg");
  const list = form.querySelector("[data-list]"), say = form.querySelector("[data-say]");
  const step = Math.max(1, Math.round(Math.max(width, height) / 500)), least = Math.max(2, step * 2);
  let boxes = JSON.parse(field.value), chosen = boxes.length ? 0 : -1, accepted = new Set(), last = kinds[0], zoom = 1;
  let past = [], future = [], drawing = false, drag = null, sent = false, still = null;
  const start = field.value;

  // ---- what is shown
  const origin = (box) => {
    if (box.source === null) return "person";
    const was = proposed[box.source], share = overlap(box.box, was.box);
    if (share >= 0.98 && box.kind === was.kind) return "left";
    return share >= 0.5 ? "corrected" : "person";
  };
  const overlap = (a, b) => {
    const shared = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
  };
  const make = (name, values) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(values)) shape.setAttribute(key, value);
    return svg.appendChild(shape);
  };
  const corners = ([x0, y0, x1, y1]) => ({ nw: [x0, y0], ne: [x1, y0], sw: [x0, y1], se: [x1, y1] });
  const grip = () => 6 * width / Math.max(1, canvas.clientWidth); // half a handle's side, in pixels of the photograph
  const label = (box, place) => {
    const made = origin(box), chance = box.source !== null && made !== "person" ? proposed[box.source].chance : null;
    const who = words[{ left: accepted.has(box) ? "by_left" : "by_model", corrected: "by_corrected", person: "by_person" }[made]];
    return `${place + 1} ${names[box.kind]}${chance === null ? "" : ` ${Math.round(chance * 100)} %`}, ${who}`;
  };
  const show = () => {
    const inside = form.contains(document.activeElement);
    svg.replaceChildren();
    boxes.forEach((box, place) => {
      const [x0, y0, x1, y1] = box.box, made = origin(box);
      make("rect", {
        x: x0, y: y0, width: x1 - x0, height: y1 - y0, "data-place": place,
        class: `box ${made}${place === chosen ? " chosen" : ""}${accepted.has(box) ? " accepted" : ""}`,
      });
    });
    // Handles stand outside of the corners, so that a small box stays to be seen.
    if (chosen >= 0 && may) for (const [name, [x, y]] of Object.entries(corners(boxes[chosen].box)))
      make("rect", {
        class: `handle ${name}`, "data-handle": name, width: 2 * grip(), height: 2 * grip(),
        x: name.endsWith("w") ? x - 2 * grip() : x, y: name.startsWith("n") ? y - 2 * grip() : y,
      });
    while (list.children.length > boxes.length) list.lastChild.remove();
    while (list.children.length < boxes.length) {
      const button = document.createElement("button");
      button.type = "button"; button.className = "small";
      list.appendChild(document.createElement("li")).appendChild(button);
    }
    boxes.forEach((box, place) => {
      const button = list.children[place].firstChild, text = label(box, place);
      if (button.textContent !== text) button.textContent = text;
      button.dataset.place = place; button.setAttribute("aria-current", place === chosen); button.classList.toggle("accepted", accepted.has(box));
    });
    for (const button of form.querySelectorAll("[data-kind]")) button.setAttribute("aria-pressed", chosen >= 0 && boxes[chosen].kind === button.dataset.kind);
    form.querySelector("[data-count]").textContent = boxes.length || "";
    form.querySelector("[data-none]").hidden = boxes.length > 0;
    const undo = form.querySelector("[data-do=undo]"), redo = form.querySelector("[data-do=redo]");
    if (undo) { undo.disabled = !past.length; redo.disabled = !future.length; }
    field.value = JSON.stringify(boxes);
    // Keys act where the focus is: it must not get lost with a button that went or can no longer be used.
    const at = document.activeElement;
    if (inside && (!form.contains(at) || at.disabled)) stage.focus({ preventScroll: true });
  };
  const choose = (place, focus = true) => {
    chosen = boxes.length ? (place + boxes.length) % boxes.length : -1;
    show();
    if (chosen < 0) return;
    if (focus) list.children[chosen].firstChild.focus({ preventScroll: true });
    list.children[chosen].scrollIntoView({ block: "nearest" });
    const shape = svg.querySelector(".box.chosen");
    if (shape && zoom > 1) shape.scrollIntoView({ block: "center", inline: "center" });
    say.textContent = label(boxes[chosen], chosen);
  };

  // ---- what is done; each deed can be taken back
  const copy = () => ({ boxes: boxes.map((box) => ({ ...box, box: [...box.box] })), accepted: boxes.map((box) => accepted.has(box)), chosen });
  const take = (state) => { boxes = state.boxes; accepted = new Set(boxes.filter((_, place) => state.accepted[place])); chosen = state.chosen; show(); };
  const keep = (reason = null) => {
    if (reason === null || reason !== still) { past.push(copy()); if (past.length > 200) past.shift(); }
    future = []; still = reason;
  };
  const fit = (box) => [Math.max(0, box[0]), Math.max(0, box[1]), Math.min(width, box[2]), Math.min(height, box[3])].map((side) => Math.round(side * 10) / 10);
  const moved = (box, dx, dy) => {
    const x = Math.min(Math.max(dx, -box[0]), width - box[2]), y = Math.min(Math.max(dy, -box[1]), height - box[3]);
    return [box[0] + x, box[1] + y, box[2] + x, box[3] + y];
  };
  const sized = (box, dx, dy) => fit([box[0], box[1], Math.max(box[0] + least, box[2] + dx), Math.max(box[1] + least, box[3] + dy)]);
  const relabel = (kind) => { last = kind; if (chosen < 0) return; keep(); boxes[chosen].kind = kind; accepted.add(boxes[chosen]); show(); };
  const remove = () => { if (chosen < 0) return; keep(); boxes.splice(chosen, 1); choose(Math.min(chosen, boxes.length - 1)); };
  const accept = () => { if (chosen < 0) return; keep(); accepted.add(boxes[chosen]); choose(chosen + 1); };
  const add = (box) => { keep(); boxes.push({ kind: last, box: fit(box), source: null }); choose(boxes.length - 1); };
  const pen = (on) => { drawing = on; stage.classList.toggle("drawing", on); form.querySelector("[data-do=draw]").setAttribute("aria-pressed", on); };
  const larger = (factor) => { zoom = Math.min(6, Math.max(1, zoom * factor)); canvas.style.width = `${zoom * 100}%`; show(); };
  const send = (deed, to) => {
    form.querySelector("[name=deed]").value = deed; form.querySelector("[name=to]").value = to; sent = true; form.submit();
  };
  const changed = () => may && field.value !== start;
  const go = (to) => {
    const link = form.querySelector(`[data-go=${to}]`);
    if (changed()) send("aside", to); else if (link) location.href = link.href;
  };
  const deeds = {
    accept, delete: remove,
    draw: () => { // by keys alone: a box in the middle, to be moved and sized
      if (!drawing) { pen(true); return; }
      pen(false); add([0.45 * width, 0.45 * height, 0.55 * width, 0.55 * height]);
    },
    undo: () => { if (past.length) { future.push(copy()); still = null; take(past.pop()); } },
    redo: () => { if (future.length) { past.push(copy()); still = null; take(future.pop()); } },
    larger: () => larger(1.5), smaller: () => larger(1 / 1.5),
  };
  for (const button of form.querySelectorAll("[data-do]")) button.addEventListener("click", (event) => {
    if (button.dataset.do === "done") { event.preventDefault(); send("done", "next"); return; }
    if (button.dataset.do === "draw") pen(!drawing); else deeds[button.dataset.do]();
  });
  for (const button of form.querySelectorAll("[data-kind]")) button.addEventListener("click", () => relabel(button.dataset.kind));
  for (const link of form.querySelectorAll("[data-go]")) link.addEventListener("click", (event) => { event.preventDefault(); go(link.dataset.go); });
  for (const name of ["click", "focusin"]) list.addEventListener(name, (event) => {
    const place = event.target.dataset.place;
    if (place !== undefined && Number(place) !== chosen) choose(Number(place), false);
  });
  addEventListener("beforeunload", (event) => { if (!sent && changed()) event.preventDefault(); });
  addEventListener("resize", show);

  form.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select, textarea, summary") || event.altKey || event.metaKey || (event.ctrlKey && !"zyZY".includes(event.key))) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const button = event.target.closest("button, a"), other = button && !list.contains(button);
    if (arrow && may && chosen >= 0) {
      const [dx, dy] = arrow.map((way) => way * step);
      keep(`${chosen} ${event.shiftKey}`); // a row of such keys is taken back at once
      const box = boxes[chosen];
      box.box = event.shiftKey ? sized(box.box, dx, dy) : moved(box.box, dx, dy);
      accepted.add(box); show();
    } else if (key === "Enter" && may && !other) send("done", "next");
    else if (key === "j") choose(chosen + 1);
    else if (key === "k") choose(chosen - 1);
    else if (key === "n") go("next");
    else if (key === "p") go("previous");
    else if (key === "+" || key === "=") deeds.larger();
    else if (key === "-") deeds.smaller();
    else if (key === "?") { const keys = form.querySelector(".keys"); keys.open = !keys.open; }
    else if (!may) return;
    else if (key === "Escape" && drawing) pen(false);
    else if (kinds[Number(key) - 1]) relabel(kinds[Number(key) - 1]);
    else if (key === "a") accept();
    else if (key === "d") deeds.draw();
    else if (key === "x" || key === "Delete" || key === "Backspace") remove();
    else if (key === "y" || (key === "z" && event.shiftKey)) deeds.redo();
    else if (key === "z") deeds.undo();
    else return;
    event.preventDefault();
  });

  // ---- mouse and finger
  const pixel = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [(event.clientX - frame.left) / frame.width * width, (event.clientY - frame.top) / frame.height * height];
  };
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const at = pixel(event), handle = event.target.dataset.handle, place = event.target.dataset.place;
    if (drawing) drag = { at, box: [...at, ...at], way: "draw" };
    else if (handle) drag = { at, box: [...boxes[chosen].box], way: handle };
    else if (place !== undefined) {
      // Of boxes on top of each other the smallest is meant.
      const under = boxes.map((box, index) => [box.box, index]).filter(([b]) => b[0] <= at[0] && at[0] <= b[2] && b[1] <= at[1] && at[1] <= b[3]);
      under.sort(([a], [b]) => (a[2] - a[0]) * (a[3] - a[1]) - (b[2] - b[0]) * (b[3] - b[1]));
      choose(under.length ? under[0][1] : Number(place));
      if (may) drag = { at, box: [...boxes[chosen].box], way: "move" };
    }
    if (drag) { svg.setPointerCapture(event.pointerId); event.preventDefault(); }
  });
  svg.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = pixel(event), dx = x - drag.at[0], dy = y - drag.at[1], b = drag.box;
    if (drag.way === "draw") {
      const box = [Math.min(b[0], x), Math.min(b[1], y), Math.max(b[0], x), Math.max(b[1], y)];
      drag.drawn = fit(box); show();
      make("rect", { class: "box chosen person", x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1] });
      return;
    }
    if (!drag.begun && Math.hypot(dx, dy) < grip() / 2) return;
    if (!drag.begun) { keep(); drag.begun = true; }
    const box = boxes[chosen];
    if (drag.way === "move") box.box = fit(moved(b, dx, dy));
    else {
      const west = drag.way.includes("w"), north = drag.way.includes("n");
      box.box = fit([west ? Math.min(b[0] + dx, b[2] - least) : b[0], north ? Math.min(b[1] + dy, b[3] - least) : b[1],
        west ? b[2] : Math.max(b[2] + dx, b[0] + least), north ? b[3] : Math.max(b[3] + dy, b[1] + least)]);
    }
    accepted.add(box); show();
  });
  const drop = () => {
    const box = drag && drag.drawn;
    drag = null;
    if (!drawing) return;
    pen(false);
    if (box && box[2] - box[0] >= least && box[3] - box[1] >= least) add(box); else show();
  };
  svg.addEventListener("pointerup", drop); svg.addEventListener("pointercancel", drop);
  canvas.querySelector("img").addEventListener("load", show);
  show();
  stage.focus({ preventScroll: true });
  if (chosen >= 0) choose(0, may);
}

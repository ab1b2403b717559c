// What makes the pages pleasant. Everything works without it.
"use strict";
document.documentElement.classList.add("script");

// A page that waits for an analysis asks until it is done, then loads itself anew.
// Of what is done, gone or no longer shown to who has been signed out it does not ask again.
const waiting = new Set([...document.querySelectorAll("[data-wait]")].map((each) => each.dataset.wait));
if (waiting.size) {
  let pause = 1000, done = false;
  const ask = async () => {
    for (const address of [...waiting]) {
      try {
        const answer = await fetch(address, { headers: { accept: "application/json" } });
        if (answer.redirected || (answer.status >= 400 && answer.status < 500)) { waiting.delete(address); continue; }
        const { state } = await answer.json();
        if (state === "done" || state === "failed") { waiting.delete(address); done = true; }
      } catch (error) { /* the network is away: ask again */ }
    }
    const busy = document.activeElement && document.activeElement.matches("textarea, input, select");
    const chosen = [...document.querySelectorAll("input[type=file]")].some((input) => input.files.length);
    if (done && !busy && !chosen) { location.reload(); return; }
    if (!done && !waiting.size) return;
    pause = Math.min(5000, pause * 1.2);
    setTimeout(ask, pause);
  };
  setTimeout(ask, pause);
}

// Files can be dropped on a view, or anywhere in the form for the first view that is empty.
for (const form of document.querySelectorAll("form.drop")) {
  const inputs = [...form.querySelectorAll("input[type=file]")];
  const stop = (event) => { event.preventDefault(); event.stopPropagation(); };
  const give = (input, files) => {
    const all = new DataTransfer();
    for (const file of [...input.files, ...files]) all.items.add(file);
    input.files = all.files;
  };
  for (const slot of form.querySelectorAll(".slot")) {
    slot.addEventListener("dragover", (event) => { stop(event); slot.classList.add("over"); });
    slot.addEventListener("dragleave", () => slot.classList.remove("over"));
    slot.addEventListener("drop", (event) => {
      stop(event); slot.classList.remove("over"); form.classList.remove("over");
      give(slot.querySelector("input"), event.dataTransfer.files);
    });
  }
  form.addEventListener("dragover", (event) => { stop(event); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    stop(event); form.classList.remove("over");
    for (const file of event.dataTransfer.files) give(inputs.find((input) => !input.files.length) || inputs[0], [file]);
  });
  form.addEventListener("submit", () => form.querySelector("button.primary").setAttribute("disabled", ""));
}

// The photograph: wheel, pinch and keys zoom, dragging moves, a box can be drawn.
for (const viewer of document.querySelectorAll("[data-viewer]")) {
  const stage = viewer.querySelector(".stage"), canvas = viewer.querySelector(".canvas"), boxes = viewer.querySelector(".boxes");
  let scale = 1, x = 0, y = 0, drawing = null;
  const pointers = new Map();
  const show = () => {
    const width = canvas.offsetWidth, height = canvas.offsetHeight;
    x = Math.min(0, Math.max(width * (1 - scale), x)); y = Math.min(0, Math.max(height * (1 - scale), y));
    canvas.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
    stage.style.touchAction = scale === 1 ? "" : "none";
  };
  const zoom = (factor, px, py) => {
    const next = Math.min(8, Math.max(1, scale * factor));
    x = px - (px - x) * next / scale; y = py - (py - y) * next / scale; scale = next; show();
  };
  const at = (event) => {
    const frame = stage.getBoundingClientRect();
    return [event.clientX - frame.left - canvas.offsetLeft, event.clientY - frame.top - canvas.offsetTop];
  };
  const pixel = (event) => {
    const frame = canvas.getBoundingClientRect();
    const limit = (value, most) => Math.round(Math.min(most, Math.max(0, value)));
    return [limit((event.clientX - frame.left) / frame.width * viewer.dataset.width, viewer.dataset.width),
      limit((event.clientY - frame.top) / frame.height * viewer.dataset.height, viewer.dataset.height)];
  };
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && scale === 1 && document.activeElement !== stage) return; // the page scrolls until the photograph is chosen
    event.preventDefault(); zoom(Math.exp(-event.deltaY / 300), ...at(event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => { if (scale > 1) { scale = 1; show(); } else zoom(2.5, ...at(event)); });
  stage.addEventListener("keydown", (event) => {
    const step = 60, middle = [canvas.offsetWidth / 2, canvas.offsetHeight / 2];
    if (event.key === "+" || event.key === "=") zoom(1.4, ...middle);
    else if (event.key === "-") zoom(1 / 1.4, ...middle);
    else if (event.key === "0") { scale = 1; show(); }
    else if (scale > 1 && event.key.startsWith("Arrow")) {
      x += { ArrowLeft: step, ArrowRight: -step }[event.key] || 0; y += { ArrowUp: step, ArrowDown: -step }[event.key] || 0; show();
    } else return;
    event.preventDefault();
  });
  const draw = document.querySelector("[data-draw]"), button = document.querySelector("[data-draw-button]");
  const drawn = (from, to) => [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
  if (button) button.addEventListener("click", () => {
    const on = viewer.classList.toggle("draw-on"); button.setAttribute("aria-pressed", on);
    if (on) stage.scrollIntoView({ block: "center" });
  });
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId); pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (viewer.classList.contains("draw-on")) {
      const shape = boxes.querySelector(".drawing") || boxes.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
      shape.setAttribute("class", "drawing"); shape.setAttribute("vector-effect", "non-scaling-stroke");
      drawing = { shape, from: pixel(event) }; event.preventDefault();
    }
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    if (drawing) {
      const [x0, y0, x1, y1] = drawn(drawing.from, pixel(event));
      for (const [name, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) drawing.shape.setAttribute(name, value);
      draw.querySelector("[name=box]").value = `${x0}, ${y0}, ${x1}, ${y1}`;
    } else if (pointers.size === 2) {
      const [other] = [...pointers.entries()].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const distance = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
      zoom(distance([event.clientX, event.clientY]) / Math.max(1, distance(before)), ...at(event));
    } else if (scale > 1) { x += event.clientX - before[0]; y += event.clientY - before[1]; show(); }
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  const lift = (event) => {
    pointers.delete(event.pointerId);
    if (drawing) { drawing = null; viewer.classList.remove("draw-on"); button.setAttribute("aria-pressed", "false"); draw.scrollIntoView({ block: "nearest" }); draw.querySelector("select").focus({ preventScroll: true }); }
  };
  stage.addEventListener("pointerup", lift); stage.addEventListener("pointercancel", lift);
  for (const row of document.querySelectorAll("[data-row]")) {
    const box = boxes.querySelector(`[data-target="${row.dataset.row}"]`);
    if (!box) continue;
    for (const name of ["mouseenter", "focusin"]) row.addEventListener(name, () => box.classList.add("lit"));
    for (const name of ["mouseleave", "focusout"]) row.addEventListener(name, () => box.classList.remove("lit"));
  }
}

// Two visits on top of each other, with a line between them.
for (const slider of document.querySelectorAll("[data-slider]")) {
  const range = slider.querySelector("input"), second = slider.querySelector(".second img"), first = slider.querySelector(".first img");
  const line = slider.appendChild(document.createElement("div"));
  line.className = "slider-line";
  const show = () => {
    second.style.clipPath = `inset(0 0 0 ${range.value}%)`;
    line.style.left = `${range.value}%`; line.style.height = `${first.clientHeight}px`;
  };
  const move = (event) => {
    if (!event.buttons || event.target === range) return;
    const frame = first.getBoundingClientRect();
    range.value = (event.clientX - frame.left) / frame.width * 100; show(); event.preventDefault();
  };
  slider.addEventListener("pointerdown", move); slider.addEventListener("pointermove", move);
  range.addEventListener("input", show); first.addEventListener("load", show); addEventListener("resize", show); show();
}

// A row of the lesions between two visits lights up its outlines.
for (const row of document.querySelectorAll("[data-shapes]")) {
  const shapes = document.querySelectorAll(`[data-shape="${row.dataset.shapes}"]`);
  row.addEventListener("mouseenter", () => shapes.forEach((shape) => shape.classList.add("lit")));
  row.addEventListener("mouseleave", () => shapes.forEach((shape) => shape.classList.remove("lit")));
}

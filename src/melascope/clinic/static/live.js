// Live mode: the camera's newest frame goes to the server, small; what comes back says what to change. One frame is under
// way at a time, and none waits: a slow server or network means fewer frames, never older ones.
"use strict";
const root = document.querySelector("[data-live]");
if (!window.isSecureContext || !navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) {
  document.querySelector("[data-insecure]").hidden = false;
  root.remove();
} else {
  const SIDE = 384, LEAST_MS = 80, HOLD_MS = 1000, STILL = 0.03, REST_MS = 180000, KEEP_MS = 2000, STEADY_MS = 450;
  const find = (name) => root.querySelector(name);
  const stage = find(".live-stage"), video = find("video"), still = find(".live-still"), held = find(".live-held");
  const say = find("[data-say]"), advice = find("[data-advice-line]"), rate = find("[data-rate]");
  const buttons = Object.fromEntries(["start", "take", "keep", "again", "stop"].map((name) => [name, find(`[data-${name}]`)]));
  const cameras = find("[data-cameras]"), choice = cameras.querySelector("select");
  const checks = [...root.querySelectorAll("[data-codes]")].map((row) => ({ row, codes: row.dataset.codes.split(" ") }));
  const about = find("[data-about]"), severity = find("[data-severity]"), needle = find(".live-needle");
  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const pen = small.getContext("2d");
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  let stream = null, turn = 0, since = 0, anchor = null, ready = false, latest = 0, touched = 0, shot = null, looked = [], estimates = [];

  const show = (...names) => { for (const [name, button] of Object.entries(buttons)) button.hidden = !names.includes(name); };
  // A sentence stays for a moment, so that it can be read, and is read aloud once.
  let told = "", toldAt = 0;
  const tell = (text, line = "", now = false) => {
    const moment = performance.now();
    if (!now && text !== told && moment - toldAt < STEADY_MS) return;
    if (text !== told) { say.textContent = text; told = text; toldAt = moment; }
    if (now || moment - (advice.at || 0) > 900) { advice.textContent = root.dataset.advice ? line : ""; advice.at = moment; }
    say.classList.toggle("ready", ready);
  };
  const state = (name) => { stage.dataset.state = name; };
  const forget = () => {
    since = 0; anchor = null; looked = []; estimates = []; ready = false;
    held.setAttribute("stroke-dasharray", "0 100"); rate.textContent = "";
    for (const { row } of checks) mark(row, "unknown");
    estimate(null, null);
  };
  const mark = (row, name) => {
    if (row.dataset.state === name) return;
    row.dataset.state = name; row.querySelector(".live-word").textContent = root.dataset[name];
  };

  // ------------------------------------------------------------ the camera
  const stop = (text = "") => {
    turn += 1;
    for (const track of stream ? stream.getTracks() : []) track.stop();
    stream = null; video.srcObject = null; state("off"); cameras.hidden = true; still.hidden = true; video.hidden = false; shot = null;
    forget(); show("start"); tell(text, "", true);
  };
  const start = async (device) => {
    stop(root.dataset.starting);
    buttons.start.disabled = true;
    const mine = turn;
    try {
      const wanted = device ? { deviceId: { exact: device } } : { facingMode: { ideal: "environment" } };
      const found = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...wanted, width: { ideal: 1920 }, height: { ideal: 1440 } } });
      if (mine !== turn) { for (const track of found.getTracks()) track.stop(); return; }
      stream = found;
    } catch (error) {
      stop({ NotAllowedError: root.dataset.denied, NotFoundError: root.dataset.absent, OverconstrainedError: root.dataset.absent }[error.name] || root.dataset.taken);
      return;
    } finally { buttons.start.disabled = false; }
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => { if (stream && stream.getVideoTracks()[0] === track) stop(root.dataset.taken); });
    const settings = track.getSettings();
    stage.classList.toggle("mirror", settings.facingMode === "user");
    video.srcObject = stream;
    await video.play().catch(() => {});
    const all = (await navigator.mediaDevices.enumerateDevices()).filter((each) => each.kind === "videoinput");
    choice.replaceChildren(...all.map((each, at) => new Option(each.label || `${root.dataset.camera} ${at + 1}`, each.deviceId, false, each.deviceId === settings.deviceId)));
    cameras.hidden = all.length < 2;
    look();
  };
  const look = () => { turn += 1; touched = performance.now(); state("search"); show("take", "stop"); buttons.take.classList.remove("primary"); run(turn); };

  // ------------------------------------------------------------ frames
  const run = async (mine) => {
    while (mine === turn) {
      const begun = performance.now();
      if (begun - touched > REST_MS) { stop(root.dataset.rested); return; }
      if (document.hidden || video.readyState < 2) { await sleep(200); continue; }
      const pause = await one(mine);
      await sleep(Math.max(pause, LEAST_MS - (performance.now() - begun)));
    }
  };
  const one = async (mine) => {
    const side = Math.min(video.videoWidth, video.videoHeight);
    pen.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, SIDE, SIDE);
    const frame = await new Promise((done) => small.toBlob(done, "image/jpeg", 0.85));
    let answer;
    try {
      answer = await fetch(`${root.dataset.frames}?side=${side}`, { method: "POST", body: frame, headers: { "content-type": "image/jpeg", "x-csrf": root.dataset.csrf }, signal: AbortSignal.timeout(65000) });
      if (mine !== turn) return 0;
      if (answer.ok) { hear(await answer.json()); return 0; }
    } catch (error) {
      if (mine === turn) { forget(); state("search"); tell(root.dataset.lost, "", true); }
      return 1000;
    }
    if (answer.status === 401) stop(root.dataset.signedOut);
    else if (answer.status === 503) return 60;
    else if (answer.status === 429) return 400;
    else {
      let said = "";
      try { said = (await answer.json()).say || ""; } catch { /* a page, and no sentence */ }
      if (mine === turn) stop(said || root.dataset.refused);
    }
    return 0;
  };
  const hear = (seen) => {
    const now = performance.now();
    looked = [...looked.filter((at) => now - at < 2000), now];
    if (looked.length > 3) rate.textContent = root.dataset.checked.replace("…", ((looked.length - 1) / (now - looked[0]) * 1000).toFixed(0));
    const codes = new Set(seen.hints.map((hint) => hint.code));
    for (const { row, codes: own } of checks) mark(row, own.some((code) => codes.has(code)) ? "change" : seen.face ? "fine" : "unknown");
    if (seen.masi !== null) estimates.push({ at: now, masi: seen.masi, severity: seen.severity, word: seen.severity_word });
    estimates = estimates.filter((each) => now - each.at < KEEP_MS);
    const middle = [...estimates].sort((one, other) => one.masi - other.masi)[Math.floor(estimates.length / 2)];
    estimate(middle ? middle.masi : null, middle);
    const first = seen.hints.find((hint) => hint.blocks) || seen.hints[0];
    if (seen.good) {
      latest = now;
      const place = seen.face, moved = anchor ? Math.max(...place.map((value, at) => Math.abs(value - anchor[at]))) : 1;
      if (moved > STILL) { anchor = place; since = now; }
      const share = Math.min(1, (now - since) / HOLD_MS);
      held.setAttribute("stroke-dasharray", `${share * 100} 100`);
      if (share === 1) offer(true);
      if (!ready) state("good");
      tell(ready ? root.dataset.good : first ? first.say : root.dataset.hold, first ? first.advice : "", ready && told !== root.dataset.good);
    } else {
      since = now; anchor = null; held.setAttribute("stroke-dasharray", "0 100");
      if (now - latest > 600) { offer(false); state("change"); }
      if (!ready) tell(first.say, first.advice);
    }
  };
  const offer = (on) => {
    if (on === ready) return;
    ready = on; buttons.take.classList.toggle("primary", on);
    if (on) { state("ready"); if (document.activeElement === document.body || document.activeElement === buttons.start) buttons.take.focus({ preventScroll: true }); }
  };
  const estimate = (masi, middle) => {
    about.textContent = masi === null ? "–" : `≈ ${masi.toFixed(0)}`;
    severity.hidden = masi === null;
    if (middle) { severity.textContent = middle.word; severity.className = `severity ${middle.severity}`; }
    needle.setAttribute("visibility", masi === null ? "hidden" : "visible");
    if (masi !== null) needle.style.transform = `translateX(${Math.min(48, masi) * 10}px)`;
  };

  // ------------------------------------------------------------ the photograph
  const whole = async () => {
    const [track] = stream.getVideoTracks(), pixels = video.videoWidth * video.videoHeight;
    if ("ImageCapture" in window) { // the sensor's full resolution, where the browser can
      try {
        const file = await Promise.race([new ImageCapture(track).takePhoto(), sleep(4000).then(() => null)]);
        const bitmap = file && await createImageBitmap(file);
        if (bitmap && bitmap.width * bitmap.height >= pixels) return { file, bitmap };
      } catch (error) { /* the frame itself will do */ }
    }
    const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return { file: await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95)), bitmap: canvas };
  };
  const take = async () => {
    if (!stream || buttons.take.hidden || buttons.take.disabled) return;
    turn += 1; touched = performance.now(); buttons.take.disabled = true;
    const mine = turn, taken = await whole();
    buttons.take.disabled = false;
    if (mine !== turn) return;
    shot = taken.file;
    still.width = taken.bitmap.width; still.height = taken.bitmap.height;
    still.getContext("2d").drawImage(taken.bitmap, 0, 0);
    still.hidden = false; video.hidden = true; state("still"); ready = false; tell("", "", true);
    show("keep", "again"); buttons.keep.focus({ preventScroll: true });
  };
  const again = () => { shot = null; still.hidden = true; video.hidden = false; forget(); look(); buttons.take.focus({ preventScroll: true }); };
  const keep = async () => {
    if (!shot || buttons.keep.disabled) return;
    buttons.keep.disabled = buttons.again.disabled = true; tell(root.dataset.sending, "", true);
    const form = new FormData();
    form.append("csrf", root.dataset.csrf);
    form.append("frontal", shot, "camera.jpg");
    try {
      const answer = await fetch(root.dataset.send, { method: "POST", body: form });
      if (answer.ok) { stop(root.dataset.sending); buttons.start.hidden = true; location.assign(`${answer.url.split("#")[0]}#photos`); return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html"); // the server says why
      const why = page.querySelector("[role=alert], main p");
      tell(answer.status === 401 ? root.dataset.signedOut : why ? why.textContent.trim() : root.dataset.refused, "", true);
    } catch (error) { tell(root.dataset.lost, "", true); }
    buttons.keep.disabled = buttons.again.disabled = false; buttons.keep.focus({ preventScroll: true });
  };

  buttons.start.addEventListener("click", () => start());
  buttons.stop.addEventListener("click", () => { stop(); buttons.start.focus(); });
  buttons.take.addEventListener("click", take);
  buttons.keep.addEventListener("click", keep);
  buttons.again.addEventListener("click", again);
  choice.addEventListener("change", () => start(choice.value));
  stage.addEventListener("click", () => { if (ready) take(); });
  for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, () => { touched = performance.now(); });
  document.addEventListener("keydown", (event) => { // the space bar serves wherever no other control has the focus
    if (event.key !== " " || event.repeat || event.target.closest("button, a, input, select, textarea, summary")) return;
    event.preventDefault();
    const next = [buttons.start, buttons.take, buttons.keep].find((button) => !button.hidden && !button.disabled);
    if (next) next.click();
  });
  addEventListener("pagehide", () => stop());
}

// One photograph before its rater: digits move on, totals add up, Enter saves. Everything is saved without it, too.
"use strict";
for (const form of document.querySelectorAll("[data-reading]")) {
  const rows = [...form.querySelectorAll("[data-region]")], note = form.querySelector("[data-note]");
  const reason = form.querySelector("[name=unreadable]"), open = !form.querySelector("fieldset").disabled;
  const fields = (row) => [...row.querySelectorAll("input[data-top]")], box = (row) => row.querySelector("[type=checkbox]");
  const all = rows.flatMap(fields), before = new FormData(form);
  const show = (name, words) => { form.querySelector(`[data-${name}]`).value = words; };
  const tenths = (value) => (value / 10).toFixed(1);

  // The arithmetic of melascope.masi, in whole tenths; what counts is what the server adds up.
  const add = () => {
    let masi = 0, mmasi = 0, missing = 0, unseen = 0, odd = false;
    for (const row of rows) {
      const off = box(row).checked, values = fields(row).map((each) => (each.value === "" || !each.checkValidity() ? NaN : Number(each.value)));
      row.classList.toggle("unseen", off);
      for (const each of fields(row)) { each.disabled = off || reason.value !== ""; each.setAttribute("aria-invalid", String(!each.checkValidity())); }
      box(row).disabled = reason.value !== "";
      const [a, d, h] = values, known = !off && !values.some(Number.isNaN), points = Number(row.dataset.weight) * a * (d + h);
      row.querySelector("[data-points]").textContent = known ? tenths(points) : "–";
      if (off) unseen += 1; else if (!known) missing += 1; else { masi += points; mmasi += Number(row.dataset.weight) * a * d; odd = odd || (a === 0) !== (d === 0 && h === 0); }
    }
    const whole = reason.value === "" && missing === 0 && unseen === 0;
    show("masi", whole ? tenths(masi) : "–"); show("mmasi", whole ? tenths(mmasi) : "–");
    const severity = form.querySelector("[data-severity]");
    severity.value = whole ? severity.dataset[masi < 160 ? "mild" : masi < 320 ? "moderate" : "severe"] : "–";
    const kind = reason.value !== "" ? "unreadable" : odd ? "zero" : unseen ? "unseen" : missing ? "missing" : "";
    note.textContent = kind ? note.dataset[kind] : ""; note.classList.toggle("bad", kind === "zero");
  };
  const go = (from, step) => {
    const near = all.filter((each) => !each.disabled || each === from), next = near[near.indexOf(from) + step];
    if (next) { next.focus(); next.select(); } else if (step > 0) form.querySelector("button.primary").focus();
  };
  for (const row of rows) {
    const [area, ...rest] = fields(row);
    for (const each of fields(row)) {
      each.addEventListener("focus", () => each.select());
      each.addEventListener("input", () => {
        each.value = each.value.replace(/\D/g, "");
        if (each === area && area.value === "0") for (const other of rest) other.value = "0"; // nothing there: neither dark nor even
        else if (each === area && rest.every((other) => other.value === "0")) for (const other of rest) other.value = "";
        add();
        if (each.value !== "" && each.checkValidity()) go(each === area && area.value === "0" ? rest[1] : each, 1);
        else if (each.value !== "") each.select();
      });
      each.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        const column = fields(row).indexOf(each), at = rows.indexOf(row);
        const to = { ArrowUp: rows[at - 1], ArrowDown: rows[at + 1] }[event.key];
        if (event.key === "ArrowLeft") go(each, -1);
        else if (event.key === "ArrowRight") go(each, 1);
        else if (to) { const target = fields(to)[column]; target.focus(); target.select(); }
        else if (event.key === "Backspace" && each.value === "") go(each, -1);
        else if (event.key === "-" || event.key === "n") { box(row).checked = true; for (const other of fields(row)) other.value = ""; go(rest[1], 1); add(); }
        else return;
        event.preventDefault();
      });
    }
    box(row).addEventListener("change", () => {
      if (box(row).checked) for (const each of fields(row)) each.value = "";
      add();
      if (!box(row).checked) area.focus();
    });
  }
  reason.addEventListener("change", () => {
    if (reason.value !== "") for (const row of rows) { box(row).checked = false; for (const each of fields(row)) each.value = ""; }
    add();
  });
  form.querySelector("[name=comment]").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(form.querySelector("button.primary"));
  });

  // Leaving with something unsaved asks first.
  let sent = false;
  form.addEventListener("submit", (event) => { if (sent) event.preventDefault(); sent = true; });
  addEventListener("pageshow", () => { sent = false; });
  addEventListener("beforeunload", (event) => {
    const now = [...new FormData(form)].filter(([, value]) => value !== "").join(), then = [...before].filter(([, value]) => value !== "").join();
    if (!sent && open && now !== then) event.preventDefault();
  });
  add();
  if (open && matchMedia("(pointer: fine)").matches) { const first = all.find((each) => each.value === "" && !each.disabled) || form.querySelector("button.primary"); first.focus({ preventScroll: true }); }
}

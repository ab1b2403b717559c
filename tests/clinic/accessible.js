// What a page lacks for who cannot see it or sees little: names of fields and pictures, order of headings, contrast.
() => {
  const bad = [];
  const shown = (each) => each.checkVisibility();
  for (const each of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!each.labels.length && !each.getAttribute("aria-label")) bad.push(`no label: ${each.name}`);
  for (const each of document.querySelectorAll("img:not([alt])")) bad.push(`no alternative: ${each.src}`);
  for (const each of document.querySelectorAll("button, a"))
    if (shown(each) && !(each.getAttribute("aria-label") || each.innerText).trim()) bad.push(`no name: ${each.outerHTML}`);
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  bad.push(...ids.filter((id, place) => ids.indexOf(id) !== place).map((id) => `twice: #${id}`));
  let level = 0;
  for (const each of document.querySelectorAll("h1, h2, h3")) {
    if (Number(each.tagName[1]) > level + 1) bad.push(`heading out of order: ${each.innerText}`);
    level = Number(each.tagName[1]);
  }
  const colour = (text) => { const parts = text.match(/[\d.]+/g).map(Number); return parts[3] === 0 ? null : parts; };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; // WCAG 2.1, relative luminance
  };
  for (const each of document.querySelectorAll("body *")) {
    if (!shown(each) || each.closest("svg") || ![...each.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    let behind = each, back = null;
    while (behind && !(back = colour(getComputedStyle(behind).backgroundColor))) behind = behind.parentElement;
    const [low, high] = [light(colour(getComputedStyle(each).color)), light(back || [255, 255, 255])].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) bad.push(`contrast: ${each.innerText}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) bad.push("wider than the screen");
  return bad;
}

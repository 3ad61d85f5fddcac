// What is cut off, covered or beyond the edge of a page, a line each.
() => {
  const found = [];
  const unseen = '.mz-skip, .mz-unseen, .mz-as, [hidden], dialog:not([open]), select, script, style, svg';
  const style = (one) => getComputedStyle(one);
  const flow = (one) => style(one).overflowX + style(one).overflowY;
  for (const one of document.querySelectorAll('body *')) {
    if (one.closest(unseen) || !one.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    const speaks = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!speaks && !one.matches('img, input, textarea, button, table, section, article')) continue;
    const box = one.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const tell = (what) => found.push(`${what}: <${one.localName} class="${one.className}"> ${one.textContent.trim().slice(0, 60)}`);
    let scrolled = false;
    for (let over = one.parentElement; over && !scrolled; over = over.parentElement) {
      scrolled = /auto|scroll/.test(flow(over));
      const edge = over.getBoundingClientRect();
      const beyond = box.right > edge.right + 2 || box.left < edge.left - 2 || box.bottom > edge.bottom + 2;
      if (!scrolled && speaks && over !== document.body && /hidden|clip/.test(flow(over)) && beyond) tell('cut off');
    }
    if (!scrolled && (box.right > innerWidth + 1 || box.left < -1)) tell('beyond the edge');
    if (speaks && /hidden|clip/.test(style(one).overflowX) && one.scrollWidth > one.clientWidth + 1) tell('cut off');
    const [line] = one.getClientRects();
    const top = document.elementFromPoint(line.left + line.width / 2, line.top + line.height / 2);
    if (speaks && !scrolled && top && !one.contains(top) && !top.contains(one)) tell('covered');
  }
  return found;
}

// The page Browse: the zoo as the server wrote it, a filter over it, and cards when they are opened.
const page = element.querySelector('.mz-browse');
const filter = make('input', { type: 'search', id: 'mz-filter', autocomplete: 'off', placeholder: 'base, variant, data set', oninput: narrow });
const told = make('p', { class: 'mz-soft', role: 'status' });
const shelf = make('div', { class: 'mz-shelf' });
const PLACES = [['bases', 'Bases'], ['leaderboard', 'Leaderboard'], ['variants', 'Variants']];
const variants = () => [...shelf.querySelectorAll('[data-variant]')];

// Only what holds every word of the filter. The base and SFT stay in the tables.
function narrow() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const one of shelf.querySelectorAll('[data-find]')) one.hidden = !words.every((word) => one.dataset.find.includes(word));
  const empty = (one) => [...one.querySelectorAll('[data-find]')].every(({ hidden }) => hidden);
  for (const one of variants()) one.hidden = empty(one);
  for (const one of shelf.querySelectorAll('.mz-trial')) one.hidden = empty(one);
  for (const one of shelf.querySelectorAll('.mz-others')) {
    one.hidden = empty(one);
    one.open = words.length > 0 && !one.hidden;
  }
  const adapters = [...shelf.querySelectorAll('.mz-adapter')];
  const left = adapters.filter(({ hidden }) => !hidden).length;
  told.textContent = words.length ? `${left} of ${adapters.length} adapters` : `${adapters.length} adapters, ${variants().length} variants`;
}

// To the variant that the address names, or to a part of the page.
function go() {
  let name = location.hash.slice(1);
  try { name = decodeURIComponent(name); } catch { /* as it stands */ }
  const found = variants().find((one) => one.dataset.variant === name) ?? (PLACES.some(([one]) => one === name) && shelf.querySelector(`#mz-${name}`));
  if (!found) return;
  if (found.hidden) { filter.value = ''; narrow(); }
  found.scrollIntoView({ block: 'start' });
  found.focus({ preventScroll: true });
}

// HTML from the server. Gradio gives nothing, and no fault, where the server did not reply.
async function html(asking) {
  const said = await asking;
  if (typeof said !== 'string') throw new Error('no reply');
  return said;
}

async function openCard(details) {
  const place = details.querySelector('.mz-card-text');
  if (!details.open || place.childElementCount) return;
  place.replaceChildren(make('p', { class: 'mz-soft' }, 'opening ...'));
  try {
    place.innerHTML = await html(server.card(details.dataset.card));
  } catch {
    place.replaceChildren(failed(new Error('The card cannot be had from the server now. Close and open it to try again.')));
    details.addEventListener('toggle', () => place.replaceChildren(), { once: true });
  }
}

async function open() {
  page.replaceChildren(make('p', { class: 'mz-nothing', role: 'status' }, 'asking which adapters are here ...'));
  try {
    shelf.innerHTML = await html(server.zoo(''));
  } catch {
    page.replaceChildren(failed(new Error('The server cannot be reached.')), make('button', { type: 'button', class: 'mz-again', onclick: open }, 'Try again'));
    return;
  }
  const places = make('nav', { 'aria-label': 'Parts of this page' }, PLACES.map(([name, shown]) => make('a', { href: `#${name}` }, shown)));
  page.replaceChildren(make('div', { class: 'mz-find' }, make('label', { for: 'mz-filter' }, 'Show only'), filter, told, places), shelf);
  shelf.addEventListener('toggle', ({ target }) => { if (target.dataset.card) openCard(target); }, true);
  narrow();
  go();
}

addEventListener('hashchange', go);
open();

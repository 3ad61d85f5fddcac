// What is done with answers that are there: marks, names, another sample, copies, keys. Nothing of it is kept.
const answers = document.querySelector('#mz-answers');
const against = element.querySelector('.mz-against');
const act = (name) => element.querySelector(`[data-do=${name}]`);
const status = element.querySelector('[role=status]');
const unrated = element.querySelector('.mz-unrated');
const order = { of: '', rows: [] };
let hidden = false, chosen = false, last = null, told = false, inView = { study: [], asked: [] };

const result = () => answers.querySelector('.mz-result');
const busy = () => result()?.getAttribute('aria-busy') === 'true';
const done = () => !!result() && !busy();

function shuffled(count) {
  const rows = [...Array(count).keys()];
  for (let at = count - 1; at > 0; at--) {
    const other = crypto.getRandomValues(new Uint32Array(1))[0] % (at + 1);
    [rows[at], rows[other]] = [rows[other], rows[at]];
  }
  return rows;
}

// After each drawing: the order that belongs to it, its letters, and what can be done.
function settle() {
  watching.disconnect();
  keepLast();
  tellSeen(answers, inView);
  const grid = answers.querySelector('.mz-grid');
  if (grid) {
    const cards = [...grid.children];
    if (!hidden) order.rows = cards.map((_, at) => at);
    else if (order.rows.length !== cards.length || !order.shuffled) Object.assign(order, { rows: shuffled(cards.length), shuffled: true });
    if (!hidden) order.shuffled = false;
    cards.sort((a, b) => order.rows.indexOf(Number(a.dataset.row)) - order.rows.indexOf(Number(b.dataset.row)));
    cards.forEach((card, at) => {
      if (grid.children[at] !== card) grid.insertBefore(card, grid.children[at]);
      card.querySelector('.mz-letter').textContent = String.fromCharCode(65 + at);
      const name = hidden ? `Answer ${String.fromCharCode(65 + at)}` : card.querySelector('h3').firstChild.textContent;
      card.setAttribute('aria-label', name);
    });
  }
  answers.dataset.hidden = hidden;
  const referred = !!answers.querySelector('.mz-reference');
  against.querySelector('[value=reference]').disabled = !referred;
  if (!chosen) against.value = referred ? 'reference' : 'base';
  answers.dataset.mark = hidden && against.value === 'base' ? 'others' : against.value;
  act('hide').setAttribute('aria-pressed', hidden);
  act('hide').textContent = hidden ? 'Show names' : 'Hide names';
  unrated.hidden = !hidden;
  act('sample').disabled = act('copy').disabled = !done();
  const said = answers.querySelector('.mz-said')?.textContent ?? '';
  if (status.textContent !== said) status.textContent = said;
  watching.observe(answers, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['aria-busy'] });
}
const watching = new MutationObserver(settle);

// A question that failed takes no answers away: they stand on below what was wrong. Gradio changes the elements
// that are there, so it is a copy that is kept.
function keepLast() {
  const fault = answers.querySelector('.mz-fault');
  if (fault) {
    if (last && !result()) fault.after(last.cloneNode(true));
    if (!told) fault.scrollIntoView({ block: 'nearest' });
  } else if (!busy()) {
    last = result()?.cloneNode(true);
    for (const map of last?.querySelectorAll('.mz-heat') ?? []) map.hidden = true;
    for (const button of last?.querySelectorAll('[data-act=look]') ?? []) button.setAttribute('aria-pressed', 'false');
  }
  told = !!fault;
}
document.addEventListener('mz-in-view', ({ detail }) => {
  inView = detail;
  settle();
});

function asText(card) {
  const words = (selector) => card.querySelector(selector)?.textContent.trim() ?? '';
  const name = hidden ? `Answer ${words('.mz-letter')}` : card.querySelector('h3').firstChild.textContent;
  const lines = [`${name}: ${words('.mz-text')}`];
  if (!hidden)
    for (const term of card.querySelectorAll('dt')) lines.push(`  ${term.textContent}: ${term.nextElementSibling.textContent}`);
  return lines.join('\n');
}
async function copy(cards, button) {
  const reference = answers.querySelector('.mz-reference')?.textContent;
  const text = [answers.querySelector('.mz-asked').textContent, ...(reference ? [reference] : []), ...cards.map(asText), seenAsText(answers)].join('\n\n');
  const before = button.textContent;
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else { // plain http on the ward's network
      const box = make('textarea', { class: 'mz-unseen' });
      box.value = text;
      document.body.append(box);
      box.select();
      const copied = document.execCommand('copy');
      box.remove();
      if (!copied) throw new Error('refused');
    }
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not copied';
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

const acts = {
  hide() {
    hidden = !hidden;
    settle();
  },
  sample() {
    if (!done()) return;
    props.value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
    trigger('select');
  },
  copy() {
    if (done()) copy([...answers.querySelectorAll('.mz-card')], act('copy'));
  },
  keys() {
    element.querySelector('dialog').showModal();
  },
  mark() {
    const values = [...against.options].filter((one) => !one.disabled).map((one) => one.value);
    against.value = values[(values.indexOf(against.value) + 1) % values.length];
    chosen = true;
    settle();
  },
};
element.addEventListener('click', (event) => acts[event.target.closest('[data-do]')?.dataset.do]?.());
against.addEventListener('change', () => {
  chosen = true;
  settle();
});
answers.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  const card = button?.closest('.mz-card');
  if (!card) return;
  if (button.dataset.act === 'copy') copy([card], button);
  else toggleHeat(card, result().dataset.asked, (asked, row) => server.heat(JSON.stringify({ asked, row })));
});

// Gradio knows of no sessions: where one has ended, the page's next question leads to signing in.
const { fetch } = window;
window.fetch = async (...asked) => {
  const reply = await fetch(...asked);
  if (reply.status === 401) location.assign('/sign-in?to=/');
  return reply;
};

const keys = { h: 'hide', m: 'mark', s: 'sample', c: 'copy', '?': 'keys' };
function pressed(event) {
  if (!element.isConnected) return document.removeEventListener('keydown', pressed);
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    event.stopPropagation();
    document.activeElement?.blur?.(); // so that the field tells what was typed
    document.querySelector('#mz-compare').click();
    return undefined;
  }
  const typing = event.target.closest?.('textarea, select, input:not([type=checkbox], [type=range]), dialog');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return undefined;
  event.preventDefault();
  return acts[keys[event.key]]();
}
document.addEventListener('keydown', pressed, true);
settle();

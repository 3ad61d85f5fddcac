// The page Work lists: an administrator's lists, how far they are, and a new one. What is shown is asked for
// again while it can change.
const page = element.querySelector('.mz-lists');
const REFRESH_MS = 4000;
const STATES = { preparing: 'answers are being made', open: 'open', closed: 'closed' };
const AWAY = 'The server does not answer, trying again …';
const SIGNED_OUT = 'You are signed out. Sign in in another tab.';
const all = make('div', { class: 'mz-all' });
const offline = make('p', { class: 'mz-offline', role: 'status' });
function tell(words) {
  offline.textContent = words;
  offline.classList.toggle('mz-problem', !!words);
}
const fresh = make('details', { class: 'mz-fresh' });

let drawn = '';

// A reply, waited for while the server is away, of which the page tells; a form that was begun stays as it is.
async function get(path) {
  const found = await untilAnswered(() => call('GET', path, undefined, { stays: true }), () => tell(AWAY));
  tell('');
  return found;
}
async function refresh({ forced = false } = {}) {
  if (!forced && (document.hidden || page.querySelector('dialog[open]'))) return null;
  const found = await get('/lists');
  const now = JSON.stringify(found);
  if (!forced && now === drawn) return found; // what was said beside a button stays to be read
  drawn = now;
  const open = new Set([...all.querySelectorAll('details[open]')].map((one) => one.dataset.of));
  const at = focused();
  all.replaceChildren(...(found.length ? found.map((one) => card(one, open)) : [make('p', { class: 'mz-nothing' }, 'There is no work list yet.')]));
  at?.();
  return found;
}
// What has the focus, to find it again in the card that takes its card's place.
function focused() {
  const place = (of) => [...all.querySelectorAll(`[data-list="${of}"] :is(summary, button, a)`)];
  const of = document.activeElement?.closest?.('[data-list]')?.dataset.list;
  const number = of ? place(of).indexOf(document.activeElement) : -1;
  return number < 0 ? null : () => place(of)[number]?.focus({ preventScroll: true });
}
// An act of a button: what goes wrong is said beside it, and what is there now is shown.
const act = (words, does, kind = 'mz-plain') => {
  let fault = null;
  const button = make('button', { type: 'button', class: kind, onclick: async () => {
    button.disabled = true;
    fault?.remove();
    try {
      await does();
      await refresh({ forced: true });
    } catch (broken) {
      button.disabled = false;
      fault = failed(broken);
      button.after(fault);
    }
  } }, words);
  return button;
};

function card(one, open) {
  const fold = (name, words, ...inside) => make('details', { 'data-of': `${one.id} ${name}`, open: open.has(`${one.id} ${name}`) },
    make('summary', {}, words), ...inside);
  const done = one.raters.reduce((sum, { done: count }) => sum + count, 0);
  const due = one.raters.reduce((sum, { assigned }) => sum + assigned, 0);
  const problems = one.problems.length > 0 && fold('problems', `Cases that have a problem: ${one.problems.length} of ${one.cases}`,
    make('ul', {}, one.problems.map(({ number, problem }) => make('li', {}, `Case ${number}: ${problem}`))),
    one.state === 'preparing' ? make('p', { class: 'mz-row' }, act('Try these again', () => call('POST', `/lists/${one.id}/retry`)),
      act('Drop these cases', async () => { for (const { case: id } of one.problems) await call('DELETE', `/cases/${id}`); })) : null);
  return make('article', { class: 'mz-worklist', 'data-list': one.id, 'aria-label': one.title },
    make('header', {}, make('h3', {}, one.title), make('span', { class: `mz-state mz-state-${one.state}` }, STATES[one.state])),
    make('p', { class: 'mz-soft' }, `${one.cases} ${one.cases === 1 ? 'case' : 'cases'}${one.repeats ? `, ${one.repeats} of them repeats` : ''} · ${one.adapters.join(', ')} · ${one.overlap} ${one.overlap === 1 ? 'rater' : 'raters'} each · since ${one.made_at.slice(0, 10)}${one.keep ? ' · kept after closing' : ''}`),
    one.state === 'preparing' ? bar(one.answered, one.cases, `${one.answered} of ${one.cases} answered`) : bar(done, due, `${done} of ${due} ${due === 1 ? 'rating' : 'ratings'} done`),
    one.remarks.map((words) => make('p', { class: 'mz-remark' }, words)),
    problems || null,
    fold('raters', 'Raters', make('div', { class: 'mz-raters' }, one.raters.map(({ rater, assigned, done: count }) =>
      make('div', {}, make('b', {}, rater), bar(count, assigned, `${count} of ${assigned}`))))),
    make('footer', { class: 'mz-row' }, make('a', { class: 'mz-plain', href: `/results?list=${one.id}` }, 'Results and exports'),
      one.state === 'closed' ? make('span', { class: 'mz-soft' }, `closed ${one.closed_at.slice(0, 10)}`)
        : make('button', { type: 'button', class: 'mz-plain', onclick: () => askToClose(one, due - done) }, 'Close …')));
}

function askToClose(one, left) {
  const dialog = make('dialog', { class: 'mz-keys', 'aria-label': `Close ${one.title}`, onclose: () => dialog.remove() },
    make('h2', {}, `Close “${one.title}”?`),
    make('ul', {},
      make('li', {}, left ? `${left} ratings are not done; nobody can rate after this.` : 'All ratings are done.'),
      make('li', {}, one.keep ? 'Pictures, questions and answers stay, as was asked when it was made.'
        : 'Its pictures, questions, reference answers and models’ answers are erased for good. Ratings stay.'),
      one.keep ? null : make('li', {}, 'Preference pairs and the data set need what is erased: fetch them before, under Results and exports.')),
    make('p', { class: 'mz-row' },
      act(one.keep ? 'Close' : 'Close and erase', async () => { await call('POST', `/lists/${one.id}/close`); dialog.close(); }, 'mz-danger'),
      make('button', { type: 'button', class: 'mz-plain', onclick: () => dialog.close() }, 'Not now')));
  page.append(dialog);
  dialog.showModal();
}

async function form() {
  const [models, raters] = await Promise.all([get('/v1/models'), get('/raters')]);
  return newList({
    adapters: models.data.filter((one) => one.medzoo.state !== 'failed').map((one) => ({ name: one.id, about: one.medzoo.id, variant: one.medzoo.variant })),
    raters: raters.filter((one) => !one.closed && one.role === 'rater').map((one) => one.name),
    most: props.most,
    lacks: props.lacks,
    example: () => answered(server.example('')),
    made: async (list) => {
      fresh.open = false;
      await Promise.all([refresh({ forced: true }), renew()]);
      all.querySelector('.mz-worklist summary')?.focus({ preventScroll: true });
    },
  });
}
async function renew() {
  fresh.replaceChildren(make('summary', {}, 'New work list'), await form());
}

// Follow what changes. Who is signed out meanwhile is told so, and keeps the form.
async function follow() {
  for (;;) {
    await new Promise((done) => { setTimeout(done, REFRESH_MS); });
    await refresh().catch((fault) => tell(fault.status === 401 ? SIGNED_OUT : fault.message));
  }
}

(async () => {
  try {
    page.replaceChildren(offline);
    const me = await untilAnswered(() => call('GET', '/me'), () => tell(AWAY));
    if (me.role !== 'administrator') {
      page.replaceChildren(make('p', { class: 'mz-nothing' }, 'Work lists are made by an administrator. Yours are on the page ', make('a', { href: '/rate' }, 'Rate'), '.'));
      return;
    }
    page.replaceChildren(make('h2', {}, 'Work lists'), offline, fresh, all);
    const found = await refresh({ forced: true });
    fresh.open = !found.length; // before there is anything in it that could be pressed
    await renew();
    follow();
  } catch (fault) {
    page.replaceChildren(failed(fault));
  }
})();

// The page Rate: choose a list, rate its cases one by one, end with thanks. The place is in the address as ids.
const page = element.querySelector('.mz-rate');
const kept = { reference: false };
let me, saves, lists, list, cases, view = null;

const SAVED = make('p', { class: 'mz-saved', role: 'status' }, 'Saved');
const keys = keyboard({ view: () => view, step });

function remember(where) {
  const asked = new URLSearchParams(where).toString();
  history.replaceState(null, '', location.pathname + (asked ? `?${asked}` : ''));
}
function show(...nodes) {
  view?.destroy();
  view = null;
  page.replaceChildren(...nodes, keys.table);
}
async function guarded(act) {
  try {
    await act();
  } catch (fault) {
    show(failed(fault), make('button', { type: 'button', class: 'mz-plain', onclick: () => guarded(act) }, 'Try again'));
  }
}

// Quiet while all is well; a save that takes its time is told, one that fails is told loudly.
let slow;
function told({ waiting, tries, why }) {
  clearTimeout(slow);
  SAVED.classList.toggle('mz-loud', tries > 0);
  if (tries) SAVED.textContent = `Not saved yet (${waiting}), trying again (${tries}). ${why}`;
  else if (waiting) slow = setTimeout(() => { SAVED.textContent = 'Saving …'; }, 700);
  else SAVED.textContent = 'Saved';
}

// A case that does not come is waited for; what was set is saved already.
function away() {
  SAVED.classList.add('mz-loud', 'mz-away-now');
  SAVED.textContent = 'The server does not answer, trying again …';
}
function back() {
  SAVED.classList.remove('mz-loud', 'mz-away-now');
  SAVED.textContent = 'Saved';
}

async function chooseList() {
  remember({});
  const mine = lists.filter((one) => one.mine?.assigned);
  const open = mine.filter((one) => one.state === 'open');
  show(
    make('h2', {}, 'Your work lists'),
    mine.length ? make('div', { class: 'mz-lists-mine' }, mine.map(listCard)) : make('p', { class: 'mz-nothing' },
      'No list is assigned to you. ',
      me.role === 'administrator' ? make('a', { href: '/lists' }, 'Upload one under Work lists') : 'An administrator assigns them.'),
    open.length ? make('p', { class: 'mz-note' }, 'You rate without knowing which model gave an answer. Every mark is saved at once: leave whenever you like, on any machine.') : '',
  );
}
// When a list was made, in this browser's time: two can have one title, and one day.
function madeAt({ made_at }) {
  const date = new Date(made_at);
  const words = date.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
  return make('time', { datetime: made_at }, words);
}
function listCard(one) {
  const { assigned, done } = one.mine;
  const state = { preparing: 'Being prepared', closed: 'Closed' }[one.state] ?? (done === assigned ? 'All done' : done ? 'Go on' : 'Begin');
  return make('button', { type: 'button', class: 'mz-list-card', disabled: one.state !== 'open', onclick: () => guarded(() => openList(one)) },
    make('b', {}, one.title), madeAt(one), bar(done, assigned, `${done} of ${assigned} ${assigned === 1 ? 'case' : 'cases'} done`), make('span', { class: 'mz-go' }, state));
}

async function openList(one, at) {
  list = one;
  cases = await call('GET', `/lists/${list.id}/cases`);
  const from = cases.find((it) => it.case === at) ?? cases.find((it) => !it.done);
  await (from ? openCase(from) : thanks());
}

async function openCase(one) {
  await saves.drained();
  const shown = await untilAnswered(() => call('GET', `/cases/${one.case}`), away);
  if (SAVED.classList.contains('mz-away-now')) back();
  remember({ list: list.id, case: one.case });
  const place = cases.indexOf(one);
  const next = caseView(shown, { saves, kept, next: () => guarded(goOn), ended: () => { one.done = true; drawJump(place); } });
  show(top(place, shown.title), next.node);
  view = next;
  if (!one.opened) saves.add(`/cases/${one.case}/clicks`, { letter: null, sets: 'opened', value: true });
  one.opened = true;
  page.querySelector('.mz-case-top').scrollIntoView({ block: 'start' });
  page.querySelector('.mz-answer')?.focus({ preventScroll: true });
}
const left = (from) => [...cases.slice(from + 1), ...cases.slice(0, from + 1)].find((one) => !one.done);
const placeNow = () => cases.findIndex((one) => String(one.case) === new URLSearchParams(location.search).get('case'));
async function goOn() {
  const next = left(placeNow());
  await (next ? openCase(next) : thanks());
}
function step(by) {
  const beside = cases[placeNow() + by];
  if (beside) guarded(() => openCase(beside));
}

function top(place, title) {
  const beside = (by, words) => make('button', { type: 'button', class: 'mz-plain', disabled: !cases[place + by], onclick: () => step(by) }, words);
  return make('div', { class: 'mz-case-top' },
    make('div', {}, lists.length > 1 ? make('button', { type: 'button', class: 'mz-plain', onclick: () => guarded(start) }, '‹ Lists') : null,
      make('h2', {}, title)),
    make('div', {}, SAVED, beside(-1, 'Back'), jump(place), beside(1, 'Forward'),
      make('button', { type: 'button', class: 'mz-plain', 'aria-label': 'Keys', title: 'Keys', onclick: keys.help }, '?')));
}
function tiles(place) {
  return make('ol', { class: 'mz-tiles' }, cases.map((one, at) => make('li', {}, make('button', {
    type: 'button', class: one.done ? 'mz-tile mz-tile-done' : 'mz-tile', 'aria-current': at === place ? 'step' : null,
    'aria-label': `Case ${at + 1}, ${one.done ? 'done' : 'not done'}`, onclick: () => guarded(() => openCase(one)),
  }, String(at + 1)))));
}
const jump = (place) => make('details', { class: 'mz-jump' }, make('summary', {}, `Case ${place + 1} of ${cases.length}`), tiles(place));
function drawJump(place) {
  page.querySelector('.mz-jump')?.replaceWith(jump(place));
}

function thanks() {
  remember({ list: list.id });
  const others = lists.some((one) => one.id !== list.id && one.state === 'open' && one.mine && one.mine.done < one.mine.assigned);
  show(make('div', { class: 'mz-thanks', tabindex: -1 },
    make('h2', {}, `${cases.length} of ${cases.length}, thank you`),
    make('p', {}, cases.length === 1 ? `The case of “${list.title}” is rated and saved. It can be looked at again.`
      : `All cases of “${list.title}” are rated and saved. Any of them can be looked at again.`),
    tiles(-1),
    make('p', { class: 'mz-links' }, make('a', { class: 'mz-primary', href: `/results?list=${list.id}` }, 'Results of this list'),
      others ? make('button', { type: 'button', class: 'mz-plain', onclick: () => guarded(start) }, 'Your other lists') : null)));
  page.querySelector('.mz-thanks').focus();
}

async function start() {
  if (saves) await saves.drained();
  lists = await call('GET', '/lists');
  await chooseList();
}

guarded(async () => {
  me = await call('GET', '/me');
  saves = saver({
    rater: me.name,
    told,
    refused: (fault) => guarded(async () => {
      await openList(list, Number(new URLSearchParams(location.search).get('case')));
      page.prepend(failed({ message: `A mark was not taken: ${fault.message} The page shows what is kept.` }));
    }),
  });
  const asked = new URLSearchParams(location.search);
  lists = await call('GET', '/lists');
  const mine = lists.filter((one) => one.mine?.assigned && one.state === 'open');
  const unfinished = mine.filter((one) => one.mine.done < one.mine.assigned);
  const chosen = mine.find((one) => one.id === asked.get('list')) ?? (unfinished.length === 1 && mine.length === 1 ? mine[0] : null);
  await (chosen ? openList(chosen, Number(asked.get('case'))) : chooseList());
});

// One case on the page: its images and question on the left, its answers on the right, what is set and what is
// missing below. Knows how to show a case and to take marks; where it goes next is the page's affair.

// `saves` is a saver; `kept` is what stays as it was left from case to case: the reference answer is closed at
// first, so that the image is read before it; `ended` hears that the case is done, `next` goes on.
function caseView(shown, { saves, kept, ended, next }) {
  const path = `/cases/${shown.case}`;
  let done = shown.done;
  let named = shown.answers.some((answer) => answer.names);
  let corrections = shown.corrections;
  let current = null;

  const click = (letter, sets, value) => saves.add(`${path}/clicks`, { letter, sets, value });
  function mark(card, sets, value) {
    click(card.letter, sets, value);
    if (done) corrections += 1;
    refresh();
  }
  const typing = (letter) => (text, settled) => {
    const key = `${shown.case} ${letter}`;
    saves.type(key, `${path}/clicks`, { letter, sets: 'comment', value: text });
    if (settled) saves.settle(key);
  };

  const cards = shown.answers.map((answer, place) => {
    const card = answerCard(answer, {
      number: place + 1,
      count: shown.answers.length,
      mark: (sets, value) => mark(card, sets, value),
      typing: typing(answer.letter),
      picked: () => select(card),
    });
    return card;
  });
  const board = cards.length > 1 ? rankBoard({ cards, pick: (card) => focus(card) }) : null;

  const pictures = make('div', { class: 'mz-pictures' });
  const eyes = shown.images.length ? viewer(pictures, { images: shown.images, picture: (number, view) => {
    const asked = Object.entries(view).filter(([, value]) => value !== null && value !== undefined && value !== false);
    return `${API}${path}/images/${number}?${new URLSearchParams(asked)}`;
  } }) : { destroy() {} };

  const reference = shown.reference && make('details', { class: 'mz-rate-reference', open: kept.reference,
    ontoggle: () => { kept.reference = reference.open; } },
  make('summary', {}, 'Reference answer ', make('kbd', { 'aria-hidden': 'true' }, 'v')), make('p', {}, shown.reference));
  const remark = make('textarea', { rows: 2, maxlength: 2000, placeholder: 'Comment on the whole case', 'aria-label': 'Comment on the whole case',
    oninput: () => typing(null)(remark.value, false), onchange: () => typing(null)(remark.value, true) });
  remark.value = shown.comment;

  const tell = make('p', { class: 'mz-tell', role: 'status' });
  const button = make('button', { type: 'button', class: 'mz-primary', onclick: finish });
  const node = make('div', { class: 'mz-case' },
    make('section', { class: 'mz-study', 'aria-label': 'Question and images' },
      make('div', { class: 'mz-rate-question' }, make('h2', {}, shown.prompt), reference || null,
        shown.instructions ? make('details', { class: 'mz-how' }, make('summary', {}, 'Instructions'), make('p', {}, shown.instructions)) : null),
      pictures),
    make('section', { class: 'mz-rate-answers', 'aria-label': 'Answers' }, cards.map((card) => card.node), remark),
    make('div', { class: cards.length > 5 ? 'mz-finish mz-many' : 'mz-finish' }, board ? make('div', { class: 'mz-order' }, make('span', {}, 'Order'), board.node) : null,
      make('div', { class: 'mz-act' }, tell, button)));

  function select(card) {
    current = card;
    for (const one of cards) one.node.classList.toggle('mz-current', one === card);
  }
  function focus(card) {
    select(card);
    card.node.focus({ preventScroll: true });
    card.node.scrollIntoView({ block: 'nearest', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  }
  function refresh() {
    board?.paint();
    for (const card of cards) if (!card.lacks().length || card.node.classList.contains('mz-lacks')) card.ask(card.lacks());
    const open = cards.filter((card) => card.lacks().length).length;
    const rated = `${cards.length - open} of ${cards.length} rated`;
    const [when, since] = named ? ['Names are shown.', 'they were seen'] : ['Done; names are shown later in this list.', 'that'];
    tell.textContent = !done ? rated : corrections
      ? `${when} ${corrections} ${corrections === 1 ? 'change' : 'changes'} made after ${since}.`
      : `${when} A change now counts as made after ${since}.`;
    button.replaceChildren(done ? 'Next case ' : 'Done, show names ', make('kbd', { 'aria-hidden': 'true' }, 'Enter'));
    button.classList.toggle('mz-ready', done || !open);
  }

  // Ends the rating, which shows the names; afterwards goes on.
  async function finish() {
    if (done) return next();
    const lacking = cards.filter((card) => card.lacks().length);
    for (const card of cards) card.ask(card.lacks());
    if (lacking.length) {
      tell.textContent = `Answer ${lacking.map((card) => card.letter).join(', ')}: something is missing`;
      return focus(lacking[0]);
    }
    if (button.disabled) return;
    const [only] = cards;
    if (cards.length === 1 && only.said.severity !== 'cannot judge' && !only.said.rank) only.placeAt(1);
    button.disabled = true;
    try {
      await saves.drained();
      click(null, 'done', true);
      await saves.drained();
      const after = await untilAnswered(() => call('GET', path), () => { tell.textContent = 'The server does not answer, trying again …'; });
      done = after.done;
      named = after.answers.some((answer) => answer.names);
      after.answers.forEach((answer, place) => answer.names && cards[place].callBy(answer.names));
      node.classList.toggle('mz-done', done);
      refresh();
      if (done) ended();
    } catch (fault) {
      tell.textContent = fault.message;
    } finally {
      button.disabled = false;
      button.focus({ preventScroll: true });
    }
  }

  node.classList.toggle('mz-done', done);
  refresh();
  if (cards.length) select(cards[0]);

  return {
    node,
    finish,
    destroy: () => eyes.destroy(),
    reveal() { if (reference) reference.open = !reference.open; },
    pick(number) { if (cards[number]) focus(cards[number]); },
    // Does something to the card that is worked on.
    with(act) { if (current) act(current); },
    rank: (place) => current && board && current.placeAt(place),
    raise(by) {
      if (current && board) current.placeAt(current.said.rank ? current.said.rank + by : 1);
    },
  };
}

// One answer as a card: what a rater says of it, by mouse, touch or keys. Knows its letter, never its adapter
// until the server names it.
const SEVERITIES = [
  ['none', 'None', 'n', 'Nothing important in the image is misread'],
  ['minor', 'Minor', 'm', 'Small inaccuracies that hardly change the diagnostic reasoning'],
  ['severe', 'Severe', 's', 'An essential feature of the image is clearly misread'],
  ['cannot judge', 'Cannot judge', 'c', 'The image or the answer does not allow a judgement'],
];
const ERRORS = [
  ['MM', 'Modality misidentification', 'q', 'Such as a CT called an MRI'],
  ['SLC', 'Spatial or laterality confusion', 'w', 'Such as left for right, upper for lower'],
  ['AM', 'Anatomical misidentification', 'e', 'Such as the liver called the spleen'],
  ['LAS', 'Lack of anatomical specificity', 'r', 'Such as right lung where right lower lobe is meant'],
];

// `mark(sets, value)` keeps a click; `typing(text, settled)` keeps a comment; `picked()` hears that the card is
// worked on.
function answerCard(answer, { number, count, mark, typing, picked }) {
  const { letter } = answer;
  const said = { severity: answer.severity, errors: new Set(answer.errors), rank: answer.rank };
  const name = (field) => `mz-${field}-${letter}`;

  const choice = (type, field, value, { key, title, text, onchange }) => make('label', { class: 'mz-choice', title },
    make('input', { type, name: name(field), value, onchange }), text, key && make('kbd', { 'aria-hidden': 'true' }, key));
  const group = (label, kind, ...children) =>
    make('fieldset', { class: `mz-set mz-set-${kind}` }, make('legend', {}, label), make('div', {}, ...children));

  const severity = group('Image misunderstanding', 'severity', ...SEVERITIES.map(([value, text, key, title]) =>
    choice('radio', 'severity', value, { key, title, text, onchange: () => judge(value) })));
  const errors = group('Errors of the answer', 'errors', ...ERRORS.map(([value, text, key, title]) =>
    choice('checkbox', 'errors', value, { key, title, onchange: () => toggle(value),
      text: make('span', {}, make('b', {}, value), make('small', {}, text)) })));
  const ranks = count > 1 && group('Rank: 1 is the best, ties share one', 'rank',
    ...Array.from({ length: count }, (_, place) => choice('radio', 'rank', place + 1,
      { text: String(place + 1), title: `Rank ${place + 1}`, onchange: () => placeAt(place + 1) })));
  const comment = make('textarea', { rows: 1, maxlength: 2000, 'aria-label': `Comment on answer ${letter}`,
    placeholder: 'Comment (no names of patients)', oninput: () => typing(comment.value, false),
    onchange: () => typing(comment.value, true) });
  comment.value = answer.comment;
  const names = make('div', { class: 'mz-names' });
  const missing = make('p', { class: 'mz-missing' });
  const both = make('p', { class: 'mz-both', role: 'status' });
  const node = make('article', { class: 'mz-answer', tabindex: -1, 'aria-label': `Answer ${letter}`, 'data-letter': letter,
    onfocusin: picked, onpointerdown: picked },
  make('header', {}, make('b', { class: 'mz-badge' }, letter), make('kbd', { title: 'Key of this answer' }, String(number)),
    make('div', {}, make('p', { class: 'mz-rate-text' }, answer.text || '(an empty answer)'), names)),
  severity, errors, both, make('div', { class: 'mz-last' }, ranks || null, comment), missing);

  function paint() {
    for (const input of node.querySelectorAll('input')) {
      const field = input.name.split('-')[1];
      input.checked = field === 'errors' ? said.errors.has(input.value) : String(said[field]) === input.value;
    }
    const odd = said.severity === 'none' ? ERRORS.map(([error]) => error).filter((error) => said.errors.has(error)) : [];
    both.textContent = odd.length ? `No misunderstanding, and ${odd.join(', ')}: both will count.` : '';
  }
  function judge(value) {
    if (said.severity === value) return;
    said.severity = value;
    paint();
    mark('severity', value);
  }
  function toggle(value) {
    if (!said.errors.delete(value)) said.errors.add(value);
    paint();
    mark('errors', ERRORS.map(([error]) => error).filter((error) => said.errors.has(error)));
  }
  function placeAt(value) {
    if (said.rank === value || value < 1 || value > count) return;
    said.rank = value;
    paint();
    mark('rank', value);
  }
  function lacks() {
    const needed = [];
    if (!said.severity) needed.push('image misunderstanding');
    if (count > 1 && said.severity !== 'cannot judge' && !said.rank) needed.push('rank');
    return needed;
  }
  function callBy(named) {
    names.replaceChildren(...named.map((one) => make('span', { title: `${one.repo}@${one.sha}` },
      make('b', {}, one.adapter), ` ${[one.variant !== one.adapter && one.variant, one.sha && `@${one.sha.slice(0, 8)}`].filter(Boolean).join(' ')}`)));
  }

  paint();
  if (answer.names) callBy(answer.names);
  return {
    node, letter, said, judge, toggle, placeAt, callBy, lacks,
    // Say what is still needed, or nothing.
    ask(needed) {
      missing.textContent = needed.length ? `Still needed: ${needed.join(' and ')}` : '';
      node.classList.toggle('mz-lacks', needed.length > 0);
    },
  };
}

// The page Results: what a list's ratings come to, and for administrators the ways out of it.
const page = element.querySelector('.mz-results');
const wanted = new URLSearchParams(location.search).get('list');
const PLOTS = {
  strengths: 'Forest plot of the strengths in the table below it, with the reference at 50 %.',
  wins: 'Matrix of how often the answer of a row was preferred to that of a column; its figures are in the table below it.',
  severity: 'Bars of the shares of severe, minor and no misunderstanding in the table below it.',
};
const METHOD = 'Ratings made blind, of cases that their rater is done with. A question that several raters rated counts once. Intervals are 95 %, by bootstrap over questions, and not corrected for many comparisons; a difference whose interval holds none is no difference. That of a share of 0 or 100 % has no width: what was not seen on n questions can still be so of up to 3 in n. Strengths: Bradley and Terry 1952, a tie half a win for either, one tie added to each pair that met.';
const many = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
const figures = make('div', { class: 'mz-figures' });
const counted = make('p', { class: 'mz-counted', role: 'status' });
let asked = 0;

// The list's results by the filters that are set.
async function refresh(list, filters) {
  const mine = ++asked;
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  figures.setAttribute('aria-busy', 'true');
  try {
    const found = await call('GET', `/lists/${list.id}/results?${query}`);
    if (mine === asked) figures.replaceChildren(...sections(found, query));
    return found;
  } catch (fault) {
    if (mine === asked) figures.replaceChildren(fault.status === 403 ? make('p', { class: 'mz-nothing' },
      'Results are shown once all of your cases are done. ', make('a', { href: `/rate?list=${list.id}` }, 'Go on rating')) : failed(fault));
    return null;
  } finally {
    if (mine === asked) figures.removeAttribute('aria-busy');
  }
}

function sections({ id, outcome, plots }, query) {
  counted.textContent = `${many(outcome.questions, 'question')}, ${many(outcome.raters.length, 'rater')}, ${many(outcome.ratings, 'rating')} of answers.`;
  if (!outcome.ratings) return [make('p', { class: 'mz-nothing' }, 'Nobody is done with a case of these yet.')];
  const plot = (kind) => plots.includes(kind) && make('figure', { style: kind === 'wins' && `max-width:${200 + 110 * outcome.adapters.length}px` },
    make('img', { src: `${API}/lists/${id}/results/${kind}.svg?${query}`, alt: PLOTS[kind] }));
  const part = (title, ...inside) => make('section', {}, make('h3', {}, title), ...inside.map((one) => one || null));
  return [
    outcome.few ? make('p', { class: 'mz-few', role: 'note' }, 'Few questions: intervals of fewer than 20 are too narrow. Lean on nothing here.') : null,
    outcome.ranked ? part('Which answers are preferred', plot('strengths'), strengthsTable(outcome.against)) : null,
    outcome.ranked ? part('Two by two', plot('wins'), winsTable(outcome.pairs)) : null,
    part('What experts saw', plot('severity'), expertTable(outcome.adapters)),
    outcome.raters.length > 1 ? part('How far raters agree', ...agreementTables(outcome.agreement)) : null,
    make('p', { class: 'mz-method' }, METHOD),
  ].filter(Boolean);
}

function choice(words, options, changed) {
  const select = make('select', { onchange: () => changed(select.value) }, options.map(([value, shown, chosen]) => make('option', { value, selected: chosen }, shown)));
  return make('label', { class: 'mz-choose' }, make('span', {}, words), select);
}

function filters(list, found, set) {
  const ask = (key) => (value) => { set[key] = value; refresh(list, set); };
  const kinds = found.error_types.map((kind) => [kind, `${kind}, ${KINDS[kind]}`]);
  return [
    found.modalities.length > 1 ? choice('Modality', [['', 'all'], ...found.modalities.map((one) => [one, one])], ask('modality')) : null,
    kinds.length ? choice('Questions on', [['', 'anything'], ...kinds], ask('error_type')) : null,
  ];
}

const progress = (found) => make('section', {}, make('h3', {}, 'How far raters are'), make('div', { class: 'mz-raters' },
  found.progress.map(({ rater, assigned, done }) => make('div', {}, make('b', {}, rater), bar(done, assigned, `${done} of ${assigned} cases`)))));

// The files, and the form to publish by.
function exportsOf(list) {
  const to = (kind, words) => make('a', { class: 'mz-plain', href: `${API}/lists/${list.id}/export/${kind}`, download: '' }, words);
  const field = (words, input) => make('label', { class: 'mz-choose' }, make('span', {}, words), input);
  const repo = make('input', { type: 'text', required: true, maxlength: 200, placeholder: 'owner/name', autocomplete: 'off' });
  const license = make('input', { type: 'text', maxlength: 80, autocomplete: 'off' });
  const flag = (words, checked) => {
    const box = make('input', { type: 'checkbox', checked });
    return [box, make('label', { class: 'mz-flag' }, box, words)];
  };
  const [shut, shutLabel] = flag('private', true);
  const [images, imagesLabel] = flag('with pictures, of a list made to keep them', false);
  const said = make('div', { role: 'status' });
  const button = make('button', { class: 'mz-primary', type: 'submit' }, 'Publish to the Hub');
  const form = make('form', { class: 'mz-publish', onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.replaceChildren('Publishing …');
    try {
      const body = { repo: repo.value.trim(), private: shut.checked, images: images.checked, license: license.value.trim() };
      const done = await call('POST', `/lists/${list.id}/publish`, body);
      said.replaceChildren('Published: ', make('a', { href: done.url }, `${done.repo}@${done.sha.slice(0, 8)}`));
    } catch (fault) {
      said.replaceChildren(failed(fault));
    }
    button.disabled = false;
  } }, field('Data set on the Hub', repo), field('Licence, where the zoo knows none', license), shutLabel, imagesLabel, button, said);
  return make('section', {}, make('h3', {}, 'Take them along'),
    make('p', { class: 'mz-soft' }, 'Raters go by their pseudonyms; comments and pictures stay here unless asked for.'),
    make('p', { class: 'mz-row' }, to('ratings.csv', 'Ratings as CSV'), to('ratings.jsonl', 'Ratings as JSON lines'), to('pairs.zip', 'Preference pairs'), to('dataset.zip', 'Data set with card')),
    make('details', {}, make('summary', {}, 'Publish as a data set'), form));
}

(async () => {
  try {
    const [me, lists] = await Promise.all([call('GET', '/me'), call('GET', '/lists')]);
    const list = lists.find((one) => one.id === wanted) ?? lists[0];
    if (!list) {
      page.replaceChildren(make('h2', {}, 'Results'), make('p', { class: 'mz-nothing' }, 'There is no work list yet.'));
      return;
    }
    const pick = choice('Work list', lists.map((one) => [one.id, `${one.title} (${one.cases} cases, ${one.made_at.slice(0, 10)})`, one === list]),
      (id) => location.assign(`/results?list=${id}`));
    const bars = make('div', { class: 'mz-filters' }, pick);
    page.replaceChildren(make('h2', {}, 'Results'), bars, counted, figures);
    const found = await refresh(list, {});
    if (!found) return;
    bars.append(...filters(list, found, {}).filter(Boolean));
    figures.after(progress(found), ...(me.role === 'administrator' ? [exportsOf(list)] : []));
  } catch (fault) {
    page.replaceChildren(failed(fault));
  }
})();

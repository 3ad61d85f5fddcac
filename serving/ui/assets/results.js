// The page Results: what the ratings of a list, or of several, come to, and for administrators the ways out.
const page = element.querySelector('.mz-results');
const wanted = new URLSearchParams(location.search).getAll('list');
const PLOTS = {
  strengths: 'Forest plot of the strengths in the table below it, with the reference at 50 %.',
  wins: 'Matrix of how often the answer of a row was preferred to that of a column; its figures are in the table below it.',
  severity: 'Bars of the shares of no, minor and severe misunderstanding in the table below it.',
};
const CAPTIONS = { severity: 'The upper line in a bar is the 95 % interval of none, counted from the left; the lower one is that of severe, counted from the right.' };
// How wide and how high each picture is, so that its place is kept until it comes.
const places = ({ adapters, against, pairs }) => {
  const ranked = new Set(pairs.flatMap(({ first, second }) => [first, second])).size;
  return {
    strengths: [7.5, 0.9 + against.length * (0.6 + 0.32 * Math.max(2, ranked))],
    wins: [Math.min(7.5, 1.75 + 0.95 * ranked), 1.3 + 0.62 * ranked],
    severity: [7.5, 1.5 + 0.32 * Math.max(2, adapters.length)],
  };
};
const method = (over) => `Ratings made blind, of cases that their rater is done with. A question that several raters rated counts once. Intervals are 95 %, by bootstrap over ${over}, each with all of its questions, and not corrected for many comparisons; a difference whose interval holds none is no difference. That of a share of 0 or 100 % has no width: what was not seen on n questions can still be so of up to 3 in n. Strengths: Bradley and Terry 1952, a tie half a win for either, one tie added to each pair that met. What is above or below the reference in all rankings has no finite strength: an arrow at the edge, and in how many, stand in its place. Severity and error types count each by itself: an answer without misunderstanding can have some.`;
const many = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
const figures = make('div', { class: 'mz-figures' });
const counted = make('p', { class: 'mz-counted', role: 'status' });
let asked = 0;

const pairsOf = (key, lists) => lists.map(({ id }) => [key, id]);

// What intervals are over, in words.
function drawnWords({ pictures, cases }) {
  const unknown = `${many(cases, 'case')} whose pictures are not known`;
  return [pictures || !cases ? many(pictures, 'picture') : '', cases ? unknown : ''].filter(Boolean).join(' and ');
}

// Pictures are drawn for the ground that they stand on.
function ground() {
  const dark = page.closest('.dark') ? '&dark=true' : '';
  for (const image of page.querySelectorAll('figure img')) {
    if (image.getAttribute('src') !== image.dataset.src + dark) image.src = image.dataset.src + dark;
  }
}

// The lists' results by the filters that are set.
async function refresh(chosen, filters) {
  const mine = ++asked;
  const query = new URLSearchParams([...pairsOf('also', chosen.slice(1)), ...Object.entries(filters).filter(([, value]) => value)]);
  counted.textContent = '';
  figures.setAttribute('aria-busy', 'true');
  try {
    const found = await call('GET', `/lists/${chosen[0].id}/results?${query}`);
    if (mine !== asked) return null;
    figures.replaceChildren(...sections(found, query));
    ground();
    return found;
  } catch (fault) {
    const several = chosen.length > 1;
    if (mine === asked) figures.replaceChildren(fault.status === 403 ? make('p', { class: 'mz-nothing' },
      `Results are shown once all of your cases are done${several ? ', in each of these lists' : ''}. `,
      make('a', { href: several ? '/rate' : `/rate?list=${chosen[0].id}` }, 'Go on rating')) : failed(fault));
    return null;
  } finally {
    if (mine === asked) figures.removeAttribute('aria-busy');
  }
}

function sections({ id, outcome, plots, pooled, in_several }, query) {
  const over = drawnWords(outcome.drawn);
  counted.textContent = [
    `${many(outcome.questions, 'question')} about ${over}, ${many(outcome.raters.length, 'rater')}, ${many(outcome.ratings, 'rating')} of answers.`,
    pooled.length > 1 ? `${many(pooled.length, 'list')} together; whoever rates in several is one rater.` : '',
    in_several ? `${many(in_several, 'question')} in several lists: each counts once, with the mean over all who rated it.` : '',
    outcome.again ? `${many(outcome.again, 'rating')} by someone who had rated that answer before: what they said first counts.` : '',
  ].filter(Boolean).join(' ');
  if (!outcome.ratings) return [make('p', { class: 'mz-nothing' }, 'Nobody is done with a case of these yet.')];
  const plot = (kind) => plots.includes(kind) && make('figure', { style: kind === 'wins' && `max-width:${200 + 110 * outcome.adapters.length}px` },
    make('img', { 'data-src': `${API}/lists/${id}/results/${kind}.svg?${query}`, alt: PLOTS[kind], style: `aspect-ratio: auto ${places(outcome)[kind].join(' / ')}` }),
    CAPTIONS[kind] ? make('figcaption', { class: 'mz-soft' }, CAPTIONS[kind]) : null);
  const part = (title, ...inside) => make('section', {}, make('h3', {}, title), ...inside.map((one) => one || null));
  return [
    outcome.few ? make('p', { class: 'mz-few', role: 'note' }, `Only ${over}: intervals over fewer than 20 are too narrow. Lean on nothing here.`) : null,
    ...outcome.remarks.map((words) => make('p', { class: 'mz-remark' }, words)),
    outcome.ranked ? part('Which answers are preferred', plot('strengths'), strengthsTable(outcome.against)) : null,
    outcome.ranked ? part('Two by two', plot('wins'), winsTable(outcome.pairs)) : null,
    part('What experts saw', plot('severity'), expertTable(outcome.adapters)),
    outcome.raters.length > 1 || outcome.agreement_again.length ? part('How far raters agree',
      ...(outcome.raters.length > 1 ? agreementTables(outcome.agreement) : []),
      outcome.agreement_again.length && againTable(outcome.agreement_again)) : null,
    make('p', { class: 'mz-method' }, method(over)),
  ].filter(Boolean);
}

function choice(words, options, changed) {
  const select = make('select', { onchange: () => changed(select.value) }, options.map(([value, shown, chosen]) => make('option', { value, selected: chosen }, shown)));
  return make('label', { class: 'mz-choose' }, make('span', {}, words), select);
}

function filters(chosen, found) {
  const set = {};
  const ask = (key) => (value) => { set[key] = value; refresh(chosen, set); };
  const kinds = found.error_types.map((kind) => [kind, `${kind}, ${KINDS[kind]}`]);
  return [
    found.modalities.length > 1 ? choice('Modality', [['', 'all'], ...found.modalities.map((one) => [one, one])], ask('modality')) : null,
    kinds.length ? choice('Questions on', [['', 'anything'], ...kinds], ask('error_type')) : null,
  ].filter(Boolean);
}

const progress = (found) => make('section', {}, make('h3', {}, 'How far raters are'), make('div', { class: 'mz-raters' },
  found.progress.map(({ rater, assigned, done }) => make('div', {}, make('b', {}, rater), bar(done, assigned, `${done} of ${many(assigned, 'case')}`)))));

function flag(words, checked, changed) {
  const box = make('input', { type: 'checkbox', checked, onchange: () => changed?.() });
  return [box, make('label', { class: 'mz-flag' }, box, words)];
}

// The files, and the form to publish by.
function exportsOf(chosen) {
  const [list, ...others] = chosen;
  const to = (kind, words, more = '') => make('a', { class: 'mz-plain', href: `${API}/lists/${list.id}/export/${kind}${more}`, download: '' }, words);
  const also = others.length ? `?${new URLSearchParams(pairsOf('also', others))}` : '';
  const tables = [to('ratings.csv', 'Ratings as CSV', also), to('ratings.jsonl', 'Ratings as JSON lines', also)];
  const taken = (...inside) => make('section', {}, make('h3', {}, 'Take them along'), ...inside);
  const where = 'Raters go by their pseudonyms; comments and pictures stay here unless asked for.';
  if (others.length) return taken(make('p', { class: 'mz-soft' }, `${where} Pairs and data sets are of one list.`), make('p', { class: 'mz-row' }, tables));
  const field = (words, input) => make('label', { class: 'mz-choose' }, make('span', {}, words), input);
  const repo = make('input', { type: 'text', required: true, maxlength: 200, placeholder: 'owner/name', autocomplete: 'off' });
  const license = make('input', { type: 'text', maxlength: 80, autocomplete: 'off' });
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
  return taken(make('p', { class: 'mz-soft' }, where),
    make('p', { class: 'mz-row' }, tables, to('pairs.zip', 'Preference pairs'), to('dataset.zip', 'Data set with card')),
    make('details', {}, make('summary', {}, 'Publish as a data set'), form));
}

(async () => {
  try {
    const [me, lists] = await Promise.all([call('GET', '/me'), call('GET', '/lists')]);
    if (!lists.length) {
      page.replaceChildren(make('h2', {}, 'Results'), make('p', { class: 'mz-nothing' }, 'There is no work list yet.'));
      return;
    }
    const there = wanted.map((id) => lists.find((one) => one.id === id)).filter(Boolean);
    const [list, ...others] = there.length ? there : lists.slice(0, 1);
    const called = (one) => `${one.title} (${many(one.cases, 'case')}, ${one.made_at.slice(0, 10)})`;
    const pick = choice('Work list', lists.map((one) => [one.id, called(one), one === list]), (id) => location.assign(`/results?list=${id}`));
    const boxes = lists.filter((one) => one !== list).map((one) => [one, ...flag(called(one), others.includes(one), () => {
      history.replaceState(null, '', `/results?${new URLSearchParams(pairsOf('list', chosen()))}`);
      show();
    })]);
    const chosen = () => [list, ...boxes.filter(([, box]) => box.checked).map(([one]) => one)];
    const also = make('details', { class: 'mz-also', open: boxes.some(([, box]) => box.checked) }, make('summary', {}, 'Together with other lists'),
      make('p', { class: 'mz-soft' }, 'Of the same base, and of the same weights by each name. A question that is in several lists counts once, a rater is one person.'),
      make('div', { role: 'group', 'aria-label': 'Together with' }, boxes.map(([, , label]) => label)));
    const set = make('div', { class: 'mz-filters' });
    const below = make('div', { class: 'mz-figures' });
    page.replaceChildren(...[make('h2', {}, 'Results'), make('div', { class: 'mz-filters' }, pick, set), boxes.length ? also : null, counted, figures, below].filter(Boolean));
    new MutationObserver(ground).observe(document.body, { attributeFilter: ['class'] });
    const show = async () => {
      const these = chosen();
      set.replaceChildren();
      below.replaceChildren();
      const found = await refresh(these, {});
      if (!found) return;
      set.replaceChildren(...filters(these, found));
      below.replaceChildren(progress(found), ...(me.role === 'administrator' ? [exportsOf(these)] : []));
    };
    await show();
  } catch (fault) {
    page.replaceChildren(failed(fault));
  }
})();

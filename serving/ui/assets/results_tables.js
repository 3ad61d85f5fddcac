// The tables of results, from what the server found. No figure stands without its interval and n.
const DASH = '–';
const SEVERITIES = ['none', 'minor', 'severe'];
const KINDS = { MM: 'modality', SLC: 'side and place', AM: 'anatomy', LAS: 'specificity' };
const SCALES = { misunderstanding: 'Image misunderstanding', ...Object.fromEntries(Object.entries(KINDS).map(([kind, words]) => [kind, `${kind}, ${words}`])) };

const fixed = (value, { times = 100, digits = 1, signed = false } = {}) => {
  const text = (times * value + 0).toFixed(digits).replace(/^-(0\.?0*)$/, '$1');
  return (signed && !text.startsWith('-') ? '+' : '') + text;
};
// A figure with its interval below it; words in place of the figure where there are some.
function figure(found, how = {}) {
  const range = `${fixed(found.low, how)}${how.signed || how.apart ? ' to ' : '–'}${fixed(found.high, how)}`;
  return [how.words ?? fixed(found.value, how), make('small', { class: 'mz-range' }, range)];
}
const name = (words) => make('th', { scope: 'row' }, words);
const head = (words) => make('th', { scope: 'col' }, words);
const cell = (...inside) => make('td', {}, ...inside);

// A table that scrolls by itself where the page is narrow, by keys too.
function table(caption, heads, rows) {
  const made = make('table', {}, make('caption', {}, caption), make('thead', {}, ...[].concat(heads)), make('tbody', {}, rows));
  return make('div', { class: 'mz-scroll', role: 'region', tabindex: 0, 'aria-label': caption }, made);
}
const heading = (...words) => make('tr', {}, words.map(head));

function strengthsTable(against) {
  const names = [...new Set(against.flatMap(({ reference, strengths }) => [reference, ...strengths.map(({ adapter }) => adapter)]))];
  const places = (adapter) => against.flatMap(({ reference, strengths }) => {
    const found = strengths.find((one) => one.adapter === adapter);
    if (adapter === reference) return [cell('50, the reference'), cell(DASH)];
    if (found.side) return [cell(found.reason, make('small', {}, 'no finite strength')), cell(DASH)];
    if (!found.share) return [cell(DASH, make('small', {}, found.reason)), cell(DASH)];
    const same = found.share.low <= 0.5 && 0.5 <= found.share.high;
    return [cell(...figure(found.share), same ? make('small', {}, 'no difference') : null), cell(`${found.share.n}`)];
  });
  return table('How likely an answer is preferred, ties half: Bradley-Terry strengths in %, 95 % intervals',
    heading('Adapter', ...against.flatMap(({ reference }) => [`to ${reference}'s, %`, 'questions'])),
    names.map((one) => make('tr', {}, name(one), places(one))));
}

function winsTable(pairs) {
  return table('How often the first of two was preferred, in % of the questions on which both were ranked',
    heading('Adapters', 'preferred', 'tied', 'not preferred', 'lead, points', 'questions'),
    pairs.map((one) => {
      const same = one.lead.low <= 0 && 0 <= one.lead.high;
      return make('tr', {}, name(`${one.first} over ${one.second}`), [one.win, one.tie, one.loss].map((it) => cell(...figure(it))),
        cell(...figure(one.lead, { signed: true, words: same ? 'no difference' : undefined })), cell(`${one.win.n}`));
    }));
}

function expertTable(adapters) {
  const over = make('tr', {}, make('td', {}), make('th', { scope: 'colgroup', colspan: 3 }, 'Image misunderstanding, %'),
    make('th', { scope: 'colgroup', colspan: 4 }, 'Error types, answers'), make('td', { colspan: 2 }));
  const row = ({ adapter, shares, unjudged }) => {
    const n = shares.none?.n ?? 0;
    const cells = n ? [...SEVERITIES.map((one) => cell(...figure(shares[one]))),
      ...Object.keys(KINDS).map((one) => cell(...figure(shares[one], { times: n, words: `${+fixed(shares[one].value, { times: n })}` })))]
      : Array.from({ length: 7 }, () => cell(DASH));
    return make('tr', {}, name(adapter), cells, cell(`${n}`), cell(`${unjudged}`));
  };
  return table('What experts saw, as in table 4 of Kim et al. 2026, with 95 % intervals',
    [over, heading('Adapter', 'None', 'Minor', 'Severe', ...Object.keys(KINDS), 'judged', 'cannot judge')], adapters.map(row));
}

// A coefficient of agreement; null where there is none.
function shown(found) {
  if (!found) return cell(DASH);
  if (found.value === null) return cell(DASH, make('small', {}, found.n ? 'one label alone' : 'nothing that two rated'));
  const how = { times: 1, digits: 2, apart: true };
  return found.low === null ? cell(fixed(found.value, how), make('small', {}, 'no interval, too few differ')) : cell(...figure(found, how));
}

function againTable(scales) {
  return table('Raters with themselves: what they said of an answer first and when they rated its case again; 95 % intervals',
    heading('What was rated', 'same label', 'kappa', 'answers'),
    scales.map((one) => make('tr', {}, name(SCALES[one.name]), shown(one.same), shown(one.kappa), cell(`${one.same.n}`))));
}

function agreementTables(scales) {
  const all = scales.map((one) => make('tr', {}, name(SCALES[one.name]), shown(one.alpha), cell(`${one.alpha.n}`)));
  const twos = scales.flatMap((one) => one.pairs.map((two) => make('tr', {}, name(SCALES[one.name]), cell(two.first, make('br'), two.second),
    shown(two.same), shown(two.kappa), shown(two.linear_kappa), cell(`${two.same.n}`))));
  return [table('All raters: Krippendorff’s alpha, ordinal of misunderstanding, nominal of error types; 95 % intervals', heading('What was rated', 'alpha', 'answers'), all),
    table('Two by two: the share of equal labels and Cohen’s kappa, by steps too where labels have an order; 95 % intervals',
      heading('What was rated', 'Raters', 'same label', 'kappa', 'by steps', 'answers'), twos)];
}

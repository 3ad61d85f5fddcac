// Beside answers: which pictures they are about, in which view, and whether that is still what is in view. Knows
// what the server wrote there and what is in view; its small pictures are in this page's memory alone.
const small = new Map(); // by the server's words for a view

// A view in one form: the frame that the file begins with is a frame as any other.
function viewWords({ key, frame, centre, width, inverted }, study) {
  const middle = Math.floor((study.find((one) => one.key === key)?.frames ?? 1) / 2);
  return JSON.stringify([key, frame ?? middle, centre ?? null, width ?? null, !!inverted]);
}

// `study` [{ key, frames, drawn: { view, url } }], of which `asked` [{ key, frame, centre, width, inverted }] would
// be asked about now.
function tellSeen(answers, { study, asked }) {
  const places = [...answers.querySelectorAll('[data-view]')];
  const views = places.map((place) => place.dataset.view);
  for (const view of small.keys()) if (!views.includes(view)) small.delete(view);
  for (const place of places) {
    const { view, words } = place.dataset;
    const seen = JSON.parse(view);
    const number = study.findIndex(({ key }) => key === seen.key);
    const drawn = study[number]?.drawn;
    if (drawn && viewWords(drawn.view, study) === viewWords(seen, study)) small.set(view, drawn.url);
    const which = number < 0 ? 'A picture that was taken away' : `Picture ${number + 1} of ${study.length}`;
    place.replaceChildren(...(small.has(view) ? [make('img', { src: small.get(view), alt: '' })] : []),
      make('span', {}, [which, words].filter(Boolean).join(', ')));
  }
  const stale = answers.querySelector('.mz-stale');
  const other = JSON.stringify(asked.map((one) => viewWords(one, study))) !== JSON.stringify(views.map((view) => viewWords(JSON.parse(view), study)));
  if (stale) stale.hidden = !other;
}

const seenAsText = (answers) => `Asked about: ${[...answers.querySelectorAll('[data-view]')].map((place) => place.textContent).join('; ')}`;

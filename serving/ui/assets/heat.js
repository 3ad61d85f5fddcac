// Where an answer looked: the server's map of it over the picture that was asked about, on demand.
// Maps and pictures are in this page's memory alone.
const seen = { asked: '', maps: new Map() };

// Show or hide the map in a card; `fetchMap(asked, row)` gives { picture, problem, maps: [{ heat, box }] }.
async function toggleHeat(card, asked, fetchMap) {
  const place = card.querySelector('.mz-heat');
  const button = card.querySelector('[data-act=look]');
  if (!place.hidden) {
    place.hidden = true;
    button.setAttribute('aria-pressed', 'false');
    return;
  }
  if (seen.asked !== asked) {
    seen.asked = asked;
    seen.maps.clear();
  }
  button.disabled = true;
  button.textContent = 'Looking …';
  try {
    const row = card.dataset.row;
    if (!seen.maps.has(row)) {
      seen.maps.set(row, await answered(fetchMap(asked, Number(row))));
    }
    place.replaceChildren(...drawHeat(seen.maps.get(row)));
    button.setAttribute('aria-pressed', 'true');
  } catch (error) {
    place.replaceChildren(make('p', { class: 'mz-problem', role: 'alert' }, error.message));
  }
  place.hidden = false;
  button.disabled = false;
  button.textContent = 'Where it looked';
}

function drawHeat({ pictures, about }) {
  const maps = [];
  const figures = pictures.map(({ picture, heat, box }) => {
    const [left, top, right, bottom] = box;
    const map = make('img', { src: heat, alt: '', class: 'mz-map' });
    Object.assign(map.style, { left: `${left * 100}%`, top: `${top * 100}%`, width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%` });
    maps.push(map);
    return make('figure', {}, make('img', { src: picture, alt: 'The picture asked about, with where this answer looked drawn over it' }), map);
  });
  const through = (value) => maps.forEach((map) => { map.style.opacity = value / 100; });
  const slider = make('input', { type: 'range', min: 0, max: 100, value: 60, oninput: () => through(slider.value) });
  through(60);
  return [...figures, make('label', { class: 'mz-through' }, make('span', {}, 'Map'), slider),
    make('p', { class: 'mz-scale' }, make('span', {}, 'little'), make('i', {}), make('span', {}, 'much')), make('p', { class: 'mz-about' }, about)];
}

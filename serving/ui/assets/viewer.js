// A viewer of the pictures of one study: frames, window, inversion, zoom. It asks for a picture of each view and
// has never more than one request under way; it knows neither where pictures come from nor what is asked of them.
//
// viewer(host, { images, picture, onview, onclose, views, first }) -> { destroy(), current(), views() }
//   images   [{ frames, modality, window: {centre, width} | null, range: {low, high} | null, burned_in, name, thumb }]
//            of which it sets `thumb`, the picture as in the file, where that is not known yet
//   picture  (number, { frame, centre, width, inverted }) -> url, or a promise of one; null is the file's own
//   onview   (number, view) after each change: what is in view is what should be asked about
//   onclose  (number) where pictures may be taken away
//   views    how each picture was last shown, as `views()` of another viewer told, or null; `first` is in view
// Needs `make` of api.js.

const PRESETS = {
  CT: [['Soft tissue', 40, 400], ['Lung', -600, 1500], ['Bone', 400, 1800], ['Brain', 40, 80], ['Liver', 60, 160]],
};
const BURNED = {
  yes: 'This picture has text burned into it. Look whether it names the patient.',
  unknown: 'Text may be burned into this picture. Look whether it names the patient.',
};
const MOST_ZOOM = 12;
const HELD_ZOOM = 1.25;

function viewer(host, { images, picture, onview = () => {}, onclose = null, views: before = [], first = 0 }) {
  const fresh = () => ({ frame: null, centre: null, width: null, inverted: false, zoom: 1, x: 0, y: 0 });
  const views = images.map((_, which) => before[which] ?? fresh());
  const gone = new AbortController();
  const fingers = new Map();
  let number = first, tool = 'move', asking = false, wanted = null, drag = null, told = 0;

  const img = make('img', { alt: '', draggable: 'false' });
  const stage = make('div', { class: 'mzv-stage', tabindex: '0', role: 'application' }, img);
  const warning = make('p', { class: 'mzv-warn', role: 'note', hidden: true });
  const fault = make('p', { class: 'mz-problem', role: 'alert', hidden: true });
  const tabs = make('div', { class: 'mzv-tabs', role: 'group', 'aria-label': 'Pictures of this study', hidden: images.length < 2 && !onclose });
  const button = (name, label, act, more = {}) =>
    make('button', { type: 'button', class: 'mzv-tool', title: label, 'aria-label': name.length > 1 ? null : label, onclick: act, ...more }, name);
  const invert = button('Invert', 'Invert black and white (i)', () => set({ inverted: !view().inverted }));
  const windowing = button('Window', 'Drag to change the window: across for width, up and down for centre. The right button always does',
    () => choose('window'));
  const moving = button('Move', 'Drag to move the picture', () => choose('move'));
  const preset = make('select', { class: 'mzv-preset', 'aria-label': 'Window preset', onchange: () => take(preset.value) });
  const bar = make('div', { class: 'mzv-bar', role: 'group', 'aria-label': 'Picture tools' },
    button('−', 'Zoom out (-)', () => zoom(1 / HELD_ZOOM)), button('+', 'Zoom in (+)', () => zoom(HELD_ZOOM)),
    button('Reset', 'As first shown (0)', reset), moving, windowing, invert, preset);
  const frames = slider('Frame', (value) => set({ frame: value }));
  const centre = slider('Centre', (value) => set({ centre: value, width: windowOf().width }));
  const width = slider('Width', (value) => set({ width: value, centre: windowOf().centre }));
  const sliders = make('div', { class: 'mzv-sliders' }, frames.row, centre.row, width.row);
  const root = make('div', { class: 'mz-viewer' }, tabs, warning, stage, fault, bar, sliders);
  host.replaceChildren(root);

  function slider(name, act) {
    const input = make('input', { type: 'range', 'aria-label': name, oninput: () => act(Number(input.value)) });
    const said = make('output', {});
    return { row: make('label', {}, make('span', {}, name), input, said), input, said };
  }
  const image = () => images[number];
  const view = () => views[number];
  const frameOf = () => view().frame ?? Math.floor(image().frames / 2);
  function windowOf() {
    const { window: own, range } = image();
    const low = range?.low ?? 0, high = range?.high ?? 255;
    return { centre: view().centre ?? own?.centre ?? (low + high) / 2, width: view().width ?? own?.width ?? high - low };
  }
  const touched = (which) => Object.values(shownView(views[which])).some((value) => value !== null && value !== false);
  const shownView = ({ frame, centre: level, width: wide, inverted }) => ({ frame, centre: level, width: wide, inverted });

  const thumbs = images.flatMap((one, which) => (one.thumb || (which === first && !touched(which)) ? [] : [which])); // to be fetched

  // One request at a time: what is wanted meanwhile waits, and only the last of it is asked.
  async function pump() {
    if (asking) return;
    asking = true;
    while ((wanted || thumbs.length) && !gone.signal.aborted) {
      const mine = wanted ?? { number: thumbs.shift(), view: shownView(fresh()), first: true };
      if (mine === wanted) wanted = null;
      try {
        const url = await picture(mine.number, mine.view);
        const loaded = new Image();
        loaded.src = url;
        await loaded.decode();
        if (mine.number === number && !(mine.first && touched(number))) {
          img.src = url;
          img.classList.add('mzv-there');
        }
        if (mine.first) thumb(mine.number, url);
        fault.hidden = true;
      } catch (error) {
        if (!wanted) {
          fault.textContent = error.message && error.name !== 'EncodingError' ? error.message : 'The picture could not be fetched.';
          fault.hidden = false;
        }
      }
    }
    asking = false;
    root.setAttribute('aria-busy', 'false');
  }
  function ask() {
    const all = shownView(view());
    wanted = { number, view: all, first: !touched(number) };
    root.setAttribute('aria-busy', 'true');
    requestAnimationFrame(pump);
    clearTimeout(told);
    told = setTimeout(() => onview(number, all), 60);
  }
  function thumb(which, url) {
    images[which].thumb ??= url;
    tabs.querySelector(`[data-number="${which}"] img`).src = images[which].thumb;
  }

  function set(change) {
    Object.assign(view(), change);
    show();
    ask();
  }
  function show() {
    const { frames: count, range, modality } = image();
    const now = windowOf();
    frames.row.hidden = count < 2;
    if (count > 1) fill(frames, 0, count - 1, 1, frameOf(), `${frameOf() + 1} / ${count}`);
    centre.row.hidden = width.row.hidden = !range;
    windowing.hidden = !range;
    if (range) {
      const wide = Math.max(range.high - range.low, 1e-6);
      const step = wide > 64 ? 1 : wide / 256;
      const least = Math.max(step, 1e-6);
      fill(centre, Math.min(range.low, now.centre), Math.max(range.high, now.centre), step, now.centre);
      fill(width, least, Math.max(wide, now.width), step, now.width);
    }
    const known = range ? PRESETS[modality] ?? [] : [];
    preset.hidden = !known.length;
    if (known.length) {
      const chosen = known.findIndex(([, level, wide]) => level === view().centre && wide === view().width);
      const options = [['own', view().centre === null ? 'As in the file' : 'Window …'], ...known.map(([name], at) => [String(at), name])];
      preset.replaceChildren(...options.map(([value, name]) => make('option', { value }, name)));
      preset.value = chosen < 0 ? 'own' : String(chosen);
    }
    invert.setAttribute('aria-pressed', view().inverted);
    windowing.setAttribute('aria-pressed', tool === 'window');
    moving.setAttribute('aria-pressed', tool === 'move');
    warning.textContent = BURNED[image().burned_in] ?? '';
    warning.classList.toggle('mzv-sure', image().burned_in === 'yes');
    warning.hidden = !warning.textContent;
    const of = images.length > 1 ? ` ${number + 1} of ${images.length}` : '';
    const which = count > 1 ? `, frame ${frameOf() + 1} of ${count}` : '';
    stage.setAttribute('aria-label', `Picture${of}${which}. Keys: plus, minus, 0, i, arrows`);
    img.alt = `Picture${of}${which}${modality ? `, ${modality}` : ''}`;
    for (const tab of tabs.querySelectorAll('[data-number]')) tab.setAttribute('aria-pressed', Number(tab.dataset.number) === number);
    place();
  }
  function fill({ input, said }, low, high, step, value, text) {
    Object.assign(input, { min: low, max: high, step });
    input.value = value;
    said.textContent = text ?? (Math.abs(value) >= 100 || Number.isInteger(value) ? Math.round(value) : value.toPrecision(3));
    input.setAttribute('aria-valuetext', said.textContent);
  }
  function place() {
    const { zoom: by, x, y } = view();
    img.style.transform = `translate(${x}px, ${y}px) scale(${by})`;
    stage.classList.toggle('mzv-window', tool === 'window' && !!image().range);
    stage.classList.toggle('mzv-zoomed', by > 1);
  }

  // Zooms about a point of the stage, in pixels from its middle.
  function zoom(by, x = 0, y = 0) {
    const now = view(), before = now.zoom;
    now.zoom = Math.min(MOST_ZOOM, Math.max(1, before * by));
    const share = now.zoom / before;
    move(x - (x - now.x) * share - now.x, y - (y - now.y) * share - now.y);
  }
  // No further than the picture's edge.
  function move(dx, dy) {
    const now = view();
    const most = (size) => (size * (now.zoom - 1)) / 2;
    const within = (value, size) => Math.max(-most(size), Math.min(most(size), value)) || 0;
    now.x = within(now.x + dx, stage.clientWidth);
    now.y = within(now.y + dy, stage.clientHeight);
    place();
  }
  function reset() {
    views[number] = fresh();
    show();
    ask();
  }
  function choose(which) {
    tool = which;
    show();
  }
  function take(which) {
    const [, level, wide] = which === 'own' ? [null, null, null] : PRESETS[image().modality][Number(which)];
    set({ centre: level, width: wide });
  }
  function turn(by) {
    const next = Math.max(0, Math.min(image().frames - 1, frameOf() + by));
    if (next !== frameOf()) set({ frame: next });
  }
  function pick(which) {
    number = Math.max(0, Math.min(images.length - 1, which));
    img.classList.remove('mzv-there');
    show();
    ask();
  }

  const middle = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  };
  const on = (type, act, options = {}) => stage.addEventListener(type, act, { ...options, signal: gone.signal });
  on('contextmenu', (event) => event.preventDefault());
  on('dblclick', reset);
  on('wheel', (event) => {
    if (event.ctrlKey || event.metaKey) zoom(event.deltaY < 0 ? HELD_ZOOM : 1 / HELD_ZOOM, ...middle(event));
    else if (image().frames > 1) turn(Math.sign(event.deltaY));
    else return; // the page scrolls
    event.preventDefault();
  }, { passive: false });
  on('pointerdown', (event) => {
    if (event.button === 1) return;
    const windows = image().range && (event.button === 2 || event.altKey || tool === 'window');
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    drag = windows ? { ...windowOf(), x: event.clientX, y: event.clientY } : null;
    stage.setPointerCapture(event.pointerId);
  });
  on('pointermove', (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    fingers.set(event.pointerId, now);
    if (other) {
      const apart = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
      const [x, y] = middle({ clientX: (now[0] + other[0]) / 2, clientY: (now[1] + other[1]) / 2 });
      zoom(apart(now) / apart(before), x, y);
    } else if (drag) {
      const { low, high } = image().range;
      const unit = Math.max(high - low, 1e-6) / 600; // a drag of 600 pixels is the whole range
      const least = high - low > 64 ? 1 : (high - low) / 256;
      const tidy = (value) => (high - low > 64 ? Math.round(value) : value);
      set({ width: Math.max(least, tidy(drag.width + (event.clientX - drag.x) * unit)), centre: tidy(drag.centre + (event.clientY - drag.y) * unit) });
    } else move(now[0] - before[0], now[1] - before[1]);
  });
  for (const type of ['pointerup', 'pointercancel'])
    on(type, (event) => {
      fingers.delete(event.pointerId);
      drag = null;
    });
  on('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const side = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const acts = {
      '+': () => zoom(HELD_ZOOM), '=': () => zoom(HELD_ZOOM), '-': () => zoom(1 / HELD_ZOOM), 0: reset, i: () => invert.click(),
      ArrowLeft: () => (image().frames > 1 ? turn(-1) : pick(number - 1)),
      ArrowRight: () => (image().frames > 1 ? turn(1) : pick(number + 1)),
      PageUp: () => pick(number - 1), PageDown: () => pick(number + 1),
    };
    const act = event.shiftKey && side ? () => move(side[0] * 40, side[1] * 40) : acts[event.key];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  });

  images.forEach((one, which) => {
    const name = one.name ?? `Picture ${which + 1}`;
    const tab = make('button', { type: 'button', 'data-number': which, title: name, 'aria-label': name, onclick: () => pick(which) },
      make('img', { alt: '', src: one.thumb }), make('span', { 'aria-hidden': 'true' }, which + 1));
    const close = onclose && make('button', { type: 'button', class: 'mzv-close', 'aria-label': `Take ${name} away`, title: 'Take away', onclick: () => onclose(which) }, '×');
    tabs.append(make('div', {}, tab, close));
  });
  show();
  ask();
  return {
    destroy() {
      gone.abort();
      clearTimeout(told);
      host.replaceChildren();
    },
    current: () => ({ number, view: shownView(view()) }),
    views: () => views,
  };
}

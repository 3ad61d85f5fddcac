// The form of a new work list: a ZIP of cases, who rates them, which adapters answer. Knows what the ZIP must
// hold only in words; the server judges it.
const CSV = 'id,images,question,reference,modality\n1,scan-1.dcm,Is there a nodule?,Yes,CT\n2,front.png;side.png,Describe the findings.,,X-ray';

// `adapters` [{ name, about, variant }], `raters` [name]; `lacks` what is said where sft or the base is not among
// the chosen; `example()` a promise of a ZIP as a data address; `made(list)`.
function newList({ adapters, raters, most, lacks, example, made }) {
  let file = null;
  const chosen = make('p', { class: 'mz-chosen', role: 'status' }, 'No file yet');
  const input = make('input', { type: 'file', accept: '.zip,application/zip', id: 'mz-zip', onchange: () => {
    take(input.files[0]);
    input.value = ''; // or a browser would not tell that the same file, mended, is chosen again
  } });
  const drop = make('label', { class: 'mz-zip', for: 'mz-zip',
    'data-drop': 'Nothing was opened: drop the ZIP of cases into the form of a new list.' },
  make('b', {}, 'Drop a ZIP of cases or click'), make('span', {}, 'Images with a table of questions'), input);
  const title = make('input', { type: 'text', maxlength: 200, required: true });
  const overlap = make('input', { type: 'number', min: 1, max: Math.max(raters.length, 1), value: Math.min(2, Math.max(raters.length, 1)) });
  const instructions = make('textarea', { rows: 3, maxlength: 2000 });
  const keep = make('input', { type: 'checkbox' });
  const answered = make('input', { type: 'checkbox', onchange: () => { who.adapters.hidden = answered.checked; } });
  const ticks = (legend, name, options, on) => make('fieldset', { class: 'mz-set' }, make('legend', {}, legend), make('div', {},
    options.map(({ value, text, title: tip }) => make('label', { class: 'mz-choice', title: tip },
      make('input', { type: 'checkbox', name, value, checked: on(value) }), text))));
  const who = {
    adapters: ticks(`Adapters that answer, at most ${most}`, 'adapters', adapters.map(({ name, about }) => ({ value: name, text: name, title: about })),
      (name) => adapters.slice(0, most).some((one) => one.name === name)),
    raters: ticks('Raters', 'raters', raters.map((name) => ({ value: name, text: name })), () => true),
  };
  const lacking = make('p', { class: 'mz-remark', role: 'status' });
  who.adapters.append(lacking);
  who.adapters.addEventListener('change', remark);
  const ticked = (set) => [...set.querySelectorAll('input:checked')].map((one) => one.value);
  const progress = make('progress', { max: 1, value: 0, hidden: true, 'aria-label': 'Upload' });
  const said = make('div', { role: 'status' });
  const submit = make('button', { type: 'submit', class: 'mz-primary' }, 'Upload and prepare');
  const field = (label, control, note) => make('label', { class: 'mz-field' }, make('span', {}, label), control, note && make('small', {}, note));
  const tick = (control, words, note) => make('label', { class: 'mz-tick' }, control, make('span', {}, words, note && make('small', {}, note)));

  remark();

  const form = make('form', { class: 'mz-new', novalidate: true, onsubmit: (event) => { event.preventDefault(); send(); },
    ondragover: (event) => { event.preventDefault(); drop.classList.add('mz-over'); },
    ondragleave: () => drop.classList.remove('mz-over'),
    ondrop: (event) => {
      drop.classList.remove('mz-over');
      if (!event.dataTransfer.files.length) return; // text into a field
      event.preventDefault();
      take(event.dataTransfer.files[0]);
    } },
    make('div', {}, drop, chosen, explained(),
      tick(answered, 'The ZIP brings its answers', 'In predictions.jsonl, as medzoo evaluate writes it; no model is asked.')),
    make('div', {}, field('Title', title, 'Raters see it: no names of patients.'), who.adapters,
      raters.length ? who.raters : make('p', { class: 'mz-problem' }, 'There is no rater yet. Make one: medzoo accounts new NAME --role rater'),
      field('Raters for each case', overlap, 'Two or more show how far raters agree.'), field('Instructions to the raters', instructions),
      tick(keep, 'Keep pictures and answers after the list is closed', 'Otherwise they are erased then; ratings stay.'),
      submit, progress, said));

  // What the chosen adapters cannot tell, for want of another beside them.
  function remark() {
    const chosen = ticked(who.adapters).map((name) => adapters.find((one) => one.name === name));
    const tuned = chosen.filter((one) => one.name !== 'base');
    const words = [tuned.every((one) => one.variant !== 'sft') && lacks.sft, tuned.length === chosen.length && lacks.base];
    lacking.textContent = tuned.length ? words.filter(Boolean).join(' ') : '';
  }
  function explained() {
    const link = make('button', { type: 'button', class: 'mz-plain', onclick: async () => {
      try {
        make('a', { href: await example(), download: 'example-cases.zip' }).click();
      } catch (fault) {
        said.replaceChildren(failed(fault));
      }
    } }, 'Download an example of 12 drawn scans');
    return make('details', { class: 'mz-what' }, make('summary', {}, 'What the ZIP must hold'),
      make('p', {}, make('b', {}, 'cases.csv'), ', a row a case, saved by any spreadsheet:'), make('pre', {}, CSV),
      make('ul', {},
        make('li', {}, make('b', {}, 'images'), ' names files in the ZIP (PNG, JPEG, DICOM), several with ; between'),
        make('li', {}, make('b', {}, 'question'), ' is what the models are asked'),
        make('li', {}, make('b', {}, 'reference'), ', ', make('b', {}, 'modality'), ' and ', make('b', {}, 'id'), ' may be left out')),
      make('p', {}, 'or ', make('b', {}, 'questions.jsonl'), ' as medzoo writes it. Identifiers in DICOM files are dropped before anything is kept.'),
      link);
  }
  function take(one) {
    if (!one) return;
    file = one;
    said.replaceChildren();
    chosen.textContent = `${one.name}, ${(one.size / 1048576).toFixed(1)} MiB`;
    if (!title.value) title.focus();
  }
  function wrong() {
    if (!file) return 'Choose the ZIP first.';
    if (!title.value.trim()) return 'The list needs a title.';
    const count = ticked(who.adapters).length;
    if (!answered.checked && (count < 1 || count > most)) return `Choose 1 to ${most} adapters; ${count} are chosen.`;
    const rating = ticked(who.raters).length;
    if (Number(overlap.value) < 1 || Number(overlap.value) > rating) return `${overlap.value} raters for each case, and ${rating} chosen. Choose more raters, or set “Raters for each case” lower, to 1 at least.`;
    return null;
  }
  // Cases that are there more than once are an accident, or measure how far raters agree with themselves.
  function askIfMeant({ told }) {
    return make('div', { class: 'mz-problem', role: 'alert' }, make('p', {}, 'Some cases show and ask the same:'),
      make('ul', {}, told.split('; ').map((one) => make('li', {}, one))),
      make('p', {}, 'Is that meant? Then the raters of such a case rate it each time, and see no names before the last: this shows how far they agree with themselves. If not, mend the ZIP and choose it again.'),
      make('p', { class: 'mz-row' }, make('button', { type: 'button', class: 'mz-plain', onclick: () => send({ repeats: true }) }, 'It is meant, upload')));
  }
  async function send({ repeats = false } = {}) {
    const fault = wrong();
    if (fault) return said.replaceChildren(failed({ message: fault }));
    const asked = new URLSearchParams({ title: title.value.trim(), raters: ticked(who.raters), overlap: overlap.value,
      keep: keep.checked, repeats, instructions: instructions.value });
    if (!answered.checked) asked.set('adapters', ticked(who.adapters));
    submit.disabled = true;
    progress.hidden = false;
    said.replaceChildren('Uploading …');
    try {
      made(await upload(`/lists?${asked}`, file, (share) => {
        progress.value = share;
        if (share === 1) said.replaceChildren('Uploaded. The server looks at every image …');
      }));
    } catch (error) {
      said.replaceChildren(error.param === 'repeats' ? askIfMeant(error) : failed(error));
    } finally {
      submit.disabled = false;
      progress.hidden = true;
    }
  }
  return form;
}

// Sends a file and tells how far it is, which fetch cannot.
function upload(path, file, onprogress) {
  return new Promise((done, broken) => {
    const request = new XMLHttpRequest();
    request.open('POST', API + path);
    request.setRequestHeader('Content-Type', 'application/zip');
    request.responseType = 'json';
    request.upload.onprogress = (event) => event.lengthComputable && onprogress(event.loaded / event.total);
    let sent = false;
    request.upload.onload = () => { sent = true; };
    request.onerror = () => broken(new Error(sent
      ? 'The server had the file and did not answer. See below whether the list is there before you try again.'
      : 'The upload broke off. Nothing was kept; try again.'));
    request.onload = () => {
      if (request.status === 201) done(request.response);
      else broken(faultOf(request.status, request.response, request.status === 401 ? 'You are signed out.' : ''));
    };
    request.send(file);
  });
}
